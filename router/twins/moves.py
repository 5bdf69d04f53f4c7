"""Seat moves of a twin that lives: at a start after a stop, and when nothing runs any more (twins.md §1, P19)."""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from crossfade.errors import Unreachable
from crossfade.operation import Operation
from crossfade.results import SandboxInfo
from crossfade.stage import Origin
from crossfade.twin import FollowerState
from crossfade.upstream import Purpose
from router import tasks
from router.twins import probe
from router.twins.birth import FENCE_SECONDS
from router.twins.commit import NotMoved, move
from router.twins.egress import Egress
from router.twins.keeper import Keeper
from router.twins.state import Twin
from router.twins.system import SystemChanges
from router.wire.headers import call_id

log = logging.getLogger("crossfade.moves")
_ANYWHERE = frozenset(("/",))
_START_SECONDS = 60.0  # how long a side may take to start
_POLL_SECONDS = 0.1
_REST_SECONDS = 5.0
_ROUNDS = 3  # settles before the fence, until nothing moves between them
_AGAIN_SECONDS = 60.0  # between tries of a sandbox that stays idle
_WAITS = (0.5, 2.0, 8.0, 0.0)  # after each try at a start: what a start itself runs and writes ends by itself


@dataclass(slots=True, eq=False)
class Moves:
    """Gives the seat to the side that the flags ask for, when nothing can be left behind.

    `wanted`: the side that the process tools ask for, None where it has the seat, or nobody knows. `moved` hears of
    every seat that was given.
    """

    keeper: Keeper
    egress: Egress
    system: SystemChanges
    wanted: Callable[[Twin], Origin | None]
    moved: Callable[[Twin], Awaitable[None]]
    idle_seconds: float  # without a call, before it is tried; 0: never while idle
    fence_seconds: float = FENCE_SECONDS
    waiting: set[str] = field(default_factory=set)

    def announce(self, twin: Twin) -> bool:
        """The sandbox is about to be started: if the seat is to move, process calls wait (FENCE_SECONDS each)."""
        if self.wanted(twin) is None or twin.fence_process is not None or twin.row.bypass:
            return False
        twin.fence_process = asyncio.Event()
        return True

    def called_off(self, twin: Twin) -> None:
        """It was not started after all."""
        if twin.fence_process is not None:
            twin.fence_process.set()
            twin.fence_process = None

    async def at_start(self, twin: Twin, *, fresh: bool) -> None:
        """Both sides were told to start. Nothing runs but what the template starts: the seat may move.

        `fresh`: it is known to have been stopped, so what runs before the first call is what it is born with. The first
        try holds process calls; it is tried again until one comes, since a side that has just started is busy.
        """
        call_id.set("")
        gen = twin.gen
        try:
            for origin in (twin.seat, twin.seat.other):
                await self._started(twin, origin, gen)
            if fresh:
                await self._born_again(twin, gen)
            await self._rested(twin, gen)
            await self._tried(twin)
        except NotMoved as error:
            await self._held(twin, f"seat did not move at start: {error}")
        finally:
            self.called_off(twin)
        self.consider(twin)

    async def _tried(self, twin: Twin) -> None:
        """Move it, now or soon. Raises NotMoved."""
        mutations = twin.mutations
        for wait in _WAITS:
            try:
                return await self._move(twin)
            except NotMoved as error:
                self.called_off(twin)
                log.info("seat not moved yet", extra={"sandbox": twin.id, "reason": str(error)})
                await asyncio.sleep(wait)
                if not wait or twin.mutations != mutations or not self.wished(twin):
                    raise
        raise AssertionError("the last wait ends it")

    def consider(self, twin: Twin) -> None:
        """Move it once it is idle, if its flags ask for that."""
        if self.idle_seconds and twin.id not in self.waiting and self.wished(twin):
            self.waiting.add(twin.id)
            tasks.spawn(self._when_idle(twin), name=f"move seat of {twin.id}")

    async def now(self, twin: Twin) -> None:
        """Move it now, on somebody's word, under the same conditions. Raises NotMoved."""
        try:
            await self._move(twin)
        except NotMoved as error:
            await self._held(twin, f"seat did not move: {error}")
            raise

    def wished(self, twin: Twin) -> bool:
        """Whether the flags ask for the other side, and it is there to be moved."""
        known = self.keeper.registry.get(twin.id) is twin and not self.keeper.stopping
        return known and not twin.row.bypass and self.wanted(twin) is not None

    async def _when_idle(self, twin: Twin) -> None:
        call_id.set("")
        clock, tried, again = self.keeper.sides.clock, -1.0, 0.0
        try:
            while self.wished(twin):
                # What stood against it may have ended with a call since; if there was none, it is looked at seldom.
                since = twin.last_activity
                due = max(since + self.idle_seconds, again if since == tried else 0.0)
                if (wait := due - clock.monotonic()) > 0:
                    await asyncio.sleep(min(wait, max(self.idle_seconds, _POLL_SECONDS)))
                    continue
                tried, again = since, clock.monotonic() + _AGAIN_SECONDS
                try:
                    await self._move(twin)
                except NotMoved as error:
                    await self._held(twin, f"seat did not move while idle: {error}")
        finally:
            self.waiting.discard(twin.id)

    async def _held(self, twin: Twin, reason: str) -> None:
        log.info("seat not moved", extra={"sandbox": twin.id, "reason": reason})
        if twin.joined and twin.row.held != reason[:200]:
            with contextlib.suppress(Unreachable):  # it is told again with the next try
                await self.keeper.registry.change(twin, held=reason[:200])

    async def _started(self, twin: Twin, origin: Origin, gen: int) -> None:
        """Wait until the side runs."""
        try:
            async with asyncio.timeout(_START_SECONDS):
                while True:
                    if twin.gen != gen:
                        raise NotMoved("a call came in before both sides had started")
                    asked = Operation(name="sandbox.get")
                    outcome = await self.keeper.sides.perform(twin, origin, asked, Purpose.KEEPER, seconds=10)
                    if outcome.ok and isinstance(outcome.value, SandboxInfo) and outcome.value.state == "started":
                        return
                    await asyncio.sleep(_POLL_SECONDS)
        except TimeoutError:
            raise NotMoved(f"{origin} did not start within {_START_SECONDS:g} s") from None

    async def _born_again(self, twin: Twin, gen: int) -> None:
        running = await probe.ask(self.keeper.sides, twin)
        if running is not None and twin.gen == gen:
            twin.baseline = probe.counted(running)
            await self.keeper.registry.change(twin, baseline=dict(twin.baseline))

    async def _rested(self, twin: Twin, gen: int) -> None:
        """Wait as a settle does that failed because only one side had started: that is no reason to stay."""
        clock = self.keeper.sides.clock
        until = min(twin.suspended_until, clock.monotonic() + _REST_SECONDS)
        while twin.gen == gen and (left := until - clock.monotonic()) > 0:  # noqa: ASYNC110 - rare, and short
            await asyncio.sleep(min(left, _POLL_SECONDS))

    def _why_not(self, twin: Twin) -> str:
        """What stands against it now, by what is known in memory."""
        if twin.row.bypass:
            return "it may be written behind the router (crossfade relink, then crossfade twins trust)"
        if twin.row.follower is not FollowerState.JOINED or not self.keeper.sides.usable(twin):
            return f"{twin.seat.other} cannot be used: follower is {twin.row.follower}, or failing"
        if twin.handles:
            return f"{len(twin.handles)} open: {', '.join(sorted(twin.handles)[:3])}"
        if any(call.unbounded for call in twin.open.values()):
            return "a call that runs something is under way"
        if twin.late_paths(_ANYWHERE, self.keeper.sides.clock.monotonic()):
            return f"a lost write may still land on {twin.seat.other}"
        return ""

    async def _move(self, twin: Twin) -> None:
        """Prove it idle, make the trees equal, then fence and commit. Raises NotMoved."""
        if why := self._why_not(twin):
            raise NotMoved(why)
        seat, to = twin.seat, twin.seat.other
        lanes = self.keeper.lanes
        await self._settled(twin)
        gen = twin.gen
        if why := await self.system.why_not(twin):
            raise NotMoved(why)
        if why := await self.egress.open(twin, to):
            raise NotMoved(why)
        try:
            # The evidence lane's own processes end before the side serves anybody (I2).
            await self.keeper.before_active(twin)
            lanes.hold(twin, True)
            try:
                running = await probe.ask(self.keeper.sides, twin, to)
                if running is None or not await lanes.still(twin):
                    raise NotMoved(f"what runs on {to} could not be learned")
                await move(
                    self.keeper.registry,
                    self.keeper.settler,
                    twin,
                    seconds=self.fence_seconds,
                    disturbed=lambda: self._disturbed(twin, gen),
                    baseline=probe.counted(running),
                )
            finally:
                lanes.hold(twin, False)
                twin.turning_active = False
        finally:
            # What the follower may reach does not depend on how this ended: the seat reaches out, the other does not.
            await self.egress.shut(twin, to if twin.seat is seat else seat)
        lanes.forget(twin, "the seat moved")
        lanes.settled(twin)
        await self.moved(twin)

    def _disturbed(self, twin: Twin, gen: int) -> str:
        if why := self._why_not(twin):
            return why
        if twin.gen != gen or twin.hot:
            return "a call came in while the seat was to move"
        return ""

    async def _settled(self, twin: Twin) -> None:
        """The warm-up: most is copied before any call has to wait for it."""
        for _ in range(_ROUNDS):
            done = await self.keeper.settle_now(twin)
            if twin.hot:
                raise NotMoved("processes run that were not there at birth")
            if done and twin.clean(self.keeper.sides.clock.monotonic()):
                return
            if why := self._why_not(twin):
                raise NotMoved(why)
        raise NotMoved("its files change all the time")
