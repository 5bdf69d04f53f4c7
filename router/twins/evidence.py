"""Evidence: answered calls to be repeated on the other side, and what became of each."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from crossfade.comparison import Comparison
from crossfade.decision import MirrorExecute
from crossfade.operation import Effect, Operation
from crossfade.outcome import Outcome
from crossfade.stage import Origin
from router.twins.state import OpenCall

_SMALL = 65_536
_TIMES = 4
_LEAST_SECONDS = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What became of one piece of evidence: compared, or dropped with a reason."""

    comparison: Comparison | None = None
    dropped: str = ""
    mirrored: bool = False  # the other origin was sent the call
    status: int = 0
    fate: str = ""
    seconds: float = 0.0
    others: tuple[Outcome, ...] = ()  # what the other side answered, contents as digests


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
    not_local: str = ""  # why it is not repeated where only local executes are
    answer_bytes: int = 0  # of the client's answer

    def patience(self, most: float) -> float:
        """How long a repetition may take, in seconds. A local one was short, so one that hangs is soon over (P4)."""
        if self.mirror_execute is not MirrorExecute.LOCAL or self.operations[0].kind.effect is not Effect.EXECUTE:
            return most
        return min(most, max(_LEAST_SECONDS, 3 * sum(answer.seconds for answer in self.answers)))

    @property
    def limit(self) -> int:
        """Bytes of the other side's answer that are read: its wire may spell the same at greater length."""
        return _SMALL + _TIMES * self.answer_bytes


def merged(comparisons: Sequence[Comparison]) -> Comparison:
    """One comparison for a call that was several operations."""
    first = comparisons[0]
    if len(comparisons) == 1:
        return first
    differences = dict.fromkeys(difference for each in comparisons for difference in each.differences)
    return replace(
        first, differences=tuple(differences), limited=next((c.limited for c in comparisons if c.limited), "")
    )


def verdict_of(outcomes: Sequence[Outcome], comparison: Comparison) -> Verdict:
    """The verdict on a call that the other side carried out."""
    worst = min(outcomes, key=lambda outcome: outcome.ok)
    return Verdict(
        comparison=comparison,
        mirrored=True,
        status=worst.status,
        fate=str(worst.fate),
        seconds=sum(outcome.seconds for outcome in outcomes),
        others=tuple(outcomes),
    )


def same_class(answers: Sequence[Outcome], outcomes: Sequence[Outcome]) -> bool:
    """Whether both sides took, or refused, the same of them."""
    return all(
        one.fate is other.fate and one.status // 100 == other.status // 100
        for one, other in zip(answers, outcomes, strict=True)
    )
