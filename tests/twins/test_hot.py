"""What runs in a sandbox: while anything does, its follower is not called clean, and what ends is noticed."""

import asyncio

import pytest

from crossfade.operation import Operation
from router.twins.admit import How, admit, finish
from tests.twins.stand import ROOT, Held, Stand, wait_until
from tests.twins.test_keeper import keeping, look
from tests.twins.test_settle import EXECUTE, how

pytestmark = pytest.mark.asyncio(loop_scope="module")
F = f"{ROOT}/f"


async def test_hot_falls_when_nothing_runs_that_was_not_there_at_birth(stand: Stand) -> None:
    async with keeping(stand) as (keeper, talk):
        await look(stand)
        await talk.say("process.exec", offer=False, command=f"echo 1 > {F}")
        keeper.settle_soon(stand.twin)
        await wait_until(lambda: not stand.rows.rows[stand.twin.id].dirty, "clean on disk")

        assert (stand.twin.hot, await stand.new.get(F)) == (False, b"1\n")


async def test_a_process_left_running_keeps_the_twin_hot(stand: Stand) -> None:
    async with keeping(stand) as (keeper, talk):
        await look(stand)
        await talk.say("process.exec", offer=False, command="(sleep 310 >/dev/null 2>&1 &)")
        settled = await keeper.settle_now(stand.twin)

        assert (settled, stand.twin.hot) == (True, True)
        assert stand.rows.rows[stand.twin.id].dirty
        await stand.old.sh("pkill -f 'sleep 310'")


async def test_a_process_may_write_between_the_last_look_and_its_end(stand: Stand) -> None:
    """C10: whatever was equal before hot fell is looked at once more after it."""
    async with keeping(stand) as (keeper, talk):
        await look(stand)
        await talk.say("process.exec", offer=False, command=f"echo 1 > {F}")
        await stand.settler.everything(stand.twin)
        stand.twin.clean_gen = stand.twin.gen  # as if all that ran had been known to be over by then
        gate = stand.seat.before["process.exec"] = Held()
        settling = asyncio.create_task(keeper.settle_now(stand.twin))
        await gate.reached.wait()
        await stand.old.put(F, b"written at its end")
        del stand.seat.before["process.exec"]
        scan = stand.seat.before["process.exec"] = Held()
        gate.go.set()
        await scan.reached.wait()

        assert (stand.twin.hot, how(stand, F)) == (False, How.SEAT)
        scan.go.set()
        await settling
        assert (how(stand, F), await stand.new.get(F)) == (How.CLEAN, b"written at its end")


async def test_what_the_sandbox_was_born_with_is_learned_although_a_call_came_first(stand: Stand) -> None:
    born = stand.clock.monotonic()
    await wait_until(lambda: stand.clock.monotonic() > born + 0.3, "some age")
    async with keeping(stand) as (keeper, talk):
        await talk.say("process.exec", offer=False, command="true")
        baseline = stand.twin.baseline
        await keeper.settle_now(stand.twin)

        assert baseline is None
        assert not stand.twin.hot
        assert stand.rows.rows[stand.twin.id].baseline == dict(stand.twin.baseline or {})


async def test_no_baseline_is_learned_from_before_a_restart(stand: Stand) -> None:
    stand.twin.ran_at = float("-inf")
    async with keeping(stand) as (keeper, talk):
        await talk.say("process.exec", offer=False, command="true")
        await keeper.settle_now(stand.twin)

        assert (stand.twin.baseline, stand.twin.hot) == (None, True)


@pytest.mark.parametrize("ended", [True, False])
async def test_an_execute_while_the_probe_looks_keeps_the_twin_hot(stand: Stand, ended: bool) -> None:
    async with keeping(stand) as (keeper, talk):
        await look(stand)
        await talk.say("process.exec", offer=False, command="true")
        gate = stand.seat.after["process.exec"] = Held()
        settling = asyncio.create_task(keeper.settle_now(stand.twin))
        await gate.reached.wait()
        call = admit(stand.twin, EXECUTE, stand.clock.monotonic()).call
        if ended:
            finish(stand.twin, call, equal=False)
        gate.go.set()
        await settling

        assert stand.twin.hot


async def test_a_follower_that_is_to_answer_is_quiet_before(stand: Stand) -> None:
    async with keeping(stand) as (keeper, talk):
        talk.lanes.settled(stand.twin)
        await talk.say("session.create", session="alike")
        await talk.say("session.create", session="told less")
        await talk.say("session.exec", session="alike", command="sleep 320", run_async=True)
        await talk.say("session.exec", session="told less", command="sleep 321", run_async=True)
        said = await talk.say("process.exec", command="(sleep 322 >/dev/null 2>&1 &)")
        assert await said.verdict() == "compared"
        talk.lanes.missed(stand.twin, (Operation(name="session.exec", arguments={"session": "told less"}),))
        await keeper.before_active(stand.twin)
        _, left = await stand.new.sh("pgrep -fa 'sleep 32[012]' | grep -v pgrep; true")

        assert left == ""
        assert (await stand.new.ask("session.list")).value == ()
        assert stand.twin.turning_active
        await stand.old.sh("pkill -f 'sleep 32[012]'")


async def test_what_the_lane_left_running_ends_with_what_ran_on_the_seat(stand: Stand) -> None:
    """C10, C11: it would go on writing to a follower that is called clean."""
    async with keeping(stand) as (keeper, talk):
        await look(stand)
        talk.lanes.settled(stand.twin)
        loop = f"until [ -e /tmp/enough ]; do date +%N > {F}; sleep 0.02; done"
        said = await talk.say("process.exec", command=f"({loop}) >/dev/null 2>&1 & echo begun")
        assert await said.verdict() == "compared"
        keeper.settle_soon(stand.twin)
        await wait_until(lambda: stand.twin.id in keeper.looking, "settled while it runs")
        await stand.old.sh("touch /tmp/enough")
        await wait_until(lambda: how(stand, F) is How.CLEAN, "clean")
        left = await stand.new.sh("pgrep -x sleep -a | grep 0.02; [ -e /tmp/enough ]")

        assert left == (1, "")
        assert await stand.same_trees()


async def test_what_the_router_before_a_restart_left_on_a_follower_is_ended_too(stand: Stand) -> None:
    await stand.new.session("of the lane before")
    async with keeping(stand) as (keeper, talk):
        talk.lanes.of(stand.twin).tainted = True
        await keeper.before_active(stand.twin)

        assert (await stand.new.ask("session.list")).value == ()
