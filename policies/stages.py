"""Stages: what a tool's stage makes of one call: which side is asked for, what is compared, and why (design §5).

State is no part of it: a call without a shadow is not compared, yet what it changed reaches a joined follower.
"""

from dataclasses import dataclass

from crossfade.decision import Decision
from crossfade.operation import Effect
from crossfade.stage import PROCESS_GROUP, STAGES, Compared, Origin, Stage
from crossfade.twin import FollowerState
from policies.sampling import sampled

# A follower on its way will be there when the call's turn to be compared comes.
_EXPECTED = (FollowerState.JOINED, FollowerState.CREATING)


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """Where the call's sandbox stands at the moment of deciding."""

    seat: Origin = Origin.OLD
    follower: FollowerState = FollowerState.ABSENT
    active: bool = False  # the follower answers one-path file calls
    held: str = ""  # why it may not move or join; empty when nothing holds it
    limiting: tuple[str, ...] = ()  # tools of the process group that ask for old
    bucket: int = -1  # -1: no routing key


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """A decision, and why a call that was due for comparison is not compared: empty when it is, or was not due."""

    decision: Decision
    dropped: str = ""


def asked(tool: str, stage: Stage, now: Situation, *, bounded: bool) -> Origin:
    """The side that admission is asked for: what the stage wishes where a follower may answer, otherwise the seat.

    The follower is named only for a one-path file call of a tool outside the process group, on a joined, active
    follower: whatever the stage, no process call ever leaves its seat.
    """
    joined = now.follower is FollowerState.JOINED
    may = bounded and now.active and joined and tool not in PROCESS_GROUP
    return STAGES[stage].wish if may else now.seat


def decide(
    tool: str, stage: Stage, effect: Effect, now: Situation, *, side: Origin, why: str, call_id: str, sample: float
) -> Decided:
    """The decision on a call that `side` answers, because of `why` (admission's words; empty: nothing special).

    Answering is always `side`; the shadow is the other side or nobody. A call that its stage compares has either a
    shadow or a reason for none, never both; a call that it does not compare has neither.
    """
    rule = STAGES[stage]
    as_wished = side is rule.wish
    reason = _met(tool, stage, now, why) if as_wished else held(tool, stage, side, why or _holder(tool, rule.wish, now))
    due = rule.compared is Compared.ALL or (rule.compared is Compared.MUTATIONS and effect is not Effect.READ)
    dropped = _dropped(now, call_id, sample) if due else ""
    shadow = side.other if due and not dropped else None
    decision = Decision(tool=tool, stage=stage, wish=rule.wish, answering=side, shadow=shadow, reason=reason)
    return Decided(decision=decision, dropped=dropped)


def held(tool: str, stage: Stage, side: Origin, why: str) -> str:
    """The reason of a call that the wished side does not answer.

    Reports count these texts, so they name no sandbox, bucket or path: a bounded number of different ones.
    """
    return f"{tool} is {stage}; held on {side}: {why}"


def _met(tool: str, stage: Stage, now: Situation, why: str) -> str:
    place = "" if now.bucket < 0 else f" at bucket {now.bucket}"
    return f"{tool} is {stage}{place}; {why or 'the seat answers'}"


def _holder(tool: str, wish: Origin, now: Situation) -> str:
    """Why the seat answers against the wish, where admission had nothing to say."""
    if now.follower is not FollowerState.JOINED:
        return now.held or f"follower is {now.follower}"
    if tool not in PROCESS_GROUP:
        return "the call is not on one path" if now.active else "follower is not active yet"
    if now.held:
        return now.held
    if wish is Origin.NEW and now.limiting:
        return f"limited by {', '.join(now.limiting)}: process tools move together"
    return "process tools move together, and only at birth"


def _dropped(now: Situation, call_id: str, sample: float) -> str:
    if not sampled(call_id, sample):
        return "not sampled"
    return "" if now.follower in _EXPECTED else f"no follower: {now.held or now.follower}"
