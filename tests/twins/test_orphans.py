"""What nobody owns is found by its label; what somebody owns, or may yet, is not."""

import time
from dataclasses import replace

import pytest

from crossfade.operation import Operation
from crossfade.outcome import Outcome, refused
from crossfade.stage import Origin
from crossfade.twin import FollowerState, TwinRow
from router.twins.orphans import Found, Orphans, Why
from tests.twins.stand import HeldClock, Stand, answering

pytestmark = pytest.mark.asyncio(loop_scope="module")
HOUR = 3600.0


def looking(stand: Stand, *, later: float = 2 * HOUR) -> Orphans:
    """At a time so long after everything was made."""
    stand.sides.clock = HeldClock(time.time() + later)
    return Orphans(stand.registry, stand.sides)


async def labelled(stand: Stand, origin: Origin, nonce: str, twin: str = "") -> str:
    labels = {"crossfade_nonce": nonce, "dt_id": twin} if nonce else {"mine": "yes"}
    made = await stand.gates[origin].inner.perform(Operation(name="sandbox.create", arguments={"labels": labels}))
    return str(made.value.id)


async def known(stand: Stand, nonce: str, **row: object) -> None:
    fields = {"routing_key": "k", "nonce": nonce, "follower": FollowerState.ABSENT, **row}
    stand.rows.rows[f"twin-{nonce}"] = TwinRow(id=f"twin-{nonce}", **fields)  # type: ignore[arg-type]


def told(found: Found) -> dict[str, tuple[Origin, Why]]:
    return {each.id: (each.origin, each.why) for each in found.orphans}


async def test_everything_that_nobody_owns_is_told_with_why(stand: Stand) -> None:
    await known(stand, "gone", follower=FollowerState.GONE)
    await known(stand, "lost")
    await known(stand, "second", ids={Origin.NEW: "another"})
    expected = {
        await labelled(stand, Origin.NEW, "gone", "twin-gone"): (Origin.NEW, Why.DELETED),
        await labelled(stand, Origin.OLD, "gone"): (Origin.OLD, Why.DELETED),
        await labelled(stand, Origin.NEW, "lost"): (Origin.NEW, Why.LOST),
        await labelled(stand, Origin.NEW, "second"): (Origin.NEW, Why.SECOND),
        await labelled(stand, Origin.NEW, "never heard of"): (Origin.NEW, Why.UNKNOWN),
    }
    await labelled(stand, Origin.NEW, "")
    found = await looking(stand).find()

    assert told(found).items() >= expected.items()
    assert {each.twin for each in found.orphans if each.why is Why.DELETED} == {"twin-gone", ""}
    assert {each.why for each in found.orphans if not each.ours} == {Why.UNKNOWN}
    assert found.unread == {}


@pytest.mark.parametrize("why", ["owned", "being made", "being deleted", "young", "not yet on disk", "no label"])
async def test_what_somebody_owns_or_may_yet_is_left_out(stand: Stand, why: str) -> None:
    nonce = "" if why == "no label" else f"nonce {why}"
    there = await labelled(stand, Origin.NEW, nonce)
    match why:
        case "owned":  # by a twin with another nonce: its follower was made anew
            await known(stand, "other", follower=FollowerState.DETACHED, ids={Origin.NEW: there})
        case "being made":
            await known(stand, nonce, follower=FollowerState.CREATING)
        case "being deleted":
            await known(stand, nonce, follower=FollowerState.DELETING)
        case "young":
            await known(stand, nonce)
        case "not yet on disk":
            stand.twin.row = replace(stand.twin.row, nonce=nonce, ids={Origin.NEW: there})
    found = await looking(stand, later=60 if why == "young" else 2 * HOUR).find()

    assert there not in told(found)


async def test_what_is_removed_is_gone_and_what_fails_is_told(stand: Stand) -> None:
    await known(stand, "gone", follower=FollowerState.GONE)
    first, second = [await labelled(stand, Origin.NEW, "gone") for _ in range(2)]
    orphans = looking(stand)
    found = [each for each in (await orphans.find()).orphans if each.id in (first, second)]

    async def refusing(operation: Operation) -> Outcome | None:
        return refused(500, "", "no") if operation.sandbox == second else None

    stand.gates[Origin.NEW].before["sandbox.delete"] = refusing
    done = await orphans.remove(found)
    stand.gates[Origin.NEW].before.clear()
    left = told(await orphans.find())

    assert done == {first: "deleted", second: "500 no"}
    assert (first in left, second in left) == (False, True)


async def test_a_side_that_cannot_be_asked_is_told_and_the_other_is_looked_at(stand: Stand) -> None:
    await known(stand, "gone", follower=FollowerState.GONE)
    there = await labelled(stand, Origin.NEW, "gone")
    stand.gates[Origin.OLD].before["sandbox.list"] = answering(refused(401, "", "no key"))
    found = await looking(stand).find()

    assert found.unread == {Origin.OLD: "401 no key"}
    assert there in told(found)
