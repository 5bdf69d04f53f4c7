"""Lifetimes: Daytona's idle timers and E2B's wall clock, held together (twins.md P14, P16, P18).

A seat on new runs as long as Daytona would let it run: until it was idle for its `autoStopInterval`, then it is stopped
on both sides. Until then its wall-clock end is put off, its old side is kept from stopping by itself, and before the
provider's longest run is over it is paused and resumed at a quiet moment.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from crossfade.operation import Operation
from crossfade.outcome import Outcome
from crossfade.results import SandboxInfo
from crossfade.stage import Origin
from crossfade.twin import FollowerState
from crossfade.upstream import Purpose
from router import tasks
from router.twins.early import EarlyStops
from router.twins.fence import fenced
from router.twins.intervals import MINUTE, interval
from router.twins.keeper import Keeper
from router.twins.marker import Marker
from router.twins.state import Twin
from router.wire.headers import call_id

log = logging.getLogger("crossfade.lifetimes")
TICK_SECONDS = 20.0
_QUIET_SECONDS = 30.0  # without a call, which makes a moment quiet enough to pause and resume
_FORCED = 1 / 30  # of the longest run: how long before its end it is done at any moment
_EARLY = 1 / 6  # how long before its end a quiet moment is looked for
_FENCE_SECONDS = 60.0  # how long calls wait for a pause and a resume, which take seconds for each GiB
_LONGEST_UNARCHIVED = 43_200  # minutes, where the interval is 0, as Daytona has it
_GONE = (FollowerState.DELETING, FollowerState.GONE)


class Clocked(Protocol):
    """What a provider with a wall-clock end offers. Nothing raises; what takes long ends by itself."""

    def due(self, sandbox: str) -> bool:
        """Whether a third of its time is gone. True once, for whoever puts its end off."""

    def running_since(self, sandbox: str) -> float:
        """Unix seconds since which it has run without a pause; 0: not known."""

    async def learn(self, sandbox: str) -> None:
        """Ask when it began to run and when it ends, where that is not known: after a restart of ours."""

    async def extend(self, sandbox: str) -> Outcome:
        """Put its end off."""

    async def renew(self, sandbox: str) -> Outcome:
        """Pause and resume it, memory and processes kept, so that its longest run begins anew."""


@dataclass(slots=True, eq=False)
class Lifetimes:
    """Looks at every seat on new, a few times a minute."""

    keeper: Keeper
    clocked: Mapping[Origin, Clocked]
    longest_run_seconds: float  # of the provider's plan; 0: none
    delete: Callable[[Twin], Awaitable[None]]
    marker: Marker
    marked: dict[str, int] = field(default_factory=dict)  # sandbox -> mutations when its marker was written
    done: Counter[str] = field(default_factory=Counter)  # extended, renewed, cut, stopped, archived, deleted, failed
    early: EarlyStops | None = None  # of seats on old
    stopping: bool = False
    at_work: set[str] = field(default_factory=set)

    def start(self) -> None:
        """Look at them from now on."""
        tasks.spawn(self._run(), name="lifetimes")

    async def _run(self) -> None:
        call_id.set("")
        while not self.stopping:
            await asyncio.sleep(TICK_SECONDS)
            self.look()

    def stop(self) -> None:
        """Look at none any more."""
        self.stopping = True

    def look(self) -> None:
        """One look at all of them; what is to be done for one is done beside the others."""
        if self.early is not None:
            self.early.look()
        for twin in self.keeper.registry:
            known = twin.row.follower not in _GONE and Origin.NEW in twin.row.ids
            if known and twin.seat is Origin.NEW and twin.id not in self.at_work:
                self.at_work.add(twin.id)
                tasks.spawn(self._care(twin), name=f"lifetime of {twin.id}")

    async def _care(self, twin: Twin) -> None:
        try:
            await self.care(twin)
        finally:
            self.at_work.discard(twin.id)

    async def care(self, twin: Twin) -> None:
        """What one seat on new needs now."""
        if twin.transitions:
            return  # its client starts or stops it: looked at again
        if twin.stopped:
            await self._rests(twin)
            return
        idle = self._idle(twin)
        minutes = interval(twin, "autoStopInterval", 15)
        if minutes > 0 and not twin.open and idle >= minutes * MINUTE:
            await self._stop(twin)
            return
        clocked, there = self.clocked.get(Origin.NEW), twin.row.ids[Origin.NEW]
        if clocked is None:
            return
        if not clocked.running_since(there):
            await clocked.learn(there)
        if self.marked.get(twin.id) != twin.mutations:
            # What is lost by a pause that is not ours is seen to this precision.
            self.marked[twin.id] = twin.mutations
            await self.marker.write(twin)
        if await self._renewed(twin, clocked, there, idle):
            return
        if clocked.due(there):
            outcome = await clocked.extend(there)
            self._done("extended", twin, outcome)
            if not outcome.ok and await self._ended(twin):
                return
        if Origin.OLD in twin.row.ids and minutes > 0:
            # A side that answers nothing would stop by itself, and the client see a sandbox that is stopped.
            asked = Operation(name="fs.info", arguments={"path": "/"})
            await self.keeper.sides.perform(twin, Origin.OLD, asked, Purpose.ANSWER, seconds=10)

    def _idle(self, twin: Twin) -> float:
        return 0.0 if twin.open else self.keeper.sides.clock.monotonic() - twin.last_activity

    async def _stop(self, twin: Twin) -> None:
        """Idle for as long as its owner allows: stopped on both sides, as Daytona would have."""
        if twin.fence is not None:
            return  # its seat moves: looked at again
        since = twin.last_activity
        async with fenced(twin, _FENCE_SECONDS):
            await self.marker.write(twin)
            if twin.open or twin.last_activity != since or twin.transitions:
                return  # a call came in before the fence stood
            outcome = await self.keeper.sides.perform(
                twin, Origin.NEW, Operation(name="sandbox.stop"), Purpose.KEEPER, seconds=60
            )
            if outcome.ok:
                await self._is_stopped(twin)
        self._done("stopped", twin, outcome)
        if twin.stopped and Origin.OLD in twin.row.ids and not twin.transitions:
            stop = Operation(name="sandbox.stop")
            await self.keeper.sides.perform(twin, Origin.OLD, stop, Purpose.KEEPER, seconds=60)

    async def _ended(self, twin: Twin) -> bool:
        """Whether its provider has paused it, as at its end while no router ran: to its client it is stopped."""
        outcome = await self.keeper.sides.perform(
            twin, Origin.NEW, Operation(name="sandbox.get"), Purpose.KEEPER, seconds=10
        )
        if not isinstance(outcome.value, SandboxInfo) or outcome.value.state != "stopped" or twin.fence is not None:
            return False
        log.warning("paused by its provider", extra={"sandbox": twin.id})
        await self._is_stopped(twin)
        return True

    async def _is_stopped(self, twin: Twin) -> None:
        self.keeper.processes_gone(twin)
        twin.stopped = True
        alone = Origin.OLD not in twin.row.ids
        control = {**twin.row.control, "state": "stopped"} if alone else twin.row.control
        # Durable: after a restart it must not be taken for one that runs, and renewed.
        await self.keeper.registry.change(twin, control=control, stopped_at=self.keeper.sides.clock.now())

    async def _rests(self, twin: Twin) -> None:
        """Deleted in time, both sides of it; on new alone archived, too. Old archives by its own timer."""
        now = self.keeper.sides.clock.now()
        if not twin.row.stopped_at:
            await self.keeper.registry.change(twin, stopped_at=now)
        rested = now - twin.row.stopped_at
        delete = interval(twin, "autoDeleteInterval", -1)
        if delete >= 0 and rested >= delete * MINUTE:
            log.info("deleted after its idle time", extra={"sandbox": twin.id})
            self.done["deleted"] += 1
            await self.delete(twin)
            return
        archive = interval(twin, "autoArchiveInterval", 10_080) or _LONGEST_UNARCHIVED
        alone = Origin.OLD not in twin.row.ids
        if alone and rested >= archive * MINUTE and twin.row.control.get("state") == "stopped":
            # A paused sandbox is E2B's cheap storage: only its name for it changes.
            self.done["archived"] += 1
            await self.keeper.registry.change(twin, control={**twin.row.control, "state": "archived"})

    async def _renewed(self, twin: Twin, clocked: Clocked, there: str, idle: float) -> bool:
        """Pause and resume it before its provider ends its run. False: it was not its time."""
        longest, since = self.longest_run_seconds, clocked.running_since(there)
        if not longest or not since:
            return False
        left = since + longest - self.keeper.sides.clock.now()
        forced = left <= longest * _FORCED
        if not forced and (left > longest * _EARLY or idle < _QUIET_SECONDS):
            return False
        if twin.fence is not None:
            return True  # its seat moves, behind a fence of its own: looked at again
        async with fenced(twin, _FENCE_SECONDS):
            await self.marker.write(twin)
            if twin.open and not forced:
                return True  # a call came in before the fence stood
            if twin.open:
                reason = "the longest run ends"
                log.warning("open calls are cut", extra={"sandbox": twin.id, "open": len(twin.open), "reason": reason})
                self.done["cut"] += 1
            outcome = await clocked.renew(there)
            if outcome.ok:
                await self.marker.check(twin)
            # Its clock jumped: nothing is known to be equal by what was looked at before (P14).
            twin.gen += 1
            twin.clean_gen = -1
            twin.tokens.clear()
        self.keeper.settle_soon(twin)
        self._done("renewed", twin, outcome)
        return True

    def _done(self, what: str, twin: Twin, outcome: Outcome) -> None:
        self.done[what if outcome.ok else "failed"] += 1
        if outcome.ok:
            log.info("lifetime: %s", what, extra={"sandbox": twin.id})
        else:
            log.error(
                "lifetime: not %s", what, extra={"sandbox": twin.id, "reason": f"{outcome.status} {outcome.message}"}
            )
