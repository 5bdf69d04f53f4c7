"""The overseer: what looks at the running router beside its answering: its ramps, and its alarms, which it tells."""

import asyncio
import contextlib
import logging
import platform
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from crossfade.errors import CrossfadeError
from router.admin.alarms import Drops, Looked, alarms
from router.admin.desk import desk_of
from router.admin.ramps import DeskBoard, facts_of
from router.admin.reporting import evidence
from router.admin.running import measuring
from router.clock import SystemClock
from router.notify.alarms import Alarm, Watch
from router.notify.channel import Channel, client, targets_of
from router.ramp.loop import ramping
from router.ramp.pilot import Pilot
from router.settings import Settings
from router.settings_watch import NotifySettings
from router.store.audit import DRIFTED, SqlAudit
from router.store.database import Database
from router.store.flags import SqlFlagRows
from router.store.ramps import Ramp, SqlRamps
from router.store.running import running
from router.store.seen import SqlSeenFlags
from router.store.span import Span
from router.tasks import spawn
from router.twins.budget import day_of
from router.twins.patrol import Patrol, Tell
from router.twins.registry import Registry

log = logging.getLogger("crossfade.overseer")
_SPENT_SECONDS = 30.0  # between two looks at what is spent
_MOST_PATHS = 20  # named of a twin that drifted
VERIFIER = "crossfade verify"  # signs what it writes down


class Overseen(Looked, Protocol):
    """The parts of a router that are looked at."""

    settings: Settings
    registry: Registry
    database: Database
    draining: bool


@dataclass(slots=True, eq=False)
class Overseer:
    """One router's."""

    app: Overseen
    pilot: Pilot
    watch: Watch
    patrol: Patrol
    channels: list[Channel] = field(default_factory=list)
    _drops: Drops = field(default_factory=Drops)
    _dropped: Mapping[str, float] = field(default_factory=dict)
    _ramps: Mapping[str, Ramp] = field(default_factory=dict)
    _spent_at: float = 0.0  # Unix seconds
    _flags_noted: int = -1  # version of the flags as last written down

    def alarms(self) -> list[Alarm]:
        """What needs somebody now, for pages: less is said to the people who are told without asking."""
        return self._alarms(replace(self.app.settings.notify, behind_over=0, quarantined_over=0))

    async def look(self) -> None:
        """Look once, and offer what is new to every channel."""
        self._dropped = await asyncio.to_thread(self._drops.shares, self.app.telemetry, time.monotonic())
        # With the store away the ramps are those of before.
        with contextlib.suppress(CrossfadeError):
            self._ramps = await asyncio.to_thread(self.pilot.ramps.read)
        await self._spend(time.time())
        await self._note_flags()
        for notice in self.watch.changes(self._alarms(self.app.settings.notify), time.time()):
            log.warning("alarm", extra={"alarm": notice.alarm.word, "of": notice.alarm.of, "event": str(notice.event)})
            for channel in self.channels:
                channel.offer(notice)

    async def watching(self) -> None:
        """Look until it is cancelled."""
        while True:
            try:
                await self.look()
            except Exception:  # an edge: whoever tells of defects must not end by one
                log.exception("alarms cannot be looked at")
            await asyncio.sleep(max(0.05, self.app.settings.notify.every_seconds))

    async def _spend(self, now: float) -> None:
        """What followers have run today, of all routers of this store; with the store away, what was known."""
        budget = self.app.budget
        if budget.hours_per_day <= 0 or now - self._spent_at < _SPENT_SECONDS:
            return
        with contextlib.suppress(CrossfadeError):
            seconds, _ = await asyncio.to_thread(running, self.app.database, Span.of(day_of(now), now))
            budget.spent = sum(each for (_, role), each in seconds.items() if role == "follower") / 3_600
            self._spent_at = now

    async def _note_flags(self) -> None:
        """Whose flags count and, of an account, which: the store has no history of those by itself."""
        flags, source = self.app.flags, self.app.settings.flags.source
        if flags.fresh_at <= 0 or flags.version == self._flags_noted:
            return
        version, current = flags.version, dict(flags.current)
        with contextlib.suppress(CrossfadeError):
            await asyncio.to_thread(SqlSeenFlags(self.app.database).note, source, current, time.time())
            self._flags_noted = version

    def _alarms(self, settings: NotifySettings) -> list[Alarm]:
        return alarms(
            self.app,
            settings,
            ramps=self._ramps.values(),
            drops=self._dropped,
            now=time.time(),
            warn_at=self.app.settings.budget.warn_at,
        )


def overseer_of(app: Overseen) -> Overseer:
    """Looks at ramps of this router's store, turning the flags that its settings name, and at its alarms."""
    database, audit = app.database, SqlAudit(app.database)
    each_hour = app.settings.ramp.verify_per_hour
    pilot = Pilot(
        ramps=SqlRamps(database),
        board=DeskBoard(desk_of(app.settings.flags, app.flags, SqlFlagRows(database), audit)),
        evidence=lambda since, now: evidence(database, since=since, now=now),
        facts=lambda: facts_of(app.registry),
        trail=audit,
        now=time.time,
    )
    found = Overseer(app, pilot, Watch(router=name_of(app.settings)), Patrol(app.keeper, _drift_into(audit), each_hour))
    _gauges(found)
    return found


def name_of(settings: Settings) -> str:
    """How a router calls itself to people."""
    return settings.notify.router or platform.node()


@contextlib.asynccontextmanager
async def overseeing(overseer: Overseer) -> AsyncIterator[None]:
    """Looks for as long as it is entered. What is not delivered at the end is not delivered."""
    app = overseer.app
    async with client() as http:
        overseer.channels = [
            Channel(target, http, SystemClock(), per_minute=app.settings.notify.per_minute)
            for target in targets_of(app.settings.notify)
        ]
        # A router that drains could not see what a step does.
        may_step = ramping(overseer.pilot, may=lambda: not app.draining, seconds=app.settings.ramp.every_seconds)
        keep = app.settings.store.keep_rollups_days * 86_400
        hours = measuring(app.registry, app.database, keep_seconds=keep)
        tasks = [spawn(may_step, name="ramps"), spawn(overseer.watching(), name="alarms"), spawn(hours, name="running")]
        if overseer.patrol.per_hour > 0:
            tasks.append(spawn(overseer.patrol.run(), name="patrol"))
        tasks += [spawn(each.run(), name=f"notify {each.target.kind}") for each in overseer.channels]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks, timeout=5)


def _drift_into(audit: SqlAudit) -> Tell:
    def tell(sandbox: str, paths: Sequence[str]) -> None:
        details = {"differing": len(paths), "paths": list(paths[:_MOST_PATHS])}
        reason = "its two sides differ though they were believed equal"
        audit.add(author=VERIFIER, reason=reason, action=DRIFTED, target=sandbox, details=details)

    return tell


def _gauges(overseer: Overseer) -> None:
    def raised() -> Mapping[tuple[tuple[str, str], ...], float]:
        return {(("alarm", word),): float(count) for word, count in overseer.watch.raised.items()}

    def notices() -> Mapping[tuple[tuple[str, str], ...], float]:
        return {
            (("target", channel.target.kind), ("result", result)): float(channel.results[result])
            for channel in overseer.channels
            for result in ("sent", "failed", "dropped")
        }

    def verified() -> Mapping[tuple[tuple[str, str], ...], float]:
        results = overseer.patrol.results
        return {(("result", each),): float(results[each]) for each in ("equal", "differing", "moved", "failed")}

    gauge = overseer.app.telemetry.gauge
    gauge("crossfade_verified", "Twins believed equal that were compared whole, by what was found.", verified)
    gauge("crossfade_alarms", "Alarms that are raised: what needs somebody.", raised)
    budget, spent = overseer.app.budget, "Hours that followers ran today, UTC, where there is a budget."
    gauge("crossfade_follower_hours_today", spent, lambda: budget.spent)
    gauge("crossfade_notices", "Notices of alarms since the start, by what became of them.", notices)
