"""Why the next call of each tool of a sandbox would go where it goes: admission and decision, asked without a call."""

from typing import Any

from crossfade.operation import Effect
from crossfade.stage import PROCESS_GROUP, STAGES, TOOLS, Origin
from policies import stages
from router.engine.decide import Wishes
from router.twins.admit import Ask, side_of
from router.twins.comparable import NOTHING_RUN
from router.twins.state import Twin


def by_tool(twin: Twin, wishes: Wishes, now: float) -> dict[str, dict[str, Any]]:
    """For each tool its stage and, for a call that came now, who answers it and why. `now`: monotonic seconds.

    `answering` is of a read of one file, or of a command where the tool runs those; `writing` of a write of one file.
    `compared`: the side that the answer would be held against, empty where none would; `dropped` says why not.
    """
    at = stages.Situation(
        seat=twin.seat,
        follower=twin.row.follower,
        active=twin.active,
        held=twin.row.held,
        limiting=wishes.limiting,
        bucket=wishes.bucket,
    )
    return {tool: _told(twin, tool, wishes, at, now) for tool in TOOLS}


def _told(twin: Twin, tool: str, wishes: Wishes, at: stages.Situation, now: float) -> dict[str, Any]:
    value = wishes.values[tool]
    runs = tool in PROCESS_GROUP
    effect = Effect.EXECUTE if runs else Effect.READ
    answering, why = _side(twin, tool, wishes, at, now, mutates=runs)
    writing, _ = _side(twin, tool, wishes, at, now, mutates=True)
    decided = stages.decide(tool, value.stage, effect, at, side=answering, why=why, call_id="", sample=1.0)
    shadow, dropped = decided.decision.shadow, decided.dropped
    if runs and shadow is not None and twin.active:
        shadow, dropped = None, NOTHING_RUN
    return {
        "stage": str(value.stage),
        "wish": str(STAGES[value.stage].wish),
        "answering": str(answering),
        "writing": str(writing),
        "compared": "" if shadow is None else str(shadow),
        "dropped": dropped,
        "why": decided.decision.reason,
        "flag_version": value.version,
        "reason": value.reason,
    }


def _side(
    twin: Twin, tool: str, wishes: Wishes, at: stages.Situation, now: float, *, mutates: bool
) -> tuple[Origin, str]:
    bounded = tool not in PROCESS_GROUP
    wish = stages.asked(tool, wishes.stage(tool), at, bounded=bounded)
    side, _, why = side_of(twin, Ask(wish=wish, bounded=bounded, mutates=mutates, unbounded=not bounded), now)
    return side, why
