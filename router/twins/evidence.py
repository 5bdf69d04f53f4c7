"""Evidence: answered calls to be repeated on the other side, and what became of each."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from crossfade.comparison import Comparison
from crossfade.decision import MirrorExecute
from crossfade.operation import Operation
from crossfade.outcome import Outcome
from crossfade.stage import Origin
from router.twins.state import OpenCall


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What became of one piece of evidence: compared, or dropped with a reason."""

    comparison: Comparison | None = None
    dropped: str = ""
    mirrored: bool = False  # the other origin was sent the call
    status: int = 0
    fate: str = ""
    seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """A call that was answered, to be repeated on the other side. Bodies are held whole, within the cap."""

    operations: tuple[Operation, ...]
    answers: tuple[Outcome, ...]  # plain: contents replaced by digests
    answered_by: Origin
    call: OpenCall
    mirror_execute: MirrorExecute
    done: Callable[[Verdict], None]
    call_id: str = ""


def merged(comparisons: Sequence[Comparison]) -> Comparison:
    """One comparison for a call that was several operations."""
    first = comparisons[0]
    if len(comparisons) == 1:
        return first
    differences = dict.fromkeys(difference for each in comparisons for difference in each.differences)
    return replace(
        first, differences=tuple(differences), limited=next((c.limited for c in comparisons if c.limited), "")
    )
