"""Numbers and times in words, the same in every form of the report."""

from collections.abc import Mapping
from datetime import UTC, datetime

# Order in which stages are told: what answers from new first.
_STAGES = ("complete", "rampdown", "live", "shadow", "dualwrite", "off")


def percent(share: float) -> str:
    """A share in per cent. What is not all is never rounded to 100 %, nor what is not nothing to 0 %."""
    if share <= 0 or share >= 1:
        return f"{100 * share:.0f} %"
    value = 100 * share
    from_the_end = min(value, 100 - value)
    text = f"{value:.{0 if from_the_end >= 10 else 1 if from_the_end >= 1 else 2}f}"
    if float(text) == 0:
        return "< 0.01 %"
    return "> 99.99 %" if float(text) == 100 else f"{text} %"


def count(number: float) -> str:
    """A count with its thousands set apart."""
    return f"{number:,.0f}"


def duration(seconds: float) -> str:
    """A duration to three figures, in the unit that suits it."""
    if seconds >= 100:
        return f"{seconds:,.0f} s"
    if seconds >= 1:
        return f"{seconds:.3g} s"
    if seconds >= 0.001:
        return f"{seconds * 1e3:.3g} ms"
    return f"{seconds * 1e6:.3g} µs"


def moment(at: float) -> str:
    """A moment in UTC, to the minute."""
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M} UTC"


def stages(shares: Mapping[str, float] | None) -> str:
    """What a flag asks for: `live 50 % · shadow 50 %`."""
    if shares is None:
        return "no flag"
    if len(shares) == 1:
        return next(iter(shares))
    ordered = sorted(shares.items(), key=lambda each: _STAGES.index(each[0]) if each[0] in _STAGES else 99)
    return " · ".join(f"{stage} {percent(share)}" for stage, share in ordered)


def visible(text: str) -> str:
    """Text with its control characters shown as escapes, line breaks and tabs left alone."""
    return "".join(
        character if character in "\n\t" or character.isprintable() else _escape(character) for character in text
    )


def _escape(character: str) -> str:
    return character.encode("unicode_escape").decode()


def apart(old: str, new: str) -> tuple[str, str, str, str]:
    """(common beginning, rest of old, rest of new, common end) of two texts."""
    start = 0
    while start < min(len(old), len(new)) and old[start] == new[start]:
        start += 1
    end = 0
    while end < min(len(old), len(new)) - start and old[-1 - end] == new[-1 - end]:
        end += 1
    return old[:start], old[start : len(old) - end], new[start : len(new) - end], old[len(old) - end :]
