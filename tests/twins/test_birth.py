"""Birth: the follower is made behind the client's back, at most once, and the seat moves only while nothing ran.

Clauses C7 and C12 of docs/consistency.md.
"""

import asyncio
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest

from crossfade.operation import Operation
from crossfade.outcome import Outcome, done, refused, unknown
from crossfade.stage import Origin
from crossfade.twin import FollowerState
from crossfade.upstream import Purpose
from router.twins import probe
from router.twins.admit import admit, finish
from router.twins.birth import Births
from router.twins.egress import Egress
from router.twins.keeper import Keeper
from router.twins.state import Twin
from router.wire.limits import Bucket
from tests.backends.asking import Asking
from tests.twins.stand import PATIENCE, ROOT, Held, Stand, answering, tree, wait_until
from tests.twins.talking import talking
from tests.twins.test_settle import EXECUTE, write

pytestmark = pytest.mark.asyncio(loop_scope="module")
F = f"{ROOT}/f"


def unborn(stand: Stand) -> tuple[Births, Twin]:
    """The stand's seat, whose follower is still to be made."""
    # A nonce of its own: the reaper of an earlier test's lost create still looks for that one's.
    row = replace(stand.twin.row, follower=FollowerState.ABSENT, ids={Origin.OLD: stand.old.id}, nonce=uuid4().hex)
    twin = Twin(row=row)
    stand.registry.twins[twin.id] = stand.twin = twin
    stand.rows.rows[twin.id] = row
    # A busy machine must not make the move late: what it does when it is late has a test of its own.
    return Births(stand.registry, stand.sides, stand.settler, Egress(blocked=False), fence_seconds=PATIENCE), twin


def made(stand: Stand) -> Asking:
    return Asking(stand.new.backend, stand.twin.row.ids[Origin.NEW])


async def test_the_intent_is_on_disk_before_the_follower_is_asked_for(stand: Stand) -> None:
    births, twin = unborn(stand)
    on_disk: list[object] = []

    async def look(operation: Operation) -> Outcome | None:
        on_disk.append((stand.rows.rows[twin.id].follower, operation.arguments["metadata"]))
        return None

    stand.follower.before["sandbox.create"] = look
    await births.make_follower(twin, {"env": {"A": "1"}}, move_seat=False)

    keys = {"crossfade_key": "key", "crossfade_nonce": twin.row.nonce, "dt_id": twin.id}
    assert on_disk == [(FollowerState.CREATING, keys)]
    assert stand.follower.seen[0][1] is Purpose.KEEPER
    assert stand.rows.rows[twin.id].follower is FollowerState.JOINED
    assert stand.rows.rows[twin.id].ids == {Origin.OLD: stand.old.id, Origin.NEW: made(stand).id}
    assert (await made(stand).sh("echo $A"))[1] == "1\n"


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (refused(429, "TOO_MANY_REQUESTS", "quota"), "new refused to create: 429 quota"),
        (unknown("broke off"), "new refused to create: 502 broke off"),
        (done("nonsense"), "new refused to create: 200 "),
    ],
    ids=["refused", "lost", "not understood"],
)
async def test_a_follower_that_is_not_made_is_a_reason_and_no_error(stand: Stand, answer: Outcome, reason: str) -> None:
    births, twin = unborn(stand)
    births.announce(twin)
    fence = twin.fence_process
    stand.follower.before["sandbox.create"] = answering(answer)
    await births.make_follower(twin, {}, move_seat=True)
    row = stand.rows.rows[twin.id]

    assert (row.follower, row.held, row.seat) == (FollowerState.ABSENT, reason, Origin.OLD)
    assert fence is not None
    assert fence.is_set()
    assert (twin.fence_process, twin.creating) == (None, False)


async def test_a_create_that_takes_too_long_is_given_up(stand: Stand) -> None:
    births, twin = unborn(stand)
    births.create_seconds = 0.05
    stand.follower.before["sandbox.create"] = Held()
    await births.make_follower(twin, {}, move_seat=False)

    assert stand.rows.rows[twin.id].held == "new did not create within 0.05 s"


async def test_a_sandbox_deleted_while_its_follower_is_made_leaves_nothing(stand: Stand) -> None:
    births, twin = unborn(stand)
    gate = stand.follower.after["sandbox.create"] = Held()
    async with talking(stand) as talk:
        keeper = Keeper(stand.registry, stand.sides, stand.settler, talk.lanes, 0.02)
        making = asyncio.create_task(births.make_follower(twin, {}, move_seat=True))
        await gate.reached.wait()
        await keeper.deleting(twin)
        keeper.delete_rest(twin, None)
        await asyncio.sleep(0.1)
        early = stand.registry.get(twin.id)
        gate.go.set()
        await making
        await wait_until(lambda: stand.registry.get(twin.id) is None, "the tombstone")

    assert early is twin
    assert (await stand.old.ask("sandbox.get")).status == 404
    assert (await made(stand).ask("sandbox.get")).status == 404
    assert stand.rows.rows[twin.id].follower is FollowerState.GONE


async def test_a_sandbox_deleted_before_its_follower_is_asked_for_gets_none(stand: Stand) -> None:
    births, twin = unborn(stand)
    await stand.registry.remove(twin)
    await births.make_follower(twin, {}, move_seat=False)

    assert stand.follower.names == []
    assert stand.rows.rows[twin.id].follower is FollowerState.GONE


async def test_the_seat_moves_at_birth_with_the_files_that_were_there(stand: Stand) -> None:
    births, twin = unborn(stand)
    await stand.old.sh(f"mkdir {ROOT}/d; echo 1 > {ROOT}/d/x; chmod 600 {ROOT}/d/x")
    births.announce(twin)
    fence = twin.fence_process
    await births.make_follower(twin, {}, move_seat=True)

    assert (twin.seat, twin.row.epoch, twin.row.held) == (Origin.NEW, 1, "")
    assert stand.rows.rows[twin.id] == twin.row
    assert await tree(stand.old) == await tree(made(stand))
    assert fence is not None
    assert fence.is_set()
    assert twin.fence is None


async def test_the_seat_does_not_move_before_that_is_on_disk(stand: Stand) -> None:
    births, twin = unborn(stand)
    saved: list[Any] = []
    save = stand.rows.save

    class Watched:
        """The disk; what calls see while it is written."""

        load, mark_dirty = stand.rows.load, stand.rows.mark_dirty

        async def save(self, row: Any) -> None:
            saved.append((row.seat, twin.fence is not None and not twin.fence.is_set()))
            await save(row)

    stand.registry.rows = Watched()
    await births.make_follower(twin, {}, move_seat=True)

    assert saved[-1] == (Origin.NEW, True), "calls wait until it is written"


@pytest.mark.parametrize("what", ["a process", "a session"])
async def test_where_something_ran_the_seat_stays(stand: Stand, what: str) -> None:
    births, twin = unborn(stand)
    if what == "a process":
        finish(twin, admit(twin, EXECUTE, stand.clock.monotonic()).call, equal=False)
    else:
        twin.handles["session:s"] = Origin.OLD
    await births.make_follower(twin, {}, move_seat=True)

    assert (twin.seat, twin.joined) == (Origin.OLD, True)
    assert twin.row.held == "a process started before new was ready at birth"


async def test_a_process_that_comes_while_the_trees_are_made_equal_keeps_the_seat(stand: Stand) -> None:
    births, twin = unborn(stand)
    await stand.old.put(F, b"1")
    gate = stand.follower.before["fs.upload"] = Held()
    making = asyncio.create_task(births.make_follower(twin, {}, move_seat=True))
    await gate.reached.wait()
    fenced = twin.fence is not None
    finish(twin, admit(twin, EXECUTE, stand.clock.monotonic()).call, equal=False)
    gate.go.set()
    await making

    assert fenced
    assert twin.seat is Origin.OLD
    assert twin.row.held == "a call came in while the seat was to move at birth"


async def test_the_move_waits_for_writes_under_way(stand: Stand) -> None:
    births, twin = unborn(stand)
    go = admit(twin, write(F), stand.clock.monotonic())
    making = asyncio.create_task(births.make_follower(twin, {}, move_seat=True))
    await wait_until(lambda: twin.fence is not None, "the fence")
    await stand.old.put(F, b"written meanwhile")
    finish(twin, go.call, equal=False)
    await making

    assert twin.seat is Origin.NEW
    assert await made(stand).get(F) == b"written meanwhile"


async def test_trees_that_do_not_become_equal_in_time_keep_the_seat(stand: Stand) -> None:
    births, twin = unborn(stand)
    await stand.old.put(F, b"1")
    births.fence_seconds = 0.1
    stand.follower.before["fs.upload"] = Held()
    await births.make_follower(twin, {}, move_seat=True)

    assert twin.seat is Origin.OLD
    assert twin.row.held == "seat did not move at birth: the trees were not equal within 0.1 s"
    assert twin.fence is None
    assert twin.late_paths(frozenset((F,)), stand.clock.monotonic()), "the upload was under way"


async def test_a_side_that_cannot_be_settled_keeps_the_seat_and_says_why(stand: Stand) -> None:
    births, twin = unborn(stand)
    await stand.old.put(F, b"1")
    stand.follower.before["fs.upload"] = answering(refused(507, "INSUFFICIENT_STORAGE", "full"))
    await births.make_follower(twin, {}, move_seat=True)

    assert twin.seat is Origin.OLD
    assert twin.row.held == "seat did not move at birth: new: 507 INSUFFICIENT_STORAGE: full"


async def test_the_seat_does_not_move_to_where_a_lost_write_may_still_land(stand: Stand) -> None:
    births, twin = unborn(stand)
    twin.late[F] = stand.clock.monotonic() + 60
    await births.make_follower(twin, {}, move_seat=True)

    assert (twin.seat, twin.row.held) == (Origin.OLD, "a lost write may still land on new")


async def test_what_a_sandbox_is_born_with_is_kept(stand: Stand) -> None:
    births, twin = unborn(stand)
    await births.baseline(twin)
    running = await probe.ask(stand.sides, twin)

    assert running is not None
    assert twin.baseline == probe.counted(running)
    assert stand.rows.rows[twin.id].baseline == dict(twin.baseline)


@pytest.mark.parametrize("when", ["before", "meanwhile"])
async def test_a_baseline_that_a_call_came_before_is_none(stand: Stand, when: str) -> None:
    births, twin = unborn(stand)
    gate = stand.seat.after["process.exec"] = Held()
    if when == "before":
        finish(twin, admit(twin, EXECUTE, stand.clock.monotonic()).call, equal=False)
        gate.go.set()
    learning = asyncio.create_task(births.baseline(twin))
    if when == "meanwhile":
        await gate.reached.wait()
        finish(twin, admit(twin, EXECUTE, stand.clock.monotonic()).call, equal=False)
        gate.go.set()
    await learning

    assert twin.baseline is None


async def test_followers_wait_for_their_turn_and_leave_one_create_to_clients(stand: Stand) -> None:
    births, twin = unborn(stand)
    births.creates = Bucket(stand.clock, most=2, per_second=0.001)
    births.creates.spend()  # a client's own
    births.create_seconds = 0.1
    await births.make_follower(twin, {}, move_seat=False)

    assert stand.follower.names == [], "nothing was asked, so nothing can have been made"
    assert stand.rows.rows[twin.id].held == "new allows no more creates now (origins.new.creates_per_second)"


async def test_a_follower_is_made_when_its_turn_comes(stand: Stand) -> None:
    births, twin = unborn(stand)
    births.creates = Bucket(stand.clock, most=2, per_second=20)
    births.creates.spend()
    await births.make_follower(twin, {}, move_seat=False)

    assert twin.joined
