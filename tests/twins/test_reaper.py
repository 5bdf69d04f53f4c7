"""What a lost create made is found by its nonce and removed; nothing else is."""

import asyncio

import pytest

from crossfade.operation import Operation
from crossfade.outcome import Outcome, unknown
from crossfade.stage import Origin
from crossfade.twin import FollowerState
from crossfade.upstream import Purpose
from router.twins.reaper import NONCE, Reaper
from tests.twins.stand import Stand
from tests.twins.test_birth import unborn

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def make(stand: Stand, nonce: str) -> str:
    create = Operation(name="sandbox.create", arguments={"metadata": {NONCE: nonce}})
    made = await stand.new.backend.perform(create, Purpose.KEEPER)
    assert made.ok, made
    return str(made.value.id)


async def there(stand: Stand) -> set[str]:
    listed = await stand.new.backend.perform(Operation(name="sandbox.list", arguments={}), Purpose.KEEPER)
    return {info.id for info in listed.value}


async def test_only_what_carries_the_nonce_is_removed_however_late_it_comes(stand: Stand) -> None:
    reaper = Reaper(stand.sides.backends, looks_seconds=(0.01, *[0.1] * 20))
    others = await make(stand, "another-birth")
    reaper.watch(Origin.NEW, "lost")
    await asyncio.sleep(0.1)
    late = await make(stand, "lost")

    async def gone() -> bool:
        return late not in await there(stand)

    async with asyncio.timeout(20):
        while not await gone():
            await asyncio.sleep(0.05)
    assert others in await there(stand)


async def test_without_a_nonce_nothing_is_looked_for(stand: Stand) -> None:
    Reaper(stand.sides.backends, looks_seconds=(0.0,)).watch(Origin.NEW, "")
    await asyncio.sleep(0.05)

    assert stand.follower.seen == []


async def test_a_follower_whose_create_took_too_long_is_removed_once_it_is_there(stand: Stand) -> None:
    births, twin = unborn(stand)
    births.create_seconds = 0.1
    births.reaper.looks_seconds = (0.01, *[0.1] * 50)
    made: list[str] = []

    async def slow(operation: Operation) -> Outcome | None:
        # It is carried out although nobody waits for it any more.
        made.append(await make(stand, str(operation.arguments["metadata"][NONCE])))
        await asyncio.sleep(30)
        return None

    stand.follower.before["sandbox.create"] = slow
    await births.make_follower(twin, {}, move_seat=False)

    assert twin.row.follower is FollowerState.ABSENT and "did not create within" in twin.row.held
    async with asyncio.timeout(20):
        while set(made) & await there(stand):
            await asyncio.sleep(0.05)


async def test_a_create_whose_answer_was_lost_is_looked_for(stand: Stand) -> None:
    births, twin = unborn(stand)
    births.reaper.looks_seconds = (0.01, *[0.1] * 50)
    made: list[str] = []

    async def lost(operation: Operation) -> Outcome | None:
        made.append(await make(stand, str(operation.arguments["metadata"][NONCE])))
        return unknown("broke off")

    stand.follower.before["sandbox.create"] = lost
    await births.make_follower(twin, {}, move_seat=False)

    async with asyncio.timeout(20):
        while set(made) & await there(stand):
            await asyncio.sleep(0.05)


async def test_a_birth_that_a_crash_cut_short_is_held_and_its_follower_removed(stand: Stand) -> None:
    births, twin = unborn(stand)
    births.reaper.looks_seconds = (0.01, *[0.1] * 50)
    await stand.registry.change(twin, follower=FollowerState.CREATING)
    left = await make(stand, twin.row.nonce)

    await births.resume()

    assert (twin.row.follower, twin.row.held) == (FollowerState.ABSENT, "the router ended while its follower was made")
    async with asyncio.timeout(20):
        while left in await there(stand):
            await asyncio.sleep(0.05)
