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
from typing import Any, Protocol

from crossfade.operation import Operation
from crossfade.outcome import Outcome
from crossfade.stage import Origin
from crossfade.twin import FollowerState
from crossfade.upstream import Purpose
from router import tasks
from router.twins.keeper import Keeper
from router.twins.marker import Marker
from router.twins.state import Twin
from router.wire.headers import call_id

log = logging.getLogger("crossfade.lifetimes")
TICK_SECONDS = 20.0
_QUIET_SECONDS = 30.0  # without a call, which makes a moment quiet enough to pause and resume
_FORCED = 1 / 30  # of the longest run: how long before its end it is done at any moment
_EARLY = 1 / 6  # how long before its end a quiet moment is looked for
_GONE = (FollowerState.DELETING, FollowerState.GONE)
MINUTE = 60.0


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
    done: Counter[str] = field(default_factory=Counter)  # extended, renewed, stopped, archived, deleted, failed
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
        idle = self._idle(twin)
        if twin.stopped:
            await self._rests(twin, idle)
            return
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
            self._done("extended", twin, await clocked.extend(there))
        if Origin.OLD in twin.row.ids and minutes > 0:
            # A side that answers nothing would stop by itself, and the client see a sandbox that is stopped.
            asked = Operation(name="fs.info", arguments={"path": "/"})
            await self.keeper.sides.perform(twin, Origin.OLD, asked, Purpose.ANSWER, seconds=10)

    def _idle(self, twin: Twin) -> float:
        return 0.0 if twin.open else self.keeper.sides.clock.monotonic() - twin.last_activity

    async def _stop(self, twin: Twin) -> None:
        """Idle for as long as its owner allows: stopped on both sides, as Daytona would have."""
        await self.marker.write(twin)
        outcome = await self.keeper.sides.perform(
            twin, Origin.NEW, Operation(name="sandbox.stop"), Purpose.KEEPER, seconds=60
        )
        self._done("stopped", twin, outcome)
        if not outcome.ok:
            return
        if Origin.OLD in twin.row.ids:
            stop = Operation(name="sandbox.stop")
            await self.keeper.sides.perform(twin, Origin.OLD, stop, Purpose.KEEPER, seconds=60)
        self.keeper.processes_gone(twin)
        twin.stopped = True
        if Origin.OLD not in twin.row.ids:
            await self.keeper.registry.change(twin, control={**twin.row.control, "state": "stopped"})

    async def _rests(self, twin: Twin, idle: float) -> None:
        """A sandbox on new alone that is stopped: archived or deleted in time. Old has its own timers."""
        if Origin.OLD in twin.row.ids:
            return
        delete = interval(twin, "autoDeleteInterval", -1)
        if delete >= 0 and idle >= delete * MINUTE:
            log.info("deleted after its idle time", extra={"sandbox": twin.id})
            self.done["deleted"] += 1
            await self.delete(twin)
            return
        archive = interval(twin, "autoArchiveInterval", 10_080)
        if archive > 0 and idle >= archive * MINUTE and twin.row.control.get("state") == "stopped":
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
        if forced and twin.open:
            log.warning("open calls are cut: the longest run ends", extra={"sandbox": twin.id, "open": len(twin.open)})
        twin.fence = asyncio.Event()
        try:
            await self.marker.write(twin)
            outcome = await clocked.renew(there)
            if outcome.ok:
                await self.marker.check(twin)
        finally:
            twin.fence.set()
            twin.fence = None
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


def interval(twin: Twin, name: str, default: int) -> int:
    """Minutes, as the sandbox's owner set them."""
    value: Any = twin.row.control.get(name, default)
    return value if isinstance(value, int) and not isinstance(value, bool) else default
