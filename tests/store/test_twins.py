"""Twins on disk."""

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace

import pytest

from crossfade.errors import Unreachable
from crossfade.stage import Origin
from crossfade.twin import FollowerState, TwinRow
from router.store.database import Database, open_database
from router.store.twins import SqlTwins

ROW = TwinRow(
    id="sb-1",
    routing_key="key",
    seat=Origin.NEW,
    epoch=3,
    follower=FollowerState.JOINED,
    ids={"old": "o", "new": "n"},
    stages={"files": "live"},
    handles={"session:main": "new"},
    control={"labels": {"a": ["b"]}},
    created_at=1.5,
)


@pytest.fixture
def twins(database: Database) -> Iterator[SqlTwins]:
    twins = SqlTwins(database)
    yield twins
    twins.close()


async def test_a_row_comes_back_as_it_was_saved(twins: SqlTwins) -> None:
    await twins.save(ROW)
    await twins.save(replace(ROW, id="sb-2", seat=Origin.OLD, dirty=True))

    assert list(await twins.load()) == [ROW, replace(ROW, id="sb-2", seat=Origin.OLD, dirty=True)]


async def test_the_mark_is_set_and_taken_back_alone(twins: SqlTwins) -> None:
    await twins.save(ROW)
    await twins.mark_dirty("sb-1", True)
    assert list(await twins.load()) == [replace(ROW, dirty=True)]

    await twins.mark_dirty("sb-1", False)
    assert list(await twins.load()) == [ROW]


async def test_marking_a_twin_that_was_never_saved_is_an_error(twins: SqlTwins) -> None:
    with pytest.raises(LookupError, match="'nobody' is not in the store"):
        await twins.mark_dirty("nobody", True)


async def test_callers_who_wait_at_once_share_commits(database: Database, twins: SqlTwins) -> None:
    rows = [replace(ROW, id=f"sb-{number}") for number in range(200)]
    await asyncio.gather(*map(twins.save, rows))
    before = twins.commits
    with database.gate.urgent():  # nobody can write: everybody waits
        waiting = [asyncio.ensure_future(twins.mark_dirty(row.id, True)) for row in rows]
        await asyncio.sleep(0)
    await asyncio.gather(*waiting)

    assert twins.commits - before <= 2
    assert all(row.dirty for row in await twins.load())


async def test_a_caller_who_gave_up_harms_nobody(database: Database, twins: SqlTwins) -> None:
    await twins.save(ROW)
    with database.gate.urgent():
        one = asyncio.ensure_future(twins.mark_dirty("sb-1", True))
        two = asyncio.ensure_future(twins.save(replace(ROW, id="sb-2")))
        await asyncio.sleep(0)
        one.cancel()
    await two

    assert len(await twins.load()) == 2


async def test_a_store_that_cannot_be_written_is_told_to_the_caller(database: Database, twins: SqlTwins) -> None:
    with database.writing() as connection:
        connection.exec_driver_sql("PRAGMA query_only = ON")
    with database._durable.connect() as connection:
        connection.exec_driver_sql("PRAGMA query_only = ON")

    with pytest.raises(Unreachable, match=r"state\.db"):
        await twins.save(ROW)


async def test_a_closed_store_says_so(database: Database) -> None:
    twins = SqlTwins(database)
    twins.close()

    with pytest.raises(Unreachable, match="closed"):
        await twins.save(ROW)


def test_every_acknowledged_row_survives_a_kill(url: str) -> None:
    command = [sys.executable, "-m", "tests.store.crash_child", url, "twins"]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    acknowledged = [child.stdout.readline().strip() for _ in range(50)]
    child.kill()
    acknowledged += child.stdout.read().split()
    child.wait()
    child.stdout.close()

    found = {row.id: row for row in asyncio.run(_load(url))}
    assert all(found[id].dirty and found[id].handles == {"session:s": "new"} for id in acknowledged)
    assert len(found) <= len(acknowledged) + 1


async def _load(url: str) -> list[TwinRow]:
    database = open_database(url)
    twins = SqlTwins(database)
    rows = list(await twins.load())
    twins.close()
    database.close()
    return rows
