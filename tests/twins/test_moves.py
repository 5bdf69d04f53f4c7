"""The seat moves at a start, and while nothing runs; whatever would be left behind keeps it where it is."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from crossfade.errors import Unreachable
from crossfade.operation import Operation
from crossfade.outcome import Outcome, done, refused
from crossfade.results import ExecResult
from crossfade.stage import Origin
from router.twins.admit import admit, finish
from router.twins.commit import NotMoved
from router.twins.egress import Egress
from router.twins.moves import Moves
from router.twins.state import Twin
from router.twins.system import SystemChanges
from tests.twins.stand import ROOT, Held, Stand, answering, tree, wait_until
from tests.twins.talking import Talk
from tests.twins.test_keeper import keeping, look
from tests.twins.test_settle import EXECUTE, write

pytestmark = pytest.mark.asyncio(loop_scope="module")
F = f"{ROOT}/f"


@asynccontextmanager
async def moving(
    stand: Stand, *, idle: float = 0.0, where: tuple[str, ...] = ()
) -> AsyncIterator[tuple[Moves, Talk, list[Origin]]]:
    """Moves whose flags ask for new; what the seat was when they told of it."""
    told: list[Origin] = []

    async def moved(twin: Twin) -> None:
        told.append(twin.seat)

    async with keeping(stand) as (keeper, talk):
        wanted = lambda twin: None if twin.seat is Origin.NEW else Origin.NEW  # noqa: E731
        system = SystemChanges(sides=stand.sides, roots=(ROOT,), where=where)
        await look(stand)
        yield Moves(keeper, Egress(blocked=False), system, wanted, moved, idle), talk, told


async def test_an_idle_sandbox_moves_with_its_files(stand: Stand) -> None:
    async with moving(stand, idle=0.05) as (moves, talk, told):
        await talk.say(
            "process.exec", offer=False, command=f"mkdir -p {ROOT}/d; echo 1 > {ROOT}/d/x; chmod 600 {ROOT}/d/x"
        )
        moves.consider(stand.twin)
        await wait_until(lambda: stand.twin.seat is Origin.NEW, "the move")

        row = stand.rows.rows[stand.twin.id]
        assert (row.seat, row.epoch, row.held, told) == (Origin.NEW, 1, "", [Origin.NEW])
        assert await tree(stand.old) == await tree(stand.new)
        assert stand.twin.fence is None
        await wait_until(lambda: not moves.waiting, "nobody waits for another move")


async def test_what_new_is_born_with_is_no_reason_for_doubt_after_the_move(stand: Stand) -> None:
    async with moving(stand) as (moves, talk, _):
        await moves.now(stand.twin)
        await talk.say("process.exec", offer=False, command="true")
        await moves.keeper.settle_now(stand.twin)

        assert stand.rows.rows[stand.twin.id].baseline == dict(stand.twin.baseline or {})
        assert not stand.twin.hot


async def test_it_moves_back_the_same_way(stand: Stand) -> None:
    async with moving(stand) as (moves, talk, _):
        await moves.now(stand.twin)
        await talk.say("process.exec", offer=False, command=f"echo -n made on new > {F}")
        await moves.now(stand.twin)

        assert (stand.twin.seat, stand.twin.row.epoch) == (Origin.OLD, 2)
        assert await stand.old.get(F) == b"made on new"


async def test_a_process_of_the_client_keeps_the_seat(stand: Stand) -> None:
    async with moving(stand) as (moves, talk, told):
        await talk.say("process.exec", offer=False, command="(sleep 310 >/dev/null 2>&1 &)")
        with pytest.raises(NotMoved, match="processes run that were not there at birth"):
            await moves.now(stand.twin)

        assert (stand.twin.seat, told) == (Origin.OLD, [])
        assert stand.rows.rows[stand.twin.id].held == "seat did not move: processes run that were not there at birth"
        await stand.old.sh("pkill -f 'sleep 310'")


async def test_an_open_session_keeps_the_seat(stand: Stand) -> None:
    async with moving(stand) as (moves, _, _):
        stand.twin.handles["session:s"] = Origin.OLD
        with pytest.raises(NotMoved, match="1 open: session:s"):
            await moves.now(stand.twin)

        assert stand.twin.seat is Origin.OLD


async def test_a_call_that_comes_while_the_trees_are_made_equal_keeps_the_seat(stand: Stand) -> None:
    async with moving(stand) as (moves, _, _):
        await moves.keeper.settle_now(stand.twin)
        fenced: list[bool] = []

        async def come(_operation: object, outcome: object) -> object:
            fenced.append(stand.twin.fence is not None)
            if fenced[-1]:
                finish(stand.twin, admit(stand.twin, EXECUTE, stand.clock.monotonic()).call, equal=False)
            return outcome

        stand.seat.after["process.exec"] = come  # type: ignore[assignment]  # the scans pass by here
        with pytest.raises(NotMoved, match="a call came in while the seat was to move"):
            await moves.now(stand.twin)

        assert True in fenced
        assert stand.twin.seat is Origin.OLD
        assert stand.twin.fence is None


async def test_a_write_under_way_is_waited_for_and_goes_with_it(stand: Stand) -> None:
    async with moving(stand) as (moves, _, _):
        await moves.keeper.settle_now(stand.twin)
        gate = Held()

        async def hold(operation: Operation, outcome: Outcome) -> Outcome:
            # What runs on new is asked just before the fence.
            return await gate(operation, outcome) if stand.twin.turning_active else outcome

        stand.follower.after["process.exec"] = hold
        going = asyncio.create_task(moves.now(stand.twin))
        await gate.reached.wait()
        go = admit(stand.twin, write(F), stand.clock.monotonic())
        gate.go.set()
        await wait_until(lambda: stand.twin.fence is not None, "the fence")
        await stand.old.put(F, b"written meanwhile")
        finish(stand.twin, go.call, equal=False)
        await going

        assert stand.twin.seat is Origin.NEW
        assert await stand.new.get(F) == b"written meanwhile"


async def test_a_move_that_cannot_be_written_is_none(stand: Stand) -> None:
    async with moving(stand) as (moves, _, told):
        await moves.keeper.settle_now(stand.twin)
        await stand.registry.mark_clean(stand.twin)
        stand.rows.broken = Unreachable("disk full")
        with pytest.raises(NotMoved, match="disk full"):
            await moves.now(stand.twin)
        stand.rows.broken = None

        assert (stand.twin.seat, stand.rows.rows[stand.twin.id].seat, told) == (Origin.OLD, Origin.OLD, [])


async def test_before_the_row_of_the_move_nothing_is_marked_on_the_new_seat(stand: Stand) -> None:
    """A crash right after the move: the disk says who has the seat before anything is changed there."""
    async with moving(stand) as (moves, _, _):
        await moves.keeper.settle_now(stand.twin)
        stand.rows.log.clear()
        seen: list[bool] = []
        save = stand.rows.save

        async def saved(row: object) -> None:
            ask = replace(write(F), wish=stand.twin.seat)
            go = admit(stand.twin, ask, stand.clock.monotonic())  # the patience of its fence is over
            seen.append(go.mark_dirty_first and go.side is Origin.NEW)
            finish(stand.twin, go.call, equal=False)
            await save(row)  # type: ignore[arg-type]

        stand.rows.save = saved  # type: ignore[method-assign]
        await moves.now(stand.twin)

        assert seen == [True]


async def test_what_was_installed_outside_the_roots_keeps_the_seat(stand: Stand) -> None:
    _, home = await stand.old.sh("echo -n $HOME")
    await asyncio.sleep(2.1)  # what the sandbox is born with is older by a whole second of its clock
    stand.twin.row = replace(stand.twin.row, created_at=stand.clock.now())
    async with moving(stand, where=(home,)) as (moves, talk, _):
        await talk.say(
            "process.exec",
            offer=False,
            command="touch -d '2001-01-01' ~/installed; mkdir -p ~/.cache; echo > ~/.cache/x",
        )
        with pytest.raises(NotMoved, match=r"system changes outside the roots: .*/installed$"):
            await moves.now(stand.twin)
        await stand.old.sh("rm ~/installed")
        await moves.now(stand.twin)

        assert stand.twin.seat is Origin.NEW


@pytest.mark.parametrize("answer", [refused(500, "", "broken"), done(ExecResult(exit_code=1, output=b""))])
async def test_where_nobody_can_look_for_system_changes_the_seat_stays(stand: Stand, answer: object) -> None:
    stand.seat.before["process.exec"] = answering(answer)  # type: ignore[arg-type]
    why = await SystemChanges(sides=stand.sides, roots=(ROOT,)).why_not(stand.twin)

    assert why.startswith("old could not be searched for system changes: ")


async def test_at_a_start_process_calls_wait_until_the_seat_has_moved(stand: Stand) -> None:
    async with moving(stand) as (moves, _, told):
        assert moves.announce(stand.twin)
        fence = stand.twin.fence_process
        await moves.at_start(stand.twin, fresh=True)

        assert (stand.twin.seat, told) == (Origin.NEW, [Origin.NEW])
        assert fence is not None
        assert fence.is_set()
        assert stand.twin.fence_process is None


async def test_a_settle_that_failed_while_only_one_side_had_started_keeps_nothing_where_it_is(stand: Stand) -> None:
    async with moving(stand) as (moves, _, told):
        moves.announce(stand.twin)
        stand.twin.suspended_until = stand.clock.monotonic() + 0.5
        await moves.at_start(stand.twin, fresh=True)

        assert told == [Origin.NEW]


@pytest.mark.parametrize("called", [False, True])
async def test_what_a_start_itself_runs_is_waited_for_until_a_call_comes(stand: Stand, called: bool) -> None:
    async with moving(stand) as (moves, talk, told):
        await talk.say("process.exec", offer=False, command="(sleep 1.5 >/dev/null 2>&1 &)")
        moves.announce(stand.twin)
        starting = asyncio.create_task(moves.at_start(stand.twin, fresh=False))
        while stand.twin.fence_process is not None:
            await asyncio.sleep(0.01)
        if called:
            finish(stand.twin, admit(stand.twin, write(F), stand.clock.monotonic()).call, equal=False)
        await starting

        assert told == ([] if called else [Origin.NEW])
        assert ("processes run" in stand.rows.rows[stand.twin.id].held) is called


async def test_a_call_that_lost_patience_at_a_start_keeps_the_seat(stand: Stand) -> None:
    async with moving(stand) as (moves, _, _):
        moves.announce(stand.twin)
        gate = stand.seat.before["sandbox.get"] = Held()
        starting = asyncio.create_task(moves.at_start(stand.twin, fresh=True))
        await gate.reached.wait()
        finish(stand.twin, admit(stand.twin, EXECUTE, stand.clock.monotonic()).call, equal=False)
        gate.answer = refused(409, "CONFLICT", "starting")
        gate.go.set()
        await starting

        assert stand.twin.seat is Origin.OLD
        assert "a call came in before both sides had started" in stand.rows.rows[stand.twin.id].held
        assert stand.twin.fence_process is None


async def test_a_sandbox_known_to_have_been_stopped_learns_anew_what_it_is_born_with(stand: Stand) -> None:
    stand.twin.ran_at = float("-inf")  # as after a restart of the router: nothing is known
    async with moving(stand) as (moves, _, _):
        stand.twin.baseline, stand.twin.hot = None, True
        await moves.at_start(stand.twin, fresh=True)

        assert stand.twin.seat is Origin.NEW
