"""The registry: what calls may trust is on disk first, and a restart trusts no more than the disk says."""

import asyncio
from collections import Counter
from dataclasses import replace

import pytest

from crossfade.errors import Unreachable
from crossfade.stage import Origin
from crossfade.twin import FollowerState, TwinRow
from router.twins.admit import Ask, How, admit, finish
from router.twins.registry import Registry
from router.twins.state import Twin
from tests.twins.stand import HeldClock, Rows

ROW = TwinRow(id="s", routing_key="k", follower=FollowerState.JOINED, ids={Origin.OLD: "s", Origin.NEW: "n"})
READ = Ask(wish=Origin.NEW, paths=frozenset(("/workspace/a",)), bounded=True)


async def registry(*rows: TwinRow, clock: HeldClock | None = None) -> tuple[Registry, Rows]:
    kept = Rows({row.id: row for row in rows})
    made = Registry(kept, clock or HeldClock(), orphan_grace_seconds=60)
    await made.load()
    return made, kept


def one(made: Registry) -> Twin:
    twin = made.get("s")
    assert twin is not None
    return twin


async def test_a_clean_twin_restarts_clean() -> None:
    made, _ = await registry(ROW)

    assert admit(one(made), READ, made.clock.monotonic()).how is How.CLEAN


async def test_a_dirty_twin_restarts_on_the_seat_until_orphans_are_gone_and_it_is_settled() -> None:
    clock = HeldClock()
    made, _ = await registry(replace(ROW, dirty=True), clock=clock)
    twin = one(made)
    at_once = admit(twin, READ, clock.monotonic())
    clock.seconds += 61
    later = admit(twin, READ, clock.monotonic())

    assert (at_once.side, at_once.reason) == (Origin.OLD, "follower is waiting out a lost answer")
    assert (later.side, later.how) == (Origin.OLD, How.SEAT)
    assert twin.hot
    assert twin.gen != twin.clean_gen


@pytest.mark.parametrize("state", [state for state in FollowerState if state is not FollowerState.JOINED])
async def test_a_follower_that_was_not_joined_is_trusted_in_nothing(state: FollowerState) -> None:
    made, _ = await registry(replace(ROW, follower=state))
    twin = made.get("s")

    assert (twin is None) == (state is FollowerState.GONE)
    assert twin is None or (twin.row.dirty and not twin.clean(made.clock.monotonic() + 1000))


async def test_handles_and_what_ran_at_birth_outlive_a_restart() -> None:
    made, _ = await registry(replace(ROW, handles={"session:one": "new"}, baseline={"abc": 2}))

    assert one(made).handles == {"session:one": Origin.NEW}
    assert one(made).baseline == Counter(abc=2)


async def test_the_mark_is_on_disk_before_the_first_byte_may_go() -> None:
    made, kept = await registry(ROW)
    kept.hold = asyncio.Event()
    twin = one(made)
    go = admit(twin, replace(READ, mutates=True), made.clock.monotonic())
    marking = asyncio.create_task(made.mark_dirty(twin))
    await asyncio.sleep(0)
    before = (go.mark_dirty_first, marking.done(), kept.rows["s"].dirty)
    kept.hold.set()
    await marking

    assert before == (True, False, False)
    assert kept.rows["s"].dirty
    assert twin.row.dirty


async def test_every_write_waits_for_a_mark_until_one_is_on_disk() -> None:
    made, kept = await registry(ROW)
    kept.hold = asyncio.Event()
    twin = one(made)
    admitted = [admit(twin, replace(READ, mutates=True), 0.0).mark_dirty_first]
    marking = asyncio.create_task(made.mark_dirty(twin))
    await asyncio.sleep(0)
    admitted.append(admit(twin, replace(READ, mutates=True), 0.0).mark_dirty_first)
    kept.hold.set()
    await marking
    admitted.append(admit(twin, replace(READ, mutates=True), 0.0).mark_dirty_first)

    assert admitted == [True, True, False]


async def test_saving_a_row_does_not_undo_a_mark_on_its_way() -> None:
    made, kept = await registry(ROW)
    twin = one(made)
    await asyncio.gather(made.mark_dirty(twin), made.change(twin, held="for a reason"))

    assert kept.rows["s"].dirty
    assert kept.rows["s"].held == "for a reason"
    assert twin.row == kept.rows["s"]
    assert twin.marking == 0


async def test_a_write_while_the_mark_is_taken_back_writes_one_of_its_own_after_it() -> None:
    made, kept = await registry(ROW)
    twin = one(made)
    await made.mark_dirty(twin)
    kept.hold = asyncio.Event()
    cleaning = asyncio.create_task(made.mark_clean(twin))
    await asyncio.sleep(0)
    go = admit(twin, replace(READ, mutates=True), 0.0)
    marking = asyncio.create_task(made.mark_dirty(twin))
    await asyncio.sleep(0)
    kept.hold.set()
    await asyncio.gather(cleaning, marking)

    assert go.mark_dirty_first
    assert kept.log == ["mark True", "mark False", "mark True"]
    assert kept.rows["s"].dirty
    assert twin.row.dirty


async def test_a_mark_that_cannot_be_written_is_not_taken_for_written() -> None:
    made, kept = await registry(ROW)
    kept.broken = Unreachable("disk full")
    twin = one(made)
    with pytest.raises(Unreachable):
        await made.mark_dirty(twin)
    go = admit(twin, replace(READ, mutates=True), 0.0)
    finish(twin, go.call, equal=True)

    assert go.mark_dirty_first, "the next write tries again"
    assert twin.marking == 0


async def test_a_dead_twin_leaves_a_tombstone_and_stays_dead() -> None:
    made, kept = await registry(ROW)
    await made.remove(one(made))
    again = Registry(kept, HeldClock(), orphan_grace_seconds=60)
    await again.load()

    assert kept.rows["s"].follower is FollowerState.GONE
    assert (made.get("s"), len(made), list(again)) == (None, 0, [])


async def test_a_delete_that_was_not_finished_is_known_after_a_restart() -> None:
    made, _ = await registry(replace(ROW, follower=FollowerState.DELETING, epoch=3))

    assert [(twin.id, twin.row.follower, twin.row.epoch) for twin in made] == [("s", FollowerState.DELETING, 3)]


async def test_twins_may_come_and_go_while_they_are_walked() -> None:
    made, _ = await registry(ROW)
    seen = []
    for twin in made:
        made.add(replace(ROW, id="t"))
        seen.append(twin.id)

    assert seen == ["s"]
    assert len(made) == 2


async def test_a_sandbox_is_known_by_its_name_where_only_one_bears_it() -> None:
    made, _ = await registry(replace(ROW, control={"name": "mine"}, organization="a"))
    other = made.add(replace(ROW, id="t", organization="b"))
    alone = made.named("mine")
    await made.change(other, control={"name": "mine"})
    both = made.named("mine"), made.named("mine", "a"), made.named("mine", "b")
    await made.remove(other)

    assert (alone, both, made.named("mine")) == (one(made), (None, one(made), other), one(made))
    await made.remove(one(made))
    assert (made.named("mine"), made.names) == (None, {})
