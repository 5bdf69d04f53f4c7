"""The evidence lane: what is repeated, in order; what is not is dropped, counted, and leaves nothing that misleads."""

import asyncio
from dataclasses import replace

import pytest

from crossfade.decision import MirrorExecute
from crossfade.operation import Operation
from crossfade.outcome import refused, unknown
from crossfade.upstream import Purpose
from router.twins.admit import finish
from tests.twins.stand import ROOT, Held, Stand, answering, wait_until
from tests.twins.talking import talking

pytestmark = pytest.mark.asyncio(loop_scope="module")
F = f"{ROOT}/f"


async def test_calls_are_repeated_in_order_and_compared(stand: Stand) -> None:
    async with talking(stand) as talk:
        talk.lanes.settled(talk.twin)
        said = [
            await talk.say("fs.upload", b"one", path=F),
            await talk.say("fs.download", path=F),
            await talk.say("process.exec", command=f"echo two >> {F}; cat {F}"),
            await talk.say("fs.download", path=F),
        ]
        verdicts = [await each.verdict() for each in said]

    assert verdicts == ["compared"] * 4
    assert await stand.new.get(F) == b"onetwo\n"
    assert [purpose for operation, purpose in stand.follower.seen if operation.name == "fs.download"] == [
        Purpose.MIRROR, Purpose.MIRROR,
    ]  # fmt: skip


async def test_a_difference_is_found(stand: Stand) -> None:
    await stand.old.put(F, b"on old")
    await stand.new.put(F, b"on new")
    async with talking(stand) as talk:
        talk.lanes.settled(talk.twin)
        said = await talk.say("fs.download", path=F)

        assert await said.verdict() == "differs"
        assert said.verdicts[0].mirrored


async def test_nothing_is_compared_before_the_first_settle(stand: Stand) -> None:
    async with talking(stand) as talk:
        said = await talk.say("fs.list", path=ROOT)

        assert await said.verdict() == "follower is behind"
        assert stand.follower.seen == []


async def test_what_waits_before_a_missed_change_is_compared_and_what_comes_after_it_is_not(stand: Stand) -> None:
    async with talking(stand) as talk:
        talk.lanes.settled(talk.twin)
        talk.lanes.hold(talk.twin, True)
        before = [await talk.say("fs.upload", b"1", path=F), await talk.say("fs.download", path=F)]
        await talk.say("process.exec", offer=False, command=f"echo more >> {F}")
        talk.lanes.missed(talk.twin)
        after = [await talk.say("fs.download", path=F), await talk.say("fs.upload", b"2", path=F)]
        talk.lanes.hold(talk.twin, False)

        assert [await each.verdict() for each in before] == ["compared", "compared"]
        assert [await each.verdict() for each in after] == ["follower is behind", "follower is behind"]


async def test_a_call_under_way_is_before_what_is_missed_meanwhile(stand: Stand) -> None:
    gate = stand.follower.before["session.create"] = Held()
    async with talking(stand) as talk:
        talk.lanes.settled(talk.twin)
        made = await talk.say("session.create", session="s")
        await gate.reached.wait()
        talk.lanes.missed(talk.twin, (Operation(name="session.exec", arguments={"session": "s", "command": "cd /"}),))
        gate.go.set()
        verdicts = [await made.verdict(), await (await talk.say("session.get", session="s")).verdict()]

    assert verdicts == ["compared", "session is not on the follower"]


async def test_many_missed_changes_take_no_room(stand: Stand) -> None:
    async with talking(stand) as talk:
        talk.lanes.hold(talk.twin, True)
        await talk.say("fs.list", path=ROOT)
        for _ in range(1000):
            talk.lanes.missed(talk.twin)

        assert len(talk.lanes.of(talk.twin).waiting) == 2
        assert talk.lanes.waiting == 1


async def test_a_lane_is_bounded_and_what_it_drops_is_counted(stand: Stand) -> None:
    async with talking(stand, per_twin=2) as talk:
        talk.lanes.settled(talk.twin)
        talk.lanes.hold(talk.twin, True)
        said = [await talk.say("fs.upload", str(number).encode(), path=F) for number in range(4)]
        full = [await each.verdict() for each in said[2:]]
        later = await talk.say("fs.list", path=ROOT)
        waiting = talk.lanes.waiting
        talk.lanes.hold(talk.twin, False)

        assert full == ["lane full", "lane full"]
        assert (waiting, await later.verdict()) == (2, "lane full")
        assert [await each.verdict() for each in said[:2]] == ["compared", "compared"], "as if nothing was dropped"
        assert await (await talk.say("fs.list", path=ROOT)).verdict() == "follower is behind"
        assert talk.lanes.waiting == 0


async def test_all_lanes_together_are_bounded(stand: Stand) -> None:
    async with talking(stand, total=1) as talk:
        talk.lanes.hold(talk.twin, True)
        first, second = await talk.say("fs.list", path=ROOT), await talk.say("fs.list", path=ROOT)

        assert await second.verdict() == "all lanes full"
        assert not first.verdicts


async def test_a_dropped_session_command_ends_the_session_for_the_lane_and_no_other(stand: Stand) -> None:
    async with talking(stand, per_twin=6) as talk:
        talk.lanes.settled(talk.twin)
        talk.lanes.hold(talk.twin, True)
        said = [await talk.say("session.create", session=name) for name in ("a", "b")]
        said.append(await talk.say("session.exec", session="a", command="cd /tmp", run_async=False))
        said += [await talk.say("session.exec", session=name, command="pwd", run_async=False) for name in "ab"]
        said.append(await talk.say("fs.list", path=ROOT))
        dropped = await talk.say("session.exec", session="a", command="cd /", run_async=False)
        talk.lanes.hold(talk.twin, False)
        before = [await each.verdict() for each in said]
        after = []
        for name in "ab":
            await wait_until(lambda: not talk.lanes.busy(talk.twin), "an empty lane")
            talk.lanes.settled(talk.twin)
            later = await talk.say("session.exec", session=name, command="pwd", run_async=False)
            after.append(await later.verdict())

        assert await dropped.verdict() == "lane full"
        assert before == ["compared"] * 6
        assert after == ["session is not on the follower", "compared"]


async def test_a_dropped_server_makes_later_executes_incomparable(stand: Stand) -> None:
    async with talking(stand) as talk:
        talk.lanes.settled(talk.twin)
        await (await talk.say("session.create", session="s")).verdict()
        talk.mirror_execute = MirrorExecute.NEVER
        server = await talk.say("session.exec", session="s", command="sleep 60", run_async=True)
        reason = await server.verdict()
        talk.mirror_execute = MirrorExecute.ALWAYS
        talk.lanes.settled(talk.twin)
        later = await talk.say("process.exec", command="pgrep -c sleep")

        assert reason == "execute not repeated (mirror_execute = never)"
        assert await later.verdict() == "a process that runs on the seat was not started on the follower"


async def test_a_session_command_that_ended_otherwise_on_the_follower_ends_the_session_for_the_lane(
    stand: Stand,
) -> None:
    async with talking(stand, seconds=0.3) as talk:
        talk.lanes.settled(talk.twin)
        await (await talk.say("session.create", session="s")).verdict()
        stand.follower.before["session.exec"] = Held()
        lost = await talk.say("session.exec", session="s", command="cd /tmp", run_async=False)
        verdict = await lost.verdict()
        stand.follower.before.clear()
        talk.lanes.settled(talk.twin)
        later = await talk.say("session.exec", session="s", command="pwd", run_async=False)

        assert verdict == "differs"
        assert lost.verdicts[0].fate == "unknown"
        assert await later.verdict() == "session is not on the follower"


async def test_commands_are_asked_for_by_the_ids_they_have_there(stand: Stand) -> None:
    async with talking(stand) as talk:
        talk.lanes.settled(talk.twin)
        await talk.say("session.create", session="s")
        ended = await talk.say("session.exec", session="s", command="echo out", run_async=False)
        logs = await talk.say("session.logs", session="s", command_id=talk.command(ended))
        verdict = await logs.verdict()
        [asked] = [operation for operation, _ in stand.follower.seen if operation.name == "session.logs"]

        assert verdict == "compared"
        assert asked.arguments["command_id"] != talk.command(ended)


async def test_a_running_command_is_not_compared(stand: Stand) -> None:
    async with talking(stand) as talk:
        talk.lanes.settled(talk.twin)
        await talk.say("session.create", session="s")
        running = await talk.say("session.exec", session="s", command="sleep 60", run_async=True)
        logs = await talk.say("session.logs", session="s", command_id=talk.command(running))
        unheard = await talk.say("session.logs", session="s", command_id="nobody's")

        assert await logs.verdict() == "asynchronous command: the two sides are at different moments"
        assert await unheard.verdict() == "command is not on the follower"


async def test_a_session_that_was_deleted_is_not_on_the_follower(stand: Stand) -> None:
    async with talking(stand) as talk:
        talk.lanes.settled(talk.twin)
        said = [await talk.say(f"session.{verb}", session="s") for verb in ("create", "delete", "get")]

        assert [await each.verdict() for each in said] == ["compared", "compared", "session is not on the follower"]


async def test_what_the_lane_starts_carries_its_mark(stand: Stand) -> None:
    async with talking(stand) as talk:
        talk.lanes.settled(talk.twin)
        said = await talk.say("process.exec", command="echo ${CROSSFADE_SHADOW:-none}", env={"OWN": "1"})
        await said.verdict()
        [sent] = [operation for operation, _ in stand.follower.seen if operation.name == "process.exec"]

        assert said.answers[0].value.output == b"none\n"
        assert sent.arguments["env"] == {"OWN": "1", "CROSSFADE_SHADOW": "1"}
        assert talk.lanes.of(talk.twin).tainted


async def test_overlapped_calls_are_not_compared(stand: Stand) -> None:
    async with talking(stand) as talk:
        talk.lanes.settled(talk.twin)
        first, second = talk.begin("fs.upload", b"1", path=F), talk.begin("fs.upload", b"2", path=F)
        reading = talk.begin("fs.download", path=F)
        for each in (first, second, reading):
            await talk.end(each)

        assert [await each.verdict() for each in (first, second, reading)] == ["overlapped another call"] * 3
        assert stand.follower.seen == []


async def test_a_change_that_the_follower_refuses_leaves_it_behind(stand: Stand) -> None:
    stand.follower.before["fs.upload"] = answering(refused(507, "INSUFFICIENT_STORAGE", "full"))
    async with talking(stand) as talk:
        talk.lanes.settled(talk.twin)
        verdicts = [
            await (await talk.say("fs.upload", b"1", path=F)).verdict(),
            await (await talk.say("fs.download", path=F)).verdict(),
        ]

    assert verdicts == ["differs", "follower is behind"]


async def test_a_lost_change_may_still_land_on_the_follower(stand: Stand) -> None:
    stand.follower.before["fs.upload"] = answering(unknown("broke off"))
    async with talking(stand) as talk:
        talk.lanes.settled(talk.twin)
        await (await talk.say("fs.upload", b"1", path=F)).verdict()

    assert stand.twin.late_paths(frozenset((F,)), stand.clock.monotonic())


async def test_an_unusable_follower_is_sent_nothing(stand: Stand) -> None:
    async with talking(stand) as talk:
        talk.lanes.settled(talk.twin)
        talk.twin.suspended_until = stand.clock.monotonic() + 60
        said = await talk.say("fs.list", path=ROOT)

        assert await said.verdict() == "follower not usable"
        assert stand.follower.seen == []


async def test_nothing_is_run_on_a_follower_that_answers(stand: Stand) -> None:
    await stand.old.put(F, b"1")
    await stand.settler.everything(stand.twin)
    stand.follower.seen.clear()
    async with talking(stand) as talk:
        talk.lanes.settled(talk.twin)
        talk.twin.active = True
        read = await (await talk.say("fs.download", path=F)).verdict()
        said = [
            await talk.say("fs.find", path=ROOT, pattern="x"),
            await talk.say("process.exec", command="true"),
            await talk.say("fs.download", path=F),
        ]

        assert read == "compared"
        assert [await each.verdict() for each in said] == [
            "follower answers file calls, so only one-path reads are repeated",
            "follower answers file calls, so nothing is run on it",
            "follower is not equal there",
        ]
        assert stand.follower.names == ["fs.download"]


async def test_a_read_that_a_later_change_overtook_is_not_compared_with_an_active_follower(stand: Stand) -> None:
    await stand.old.put(F, b"1")
    await stand.settler.everything(stand.twin)
    async with talking(stand) as talk:
        talk.twin.active = True
        talk.lanes.hold(talk.twin, True)
        said = await talk.say("fs.download", path=F)
        await talk.say("fs.upload", b"2", offer=False, path=f"{ROOT}/other")
        talk.lanes.hold(talk.twin, False)

        assert await said.verdict() == "superseded by a later change"


async def test_calls_of_a_newborn_wait_for_its_follower_and_a_settle_does_not_let_them_go(stand: Stand) -> None:
    async with talking(stand) as talk:
        talk.lanes.newborn(talk.twin)
        said = await talk.say("fs.upload", b"1", path=F)
        talk.lanes.hold(talk.twin, True)
        talk.lanes.hold(talk.twin, False)
        await asyncio.sleep(0)
        early = list(said.verdicts)
        talk.lanes.born(talk.twin)

        assert early == []
        assert await said.verdict() == "compared"


async def test_a_defect_of_ours_on_the_shadow_side_is_counted_and_harms_nobody(
    stand: Stand, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(_operation: Operation) -> None:
        raise ValueError("a defect")

    async with talking(stand) as talk:
        talk.lanes.settled(talk.twin)
        await (await talk.say("session.create", session="s")).verdict()
        stand.follower.before["session.exec"] = broken
        said = await talk.say("session.exec", session="s", command="true", run_async=False)
        later = [await talk.say("fs.list", path=ROOT), await talk.say("session.get", session="s")]

        assert await said.verdict() == "our own failure"
        assert [await each.verdict() for each in later] == ["follower is behind", "session is not on the follower"]
    assert [record.message for record in caplog.records] == ["mirrored call failed"]


async def test_a_lane_that_has_emptied_says_so(stand: Stand) -> None:
    async with talking(stand) as talk:
        await (await talk.say("fs.list", path=ROOT)).verdict()
        await wait_until(lambda: not talk.lanes.busy(talk.twin), "an empty lane")

        assert talk.idles == [talk.twin.id]


async def test_what_is_forgotten_is_counted(stand: Stand) -> None:
    async with talking(stand) as talk:
        talk.lanes.hold(talk.twin, True)
        said = [await talk.say("fs.list", path=ROOT) for _ in range(3)]
        talk.lanes.missed(talk.twin)
        talk.lanes.forget(talk.twin, "sandbox deleted")

        assert [await each.verdict() for each in said] == ["sandbox deleted"] * 3
        assert (talk.lanes.waiting, talk.lanes.busy(talk.twin)) == (0, False)


async def test_a_stop_leaves_no_call_without_its_verdict(stand: Stand) -> None:
    gate = stand.follower.before["fs.list"] = Held()
    async with talking(stand) as talk:
        talk.lanes.settled(talk.twin)
        said = [await talk.say("fs.list", path=ROOT) for _ in range(3)]
        await gate.reached.wait()
        await talk.lanes.stop(0.05)
        said.append(await talk.say("fs.list", path=ROOT))

        assert [await each.verdict() for each in said] == ["router stopped"] * 4
        assert [each.verdicts[0].mirrored for each in said] == [True, False, False, False]


async def test_a_stop_lets_lanes_empty(stand: Stand) -> None:
    async with talking(stand) as talk:
        talk.lanes.settled(talk.twin)
        said = [await talk.say("fs.list", path=ROOT) for _ in range(3)]
        await talk.lanes.stop(20)

        assert [await each.verdict() for each in said] == ["compared"] * 3


async def test_a_split_write_is_held_together_without_sending_it_again(stand: Stand) -> None:
    async with talking(stand) as talk:
        said = talk.begin("fs.upload", b"1", path=F)
        answer = replace(await stand.old.ask("fs.upload", b"1", path=F), seconds=1.0)
        other = replace(refused(507, "INSUFFICIENT_STORAGE", "full"), seconds=2.0)
        talk.lanes.pair(said.operations, (answer,), (other,), said.done)
        finish(talk.twin, said.go.call, equal=False)

        assert await said.verdict() == "differs"
        assert (said.verdicts[0].status, said.verdicts[0].seconds) == (507, 2.0)
        assert stand.follower.seen == []
