"""Trees that are believed equal are compared whole now and then: what differs is told of and settled anew."""

import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

import pytest

from crossfade.errors import Unreachable
from crossfade.operation import Operation
from crossfade.outcome import Outcome, refused
from router.twins.outsiders import DRIFTED
from router.twins.patrol import Patrol
from tests.twins.stand import ROOT, Stand, answering, tree, wait_until
from tests.twins.talking import Talk
from tests.twins.test_keeper import keeping

pytestmark = pytest.mark.asyncio(loop_scope="module")


@dataclass
class Told:
    """What was written down, and whether it can be."""

    said: list[tuple[str, tuple[str, ...]]] = field(default_factory=list)
    broken: bool = False

    def __call__(self, sandbox: str, paths: Sequence[str]) -> None:
        if self.broken:
            raise Unreachable("the store is away")
        self.said.append((sandbox, tuple(paths)))


@asynccontextmanager
async def patrolling(stand: Stand) -> AsyncIterator[tuple[Patrol, Told, Talk]]:
    """A patrol over one twin whose trees were just made equal."""
    async with keeping(stand) as (keeper, talk):
        await stand.old.put(f"{ROOT}/f", b"1")
        assert await keeper.settle_now(stand.twin)
        told = Told()
        yield Patrol(keeper, told, 1.0, random.Random(7)), told, talk


async def test_equal_trees_are_counted_and_nothing_is_said(stand: Stand) -> None:
    async with patrolling(stand) as (patrol, told, _):
        await patrol.look()

        assert (dict(patrol.results), told.said) == ({"equal": 1}, [])


async def test_a_side_changed_behind_our_back_is_told_of_and_made_equal_again(stand: Stand) -> None:
    async with patrolling(stand) as (patrol, told, _):
        await stand.new.put(f"{ROOT}/f", b"2")
        await stand.new.put(f"{ROOT}/more", b"3")
        await patrol.look()

        assert patrol.results["differing"] == 1
        assert told.said == [(stand.twin.id, (f"{ROOT}/f", f"{ROOT}/more"))]
        await wait_until(lambda: stand.twin.clean(stand.clock.monotonic()), "the settle")
        assert await tree(stand.old) == await tree(stand.new)
        await patrol.look()
        assert patrol.results["equal"] == 1


async def test_a_sandbox_that_differs_again_is_held_until_somebody_says_who_writes_to_it(stand: Stand) -> None:
    async with patrolling(stand) as (patrol, told, _):
        for data in (b"2", b"3"):
            await stand.new.put(f"{ROOT}/f", data)
            await patrol.look()
            await wait_until(lambda: not stand.twin.dirty_paths and not stand.twin.settling, "the settle")
            await wait_until(lambda: stand.twin.row.bypass or stand.twin.clean(stand.clock.monotonic()), "the end")

        assert (len(told.said), stand.rows.rows[stand.twin.id].held) == (2, DRIFTED)
        assert stand.twin.row.bypass
        await wait_until(lambda: patrol.keeper.settling == set(), "the settle")
        assert await stand.new.get(f"{ROOT}/f") == b"1"
        await patrol.look()
        assert len(told.said) == 2


async def test_what_cannot_be_written_down_is_repaired_all_the_same(stand: Stand) -> None:
    async with patrolling(stand) as (patrol, told, _):
        told.broken = True
        await stand.new.put(f"{ROOT}/f", b"2")
        await patrol.look()
        await wait_until(lambda: stand.twin.clean(stand.clock.monotonic()), "the settle")

        assert await stand.new.get(f"{ROOT}/f") == b"1"


async def test_a_call_that_comes_in_between_makes_no_claim(stand: Stand) -> None:
    async with patrolling(stand) as (patrol, told, talk):

        async def meanwhile(operation: Operation, outcome: Outcome) -> Outcome:
            del stand.seat.after["process.exec"]
            await talk.say("fs.upload", offer=False, path=f"{ROOT}/f", body=b"2")
            return outcome

        stand.seat.after["process.exec"] = meanwhile
        await patrol.look()

        assert (dict(patrol.results), told.said) == ({"moved": 1}, [])


async def test_a_side_that_cannot_be_read_is_no_drift(stand: Stand) -> None:
    async with patrolling(stand) as (patrol, told, _):
        stand.seat.before["process.exec"] = answering(refused(500, "BROKEN", "no"))
        await patrol.look()

        assert (dict(patrol.results), told.said) == ({"failed": 1}, [])


@pytest.mark.parametrize("why", ["dirty", "hot", "bypass", "stopped"])
async def test_only_twins_that_are_believed_equal_are_looked_at(stand: Stand, why: str) -> None:
    async with patrolling(stand) as (patrol, _, _):
        twin = stand.twin
        match why:
            case "dirty":
                twin.dirty_paths.add(f"{ROOT}/f")
            case "hot":
                twin.hot = True
            case "bypass":
                twin.row = replace(twin.row, bypass=True)
            case _:
                twin.stopped = True
        await patrol.look()

        assert not patrol.results
