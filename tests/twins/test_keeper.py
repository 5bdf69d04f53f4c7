"""The keeper: settles when it is quiet, tries again when it fails, and says what fails."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from crossfade.errors import Unreachable
from crossfade.outcome import Outcome, refused, unknown
from crossfade.stage import Origin
from crossfade.twin import FollowerState
from router.twins import probe
from router.twins.admit import How, admit, finish
from router.twins.keeper import Keeper
from router.twins.sides import Sides
from tests.twins.stand import ROOT, Held, HeldClock, Stand, answering, wait_until
from tests.twins.talking import Talk, talking
from tests.twins.test_settle import how, write

pytestmark = pytest.mark.asyncio(loop_scope="module")
F = f"{ROOT}/f"
NOT_RUNNING = refused(400, "BAD_REQUEST", "no IP address found. Is the Sandbox started?")


@asynccontextmanager
async def keeping(stand: Stand, *, quiet: float = 0.02) -> AsyncIterator[tuple[Keeper, Talk]]:
    """A keeper of the stand's twin."""
    async with talking(stand) as talk:
        keeper = Keeper(stand.registry, stand.sides, stand.settler, talk.lanes, quiet)
        try:
            yield keeper, talk
        finally:
            keeper.stopping = True
            await wait_until(lambda: not keeper.settling and not keeper.filling, "the keeper's work ends")


async def look(stand: Stand) -> None:
    """Know what the sandbox was born with."""
    running = await probe.ask(stand.sides, stand.twin)
    assert running is not None
    stand.twin.baseline = probe.counted(running)


async def test_a_change_is_settled_when_it_is_quiet_and_the_twin_is_clean_on_disk(stand: Stand) -> None:
    async with keeping(stand) as (keeper, talk):
        await talk.say("fs.upload", b"1", offer=False, path=F)
        keeper.settle_soon(stand.twin)
        await wait_until(lambda: not stand.rows.rows[stand.twin.id].dirty, "clean on disk")

        assert await stand.same_trees()
        assert how(stand, F) is How.CLEAN
        assert talk.lanes.of(stand.twin).synced


async def test_a_failed_settle_is_counted_and_tried_again(stand: Stand) -> None:
    stand.follower.before["fs.upload"] = answering(refused(507, "INSUFFICIENT_STORAGE", "full"))
    async with keeping(stand) as (keeper, talk):
        await talk.say("fs.upload", b"1", offer=False, path=F)
        keeper.settle_soon(stand.twin)
        await wait_until(lambda: len(keeper.failures) == 1, "a failure")
        stand.follower.before.clear()
        await wait_until(lambda: not stand.rows.rows[stand.twin.id].dirty, "settled after all")

        assert keeper.failures == {}
        assert await stand.same_trees()


async def test_pauses_between_failures_grow_to_a_minute_and_no_further(stand: Stand) -> None:
    clock = HeldClock()
    async with talking(stand) as talk:
        keeper = Keeper(stand.registry, Sides(stand.gates, clock), stand.settler, talk.lanes, 0.02)
        stand.follower.before["process.exec"] = answering(refused(500, "INTERNAL", "no"))
        pauses = []
        for _ in range(10):
            assert not await keeper.settle_now(stand.twin)
            pauses.append(stand.twin.suspended_until - clock.seconds)
            clock.seconds += pauses[-1]

    assert pauses == [0.5, 1, 2, 5, 10, 30, 60, 60, 60, 60]
    assert keeper.failures == {stand.twin.id: 10}


async def test_a_twin_that_is_no_more_fails_no_more(stand: Stand) -> None:
    stand.follower.before["process.exec"] = answering(refused(500, "INTERNAL", "no"))
    async with keeping(stand) as (keeper, _):
        await keeper.settle_now(stand.twin)
        failing = len(keeper.failures)
        await keeper.deleting(stand.twin)

        assert (failing, keeper.failures) == (1, {})


async def test_a_stopped_sandbox_is_no_failure(stand: Stand) -> None:
    stand.seat.before["process.exec"] = answering(NOT_RUNNING)
    async with keeping(stand) as (keeper, _):
        done = await keeper.settle_now(stand.twin)

        assert (done, keeper.failures, stand.twin.row.dirty) == (True, {}, True)
        assert "sandbox.start" not in stand.follower.names


@pytest.mark.parametrize("known", [True, False])
async def test_the_follower_of_a_sandbox_that_is_stopped_stays_stopped(stand: Stand, known: bool) -> None:
    """Whichever side's refusal comes first: woken, it would be shown to a client that had it stopped."""
    await stand.old.ask("sandbox.stop")
    await stand.new.ask("sandbox.stop")
    stand.twin.stopped = known
    held = stand.seat.before["process.exec"] = Held()  # the follower says first that it does not run
    async with keeping(stand) as (keeper, _):
        settling = asyncio.create_task(keeper.settle_now(stand.twin))
        done = await settling
        held.go.set()

        assert (done, keeper.failures) == (True, {})
        assert "sandbox.start" not in stand.follower.names


async def test_a_follower_that_was_paused_is_woken(stand: Stand) -> None:
    """C13: and trusted in nothing until it is settled, for it may wake with an older disk."""
    await stand.new.ask("sandbox.stop")
    stand.twin.tokens["/workspace/other"] = (1, 1, 0o644, False)
    async with keeping(stand) as (keeper, talk):
        await talk.say("fs.upload", b"1", offer=False, path=F)
        keeper.settle_soon(stand.twin)
        await wait_until(lambda: len(keeper.failures) == 1, "found to be paused")
        tokens = dict(stand.twin.tokens)
        await wait_until(lambda: not stand.rows.rows[stand.twin.id].dirty, "settled after all")

        assert tokens == {}
        assert await stand.new.get(F) == b"1"


async def test_what_may_still_land_is_settled_once_more_when_it_cannot(stand: Stand) -> None:
    async with keeping(stand) as (keeper, talk):
        await talk.say("fs.upload", b"1", offer=False, path=F)
        stand.twin.late[F] = stand.clock.monotonic() + 0.5
        keeper.settle_soon(stand.twin)
        await wait_until(lambda: stand.follower.names.count("fs.upload") == 1, "the first settle")
        await stand.new.put(F, b"landed late")
        dirty_until_then = stand.rows.rows[stand.twin.id].dirty
        await wait_until(lambda: not stand.rows.rows[stand.twin.id].dirty, "settled once more")

        assert dirty_until_then
        assert await stand.new.get(F) == b"1"


async def test_reads_are_not_compared_while_something_may_still_land(stand: Stand) -> None:
    stand.twin.late[F] = stand.clock.monotonic() + 60
    async with keeping(stand) as (keeper, talk):
        await keeper.settle_now(stand.twin)

        assert await (await talk.say("fs.list", path=ROOT)).verdict() == "follower is behind"


async def test_a_settle_waits_for_the_lane_and_the_lane_for_the_settle(stand: Stand) -> None:
    async with keeping(stand) as (keeper, talk):
        talk.lanes.settled(stand.twin)
        gate = stand.follower.before["fs.upload"] = Held()
        first = await talk.say("fs.upload", b"1", path=F)
        await gate.reached.wait()
        settling = asyncio.create_task(keeper.settle_now(stand.twin))
        waiting = await talk.say("fs.list", path=ROOT)
        await asyncio.sleep(0.05)
        before = stand.follower.names.count("process.exec"), list(waiting.verdicts)
        gate.go.set()
        await settling

        assert before == (0, [])
        assert [await first.verdict(), await waiting.verdict()] == ["compared", "compared"]


async def test_a_change_that_was_answered_before_the_copy_is_not_done_twice(stand: Stand) -> None:
    """An append, answered while the probe looked: copied and then repeated it would be there twice."""
    async with keeping(stand) as (keeper, talk):
        talk.lanes.settled(stand.twin)
        stand.twin.hot = True
        gate = stand.seat.after["process.exec"] = Held()
        settling = asyncio.create_task(keeper.settle_now(stand.twin))
        await gate.reached.wait()
        stand.seat.after.clear()
        said = await talk.say("process.exec", command=f"echo line >> {F}")
        gate.go.set()
        settled = await settling

        assert (settled, await said.verdict()) == (False, "compared")
        assert await stand.new.get(F) == b"line\n"


async def test_a_read_that_waits_while_a_change_is_copied_is_not_compared(stand: Stand) -> None:
    await stand.old.put(F, b"1")
    async with keeping(stand) as (keeper, talk):
        talk.lanes.settled(stand.twin)
        gate = stand.seat.before["fs.download"] = Held()
        settling = asyncio.create_task(keeper.settle_now(stand.twin))
        await gate.reached.wait()
        read = await talk.say("fs.info", path=F)
        await talk.say("fs.upload", b"longer", offer=False, path=F)
        talk.lanes.missed(stand.twin)
        gate.go.set()

        assert not await settling
        assert await read.verdict() == "overlapped another call"


async def test_a_change_while_the_mark_is_taken_back_is_settled_too(stand: Stand) -> None:
    async with keeping(stand) as (keeper, talk):
        stand.rows.hold = asyncio.Event()
        settling = asyncio.create_task(keeper.settle_now(stand.twin))
        await wait_until(lambda: stand.rows.log[-1:] == ["mark False"], "the mark on its way")
        await talk.say("fs.upload", b"1", offer=False, path=F)
        stand.rows.hold.set()

        assert not await settling, "another round is due"


async def test_a_follower_is_left_alone_while_its_origin_fails(stand: Stand) -> None:
    breaker = stand.sides.breakers[Origin.NEW]
    for _ in range(3):
        breaker.failed()
    async with keeping(stand) as (keeper, _):
        keeper.settle_soon(stand.twin)
        await asyncio.sleep(0.2)
        seen = list(stand.follower.seen)
        breaker.note(Outcome(fate=refused(404, "", "").fate, status=404))
        await wait_until(lambda: bool(stand.follower.seen), "a settle")

    assert seen == []


async def test_a_missed_path_is_filled_once(stand: Stand) -> None:
    await stand.old.put(F, b"1")
    stand.twin.hot = True
    async with keeping(stand) as (keeper, _):
        for _ in range(5):
            keeper.fill_soon(stand.twin, F)
        await wait_until(lambda: F in stand.twin.tokens, "a token")

        assert stand.follower.names.count("fs.upload") == 1
        assert how(stand, F) is How.TOKEN


async def test_a_fill_that_fails_harms_nobody(stand: Stand) -> None:
    await stand.old.put(F, b"1")
    stand.follower.before["fs.upload"] = answering(refused(507, "INSUFFICIENT_STORAGE", "full"))
    async with keeping(stand) as (keeper, _):
        keeper.fill_soon(stand.twin, F)
        await wait_until(lambda: not keeper.filling, "the end of it")

        assert (keeper.failures, how(stand, F)) == ({}, How.SEAT)


async def test_a_mark_that_could_not_be_written_is_written_later_and_the_follower_waits(stand: Stand) -> None:
    async with keeping(stand) as (keeper, _):
        await keeper.settle_now(stand.twin)
        stand.rows.broken = Unreachable("disk full")
        keeper.mark_later(stand.twin)
        at_once = (how(stand, F), stand.twin.row.dirty)
        await wait_until(lambda: stand.rows.log.count("mark True") == 1, "a first try")
        stand.rows.broken = None
        await wait_until(lambda: stand.rows.rows[stand.twin.id].dirty, "the mark")

        assert at_once == (How.SEAT, True)


async def test_both_sides_are_deleted_however_long_it_takes(stand: Stand) -> None:
    stand.gates[Origin.NEW].before["sandbox.delete"] = answering(unknown("broke off"))
    async with keeping(stand) as (keeper, _):
        await keeper.deleting(stand.twin)
        keeper.delete_rest(stand.twin, None)
        await wait_until(lambda: stand.gates[Origin.NEW].names.count("sandbox.delete") == 2, "a second try")
        kept = stand.rows.rows[stand.twin.id].follower
        stand.gates[Origin.NEW].before.clear()
        await wait_until(lambda: stand.registry.get(stand.twin.id) is None, "both gone")

        assert kept is FollowerState.DELETING
        assert stand.rows.rows[stand.twin.id].follower is FollowerState.GONE
        assert (await stand.old.ask("sandbox.get")).status == (await stand.new.ask("sandbox.get")).status == 404


async def test_a_start_goes_on_with_deletes_and_settles_what_is_dirty(stand: Stand) -> None:
    async with keeping(stand) as (keeper, _):
        await keeper.resume()
        await wait_until(lambda: not stand.rows.rows[stand.twin.id].dirty, "settled")
        await keeper.deleting(stand.twin)
        await keeper.resume()
        await wait_until(lambda: stand.registry.get(stand.twin.id) is None, "deleted")


async def test_a_detached_follower_gets_nothing_and_returns_untrusted(stand: Stand) -> None:
    async with keeping(stand) as (keeper, talk):
        await keeper.settle_now(stand.twin)
        await keeper.detach(stand.twin, "every tool is off")
        detached = how(stand, F)
        await talk.say("fs.upload", b"1", offer=False, path=F)
        keeper.settle_soon(stand.twin)
        settling = set(keeper.settling)
        await keeper.attach(stand.twin)
        attached = how(stand, F)
        await wait_until(lambda: how(stand, F) is How.CLEAN, "settled")

        assert (detached, attached, settling) == (How.SEAT, How.SEAT, set())
        assert await stand.same_trees()


async def test_a_stop_settles_what_it_can_and_leaves_the_rest_marked(stand: Stand) -> None:
    async with keeping(stand) as (keeper, talk):
        await talk.say("fs.upload", b"1", offer=False, path=F)
        open_call = admit(stand.twin, write(F), stand.clock.monotonic())
        await keeper.drain(5)
        with_a_call = stand.rows.rows[stand.twin.id].dirty
        finish(stand.twin, open_call.call, equal=False)
        await keeper.drain(5)

        assert with_a_call
        assert not stand.rows.rows[stand.twin.id].dirty
        assert await stand.same_trees()
