"""Sandboxes that run, measured."""

import asyncio
import contextlib
from collections.abc import Coroutine, Iterator
from pathlib import Path

import pytest

from crossfade.stage import Origin
from crossfade.twin import FollowerState, TwinRow
from router.admin.running import measuring, sandboxes_running
from router.store.database import Database, open_database
from router.store.running import running
from router.store.span import Span
from router.twins.state import Twin

IDS = {"old": "o", "new": "n"}
ROWS = [
    TwinRow(id="a", routing_key="a", ids=IDS, follower=FollowerState.JOINED),
    TwinRow(id="b", routing_key="b", ids=IDS, follower=FollowerState.JOINED, seat=Origin.NEW),
    TwinRow(id="c", routing_key="c", ids={"old": "o"}, follower=FollowerState.ABSENT),
    TwinRow(id="d", routing_key="d", ids=IDS, follower=FollowerState.JOINED, stopped_at=5.0),
    TwinRow(id="e", routing_key="e", ids={"old": "o"}, follower=FollowerState.FILLING),
]


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = open_database(f"sqlite:///{tmp_path}/state.db")
    yield database
    database.close()


def test_seats_and_followers_that_run_are_counted_and_stopped_twins_are_not() -> None:
    found = sandboxes_running([Twin(row) for row in ROWS])

    assert found == {("old", "seat"): 3, ("new", "follower"): 1, ("new", "seat"): 1, ("old", "follower"): 1}


def begin(twins: list[Twin], database: Database, now: float) -> Coroutine[None, None, None]:
    return measuring(twins, database, seconds=0.05, keep_seconds=9_000.0, now=lambda: now)


async def test_what_runs_is_written_down_as_it_runs(database: Database) -> None:
    task = asyncio.create_task(begin([Twin(ROWS[0])], database, 7_200.0))
    async with asyncio.timeout(20):
        while running(database, Span(0))[0].get(("old", "seat"), 0.0) < 0.15:
            await asyncio.sleep(0.05)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    found, first = running(database, Span(0))

    assert found["old", "seat"] == found["new", "follower"] > 0.15
    assert first == 7_200.0


async def test_what_the_store_does_not_take_is_added_later(database: Database, tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    database.close()
    path.rename(tmp_path / "away.db")
    path.mkdir()  # nothing can be opened there
    task = asyncio.create_task(begin([Twin(ROWS[2])], database, 0.0))
    await asyncio.sleep(0.3)
    path.rmdir()
    (tmp_path / "away.db").rename(path)
    back = open_database(f"sqlite:///{path}")
    async with asyncio.timeout(20):
        while running(back, Span(0))[0].get(("old", "seat"), 0.0) < 0.3:
            await asyncio.sleep(0.05)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    back.close()
