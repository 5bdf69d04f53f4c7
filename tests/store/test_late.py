"""Sums by sandbox and of latencies: late in their tables, never late for a reader, and counted once."""

import subprocess
import sys
import threading
from collections.abc import Mapping

import orjson
import pytest

from router.store.calls import tail
from router.store.database import Database, open_database
from router.store.fold import Fold
from router.store.late import LateWriter
from router.store.queries import window
from router.store.records import SqlRecords
from router.store.sandboxes import Sandboxes
from tests.store.store_examples import NOON, differing, record


def counted(database: Database) -> dict[str, int]:
    """The calls by sandbox that stand in the table."""
    with database.reading() as connection:
        rows = connection.exec_driver_sql("SELECT sandbox, calls FROM sandbox_hours")
        return {row.sandbox: row.calls for row in rows}


def timed(database: Database) -> int:
    """The answers whose latencies stand in the table."""
    with database.reading() as connection:
        rows = connection.exec_driver_sql("SELECT histogram FROM latencies WHERE position = 'answer'").scalars()
        return sum(sum(orjson.loads(histogram).values()) for histogram in rows)


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
    late = counted(database), timed(database)
    latencies = window(database).tools[0].latencies
    records.close()

    assert late == ({}, 0)
    assert sum(sum(each.histogram.values()) for each in latencies if each.position == "answer") == 2
    assert window(database).tools[0].latencies == latencies
    assert timed(database) == 3
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
    slow, quick = LateWriter(database, every_seconds=3_600), LateWriter(database, every_seconds=0)
    for late in (slow, quick):
        late.add(Fold([record(sandbox="a"), record(sandbox="a")]))
        late.add(Fold([record(sandbox="a"), record(sandbox="a"), record(sandbox="\ud800")]))

    slow.write()
    before = counted(database), timed(database)
    quick.write()
    after = counted(database), timed(database)
    slow.write(now=True)
    slow.write(now=True)

    assert (before, after) == (({}, 0), ({"a": 4, "?": 1}, 5))
    assert (counted(database), timed(database)) == ({"a": 8, "?": 2}, 10)


def test_very_many_sandboxes_do_not_wait_for_the_time(database: Database) -> None:
    late = LateWriter(database, every_seconds=3_600)
    late.add(Fold([record(sandbox=f"sb-{number}", at=NOON) for number in range(19_999)]))
    late.write()
    before = len(counted(database))
    late.add(Fold([record(sandbox="one more", at=NOON)]))

    late.write()

    assert (before, len(counted(database))) == (0, 20_000)


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
    assert sum(counted(database).values()) == timed(database) == len(kept)
    assert read == len(counted(database)) == seen(database)["files"].seen
    database.close()
