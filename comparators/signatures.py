"""Stable names of kinds of differences: the same in every run, whatever file, command or sandbox it was."""

from comparators.rules import rule
from crossfade.comparison import Comparison, Difference, Severity


def signature(operation: str, difference: Difference) -> str:
    """The kind of a difference in words: `fs.info mode value`, `fs.mkdir status new 500`, `fs.list entry missing`."""
    name = f"{_subject(operation)} {difference.path} "
    name += _statuses(difference) if difference.path == "status" else str(difference.change)
    # Noise and a defect may show in one place; they must not share a name.
    return f"{name} (cosmetic)" if difference.severity is Severity.COSMETIC else name


def signatures(comparison: Comparison) -> tuple[str, ...]:
    """Every kind of difference of a comparison, worst first; a comparison without detail is a kind of its own."""
    names = [signature(comparison.operation, difference) for difference in comparison.differences]
    if comparison.limited:
        names.append(f"{_subject(comparison.operation)} without detail: {comparison.limited}")
    return tuple(dict.fromkeys(names))


def _subject(operation: str) -> str:
    return rule(operation).subject or operation


def _statuses(difference: Difference) -> str:
    old, new = difference.old, difference.new
    if old[:1] == new[:1]:
        return f"old {old} new {new}"
    # The side that did worse names the kind: a mkdir answered 500 is one finding, whether the other said 201 or 400.
    return f"new {new}" if new > old else f"old {old}"
