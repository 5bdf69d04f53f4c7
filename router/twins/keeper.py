"""The keeper: settles twins when they are quiet, deletes both sides, keeps followers alive. Off the answering path."""

import asyncio
import contextlib
import itertools
import logging
from collections import Counter
from dataclasses import dataclass, field, replace

from crossfade.errors import Unreachable
from crossfade.operation import Operation
from crossfade.outcome import Outcome
from crossfade.results import SandboxInfo
from crossfade.stage import Origin
from crossfade.twin import FollowerState
from crossfade.upstream import Purpose
from router import tasks
from router.twins import probe
from router.twins.lanes import Lanes
from router.twins.registry import Registry
from router.twins.settle import SettleFailed, Settler, carried_out, shell
from router.twins.sides import Sides
from router.twins.state import Twin
from router.wire.headers import call_id

log = logging.getLogger("crossfade.keeper")
_OVERDUE = 3  # attempts to delete, after which somebody has to know
_ANYWHERE = frozenset(("/",))
_FILL_SECONDS = 5.0  # how long a fill waits for the lane to empty
_RETRIES_SECONDS = (0.5, 1, 2, 5, 10, 30, 60)
# Times quiet_seconds after which a settle waits for quiet no longer; longer while replays keep the follower alike,
# because a settle between calls costs the comparison of every call that it overlaps.
_LONGEST_QUIETS = {False: 3, True: 10}
_LONGEST_LOOK_SECONDS = 300.0  # between two looks at whether what runs in a sandbox still does


@dataclass(slots=True, eq=False)
class Keeper:
    """Background care of twins."""

    registry: Registry
    sides: Sides
    settler: Settler
    lanes: Lanes
    quiet_seconds: float
    stopping: bool = False
    settling: set[str] = field(default_factory=set)
    looking: set[str] = field(default_factory=set)
    filling: set[tuple[str, str]] = field(default_factory=set)  # (twin, path)
    failures: dict[str, int] = field(default_factory=dict)  # twin -> settles that failed in a row
    undeleted: dict[str, int] = field(default_factory=dict)  # twin -> attempts to delete it that failed
    parallel: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(8))

    def settle_soon(self, twin: Twin) -> None:
        """Settle it once its lane is empty and it was quiet for a while. At most one is scheduled."""
        if twin.id in self.settling or not twin.joined or self.stopping:
            return
        self.settling.add(twin.id)
        tasks.spawn(self._settle_when_quiet(twin), name=f"settle {twin.id}")

    def fill_soon(self, twin: Twin, path: str) -> None:
        """Copy one path that was asked for and missing."""
        if twin.joined and not self.stopping and (twin.id, path) not in self.filling:
            self.filling.add((twin.id, path))
            tasks.spawn(self._fill(twin, path), name=f"fill {twin.id}")

    async def _fill(self, twin: Twin, path: str) -> None:
        call_id.set("")  # our own work, whichever call gave rise to it
        try:
            # The call that asked for it is itself on its way through the lane.
            async with asyncio.timeout(_FILL_SECONDS):
                while self.lanes.busy(twin):  # noqa: ASYNC110 - rare, and an event would cost every repeated call
                    await asyncio.sleep(0.02)
            async with self.parallel:
                if self._alive(twin) and self.sides.usable(twin):
                    await self.settler.path(twin, path)
        except (TimeoutError, SettleFailed):
            pass  # the next read of it asks again
        finally:
            self.filling.discard((twin.id, path))

    async def _settle_when_quiet(self, twin: Twin) -> None:
        call_id.set("")
        again = False
        # Never quiet is no excuse: then the settle runs between calls, and is void where one of them overlaps it.
        patience = _LONGEST_QUIETS[self.lanes.of(twin).synced]
        latest = self.sides.clock.monotonic() + patience * self.quiet_seconds
        try:
            while True:
                now = self.sides.clock.monotonic()
                wait = max(
                    min(max(twin.last_activity, twin.moved_at) + self.quiet_seconds, latest) - now,
                    twin.unusable_until - now,
                    twin.suspended_until - now,
                )
                failing = self.sides.breakers[twin.seat.other].open
                if wait <= 0 and not failing and not self.lanes.busy(twin):
                    break
                await asyncio.sleep(max(wait, 0.05))
                if not self._alive(twin):
                    return
            again = not await self.settle_now(twin)
        finally:
            self.settling.discard(twin.id)
        if not self._alive(twin):
            return
        if again:
            self.settle_soon(twin)
        elif twin.hot:
            self._look_soon(twin)
        elif twin.dirty_paths and (late := max(twin.late.values(), default=0.0)) > self.sides.clock.monotonic():
            tasks.spawn(self._settle_after(twin, late), name=f"settle {twin.id} again")

    def _look_soon(self, twin: Twin) -> None:
        """Something runs: look again by and by whether it still does. At most one look is scheduled."""
        if twin.id not in self.looking and not twin.row.bypass:
            self.looking.add(twin.id)
            tasks.spawn(self._settle_when_over(twin), name=f"look what runs in {twin.id}")

    async def _settle_when_over(self, twin: Twin) -> None:
        """Settle once nothing runs any more. No call may come to say so; a server may run for days."""
        call_id.set("")
        clock = self.sides.clock
        began = clock.monotonic()
        try:
            while True:
                quiet = clock.monotonic() - max(twin.last_activity, began)
                await asyncio.sleep(min(max(quiet, self.quiet_seconds), _LONGEST_LOOK_SECONDS))
                if not self._alive(twin) or not twin.hot or twin.stopped:
                    return  # a start settles
                async with self.parallel:
                    await self._probe(twin)
                if not twin.hot:
                    self.settle_soon(twin)
                    return
        finally:
            self.looking.discard(twin.id)

    async def _settle_after(self, twin: Twin, until: float) -> None:
        """A lost write may land until then on what was just made equal: once more when it cannot."""
        await asyncio.sleep(max(0.0, until - self.sides.clock.monotonic()))
        self.settle_soon(twin)

    def _alive(self, twin: Twin) -> bool:
        return twin.joined and not self.stopping and self.registry.get(twin.id) is twin

    async def settle_now(self, twin: Twin) -> bool:
        """One round. True: nothing is left to do until the next mutation."""
        async with self.parallel:
            self.lanes.hold(twin, True)
            try:
                if not await self.lanes.still(twin):
                    return False
                await self._probe(twin)
                if self.lanes.changes_wait(twin):
                    return False  # answered meanwhile: what they changed is yet to be repeated
                if not twin.hot:
                    await self._end_shadows(twin)
                gen = twin.gen
                settled = await self.settler.everything(twin)
                if not settled.clean:
                    self.lanes.disturbed(twin)
            except SettleFailed as error:
                self.lanes.missed(twin)
                if not twin.joined:
                    return True  # deleted or detached meanwhile
                if error.parked is twin.seat or (error.parked is not None and not await self._seat_runs(twin)):
                    return True  # no failure: it is settled when it is started (P18)
                self._failed(twin, error)
                return False
            finally:
                self.lanes.hold(twin, False)
        self.failures.pop(twin.id, None)
        if settled.clean and not twin.hot:
            twin.settled_at = self.sides.clock.now()
        if not settled.clean:
            # Something moved meanwhile: another round once it is quiet again. Its idle timer runs on.
            twin.moved_at = self.sides.clock.monotonic()
            return False
        if twin.gen == gen and not twin.late_paths(_ANYWHERE, self.sides.clock.monotonic()):
            self.lanes.settled(twin)
        mutations = twin.mutations
        if twin.clean(self.sides.clock.monotonic()) and not twin.dirty_paths and twin.row.dirty:
            await self.registry.mark_clean(twin)
        # A change that came and went while the disk was written found this settle still under way.
        return twin.mutations == mutations

    async def _seat_runs(self, twin: Twin) -> bool:
        """Whether a follower that does not run is to be woken: not where the sandbox itself is stopped."""
        if twin.stopped:
            return False
        asked = Operation(name="sandbox.get")
        outcome = await self.sides.perform(twin, twin.seat, asked, Purpose.KEEPER, seconds=10)
        return not isinstance(outcome.value, SandboxInfo) or outcome.value.state == "started"

    def _failed(self, twin: Twin, error: SettleFailed) -> None:
        count = self.failures.get(twin.id, 0)
        self.failures[twin.id] = count + 1
        delay = _RETRIES_SECONDS[min(count, len(_RETRIES_SECONDS) - 1)]
        twin.suspended_until = max(twin.suspended_until, self.sides.clock.monotonic() + delay)
        log.warning("settle failed", extra={"sandbox": twin.id, "reason": str(error), "retry_seconds": delay})
        if error.parked is not None:
            # Its provider paused it while it idled: woken for need, and it may wake with an older disk (P14).
            twin.gen += 1
            twin.clean_gen = -1
            twin.tokens.clear()
            wake = self.sides.perform(
                twin, twin.seat.other, Operation(name="sandbox.start"), Purpose.KEEPER, seconds=60
            )
            tasks.spawn(wake, name=f"wake follower of {twin.id}")

    def mark_later(self, twin: Twin) -> None:
        """The dirty mark could not be written: leave the follower alone, and write it as soon as the store allows."""
        twin.row = replace(twin.row, dirty=True)
        twin.suspended_until = max(twin.suspended_until, self.sides.clock.monotonic() + _RETRIES_SECONDS[-1])
        tasks.spawn(self._mark_until_done(twin), name=f"mark {twin.id} dirty")

    async def _mark_until_done(self, twin: Twin) -> None:
        for delay in itertools.chain(_RETRIES_SECONDS, itertools.repeat(_RETRIES_SECONDS[-1])):
            await asyncio.sleep(delay)
            if self.registry.get(twin.id) is not twin:
                return
            with contextlib.suppress(Unreachable):
                await self.registry.mark_dirty(twin)
                return

    async def _probe(self, twin: Twin) -> None:
        """Let `hot` fall when nothing runs that was not there at birth."""
        idle = not twin.handles and not any(call.unbounded for call in twin.open.values())
        if not twin.hot or not idle or twin.row.bypass:
            return
        gen = twin.gen
        running = await probe.ask(self.sides, twin)
        if running is None:
            return
        # Learned here too: a call may have come before the baseline, and some services take their time to start.
        since = self.sides.clock.monotonic() - twin.ran_at
        baseline = (twin.baseline or Counter()) | probe.born(running, since_first_run=since)
        if baseline != (twin.baseline or Counter()):
            twin.baseline = baseline
            await self.registry.change(twin, baseline=dict(baseline))
        if twin.gen == gen and probe.quiet(probe.counted(running), baseline):
            twin.hot = False
            twin.gen += 1  # ◆ what ran until now may have written after the last look

    async def _end_shadows(self, twin: Twin) -> None:
        """Nothing runs on the seat, so nothing of ours may on the follower: it would go on changing files there.

        Raises SettleFailed.
        """
        lane = self.lanes.of(twin)
        if lane.ran:
            carried_out(await self._quietly(twin, shell(probe.END_SHADOWS)))
            lane.ran = False

    async def before_active(self, twin: Twin) -> None:
        """A passive follower is about to answer: end the processes the lane left there (I2), then settle."""
        lane = self.lanes.of(twin)
        twin.turning_active = True
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self.lanes.call_seconds):
                while lane.running:  # noqa: ASYNC110 - rare, and an event would cost every repeated call
                    await asyncio.sleep(0.01)
        if lane.tainted:
            for handle in sorted(lane.handles.made | await self._handles_there(twin)):
                kind, _, name = handle.partition(":")
                await self._quietly(twin, Operation(name=f"{kind}.delete", arguments={kind: name}))
            lane.handles.clear()
            if (await self._quietly(twin, shell(probe.END_SHADOWS))).ok:
                lane.tainted = lane.ran = False
        self.settle_soon(twin)

    async def _handles_there(self, twin: Twin) -> set[str]:
        """Sessions and PTYs of the follower: the lane's of before a restart too. Clients' own live on the seat."""
        found: set[str] = set()
        for kind in ("session", "pty"):
            outcome = await self._quietly(twin, Operation(name=f"{kind}.list"))
            if outcome.ok:
                found |= {f"{kind}:{each.id}" for each in outcome.value}
        return {handle for handle in found if twin.handles.get(handle) is not twin.seat.other}

    async def _quietly(self, twin: Twin, operation: Operation) -> Outcome:
        return await self.sides.perform(twin, twin.seat.other, operation, Purpose.KEEPER, seconds=10)

    def processes_gone(self, twin: Twin) -> None:
        """Nothing that ran before a stop or start runs after it; the trees are looked at anew."""
        twin.handles.clear()
        self.lanes.restarted(twin)
        twin.gen += 1
        twin.clean_gen = -1
        twin.tokens.clear()

    async def detach(self, twin: Twin, reason: str) -> None:
        """The follower gets no more state; what it holds goes stale (P29)."""
        if twin.joined:
            self.failures.pop(twin.id, None)
            self.lanes.forget(twin, reason)
            await self.registry.change(twin, follower=FollowerState.DETACHED, dirty=True)

    async def reattach(self, twin: Twin) -> bool:
        """On somebody's word: a follower let go, quarantined, or that survived its seat, is settled and used again."""
        if twin.row.follower not in (FollowerState.DETACHED, FollowerState.QUARANTINED, FollowerState.SURVIVOR):
            return False
        await self.registry.change(twin, follower=FollowerState.DETACHED, held="", lost=())
        await self.sides.perform(twin, twin.seat.other, Operation(name="sandbox.start"), Purpose.KEEPER, seconds=60)
        await self.attach(twin)
        return True

    async def attach(self, twin: Twin) -> None:
        """A detached follower is wanted again: trusted in nothing until settled."""
        if twin.row.follower is FollowerState.DETACHED:
            twin.gen += 1
            twin.clean_gen = -1
            twin.tokens.clear()
            await self.registry.change(twin, follower=FollowerState.JOINED)
            self.settle_soon(twin)

    async def deleting(self, twin: Twin) -> None:
        """The durable tombstone, before either side is deleted."""
        self.failures.pop(twin.id, None)
        self.lanes.forget(twin, "sandbox deleted")
        await self.registry.change(twin, follower=FollowerState.DELETING, epoch=twin.row.epoch + 1)

    def delete_rest(self, twin: Twin, done: Origin | None) -> None:
        """Delete the other side until it is gone, however long that takes."""
        tasks.spawn(self._delete_rest(twin, done), name=f"delete {twin.id}")

    async def _delete_rest(self, twin: Twin, done: Origin | None) -> None:
        call_id.set("")
        attempt = 0
        while twin.creating:  # noqa: ASYNC110 - rare; what is made meanwhile is deleted too (P17)
            await asyncio.sleep(0.05)
        while not self.stopping:
            left = [Origin(origin) for origin in twin.row.ids if origin != done]
            outcomes = [
                await self.sides.perform(twin, origin, Operation(name="sandbox.delete"), Purpose.KEEPER, seconds=60)
                for origin in left
            ]
            if all(outcome.ok or outcome.status == 404 for outcome in outcomes):
                await self.registry.remove(twin)
                self.undeleted.pop(twin.id, None)
                return
            delay = _RETRIES_SECONDS[min(attempt, len(_RETRIES_SECONDS) - 1)]
            attempt += 1
            self.undeleted[twin.id] = attempt
            # Its provider goes on billing for it: somebody has to look.
            say = log.error if attempt >= _OVERDUE else log.warning
            say("delete not done", extra={"sandbox": twin.id, "attempt": attempt, "retry_seconds": delay})
            await asyncio.sleep(delay)

    def overdue(self) -> int:
        """Deletes that failed again and again."""
        return sum(attempts >= _OVERDUE for attempts in self.undeleted.values())

    async def resume(self) -> None:
        """After a start: go on with deletes, and settle what is dirty."""
        for twin in self.registry:
            if twin.row.follower is FollowerState.DELETING:
                self.delete_rest(twin, None)
            elif twin.row.dirty:
                self.settle_soon(twin)

    async def drain(self, seconds: float) -> None:
        """Settle what can be settled before the process goes; the rest stays marked dirty on disk."""
        self.stopping = True
        dirty = [twin for twin in self.registry if twin.joined and twin.row.dirty and not twin.open]
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await asyncio.gather(*(self.settle_now(twin) for twin in dirty), return_exceptions=True)
