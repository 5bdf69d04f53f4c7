"""Early stops: a seat on old that is to move rests a little before Daytona's idle timer (twins.md P18).

Daytona tells nobody when it stops a sandbox. Stopped by us, after a settle, it is known to run nothing and its
files are on both sides: the next start may give the seat to the other side.
"""

import logging
from collections import Counter
from dataclasses import dataclass, field

from crossfade.operation import Operation
from crossfade.results import SandboxInfo
from crossfade.stage import Origin
from crossfade.upstream import Purpose
from router import tasks
from router.twins.fence import fenced
from router.twins.intervals import MINUTE, interval
from router.twins.keeper import Keeper
from router.twins.moves import Moves
from router.twins.state import Twin
from router.wire.headers import call_id

log = logging.getLogger("crossfade.early")
_EARLY_SECONDS = 30.0  # before Daytona would: a look or two, and a settle; a client that calls later finds it stopped
_SHARE = 1 / 3  # of the interval, where that is less
_AGAIN_SECONDS = 60.0  # between questions to old about a sandbox that it has not stopped in time
_SECONDS = 60.0
_RESTS = ("stopped", "archived")


@dataclass(slots=True, eq=False)
class EarlyStops:
    """Stops sandboxes whose seat is on old and wanted on new, when their idle time is nearly over."""

    keeper: Keeper
    moves: Moves
    done: Counter[str]
    at_work: set[str] = field(default_factory=set)
    asked: dict[str, float] = field(default_factory=dict)  # sandbox -> monotonic: when old was last asked about it

    def look(self) -> None:
        """One look at all of them; what is to be done for one is done beside the others."""
        for twin in self.keeper.registry:
            if self.due(twin) and twin.id not in self.at_work:
                self.at_work.add(twin.id)
                tasks.spawn(self._care(twin), name=f"early stop of {twin.id}")

    def due(self, twin: Twin) -> bool:
        """Whether its idle time is nearly over, and the next start may move it."""
        if twin.seat is not Origin.OLD or twin.stopped or twin.open or twin.transitions or not twin.joined:
            return False
        now = self.keeper.sides.clock.monotonic()
        seconds = interval(twin, "autoStopInterval", 15) * MINUTE
        near = now - twin.last_activity >= seconds - min(_EARLY_SECONDS, seconds * _SHARE)
        recently = now - self.asked.get(twin.id, -_AGAIN_SECONDS) < _AGAIN_SECONDS
        return seconds > 0 and near and not recently and self.keeper.sides.usable(twin) and self.moves.wished(twin)

    async def _care(self, twin: Twin) -> None:
        call_id.set("")
        try:
            await self.care(twin)
        finally:
            self.at_work.discard(twin.id)

    async def care(self, twin: Twin) -> None:
        """Settle it and stop both sides, unless a call comes in or it rests already."""
        if not await self._runs(twin):
            return
        # Its processes end with the stop, so what they still write is no reason to wait: the start settles once more.
        await self.keeper.settle_now(twin)
        self.asked.pop(twin.id, None)
        if twin.fence is not None or not self.due(twin):
            return
        async with fenced(twin):
            outcome = await self.keeper.sides.perform(
                twin, Origin.OLD, Operation(name="sandbox.stop"), Purpose.KEEPER, seconds=_SECONDS
            )
            if outcome.ok:
                await self._rests(twin)
        if not outcome.ok:
            self.asked[twin.id] = self.keeper.sides.clock.monotonic()
            log.warning("not stopped early", extra={"sandbox": twin.id, "status": outcome.status})
            return
        self.done["stopped early"] += 1
        log.info("stopped before its idle timer, so that its seat may move", extra={"sandbox": twin.id})
        if not twin.transitions and twin.stopped:
            follow = Operation(name="sandbox.stop")
            await self.keeper.sides.perform(twin, Origin.NEW, follow, Purpose.KEEPER, seconds=_SECONDS)

    async def _runs(self, twin: Twin) -> bool:
        """Whether old says that it still runs, and would stop it soon. Its own interval is learned on the way."""
        clock = self.keeper.sides.clock
        self.asked[twin.id] = clock.monotonic()
        activity = twin.last_activity
        asked = Operation(name="sandbox.get")
        outcome = await self.keeper.sides.perform(twin, Origin.OLD, asked, Purpose.KEEPER, seconds=_SECONDS)
        info = outcome.value
        if not isinstance(info, SandboxInfo) or twin.last_activity != activity or twin.transitions:
            return False
        if info.state in _RESTS:
            await self._rests(twin)
            return False
        if info.auto_stop_minutes != interval(twin, "autoStopInterval", 15):
            # Set past us. What old says counts.
            control = {**twin.row.control, "autoStopInterval": info.auto_stop_minutes}
            await self.keeper.registry.change(twin, control=control)
            self.asked.pop(twin.id, None)
            return info.state == "started" and self.due(twin)
        return info.state == "started"

    async def _rests(self, twin: Twin) -> None:
        self.asked.pop(twin.id, None)
        self.keeper.processes_gone(twin)
        twin.stopped = True
        await self.keeper.registry.change(twin, stopped_at=self.keeper.sides.clock.now())
