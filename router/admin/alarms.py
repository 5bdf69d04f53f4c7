"""What needs somebody in the running router, looked at: for the status page, the dashboard, and who is notified."""

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from crossfade.twin import FollowerState
from policies.promotion import CAPACITY_DROPS
from policies.ramp import BY_HAND, Act, Mode, State
from router.flags import schema
from router.flags.embedded import EmbeddedFlags
from router.flags.shown import kill_state
from router.notify.alarms import Alarm
from router.settings_watch import NotifySettings
from router.store.ramps import Ramp
from router.store.records import SqlRecords
from router.telemetry import Telemetry
from router.twins.budget import Budget
from router.twins.keeper import Keeper

_WINDOW_SECONDS = 600.0
_LEAST_DUE = 50  # below, a few drops mean nothing
_WAITING = {Act.BACK: "ramp-back", Act.ADVANCE: "ramp-ready"}


class Looked(Protocol):
    """The parts of a router that are looked at."""

    keeper: Keeper
    flags: EmbeddedFlags
    records: SqlRecords
    telemetry: Telemetry
    budget: Budget


@dataclass(slots=True)
class Drops:
    """How much comparing keeps up, by tool, over the last ten minutes."""

    _looks: deque[tuple[float, dict[str, tuple[int, int]]]] = field(default_factory=deque)  # moment, due and missed

    def shares(self, telemetry: Telemetry, now: float) -> Mapping[str, float]:
        """The share of each tool's due comparisons that was dropped for want of capacity; `now`: any clock's seconds.

        A tool of which few were due has none.
        """
        counted = _counted(telemetry)
        self._looks.append((now, counted))
        while len(self._looks) > 2 and self._looks[1][0] <= now - _WINDOW_SECONDS:
            self._looks.popleft()
        before = self._looks[0][1]
        found = {}
        for tool, (due, missed) in counted.items():
            due_then, missed_then = before.get(tool, (0, 0))
            if due - due_then >= _LEAST_DUE:
                found[tool] = (missed - missed_then) / (due - due_then)
        return found


def alarms(
    app: Looked,
    settings: NotifySettings,
    *,
    ramps: Iterable[Ramp] = (),
    drops: Mapping[str, float],
    now: float,
    warn_at: float = 0.8,
) -> list[Alarm]:
    """Everything that is over its limit now. `now`: Unix seconds."""
    quarantined = held = lost = 0
    for twin in app.keeper.registry:  # once: there may be many, and calls wait meanwhile
        quarantined += twin.row.follower is FollowerState.QUARANTINED
        held += bool(twin.row.held)
        lost += bool(twin.row.lost)
    killed = kill_state(app.flags.current.get(schema.KILL)) is True
    counts = {
        "killed": (int(killed), 0),
        "flags-unread": (int(app.flags.fresh_at <= 0), 0),
        "settles-failing": (len(app.keeper.failures), settings.behind_over),
        "records-lost": (app.records.lost, 0),
        "quarantined": (quarantined, settings.quarantined_over),
        "held": (held, settings.held_over),
        "changes-lost": (lost, 0),
        "deletes-overdue": (app.keeper.overdue(), settings.deletes_over),
    }
    return [
        *of_budget(app.budget, warn_at),
        *(Alarm(word="breaker-open", of=str(side)) for side, each in app.keeper.sides.breakers.items() if each.open),
        *(Alarm(word=word, count=count) for word, (count, limit) in counts.items() if count > limit),
        *(
            Alarm(word="dropped", of=tool, detail=f"{100 * share:.0f} % over ten minutes")
            for tool, share in sorted(drops.items())
            if share > settings.dropped_over
        ),
        *(alarm for ramp in ramps if (alarm := of_ramp(ramp, settings, now)) is not None),
    ]


def of_budget(budget: Budget, warn_at: float) -> list[Alarm]:
    """What of followers' hours is said; from the budget's end on no more are made."""
    if budget.share < warn_at or budget.hours_per_day <= 0:
        return []
    word = "budget-spent" if budget.refusal() else "budget-near"
    return [Alarm(word=word, detail=f"{budget.spent:,.1f} of {budget.hours_per_day:,.1f} h")]


def of_ramp(ramp: Ramp, settings: NotifySettings, now: float) -> Alarm | None:
    """What a ramp asks of people; a dry run asks nothing."""
    last, tool = ramp.last, ramp.plan.tool
    if last is None or ramp.plan.mode is Mode.DRY_RUN:
        return None
    if ramp.state is State.STOPPED and last.because != BY_HAND:
        return Alarm(word="ramp-stepped-back", of=tool, detail=last.text)
    if ramp.state is not State.RUNNING:
        return None
    if last.act is Act.HALT:
        # A step begins without evidence: that is no news yet.
        long = now - max(ramp.since, ramp.grew_at) > 60 * settings.halted_minutes
        return Alarm(word="ramp-halted", of=tool, detail=last.text) if long else None
    word = _WAITING.get(last.act)
    return Alarm(word=word, of=tool, detail=last.text) if word else None


def _counted(telemetry: Telemetry) -> dict[str, tuple[int, int]]:
    """By tool since the start: comparisons that were due, and those of them that were missed."""
    due: dict[str, int] = {}
    missed: dict[str, int] = {}
    for family in telemetry.counted():
        if family.name not in ("crossfade.dropped", "crossfade.comparisons"):
            continue
        for labels, count in family.points.items():
            told = dict(labels)
            if family.name == "crossfade.dropped":
                if not told["reason"].startswith(CAPACITY_DROPS):
                    continue
                missed[told["tool"]] = missed.get(told["tool"], 0) + int(_number(count))
            due[told["tool"]] = due.get(told["tool"], 0) + int(_number(count))
    return {tool: (count, missed.get(tool, 0)) for tool, count in due.items()}


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else 0.0
