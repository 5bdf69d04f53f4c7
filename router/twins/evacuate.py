"""Hard moves: the seat leaves a side that is failing, whatever runs there; what stays behind is listed (P11)."""

import asyncio
import contextlib
import logging
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from enum import StrEnum

from crossfade.errors import Unreachable
from crossfade.operation import Operation
from crossfade.results import SandboxInfo
from crossfade.stage import Origin
from crossfade.twin import FollowerState
from crossfade.upstream import Purpose
from router import tasks
from router.twins import probe
from router.twins.commit import NotMoved, move
from router.twins.egress import Egress
from router.twins.keeper import Keeper
from router.twins.settle import SettleFailed, rejoin, shell
from router.twins.state import Twin
from router.wire.headers import call_id

log = logging.getLogger("crossfade.moves")
_START_SECONDS = 20.0
_POLL_SECONDS = 0.1


class How(StrEnum):
    """How a hard move ended."""

    HERE = "here"  # nothing to do: the seat was there
    MOVED = "moved"  # with every change; processes were ended
    FORCED = "forced"  # to the last settle; what came after it stayed behind
    LEFT = "left"  # the seat is where it was, with the reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Evacuated:
    """What became of one sandbox. `lost`: paths that a call changed since the last settle.

    `commands`: something ran since then too, so other paths may have changed. `settled_at`: Unix seconds of that
    settle, 0 where the router has seen none. `ended`: processes ended on the side that was left.
    """

    id: str
    how: How
    reason: str = ""
    lost: tuple[str, ...] = ()
    commands: bool = False
    settled_at: float = 0.0
    ended: int = 0


@dataclass(slots=True, eq=False)
class Evacuation:
    """Takes seats from a side, one sandbox at a time."""

    keeper: Keeper
    egress: Egress
    moved: Callable[[Twin], Awaitable[None]]
    seconds: float = 30.0
    dead_seconds: float = 5.0  # a side that answers nothing for so long is not waited for any longer
    at_work: set[str] = field(default_factory=set)

    async def leave(self, twin: Twin, to: Origin, *, accept_loss: bool) -> Evacuated:
        """Give the seat to `to`. Without `accept_loss` it stays where it is unless every change goes with it."""
        call_id.set("")
        if twin.seat is to:
            return Evacuated(id=twin.id, how=How.HERE)
        if to not in twin.row.ids:
            return Evacuated(id=twin.id, how=How.LEFT, reason=f"it has no {to} side: it lives on {twin.seat} alone")
        if twin.row.follower in (FollowerState.DELETING, FollowerState.GONE) or twin.id in self.at_work:
            return Evacuated(id=twin.id, how=How.LEFT, reason="it is being deleted, or moved already")
        self.at_work.add(twin.id)
        try:
            if not await self._started(twin, to):
                return Evacuated(id=twin.id, how=How.LEFT, reason=f"{to} could not be started either")
            done = await self._leave(twin, accept_loss=accept_loss)
            if twin.seat is to and twin.stopped:
                # Started for that: no timer may take it for one that rests.
                twin.stopped = False
                with contextlib.suppress(Unreachable):
                    await self.keeper.registry.change(twin, stopped_at=0.0)
            return done
        finally:
            self.at_work.discard(twin.id)

    async def _leave(self, twin: Twin, *, accept_loss: bool) -> Evacuated:
        seat = twin.seat
        try:
            ended = await self._with_everything(twin)
        except NotMoved as error:
            lost, commands = unsettled(twin)
            told = Evacuated(
                id=twin.id, how=How.LEFT, reason=str(error), lost=lost, commands=commands, settled_at=twin.settled_at
            )
            if not accept_loss or twin.seat is not seat:
                return told
            return await self._forced(twin, told)
        await self.moved(twin)
        tasks.spawn(self._rest(twin, seat), name=f"stop what {twin.id} left")
        return Evacuated(id=twin.id, how=How.MOVED, ended=ended)

    async def _with_everything(self, twin: Twin) -> int:
        """End what runs on the seat, copy what differs, give the seat. Raises NotMoved. Returns how many it ended."""
        if not twin.joined:
            raise NotMoved(f"follower is {twin.row.follower}: it was sent no changes")
        lanes = self.keeper.lanes
        lanes.hold(twin, True)
        try:
            async with asyncio.timeout(self.seconds):
                await self._answers(twin)
                ended = await self._end_processes(twin)
                # Live streams end with the processes behind them; none of them may hold up the move.
                for call in [call for call in twin.open.values() if call.unbounded]:
                    twin.open.pop(call.seq, None)
                await lanes.still(twin)
                while True:
                    with contextlib.suppress(SettleFailed):
                        await self.keeper.settler.everything(twin)  # most of it, before any call waits
                    gen = twin.gen
                    try:
                        await move(
                            self.keeper.registry,
                            self.keeper.settler,
                            twin,
                            seconds=min(5.0, self.seconds),
                            disturbed=lambda gen=gen: "" if twin.gen == gen else "a call came in",  # type: ignore[misc]
                        )
                        break
                    except NotMoved as error:
                        last = str(error)
                        await self._answers(twin)
                        log.info("tried again", extra={"sandbox": twin.id, "reason": last})
        except TimeoutError:
            raise NotMoved(f"the trees were not equal within {self.seconds:g} s") from None
        finally:
            lanes.hold(twin, False)
        self._gone(twin, "the seat was taken away")
        return ended

    async def _answers(self, twin: Twin) -> None:
        """Whether the seat can be read at all. Raises NotMoved."""
        sides = self.keeper.sides
        until = sides.clock.monotonic() + self.dead_seconds
        while True:
            outcome = await sides.perform(twin, twin.seat, shell(":"), Purpose.KEEPER, seconds=self.dead_seconds)
            if outcome.ok:
                return
            if sides.clock.monotonic() >= until or outcome.status == 404:
                raise NotMoved(f"{twin.seat} does not answer: {outcome.status} {outcome.message}"[:200])
            await asyncio.sleep(_POLL_SECONDS)

    async def _end_processes(self, twin: Twin) -> int:
        """End sessions and terminals, and count what else runs: it ends when the side is stopped.

        What it writes after the last look is lost, as it would be had it ended before; no call was told of it.
        """
        sides = self.keeper.sides
        running = await probe.ask(sides, twin)
        for handle in sorted(twin.handles):
            kind, _, name = handle.partition(":")
            if kind in ("session", "pty") and twin.handles[handle] is twin.seat:
                end = Operation(name=f"{kind}.delete", arguments={kind: name})
                await sides.perform(twin, twin.seat, end, Purpose.KEEPER, seconds=10)
        return 0 if running is None else (probe.counted(running) - (twin.baseline or Counter())).total()

    async def _forced(self, twin: Twin, told: Evacuated) -> Evacuated:
        """The last settle is what is left. The side that is left is kept as it is, for whoever may get at it again."""
        row = twin.row
        why = f"seat taken from {row.seat}, which did not answer: {len(told.lost)} paths changed since the last settle"
        try:
            await self.keeper.registry.change(
                twin,
                seat=row.seat.other,
                epoch=row.epoch + 1,
                follower=FollowerState.SURVIVOR,
                dirty=True,
                held=why,
                lost=told.lost,
                baseline=None,
                seat_since=self.keeper.sides.clock.now(),
            )
        except Unreachable as error:
            twin.row = row
            return Evacuated(id=twin.id, how=How.LEFT, reason=f"the move could not be written: {error}")
        log.error("seat forced away", extra={"sandbox": twin.id, "reason": told.reason, "lost": len(told.lost)})
        twin.baseline = None
        twin.active = False
        self._gone(twin, "the seat was taken away by force")
        rejoin(twin)
        await self.moved(twin)
        tasks.spawn(self._rest(twin, row.seat), name=f"stop what {twin.id} left")
        return Evacuated(
            id=twin.id,
            how=How.FORCED,
            reason=told.reason,
            lost=told.lost,
            commands=told.commands,
            settled_at=told.settled_at,
        )

    def _gone(self, twin: Twin, why: str) -> None:
        """Nothing that lived on the side that is left is reached any more."""
        twin.handles.clear()
        twin.dirty_paths.clear()
        self.keeper.lanes.forget(twin, why)

    async def _rest(self, twin: Twin, origin: Origin) -> None:
        """What still runs there serves nobody: stopped, its disk kept."""
        await self.egress.shut(twin, origin)
        await self.keeper.sides.perform(twin, origin, Operation(name="sandbox.stop"), Purpose.KEEPER, seconds=60)

    async def _started(self, twin: Twin, origin: Origin) -> bool:
        """Start the side that is to serve, if it rests."""
        sides = self.keeper.sides
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_START_SECONDS):
                while True:
                    outcome = await sides.perform(
                        twin, origin, Operation(name="sandbox.get"), Purpose.KEEPER, seconds=10
                    )
                    state = outcome.value.state if outcome.ok and isinstance(outcome.value, SandboxInfo) else ""
                    if state == "started":
                        return True
                    if state in ("stopped", "archived"):
                        start = Operation(name="sandbox.start")
                        await sides.perform(twin, origin, start, Purpose.KEEPER, seconds=_START_SECONDS)
                    if outcome.status == 404:
                        return False
                    await asyncio.sleep(_POLL_SECONDS)
        return False


def unsettled(twin: Twin) -> tuple[tuple[str, ...], bool]:
    """Paths that calls changed since the trees were last equal, and whether something ran since then as well."""
    return tuple(sorted(twin.dirty_paths - {"/"})), twin.gen != twin.clean_gen or twin.hot or "/" in twin.dirty_paths
