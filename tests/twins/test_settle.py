"""A full settle: the follower's tree becomes the seat's, whatever is in it; and it claims no more than it knows."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from crossfade.operation import Operation
from crossfade.outcome import Outcome, done, refused, unknown
from crossfade.results import Content
from crossfade.stage import Origin
from crossfade.upstream import UpstreamFailed
from router.twins.admit import Ask, How, admit, finish
from router.twins.settle import Settled, SettleFailed
from tests.twins.stand import ROOT, Held, Stand, answering, streaming, tree
from tests.twins.test_scan import ODD

pytestmark = pytest.mark.asyncio(loop_scope="module")
EXECUTE = Ask(wish=Origin.OLD, mutates=True, unbounded=True)


def write(path: str) -> Ask:
    return Ask(wish=Origin.OLD, paths=frozenset((path,)), bounded=True, mutates=True)


def read(path: str) -> Ask:
    return Ask(wish=Origin.NEW, paths=frozenset((path,)), bounded=True)


def how(stand: Stand, path: str) -> How:
    """What a read of the path by a flag that asks for the follower would be."""
    go = admit(stand.twin, read(path), stand.clock.monotonic())
    finish(stand.twin, go.call, equal=False)
    return go.how


async def test_an_odd_tree_is_copied_whole(stand: Stand) -> None:
    assert await stand.old.sh(f"{ODD}; rm pipe") == (0, "")
    settled = await stand.settler.everything(stand.twin)

    assert settled.clean
    assert await tree(stand.old) == await tree(stand.new)
    assert how(stand, f"{ROOT}/secret") is How.CLEAN


async def test_deletes_modes_and_things_that_became_others_are_copied(stand: Stand) -> None:
    await stand.old.sh(f"{ODD}; rm pipe; mkdir -p x/below; echo f > was-file; echo d > x/below/deep")
    await stand.settler.everything(stand.twin)
    await stand.old.sh(
        f"cd {ROOT}; rm -r 'a dir' ./--help; rm was-file; mkdir was-file; echo 1 > was-file/in; rm -r x; echo now > x; "
        "rm link; mkdir link; ln -sfn elsewhere here; chmod 700 -- -rf; chmod 640 run.sh; mv secret renamed"
    )
    settled = await stand.settler.everything(stand.twin)

    assert settled.clean
    assert await tree(stand.old) == await tree(stand.new)


async def test_equal_trees_are_left_alone(stand: Stand) -> None:
    await stand.old.put(f"{ROOT}/f", b"1")
    first = await stand.settler.everything(stand.twin)
    stand.follower.seen.clear()
    second = await stand.settler.everything(stand.twin)

    assert (first, second) == (Settled(clean=True, copied=1, deleted=0), Settled(clean=True, copied=0, deleted=0))
    assert stand.follower.names == ["process.exec"], "one scan and no more"


async def test_what_only_the_follower_has_is_removed(stand: Stand) -> None:
    await stand.new.sh(f"cd {ROOT}; mkdir -p gone/deep; echo > gone/deep/file; ln -s / root")
    settled = await stand.settler.everything(stand.twin)

    assert (settled.clean, await stand.new.names(ROOT)) == (True, [])


async def test_a_write_under_way_makes_the_settle_wait_for_another_round(stand: Stand) -> None:
    go = admit(stand.twin, write(f"{ROOT}/f"), stand.clock.monotonic())
    settled = await stand.settler.everything(stand.twin)

    assert not settled.clean
    assert stand.follower.seen == [], "nothing was touched"
    assert not go.call.overlapped


async def test_a_write_that_comes_while_it_runs_voids_it_and_is_not_overwritten(stand: Stand) -> None:
    await stand.old.put(f"{ROOT}/f", b"old bytes")
    stand.seat.before["fs.download"] = answering(streaming(b"old bytes"))
    gate = stand.follower.before["fs.upload"] = Held()
    settling = asyncio.create_task(stand.settler.everything(stand.twin))
    await gate.reached.wait()
    go = admit(stand.twin, write(f"{ROOT}/f"), stand.clock.monotonic())
    await stand.old.put(f"{ROOT}/f", b"new bytes")
    await stand.new.put(f"{ROOT}/f", b"new bytes")
    finish(stand.twin, go.call, equal=True)
    gate.go.set()
    settled = await settling

    # The settle's upload landed last: what both sides were sent by the client is not what the follower holds.
    assert await stand.new.get(f"{ROOT}/f") == b"old bytes"
    assert (settled.clean, go.call.overlapped) == (False, True)
    assert how(stand, f"{ROOT}/f") is How.SEAT
    del stand.seat.before["fs.download"]
    assert (await stand.settler.everything(stand.twin)).clean
    assert await stand.new.get(f"{ROOT}/f") == b"new bytes"


async def test_files_after_a_write_are_left_to_the_next_round(stand: Stand) -> None:
    for name in "abc":
        await stand.old.put(f"{ROOT}/{name}", b"1")
    gate = stand.follower.before["fs.upload"] = Held()
    settling = asyncio.create_task(stand.settler.everything(stand.twin))
    await gate.reached.wait()
    finish(stand.twin, admit(stand.twin, write(f"{ROOT}/c"), stand.clock.monotonic()).call, equal=False)
    gate.go.set()
    await settling

    assert stand.follower.names.count("fs.upload") == 1


async def test_an_execute_that_comes_while_it_runs_leaves_the_twin_unclean(stand: Stand) -> None:
    gate = stand.seat.after["process.exec"] = Held()
    settling = asyncio.create_task(stand.settler.everything(stand.twin))
    await gate.reached.wait()
    finish(stand.twin, admit(stand.twin, EXECUTE, stand.clock.monotonic()).call, equal=False)
    gate.go.set()

    assert not (await settling).clean
    assert not stand.twin.clean(stand.clock.monotonic())


async def test_settling_while_processes_run_is_a_warm_up_and_no_claim(stand: Stand) -> None:
    await stand.old.put(f"{ROOT}/f", b"1")
    stand.twin.hot = True
    settled = await stand.settler.everything(stand.twin)

    assert settled.clean
    assert await stand.new.get(f"{ROOT}/f") == b"1"
    assert how(stand, f"{ROOT}/f") is How.SEAT
    assert stand.twin.clean_gen != stand.twin.gen


async def test_a_file_that_goes_away_while_processes_run_is_no_failure(stand: Stand) -> None:
    await stand.old.sh(f"cd {ROOT}; echo 1 > a; echo 2 > b")
    stand.twin.hot = True

    async def vanish(operation: Operation, outcome: Outcome) -> Outcome:
        del stand.seat.after["process.exec"]
        await stand.old.ask("fs.delete", path=f"{ROOT}/a", recursive=False)
        return outcome

    stand.seat.after["process.exec"] = vanish
    first = await stand.settler.everything(stand.twin)
    second = await stand.settler.everything(stand.twin)

    assert (first.clean, second.clean) == (False, True)
    assert await stand.new.names(ROOT) == ["b"]


async def test_a_file_that_cannot_be_had_while_nothing_runs_is_a_failure(stand: Stand) -> None:
    await stand.old.put(f"{ROOT}/f", b"1")
    stand.seat.before["fs.download"] = answering(refused(404, "NOT_FOUND", "no such file"))

    with pytest.raises(SettleFailed, match="404"):
        await stand.settler.everything(stand.twin)


def shrinking() -> Outcome:
    """The download of a file that is made shorter while it is read."""

    async def chunks() -> AsyncIterator[bytes]:
        yield b"123"
        raise UpstreamFailed("the file became shorter by 3 bytes while it was read", sent=True)

    return done(Content(stream=chunks(), size=6))


async def shrinks_once(stand: Stand) -> None:
    await stand.old.put(f"{ROOT}/f", b"123456")

    async def shrink(_operation: Operation) -> Outcome:
        del stand.seat.before["fs.download"]
        return shrinking()

    stand.seat.before["fs.download"] = shrink


async def test_a_file_that_shrinks_while_processes_run_is_no_failure(stand: Stand) -> None:
    await shrinks_once(stand)
    stand.twin.hot = True
    first = await stand.settler.everything(stand.twin)
    second = await stand.settler.everything(stand.twin)

    assert (first.clean, second.clean) == (False, True)
    assert await stand.new.get(f"{ROOT}/f") == b"123456"


async def test_a_path_that_shrinks_while_it_is_brought_is_not_trusted(stand: Stand) -> None:
    await shrinks_once(stand)
    stand.twin.hot = True

    assert not await stand.settler.path(stand.twin, f"{ROOT}/f")
    assert f"{ROOT}/f" in stand.twin.dirty_paths
    assert f"{ROOT}/f" not in stand.twin.tokens


async def test_a_reading_that_breaks_off_while_nothing_runs_is_a_failure_of_the_settle(stand: Stand) -> None:
    await stand.old.put(f"{ROOT}/f", b"123456")
    stand.seat.before["fs.download"] = answering(shrinking())

    with pytest.raises(SettleFailed, match=f"{ROOT}/f could not be read whole: .* shorter by 3 bytes"):
        await stand.settler.everything(stand.twin)


async def test_one_settle_at_a_time(stand: Stand) -> None:
    await stand.old.put(f"{ROOT}/f", b"1")
    gate = stand.follower.before["fs.upload"] = Held()
    first = asyncio.create_task(stand.settler.everything(stand.twin))
    await gate.reached.wait()
    second = await stand.settler.everything(stand.twin)
    fill = await stand.settler.path(stand.twin, f"{ROOT}/f")
    gate.go.set()

    assert (second, fill) == (Settled(clean=False, copied=0, deleted=0), False)
    assert (await first).clean
    assert stand.follower.names.count("fs.upload") == 1


async def test_a_root_that_commands_cannot_see_is_no_empty_tree(stand: Stand) -> None:
    await stand.new.put(f"{ROOT}/f", b"1")
    empty = await stand.old.ask("process.exec", command="printf 'AAA='")
    stand.seat.before["process.exec"] = answering(empty)

    with pytest.raises(SettleFailed, match=f"commands on old do not see {ROOT}, which file calls do"):
        await stand.settler.everything(stand.twin)
    assert await stand.new.names(ROOT) == ["f"]


@pytest.mark.parametrize("origin", Origin)
async def test_a_side_that_cannot_be_read_fails_the_settle_and_touches_nothing(stand: Stand, origin: Origin) -> None:
    await stand.old.put(f"{ROOT}/f", b"1")
    stand.gates[origin].before["process.exec"] = answering(refused(400, "BAD_REQUEST", "Is the Sandbox started?"))

    with pytest.raises(SettleFailed, match=f"{origin}: 400 BAD_REQUEST: Is the Sandbox started"):
        await stand.settler.everything(stand.twin)
    assert await stand.new.names(ROOT) == []
    assert not stand.twin.settling


async def test_a_change_that_the_follower_refuses_is_not_taken_for_done(stand: Stand) -> None:
    await stand.old.sh(f"cd {ROOT}; mkdir d; ln -s 2 z")
    scanned = stand.follower.inner

    async def read_only(operation: Operation) -> Outcome | None:
        refused_there = "sh -e" in operation.arguments["command"]
        return await scanned.perform(replace(operation, arguments={"command": "exit 1"})) if refused_there else None

    stand.follower.before["process.exec"] = read_only

    with pytest.raises(SettleFailed, match="follower could not apply changes"):
        await stand.settler.everything(stand.twin)
    assert how(stand, f"{ROOT}/d") is How.SEAT


async def test_a_lost_answer_keeps_the_path_on_the_seat_until_it_cannot_land_any_more(stand: Stand) -> None:
    await stand.old.sh(f"cd {ROOT}; echo 1 > a; echo 2 > b")
    stand.follower.before["fs.upload"] = answering(unknown("broke off"))
    with pytest.raises(SettleFailed):
        await stand.settler.everything(stand.twin)
    stand.follower.before.clear()
    settled = await stand.settler.everything(stand.twin)

    assert settled.clean
    assert [how(stand, f"{ROOT}/{name}") for name in "ab"] == [How.SEAT, How.CLEAN]
    assert f"{ROOT}/a" in stand.twin.dirty_paths, "so that it is settled once more"


async def test_a_settle_that_is_called_off_leaves_what_it_was_sending_in_doubt(stand: Stand) -> None:
    await stand.old.put(f"{ROOT}/f", b"1")
    gate = stand.follower.before["fs.upload"] = Held()
    settling = asyncio.create_task(stand.settler.everything(stand.twin))
    await gate.reached.wait()
    settling.cancel()
    with pytest.raises(asyncio.CancelledError):
        await settling

    assert stand.twin.late_paths(frozenset((f"{ROOT}/f",)), stand.clock.monotonic())
    assert not stand.twin.settling


async def test_paths_outside_the_roots_stay_with_the_seat(stand: Stand) -> None:
    await stand.settler.everything(stand.twin)
    stand.twin.dirty_paths |= {"/etc/hosts", f"{ROOT}/f", "/"}
    await stand.settler.everything(stand.twin)

    assert stand.twin.dirty_paths == {"/etc/hosts"}


async def test_a_path_that_became_dirty_while_it_ran_stays_dirty(stand: Stand) -> None:
    await stand.old.put(f"{ROOT}/f", b"1")

    async def disturbed(_operation: Operation) -> Outcome | None:
        stand.twin.dirty_paths.add(f"{ROOT}/other")
        return None

    stand.follower.before["fs.upload"] = disturbed
    await stand.settler.everything(stand.twin)

    assert stand.twin.dirty_paths == {f"{ROOT}/other"}


async def test_tokens_of_what_it_touches_are_dropped(stand: Stand) -> None:
    for name in ("kept", "moved", "changed"):
        await stand.old.put(f"{ROOT}/{name}", b"1")
        assert await stand.settler.path(stand.twin, f"{ROOT}/{name}")
    await stand.old.sh(f"cd {ROOT}; mv moved /tmp; echo 2 > changed")
    stand.twin.hot = True
    await stand.settler.everything(stand.twin)
    await stand.old.sh(f"mv /tmp/moved {ROOT}")  # with the stat that its token has, and not on the follower

    assert set(stand.twin.tokens) == {f"{ROOT}/kept"}


async def test_bytes_are_copied_as_they_are(stand: Stand) -> None:
    await stand.old.put(f"{ROOT}/empty", b"")
    await stand.old.put(f"{ROOT}/f", b"\x00\xff" * 300_000)
    await stand.settler.everything(stand.twin)

    assert await stand.new.get(f"{ROOT}/f") == b"\x00\xff" * 300_000
    assert await stand.new.get(f"{ROOT}/empty") == b""


async def test_bytes_that_are_not_those_of_the_scan_are_no_claim(stand: Stand) -> None:
    await stand.old.put(f"{ROOT}/f", b"1")
    stand.seat.before["fs.download"] = answering(streaming(b"changed meanwhile"))
    first = await stand.settler.everything(stand.twin)
    claimed = stand.twin.clean(stand.clock.monotonic())
    del stand.seat.before["fs.download"]
    second = await stand.settler.everything(stand.twin)

    assert (first.clean, claimed, second.clean) == (False, False, True)
    assert await stand.new.get(f"{ROOT}/f") == b"1"
