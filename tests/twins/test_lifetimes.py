"""A seat on new runs as long as Daytona would let it run, whatever its provider's clock says."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from crossfade.outcome import Outcome, done, refused
from crossfade.stage import Origin
from router.twins.admit import admit, finish
from router.twins.commit import NotMoved, move
from router.twins.intervals import MINUTE
from router.twins.lifetimes import Lifetimes
from router.twins.marker import Marker
from router.twins.registry import Registry
from router.twins.state import Twin
from tests.twins.stand import Held, HeldClock, Stand, answering, wait_until
from tests.twins.test_keeper import keeping
from tests.twins.test_settle import EXECUTE

pytestmark = pytest.mark.asyncio(loop_scope="module")
HOUR = 3600.0


@dataclass(eq=False)
class Wall:
    """A provider's wall clock, as the test sets it."""

    since: float = 0.0
    is_due: bool = False
    answer: Outcome = field(default_factory=done)
    asked: list[str] = field(default_factory=list)
    fenced: list[bool] = field(default_factory=list)
    twin: Twin | None = None
    during: Callable[[], object] = lambda: None

    def due(self, _sandbox: str) -> bool:
        return self.is_due

    def running_since(self, _sandbox: str) -> float:
        return self.since

    async def learn(self, _sandbox: str) -> None:
        self.asked.append("learn")

    async def extend(self, _sandbox: str) -> Outcome:
        self.asked.append("extend")
        return self.answer

    async def renew(self, _sandbox: str) -> Outcome:
        self.asked.append("renew")
        self.during()
        self.fenced.append(self.twin is not None and self.twin.fence is not None)
        return self.answer


@asynccontextmanager
async def living(stand: Stand, **control: Any) -> AsyncIterator[tuple[Lifetimes, Wall, HeldClock]]:
    """A seat on new, and time that the test sets forward."""
    clock = HeldClock()
    stand.sides.clock = stand.registry.clock = clock
    twin = stand.twin
    twin.row = replace(twin.row, seat=Origin.NEW, control=control)
    twin.last_activity = clock.monotonic()
    wall = Wall(since=clock.now(), twin=twin)

    async def delete(gone: Twin) -> None:
        wall.asked.append(f"delete {gone.id}")

    async with keeping(stand) as (keeper, _):
        yield (
            Lifetimes(keeper, {Origin.NEW: wall}, HOUR, delete, Marker(stand.registry, stand.sides, "/root")),
            wall,
            clock,
        )


async def state(stand: Stand, origin: Origin) -> str:
    side = stand.new if origin is Origin.NEW else stand.old
    return str((await side.ask("sandbox.get")).value.state)


async def test_idle_for_its_owners_time_it_is_stopped_on_both_sides(stand: Stand) -> None:
    async with living(stand, autoStopInterval=10) as (lifetimes, _, clock):
        stand.twin.handles["session:s"] = Origin.NEW
        clock.seconds += 10 * MINUTE - 1
        await lifetimes.care(stand.twin)
        early = await state(stand, Origin.NEW)
        clock.seconds += 1
        await lifetimes.care(stand.twin)

        assert (early, await state(stand, Origin.NEW), await state(stand, Origin.OLD)) == (
            "started",
            "stopped",
            "stopped",
        )
        assert stand.twin.stopped
        assert stand.twin.handles == {}
        assert lifetimes.done == {"stopped": 1}


@pytest.mark.parametrize("why", ["never", "a call is open"])
async def test_it_is_not_stopped_where_daytona_would_not(stand: Stand, why: str) -> None:
    async with living(stand, autoStopInterval=0 if why == "never" else 10) as (lifetimes, _, clock):
        if why == "a call is open":
            call = admit(stand.twin, replace(EXECUTE, wish=Origin.NEW), clock.monotonic()).call
        clock.seconds += 24 * HOUR
        lifetimes.longest_run_seconds = 0
        await lifetimes.care(stand.twin)
        if why == "a call is open":
            finish(stand.twin, call, equal=False)

        assert await state(stand, Origin.NEW) == "started"


async def test_a_stop_that_failed_is_tried_again(stand: Stand) -> None:
    async with living(stand, autoStopInterval=1) as (lifetimes, _, clock):
        stand.gates[Origin.NEW].before["sandbox.stop"] = answering(refused(500, "", "no"))
        clock.seconds += 2 * MINUTE
        await lifetimes.care(stand.twin)
        failed = (dict(lifetimes.done), stand.twin.stopped, await state(stand, Origin.OLD))
        stand.gates[Origin.NEW].before.clear()
        await lifetimes.care(stand.twin)

        assert failed == ({"failed": 1}, False, "started"), "old is not stopped under a seat that runs"
        assert stand.twin.stopped


async def test_its_end_is_put_off_while_it_should_run_and_old_is_kept_awake(stand: Stand) -> None:
    async with living(stand, autoStopInterval=15) as (lifetimes, wall, clock):
        wall.is_due = True
        clock.seconds += 5 * MINUTE
        seen = len(stand.gates[Origin.OLD].seen)
        await lifetimes.care(stand.twin)

        assert wall.asked == ["extend"]
        assert lifetimes.done == {"extended": 1}
        # As a client's call, which is what keeps a Daytona sandbox from stopping.
        [(operation, purpose)] = stand.gates[Origin.OLD].seen[seen:]
        assert (operation.name, str(purpose)) == ("fs.info", "answer")


async def test_before_its_longest_run_ends_it_is_renewed_at_a_quiet_moment(stand: Stand) -> None:
    async with living(stand, autoStopInterval=0) as (lifetimes, wall, clock):
        clock.seconds += HOUR * 5 / 6 - 1
        stand.twin.last_activity = clock.monotonic() - 60
        await lifetimes.care(stand.twin)
        early = list(wall.asked)
        clock.seconds += 2
        stand.twin.last_activity = clock.monotonic() - 5
        await lifetimes.care(stand.twin)
        busy = list(wall.asked)
        stand.twin.last_activity = clock.monotonic() - 31
        await lifetimes.care(stand.twin)

        assert (early, busy, wall.asked) == ([], [], ["renew"])
        assert wall.fenced == [True], "calls wait for it"
        assert stand.twin.fence is None


async def test_without_a_quiet_moment_it_is_renewed_shortly_before_the_end(stand: Stand) -> None:
    async with living(stand, autoStopInterval=0) as (lifetimes, wall, clock):
        clock.seconds += HOUR * 29 / 30
        stand.twin.last_activity = clock.monotonic()
        call = admit(stand.twin, replace(EXECUTE, wish=Origin.NEW), clock.monotonic()).call
        await lifetimes.care(stand.twin)
        finish(stand.twin, call, equal=False)

        assert (wall.asked, lifetimes.done) == (["renew"], {"renewed": 1, "cut": 1})


async def test_after_a_restart_it_is_asked_when_the_run_began(stand: Stand) -> None:
    async with living(stand, autoStopInterval=0) as (lifetimes, wall, _):
        wall.since = 0
        await lifetimes.care(stand.twin)

        assert wall.asked == ["learn"]


async def test_on_new_alone_it_is_archived_and_deleted_in_its_owners_time(stand: Stand) -> None:
    control = {"autoStopInterval": 5, "autoArchiveInterval": 60, "autoDeleteInterval": 120, "state": "started"}
    async with living(stand, **control) as (lifetimes, wall, clock):
        stand.twin.row = replace(stand.twin.row, ids={Origin.NEW: stand.new.id})
        states = []
        for minutes in (5, 60, 60):
            clock.seconds += minutes * MINUTE
            await lifetimes.care(stand.twin)
            states.append(stand.twin.row.control["state"])

        assert states == ["stopped", "archived", "archived"]
        assert wall.asked == [f"delete {stand.twin.id}"]
        assert stand.rows.rows[stand.twin.id].control["state"] == "archived"


async def test_while_its_client_starts_it_it_is_neither_deleted_nor_stopped(stand: Stand) -> None:
    async with living(stand, autoStopInterval=1, autoDeleteInterval=0) as (lifetimes, wall, clock):
        clock.seconds += HOUR
        for stopped in (True, False):
            stand.twin.stopped = stopped
            with stand.twin.transition():
                await lifetimes.care(stand.twin)

        assert (wall.asked, await state(stand, Origin.NEW)) == ([], "started")


async def test_only_seats_on_new_are_looked_at(stand: Stand) -> None:
    async with living(stand, autoStopInterval=1) as (lifetimes, wall, clock):
        stand.twin.row = replace(stand.twin.row, seat=Origin.OLD)
        clock.seconds += 60 * MINUTE
        lifetimes.look()
        await wait_until(lambda: not lifetimes.at_work, "the look")

        assert (wall.asked, await state(stand, Origin.NEW)) == ([], "started")


async def test_a_delete_that_fails_again_and_again_is_told(stand: Stand) -> None:
    async with keeping(stand) as (keeper, _):
        failing = answering(refused(500, "", "no"))
        stand.gates[Origin.NEW].before["sandbox.delete"] = failing
        await keeper.deleting(stand.twin)
        keeper.delete_rest(stand.twin, None)
        await wait_until(lambda: keeper.overdue() == 1, "somebody is told")
        stand.gates[Origin.NEW].before.clear()
        await wait_until(lambda: stand.registry.get(stand.twin.id) is None, "the delete")

        assert keeper.overdue() == 0


async def test_a_call_that_came_before_the_fence_stood_keeps_it_from_stopping(stand: Stand) -> None:
    async with living(stand, autoStopInterval=1) as (lifetimes, _, clock):
        held = stand.gates[Origin.NEW].before["fs.upload"] = Held()
        clock.seconds += 2 * MINUTE
        work = asyncio.ensure_future(lifetimes.care(stand.twin))
        await held.reached.wait()
        # Past its patience at the fence, or admitted just before it.
        call = admit(stand.twin, replace(EXECUTE, wish=Origin.NEW), clock.monotonic()).call
        held.go.set()
        await work
        finish(stand.twin, call, equal=False)

        assert await state(stand, Origin.NEW) == "started"
        assert (stand.twin.stopped, stand.twin.fence, lifetimes.done) == (False, None, {})


@pytest.mark.parametrize("count", [0, 1])
async def test_the_fence_of_a_move_is_left_alone(stand: Stand, count: int) -> None:
    async with living(stand, autoStopInterval=count) as (lifetimes, wall, clock):
        fence = stand.twin.fence = asyncio.Event()
        clock.seconds += HOUR
        await lifetimes.care(stand.twin)

        assert (wall.asked, stand.twin.fence, await state(stand, Origin.NEW)) == ([], fence, "started")
        assert not fence.is_set()
        stand.twin.fence = None


async def test_a_seat_does_not_move_while_its_sandbox_is_paused_and_resumed(stand: Stand) -> None:
    fence = stand.twin.fence = asyncio.Event()

    with pytest.raises(NotMoved, match="paused and resumed"):
        await move(stand.registry, stand.settler, stand.twin, seconds=1.0, disturbed=lambda: "")

    assert stand.twin.fence is fence
    assert not fence.is_set()
    stand.twin.fence = None


async def test_calls_wait_for_a_renewal_as_long_as_it_takes_and_nothing_is_trusted_after_it(stand: Stand) -> None:
    async with living(stand, autoStopInterval=0) as (lifetimes, wall, clock):
        patience: list[float | None] = []
        wall.during = lambda: patience.append(stand.twin.fence_seconds)
        stand.twin.clean_gen = stand.twin.gen
        clock.seconds += HOUR
        await lifetimes.care(stand.twin)

        assert patience == [60.0]
        assert stand.twin.fence_seconds is None
        assert not stand.twin.clean(clock.monotonic())


async def test_what_its_provider_paused_is_stopped_for_its_client(stand: Stand) -> None:
    async with living(stand, autoStopInterval=0) as (lifetimes, wall, clock):
        stand.twin.row = replace(stand.twin.row, ids={Origin.NEW: stand.new.id})
        await stand.new.ask("sandbox.stop")
        wall.is_due, wall.answer = True, refused(404, "", "not running")
        await lifetimes.care(stand.twin)
        asked = list(wall.asked)
        clock.seconds += 2 * HOUR
        await lifetimes.care(stand.twin)

        assert stand.twin.stopped
        assert (asked, wall.asked) == (["extend"], ["extend"]), "and it is left alone"
        assert stand.rows.rows[stand.twin.id].control["state"] == "stopped"


async def test_after_a_restart_what_was_stopped_stays_stopped_and_its_time_goes_on(stand: Stand) -> None:
    async with living(stand, autoStopInterval=1, autoDeleteInterval=60) as (lifetimes, wall, clock):
        clock.seconds += MINUTE
        await lifetimes.care(stand.twin)
        again = Registry(stand.rows, clock, 60)
        await again.load()
        twin = again.get(stand.twin.id)
        assert twin is not None
        clock.seconds += 59 * MINUTE
        await lifetimes.care(twin)
        early = list(wall.asked)
        clock.seconds += MINUTE
        await lifetimes.care(twin)

        assert twin.stopped
        assert (early, wall.asked) == ([], [f"delete {stand.twin.id}"])
