"""A seat on old that is to move is stopped a little before Daytona would, and moves at the next start."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from crossfade.operation import Operation
from crossfade.outcome import Outcome, done, refused
from crossfade.results import SandboxInfo
from crossfade.stage import Origin
from router.twins.admit import admit, finish
from router.twins.early import EarlyStops
from router.twins.intervals import MINUTE
from router.twins.moves import Moves
from tests.twins.stand import ROOT, Held, HeldClock, Stand, answering, tree, wait_until
from tests.twins.test_moves import moving
from tests.twins.test_settle import EXECUTE

pytestmark = pytest.mark.asyncio(loop_scope="module")
NEAR = 14.5 * MINUTE  # of 15: when it is stopped


@asynccontextmanager
async def nearing(stand: Stand, minutes: int = 15) -> AsyncIterator[tuple[EarlyStops, Moves, HeldClock]]:
    """A seat on old that flags ask to new; time that the test sets forward; an interval that old has, too."""
    async with moving(stand) as (moves, _, _):
        clock = HeldClock()
        stand.sides.clock = stand.registry.clock = clock
        twin = stand.twin
        twin.row = replace(twin.row, control={"autoStopInterval": minutes})
        twin.last_activity = clock.monotonic()
        interval = {"kind": "auto_stop", "minutes": minutes}
        assert (await stand.old.ask("sandbox.interval", **interval)).ok
        yield EarlyStops(moves.keeper, moves, Counter()), moves, clock


async def state(stand: Stand, origin: Origin) -> str:
    side = stand.new if origin is Origin.NEW else stand.old
    return str((await side.ask("sandbox.get")).value.state)


async def looked(early: EarlyStops) -> None:
    early.look()
    await wait_until(lambda: not early.at_work, "the look")


async def test_it_is_stopped_half_a_minute_before_daytona_would_and_its_files_are_on_both_sides(stand: Stand) -> None:
    async with nearing(stand) as (early, _, clock):
        await stand.old.sh(f"echo last > {ROOT}/last")
        clock.seconds += NEAR - 1
        await looked(early)
        before = await state(stand, Origin.OLD)
        clock.seconds += 1
        await looked(early)

        assert (before, await state(stand, Origin.OLD), await state(stand, Origin.NEW)) == (
            "started",
            "stopped",
            "stopped",
        )
        assert (stand.twin.stopped, stand.twin.fence, early.done) == (True, None, {"stopped early": 1})
        assert stand.rows.rows[stand.twin.id].stopped_at == clock.now()
        # None of it was activity of the client's, which would have set Daytona's own timer back.
        purposes = {str(purpose) for _, purpose in stand.gates[Origin.OLD].seen}
        assert "answer" not in purposes


async def test_the_next_start_moves_the_seat(stand: Stand) -> None:
    async with nearing(stand) as (early, moves, clock):
        await stand.old.sh(f"echo last > {ROOT}/last")
        # It runs until the stop, and is no reason against a move after it.
        await stand.old.sh("(sleep 311 >/dev/null 2>&1 &)")
        clock.seconds += NEAR
        await looked(early)
        assert moves.announce(stand.twin)
        for side in (stand.old, stand.new):
            assert (await side.ask("sandbox.start")).ok
        fresh, stand.twin.stopped = stand.twin.stopped, False
        await moves.at_start(stand.twin, fresh=fresh)

        assert fresh
        assert (stand.twin.seat, stand.twin.row.held) == (Origin.NEW, "")
        assert await tree(stand.old) == await tree(stand.new)


@pytest.mark.parametrize("why", ["no wish", "seat is there", "a call is open", "never", "being started", "no follower"])
async def test_it_is_left_to_daytona_where_nothing_is_gained(stand: Stand, why: str) -> None:
    async with nearing(stand, 0 if why == "never" else 15) as (early, moves, clock):
        clock.seconds += NEAR
        match why:
            case "no wish":
                moves.wanted = lambda _twin: None
            case "seat is there":
                stand.twin.row = replace(stand.twin.row, seat=Origin.NEW)
            case "a call is open":
                admit(stand.twin, EXECUTE, clock.monotonic() - NEAR)
            case "being started":
                stand.twin.transitions = 1
            case "no follower":
                stand.twin.suspended_until = clock.monotonic() + 1
        seen = len(stand.gates[Origin.OLD].seen)
        await looked(early)

        assert not early.due(stand.twin)
        assert len(stand.gates[Origin.OLD].seen) == seen
        stand.twin.open.clear()


async def test_a_call_that_comes_while_it_is_settled_keeps_it_running(stand: Stand) -> None:
    async with nearing(stand) as (early, _, clock):
        held = stand.gates[Origin.OLD].before["sandbox.get"] = Held()
        clock.seconds += NEAR
        early.look()
        await held.reached.wait()
        finish(stand.twin, admit(stand.twin, EXECUTE, clock.monotonic()).call, equal=False)
        stand.twin.last_activity = clock.monotonic()
        held.go.set()
        await wait_until(lambda: not early.at_work, "the look")

        assert (await state(stand, Origin.OLD), early.done, stand.twin.stopped) == ("started", {}, False)


async def test_what_daytona_has_stopped_already_is_known_to_be_stopped(stand: Stand) -> None:
    async with nearing(stand) as (early, _, clock):
        await stand.old.ask("sandbox.stop")
        stand.twin.handles["session:s"] = Origin.OLD
        clock.seconds += 20 * MINUTE
        await looked(early)

        assert (stand.twin.stopped, stand.twin.handles, early.done) == (True, {}, {})
        assert stand.rows.rows[stand.twin.id].stopped_at == clock.now()


async def test_an_interval_that_was_set_past_us_is_learned(stand: Stand) -> None:
    async with nearing(stand) as (early, _, clock):
        assert (await stand.old.ask("sandbox.interval", kind="auto_stop", minutes=60)).ok
        clock.seconds += NEAR
        await looked(early)
        soon = await state(stand, Origin.OLD)
        clock.seconds += 45 * MINUTE
        await looked(early)

        assert (soon, await state(stand, Origin.OLD)) == ("started", "stopped")
        assert stand.rows.rows[stand.twin.id].control["autoStopInterval"] == 60


@pytest.mark.parametrize("operation", ["sandbox.get", "sandbox.stop"])
async def test_old_that_does_not_do_it_is_not_asked_all_the_time(stand: Stand, operation: str) -> None:
    async with nearing(stand) as (early, _, clock):
        stand.gates[Origin.OLD].before[operation] = answering(refused(500, "", "no"))
        clock.seconds += NEAR
        await looked(early)
        again = early.due(stand.twin)
        clock.seconds += 60
        later = early.due(stand.twin)

        assert (again, later) == (False, True)
        assert (stand.twin.stopped, stand.twin.fence) == (False, None)


async def test_a_follower_that_cannot_be_settled_is_no_reason_to_keep_it_running(stand: Stand) -> None:
    async with nearing(stand) as (early, _, clock):
        await stand.old.sh(f"(while true; do date +%N > {ROOT}/clock; done) > /dev/null 2>&1 &")
        idle_since = stand.twin.last_activity
        clock.seconds += NEAR
        await looked(early)

        assert await state(stand, Origin.OLD) == "stopped"
        assert stand.twin.last_activity == idle_since, "what runs in it is no activity of its client's"


async def test_calls_wait_while_it_stops_and_the_fence_of_a_move_is_left_alone(stand: Stand) -> None:
    async with nearing(stand) as (early, _, clock):
        fences: list[bool] = []

        async def stopping(_operation: Operation) -> Outcome | None:
            fences.append(stand.twin.fence is not None)
            return None

        stand.gates[Origin.OLD].before["sandbox.stop"] = stopping
        clock.seconds += NEAR
        fence = stand.twin.fence = asyncio.Event()
        await looked(early)
        left = stand.twin.fence
        stand.twin.fence = None
        clock.seconds += 60
        await looked(early)

        assert left is fence
        assert fences == [True]


async def test_a_sandbox_on_its_way_is_left_alone(stand: Stand) -> None:
    async with nearing(stand) as (early, _, clock):
        going = SandboxInfo(id=stand.old.id, state="stopping", auto_stop_minutes=15)
        stand.gates[Origin.OLD].before["sandbox.get"] = answering(done(going))
        clock.seconds += NEAR
        await looked(early)

        assert (stand.twin.stopped, early.done) == (False, {})
