"""A settle of one path: what a read missed is copied, and a token proves it later. No claim without proof."""

import asyncio

import pytest

from crossfade.operation import Operation
from crossfade.outcome import Outcome, refused, unknown
from crossfade.stage import Origin
from router.twins.admit import How, admit, finish
from router.twins.settle import SettleFailed, rejoin, token_of
from tests.twins.stand import ROOT, Held, Stand, answering
from tests.twins.test_settle import EXECUTE, how, read, write

pytestmark = pytest.mark.asyncio(loop_scope="module")
F = f"{ROOT}/f"


async def test_a_filled_path_is_read_by_token(stand: Stand) -> None:
    await stand.old.sh(f"echo 1 > {F}; chmod 640 {F}")
    filled = await stand.settler.path(stand.twin, F)
    info = await stand.old.ask("fs.info", path=F)

    assert filled
    assert await stand.new.get(F) == b"1\n"
    assert (await stand.new.ask("fs.info", path=F)).value.mode == 0o640
    assert stand.twin.tokens[F] == token_of(info.value)
    assert how(stand, F) is How.TOKEN


@pytest.mark.parametrize("name", ["new\nline", "-rf", "it's $HOME", "ünï", "a/b/c/d"])
async def test_odd_names_are_filled(stand: Stand, name: str) -> None:
    path = f"{ROOT}/{name}"
    await stand.old.put(path, b"odd")

    assert await stand.settler.path(stand.twin, path)
    assert await stand.new.get(path) == b"odd"


async def test_what_is_gone_on_the_seat_is_removed(stand: Stand) -> None:
    await stand.new.sh(f"mkdir -p {F}/deep; echo 1 > {F}/deep/file")
    stand.twin.dirty_paths.add(F)

    assert await stand.settler.path(stand.twin, F)
    assert await stand.new.names(ROOT) == []
    assert stand.twin.dirty_paths == set()


async def test_nothing_outside_the_roots_is_filled(stand: Stand) -> None:
    assert not await stand.settler.path(stand.twin, "/etc/hosts")
    assert stand.follower.seen == []


async def test_no_fill_under_an_open_write_of_it(stand: Stand) -> None:
    await stand.old.put(F, b"1")
    admit(stand.twin, write(f"{ROOT}/f/below"), stand.clock.monotonic())

    assert not await stand.settler.path(stand.twin, F)
    assert stand.follower.seen == []


@pytest.mark.parametrize("ask", [write(F), EXECUTE], ids=["a write of it", "an execute"])
async def test_a_change_that_comes_while_it_runs_voids_it(stand: Stand, ask: object) -> None:
    await stand.old.put(F, b"1")
    gate = stand.follower.before["fs.upload"] = Held()
    filling = asyncio.create_task(stand.settler.path(stand.twin, F))
    await gate.reached.wait()
    go = admit(stand.twin, ask, stand.clock.monotonic())  # type: ignore[arg-type]
    finish(stand.twin, go.call, equal=True)
    gate.go.set()

    assert not await filling
    assert F not in stand.twin.tokens
    assert F in stand.twin.dirty_paths


async def test_a_file_that_changes_while_it_is_read_is_read_again(stand: Stand) -> None:
    await stand.old.put(F, b"1")
    times: list[int] = []

    async def change(_operation: Operation, outcome: Outcome) -> Outcome:
        times.append(1)
        if len(times) == 1:
            await stand.old.put(F, b"second")
        return outcome

    stand.seat.after["fs.download"] = change

    assert await stand.settler.path(stand.twin, F)
    assert len(times) == 2
    assert await stand.new.get(F) == b"second"


async def test_a_file_that_never_stands_still_is_churning_and_stays_with_the_seat(stand: Stand) -> None:
    await stand.old.put(F, b"1")

    async def change(_operation: Operation, outcome: Outcome) -> Outcome:
        await stand.old.sh(f"echo more >> {F}")
        return outcome

    stand.seat.after["fs.download"] = change
    filled = await stand.settler.path(stand.twin, F)

    assert not filled
    assert stand.follower.names.count("fs.upload") == 3
    assert how(stand, F) is How.SEAT


async def test_what_a_fill_could_not_prove_is_not_read_at_the_follower(stand: Stand) -> None:
    await stand.old.put(F, b"1")
    await stand.settler.everything(stand.twin)
    gate = stand.follower.before["fs.upload"] = Held()
    filling = asyncio.create_task(stand.settler.path(stand.twin, F))
    await gate.reached.wait()
    while_filling = how(stand, F)
    stand.seat.before["fs.info"] = answering(refused(500, "INTERNAL", "no"))
    gate.go.set()
    with pytest.raises(SettleFailed):
        await filling

    assert while_filling is How.SEAT, "half of it may be there"
    assert how(stand, F) is How.SEAT


async def test_a_directory_is_filled_alone_and_vouches_for_nothing_below(stand: Stand) -> None:
    """The follower lost a whole directory (a delete that only it carried out): its children are not known equal."""
    await stand.old.sh(f"mkdir {ROOT}/d; echo 1 > {ROOT}/d/x")
    await stand.settler.everything(stand.twin)
    await stand.new.sh(f"rm -r {ROOT}/d")
    go = admit(stand.twin, write(f"{ROOT}/d"), stand.clock.monotonic())
    finish(stand.twin, go.call, equal=False)
    filled = await stand.settler.path(stand.twin, f"{ROOT}/d")

    assert filled
    assert how(stand, f"{ROOT}/d/x") is How.SEAT


async def test_no_token_while_a_lost_write_may_still_land(stand: Stand) -> None:
    await stand.old.put(F, b"1")
    stand.twin.late[F] = stand.clock.monotonic() + 60
    early = await stand.settler.path(stand.twin, F)
    stand.twin.late[F] = stand.clock.monotonic() - 1

    assert not early
    assert await stand.settler.path(stand.twin, F)


async def test_a_failed_fill_says_which_side_and_why(stand: Stand) -> None:
    await stand.old.put(F, b"1")
    stand.follower.before["fs.upload"] = answering(refused(507, "INSUFFICIENT_STORAGE", "no space left"))

    with pytest.raises(SettleFailed, match="new: 507 INSUFFICIENT_STORAGE: no space left"):
        await stand.settler.path(stand.twin, F)
    assert not stand.twin.settling


async def test_a_lost_upload_of_a_fill_may_still_land(stand: Stand) -> None:
    await stand.old.put(F, b"1")
    stand.follower.before["fs.upload"] = answering(unknown("broke off"))
    with pytest.raises(SettleFailed):
        await stand.settler.path(stand.twin, F)

    assert stand.twin.late_paths(frozenset((F,)), stand.clock.monotonic())


async def test_a_twin_that_rejoins_is_trusted_in_nothing(stand: Stand) -> None:
    await stand.old.put(F, b"1")
    await stand.settler.path(stand.twin, F)
    await stand.settler.everything(stand.twin)
    rejoin(stand.twin)

    go = admit(stand.twin, read(F), stand.clock.monotonic())
    assert (go.side, go.how) == (Origin.OLD, How.SEAT)
