"""Counts by sandbox: late in their table, never late for a reader, counted once whatever happens between."""

import subprocess
import sys
import threading
from collections.abc import Mapping

import pytest

from router.store.calls import tail
from router.store.database import Database, open_database
from router.store.queries import Sandboxes, window
from router.store.records import SqlRecords
from router.store.sandboxes import SandboxCounts
from tests.store.store_examples import NOON, differing, record


def counted(database: Database) -> dict[str, int]:
    """The calls by sandbox that stand in the table."""
    with database.reading() as connection:
        return {
            row.sandbox: row.calls for row in connection.exec_driver_sql("SELECT sandbox, calls FROM sandbox_hours")
        }


def seen(database: Database) -> Mapping[str, Sandboxes]:
    return {tool.tool: tool.sandboxes for tool in window(database).tools}


def test_readers_see_at_once_what_is_added_up_later(database: Database, records: SqlRecords) -> None:
    records.add(record(sandbox="a"))
    records.add(differing(sandbox="b", tool="web"))
    records.flush()
    first = seen(database)
    records.add(record(sandbox="b", answering="old"))
    records.flush()
    second = seen(database)
    late = counted(database)
    records.close()

    assert late == {}
    assert first == {
        "files": Sandboxes(seen=1, on_new=1, compared=1, differing=0),
        "web": Sandboxes(seen=1, on_new=1, compared=1, differing=1),
    }
    assert second["files"] == Sandboxes(seen=2, on_new=1, compared=2, differing=0)
    assert seen(database) == second
    assert counted(database) == {"a": 1, "b": 1}


def test_many_readers_at_once_do_not_meet(database: Database, records: SqlRecords) -> None:
    records.add(record(sandbox="a"))
    records.flush()
    found: list[int] = []

    def read() -> None:
        for _ in range(20):
            found.append(seen(database)["files"].seen)

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert found == [1] * 80


def test_the_table_is_written_when_it_is_time(database: Database, records: SqlRecords) -> None:
    slow, quick = SandboxCounts(database, every_seconds=3_600), SandboxCounts(database, every_seconds=0)
    for counts in (slow, quick):
        counts.add({(int(NOON), "files", "a"): [3, 2, 1, 0]})
        counts.add({(int(NOON), "files", "a"): [1, 0, 1, 0], (int(NOON), "files", "\ud800"): [1, 0, 0, 0]})

    slow.write()
    before = counted(database)
    quick.write()
    after = counted(database)
    slow.write(now=True)
    slow.write(now=True)

    assert (before, after) == ({}, {"a": 4, "?": 1})
    assert counted(database) == {"a": 8, "?": 2}


def test_very_many_sandboxes_do_not_wait_for_the_time(database: Database) -> None:
    counts = SandboxCounts(database, every_seconds=3_600)
    counts.add({(int(NOON), "files", f"sb-{number}"): [1, 0, 0, 0] for number in range(20_000)})

    counts.write()

    assert len(counted(database)) == 20_000


@pytest.mark.parametrize("restarts", [1, 3])
def test_a_writer_that_is_killed_loses_and_doubles_nothing_it_said_was_written(url: str, restarts: int) -> None:
    said: list[str] = []
    for _ in range(restarts):
        command = [sys.executable, "-m", "tests.store.crash_child", url, "records"]
        child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert child.stdout is not None
        said += [child.stdout.readline().strip() for _ in range(20)]
        child.kill()
        said += child.stdout.read().split()
        child.wait()
        child.stdout.close()
    database = open_database(url)
    kept = [numbered.record for numbered in tail(database, limit=1_000_000)]
    read = seen(database)["files"].seen
    SqlRecords(database).close()

    assert {each.sandbox for each in kept} >= set(said)
    assert window(database).tools[0].counts["calls"] == len(kept)
    assert sum(counted(database).values()) == len(kept)
    assert read == len(counted(database)) == seen(database)["files"].seen
    database.close()
