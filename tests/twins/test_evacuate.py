"""Hard moves: with every change where the seat answers; listed, and only on somebody's word, where it does not."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from crossfade.errors import Unreachable
from crossfade.outcome import unknown
from crossfade.stage import Origin
from crossfade.twin import FollowerState
from router.twins.admit import admit, finish
from router.twins.egress import Egress
from router.twins.evacuate import Evacuation, How
from router.twins.state import Twin
from tests.twins.stand import ROOT, Stand, answering
from tests.twins.test_keeper import keeping, look
from tests.twins.test_settle import EXECUTE, write

pytestmark = pytest.mark.asyncio(loop_scope="module")
F = f"{ROOT}/f"


@asynccontextmanager
async def evacuating(stand: Stand) -> AsyncIterator[Evacuation]:
    async def moved(_twin: Twin) -> None:
        pass

    async with keeping(stand) as (keeper, _):
        await look(stand)
        yield Evacuation(keeper, Egress(blocked=False), moved, seconds=5, dead_seconds=0.1)


def dead(stand: Stand) -> None:
    """The seat answers nothing any more."""
    for name in ("process.exec", "fs.info", "fs.download", "session.delete"):
        stand.seat.before[name] = answering(unknown("refused", status=502))


async def settled(evacuation: Evacuation, stand: Stand) -> None:
    assert await evacuation.keeper.settle_now(stand.twin)
    assert stand.twin.clean(stand.clock.monotonic())


async def test_every_change_goes_with_it_whatever_is_open(stand: Stand) -> None:
    async with evacuating(stand) as evacuation:
        await stand.old.put(F, b"1")
        stand.twin.handles["session:s"] = Origin.OLD
        stand.twin.hot = True
        stream = admit(stand.twin, EXECUTE, stand.clock.monotonic()).call  # a terminal that nobody closes
        done = await evacuation.leave(stand.twin, Origin.NEW, accept_loss=False)
        finish(stand.twin, stream, equal=False)

        assert (done.how, done.lost, stand.rows.rows[stand.twin.id].seat) == (How.MOVED, (), Origin.NEW)
        assert await stand.new.get(F) == b"1"
        assert stand.twin.handles == {}
        assert "session.delete" in stand.gates[Origin.OLD].names


async def test_a_dead_seat_is_left_only_on_somebodys_word_and_what_changed_is_listed(stand: Stand) -> None:
    async with evacuating(stand) as evacuation:
        await settled(evacuation, stand)
        finish(stand.twin, admit(stand.twin, write(F), stand.clock.monotonic()).call, equal=False)
        dead(stand)
        left = await evacuation.leave(stand.twin, Origin.NEW, accept_loss=False)
        seat = stand.twin.seat
        forced = await evacuation.leave(stand.twin, Origin.NEW, accept_loss=True)
        row = stand.rows.rows[stand.twin.id]

        assert (left.how, left.lost, left.commands, seat) == (How.LEFT, (F,), False, Origin.OLD)
        assert left.reason.startswith("old does not answer")
        assert (forced.how, forced.lost, forced.settled_at) == (How.FORCED, (F,), left.settled_at)
        assert (row.seat, row.follower, row.lost, row.epoch) == (Origin.NEW, FollowerState.SURVIVOR, (F,), 1)
        assert row.held == "seat taken from old, which did not answer: 1 paths changed since the last settle"
        assert stand.twin.fence is None


async def test_where_commands_ran_since_the_list_says_that_it_is_not_all(stand: Stand) -> None:
    async with evacuating(stand) as evacuation:
        await settled(evacuation, stand)
        finish(stand.twin, admit(stand.twin, EXECUTE, stand.clock.monotonic()).call, equal=False)
        dead(stand)
        forced = await evacuation.leave(stand.twin, Origin.NEW, accept_loss=True)

        assert (forced.how, forced.lost, forced.commands) == (How.FORCED, (), True)


async def test_where_there_is_no_other_side_it_stays_and_says_so(stand: Stand) -> None:
    stand.twin.row = replace(stand.twin.row, ids={Origin.OLD: stand.old.id})
    async with evacuating(stand) as evacuation:
        done = await evacuation.leave(stand.twin, Origin.NEW, accept_loss=True)

        assert (done.how, done.reason) == (How.LEFT, "it has no new side: it lives on old alone")


async def test_a_side_that_rests_is_started_first(stand: Stand) -> None:
    async with evacuating(stand) as evacuation:
        await stand.new.ask("sandbox.stop")
        done = await evacuation.leave(stand.twin, Origin.NEW, accept_loss=False)

        assert done.how is How.MOVED
        assert "sandbox.start" in stand.gates[Origin.NEW].names


async def test_a_forced_move_that_cannot_be_written_is_none(stand: Stand) -> None:
    async with evacuating(stand) as evacuation:
        await settled(evacuation, stand)
        dead(stand)
        stand.rows.broken = Unreachable("disk full")
        done = await evacuation.leave(stand.twin, Origin.NEW, accept_loss=True)
        stand.rows.broken = None

        assert (done.how, done.reason) == (How.LEFT, "the move could not be written: disk full")
        assert (stand.twin.seat, stand.rows.rows[stand.twin.id].seat) == (Origin.OLD, Origin.OLD)


async def test_a_survivor_becomes_a_follower_again_on_somebodys_word(stand: Stand) -> None:
    async with evacuating(stand) as evacuation:
        await settled(evacuation, stand)
        dead(stand)
        await evacuation.leave(stand.twin, Origin.NEW, accept_loss=True)
        stand.gates[Origin.OLD].before.clear()
        await stand.new.put(F, b"of the new seat")
        attached = await evacuation.keeper.reattach(stand.twin)

        assert (attached, stand.twin.joined, stand.twin.row.lost) == (True, True, ())
        assert not await evacuation.keeper.reattach(stand.twin), "it is one already"


async def test_one_that_rested_runs_after_it(stand: Stand) -> None:
    async with evacuating(stand) as evacuation:
        await settled(evacuation, stand)
        await stand.new.ask("sandbox.stop")
        stand.twin.stopped = True
        stand.twin.row = replace(stand.twin.row, stopped_at=5.0)
        dead(stand)
        left = await evacuation.leave(stand.twin, Origin.NEW, accept_loss=False)
        rests = stand.twin.stopped
        forced = await evacuation.leave(stand.twin, Origin.NEW, accept_loss=True)

        assert (left.how, rests) == (How.LEFT, True)
        assert (forced.how, stand.twin.stopped) == (How.FORCED, False)
        assert stand.rows.rows[stand.twin.id].stopped_at == 0.0
        assert (await stand.new.ask("sandbox.get")).value.state == "started"
