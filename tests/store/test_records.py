"""Records: batches, rollups, losses, retention."""

import contextlib
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Connection, func, select

from crossfade.comparison import Change, Difference, Severity
from crossfade.errors import Unreachable
from crossfade.upstream import Purpose
from router.store import schema
from router.store.calls import records_starting, tail
from router.store.database import Database, open_database, size_bytes
from router.store.queries import ToolSums, window
from router.store.records import CLOSED, NOT_WRITABLE, QUEUE_FULL, SqlRecords
from router.store.retention import Retention
from tests.store.store_examples import NOON, differing, record


def _files(database: Database) -> ToolSums:
    return next(tool for tool in window(database).tools if tool.tool == "files")


def test_a_record_comes_back_as_it_was_given(database: Database, records: SqlRecords) -> None:
    given = differing(reason="ünïcode ▸ and a \x00", routing_key="key", bucket=77)
    records.add(given)
    records.flush()

    assert [numbered.record for numbered in tail(database)] == [given]
    assert records_starting(database, given.id[:20]) == [given]


def test_half_a_surrogate_pair_loses_no_record(database: Database, records: SqlRecords) -> None:
    records.add(record(route="a\ud800b"))
    assert records.flush()

    assert tail(database)[0].record.route == "a?b"


def test_thousands_of_records_share_few_transactions_and_none_is_lost(database: Database, records: SqlRecords) -> None:
    for _ in range(5_000):
        records.add(record())
    assert records.flush()

    assert records.written == 5_000
    assert _files(database).counts["calls"] == 5_000


def test_a_full_queue_counts_what_it_loses_and_the_store_knows_it(database: Database) -> None:
    records = SqlRecords(database, capacity=10, commit_seconds=60)
    with database.gate.urgent():  # the writer cannot write
        for _ in range(40):
            records.add(record())
        assert records.lost >= 20
    records.close()

    assert window(database).losses == {QUEUE_FULL: records.lost}
    assert records.written + records.lost == 40


def test_a_locked_store_is_tried_again_and_callers_hear_nothing(url: str, database: Database) -> None:
    impatient = open_database(url, busy_seconds=0.01)
    records = SqlRecords(impatient)
    other = sqlite3.connect(Path(url.removeprefix("sqlite:///")), isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    records.add(record())
    assert not records.flush()
    other.execute("ROLLBACK")
    other.close()

    assert records.flush()
    assert _files(database).counts["calls"] == 1
    records.close()


def test_a_full_disk_makes_records_wait_then_loses_them_counted_and_ends_when_there_is_room(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    records = SqlRecords(database, capacity=100, commit_seconds=60)
    with database.writing() as connection:
        connection.exec_driver_sql("PRAGMA max_page_count = 1")  # not one page more than there are
    for _ in range(300):
        records.add(record(reason="x" * 2_000))
    assert not records.flush()
    for _ in range(300):
        records.add(record(reason="x" * 2_000))
    with database.writing() as connection:
        connection.exec_driver_sql("PRAGMA max_page_count = 1000000")
    assert records.flush()
    records.close()

    assert records.lost > 0
    assert records.written + records.lost == 600
    assert window(database).losses == {QUEUE_FULL: records.lost}
    assert "cannot be written" in caplog.text
    assert "can be written again" in caplog.text


def test_one_record_that_cannot_be_written_does_not_hold_up_the_others(database: Database, records: SqlRecords) -> None:
    for each in (record(), record(bytes_in=1 << 70), record(), record()):  # more than a column of a sum holds
        records.add(each)
    records.flush()

    assert _files(database).counts["calls"] == 3
    assert window(database).losses == {NOT_WRITABLE: 1}


class Sickly(Database):
    """A database that is away at its second write."""

    writes = 0

    @contextlib.contextmanager
    def writing(self) -> Iterator[Connection]:
        self.writes += 1
        if self.writes == 2:
            raise Unreachable("away")
        with super().writing() as connection:
            yield connection


def test_records_beside_one_that_cannot_be_written_outlive_a_store_that_goes_away(database: Database) -> None:
    records = SqlRecords(Sickly(database.url), commit_seconds=60)
    for each in (record(id="a"), record(id="b"), record(bytes_in=1 << 70), record(id="c")):
        records.add(each)
    assert any(records.flush() and not records.waiting for _ in range(20))
    records.close()

    assert sorted(numbered.record.id for numbered in tail(database)) == ["a", "b", "c"]
    assert window(database).losses == {NOT_WRITABLE: 1}


def test_what_is_added_after_the_end_is_lost_and_counted(database: Database) -> None:
    records = SqlRecords(database)
    records.add(record())
    records.close()
    records.add(record())

    assert (records.written, records.lost) == (1, 1)
    assert CLOSED in str(records._losses)


def test_rollups_count_who_answered_who_was_wished_and_what_agreed(database: Database, records: SqlRecords) -> None:
    records.add(record())
    records.add(record(answering="old", reason="held on old: follower is behind"))
    records.add(record(mirrored=False, matched=None, shadow_fate="", dropped="lane full"))
    records.add(differing())
    records.add(differing(severity="contract"))
    records.add(record(matched=False, severity="cosmetic"))
    records.add(record(status=499, fate="unknown", matched=None, shadow_fate=""))
    records.add(record(validation_seconds=0.5, bytes_in=3, bytes_out=4))
    records.flush()

    files = _files(database)
    assert files.answered == {"new": 7, "old": 1}
    assert files.wished == {"new": 8}
    assert files.dropped == {"lane full": 1}
    assert files.held == {"held on old: follower is behind": 1}
    assert files.statuses == {"200": 7, "499": 1}
    assert files.validation_seconds == 0.5
    assert {name: count for name, count in files.counts.items() if count} == {
        "calls": 8,
        "cancelled": 1,
        "mirrored": 7,
        "compared": 6,
        "matched": 3,
        "cosmetic": 1,
        "contract": 1,
        "both_ok": 6,
        "validated": 1,
        "bytes_in": 3,
        "bytes_out": 4,
    }


@pytest.mark.parametrize(
    ("answering", "fate", "shadow_fate", "cell"),
    [
        ("old", "ok", "ok", "both_ok"),
        ("old", "ok", "failed", "new_failed"),
        ("old", "failed", "ok", "old_failed"),
        ("new", "ok", "failed", "old_failed"),
        ("new", "unknown", "ok", "new_failed"),
        ("new", "failed", "unsupported", "both_failed"),
    ],
)
def test_error_parity_names_the_side_that_failed(
    database: Database, records: SqlRecords, answering: str, fate: str, shadow_fate: str, cell: str
) -> None:
    records.add(record(answering=answering, fate=fate, shadow_fate=shadow_fate))
    records.flush()

    assert _files(database).counts[cell] == 1


def test_latency_is_kept_by_origin_and_position_and_streams_and_failures_are_left_out(
    database: Database, records: SqlRecords
) -> None:
    for _ in range(3):
        records.add(record())
        records.flush()  # merged into what is there
    records.add(record(fate="failed", shadow_fate="failed"))
    records.add(record(operation="session.follow", origin_seconds=900.0, shadow_fate=""))
    records.flush()

    sums = {(each.origin, each.position): sum(each.histogram.values()) for each in _files(database).latencies}
    assert sums == {("new", "answer"): 3, ("old", "shadow"): 3}


def test_signatures_are_counted_with_their_first_and_last_time_and_newest_samples(
    database: Database, records: SqlRecords
) -> None:
    for minute in range(8):
        records.add(differing(at=NOON + 60 * minute, id=f"call-{minute}"))
        records.flush()

    (signature,) = _files(database).signatures
    assert (signature.name, signature.severity, signature.count) == ("fs.info mode value", "content", 8)
    assert (signature.first_seen, signature.last_seen) == (NOON, NOON + 420)
    assert [sample.call for sample in signature.samples] == ["call-7", "call-6", "call-5", "call-4", "call-3"]
    assert (signature.samples[0].old, signature.samples[0].new) == ("0644", "0600")


def test_each_signature_of_a_call_has_its_own_severity(database: Database, records: SqlRecords) -> None:
    noise = Difference(path="pid", change=Change.VALUE, severity=Severity.COSMETIC, old="1", new="2")
    both = (*differing().differences, noise)
    records.add(differing(differences=both, signatures=("fs.info mode value", "fs.info pid value (cosmetic)", "gone")))
    records.flush()

    found = {each.name: each.severity for each in _files(database).signatures}
    assert found == {"fs.info mode value": "content", "fs.info pid value (cosmetic)": "cosmetic", "gone": "content"}


def test_sandboxes_are_counted_once_however_many_calls_they_made(database: Database, records: SqlRecords) -> None:
    for sandbox in ("sb-1", "sb-1", "sb-2"):
        records.add(differing(sandbox=sandbox))
        records.add(record(sandbox="sb-3", answering="old", matched=None))
    records.flush()

    seen = _files(database).sandboxes
    assert (seen.seen, seen.on_new, seen.compared, seen.differing) == (3, 2, 2, 2)


def test_requests_are_counted_from_many_threads_and_survive_a_restart(url: str, database: Database) -> None:
    records = SqlRecords(database)

    def send() -> None:
        for _ in range(1_000):
            records.count("new", Purpose.MIRROR)

    threads = [threading.Thread(target=send) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    records.close()
    records = SqlRecords(database)
    records.count("new", Purpose.MIRROR)
    records.close()

    assert window(database).requests == {("new", "mirror"): 4_001}


def test_a_window_starts_at_a_full_hour(database: Database, records: SqlRecords) -> None:
    records.add(record(at=NOON - 1))
    records.add(record(at=NOON + 1))
    records.flush()

    found = window(database, since=NOON + 1_800)
    assert found.first_hour == NOON
    assert found.tools[0].counts["calls"] == 1


def test_followers_see_calls_in_the_order_of_completion(database: Database, records: SqlRecords) -> None:
    late, early = record(id="2"), record(id="1")
    records.add(late)
    records.flush()
    seen = tail(database)[-1].seq
    records.add(early)
    records.flush()

    assert [numbered.record.id for numbered in tail(database, after=seen)] == ["1"]


def test_tail_filters(database: Database, records: SqlRecords) -> None:
    for each in (record(tool="web", id="a"), differing(id="b"), record(sandbox="other", id="c")):
        records.add(each)
    records.flush()

    def ids(**wanted: object) -> list[str]:
        return [numbered.record.id for numbered in tail(database, **wanted)]  # type: ignore[arg-type]

    assert ids(tool="web") == ["a"]
    assert ids(differing=True) == ["b"]
    assert ids(sandbox="other") == ["c"]
    assert ids(limit=2) == ["b", "c"]


def _kept(database: Database) -> int:
    with database.reading() as connection:
        return int(connection.execute(select(func.coalesce(func.sum(schema.segments.c.records), 0))).scalar_one())


def test_old_segments_go_step_by_step_and_rollups_stay(database: Database) -> None:
    records = SqlRecords(database)
    for number in range(120):
        for _ in range(10):
            records.add(record(at=NOON - 10 * 86_400 if number < 110 else NOON))
        records.flush()
    records.close()
    retention = Retention(records_seconds=86_400, rollups_seconds=400 * 86_400, bytes=1 << 40)

    steps = [retention.step(database, NOON) for _ in range(5)]

    assert steps == [501, 500, 100, 0, 0]  # fifty segments of ten records; and one sandbox's hour
    assert _kept(database) == 100
    assert _files(database).counts["calls"] == 1_200


def test_too_many_bytes_take_the_oldest_records(database: Database, records: SqlRecords) -> None:
    for number in range(2_000):
        records.add(record(reason=f"{number} {'x' * 1_000}"))
        if number % 100 == 99:
            records.flush()
    newest = tail(database, limit=1)
    retention = Retention(records_seconds=1e9, rollups_seconds=1e9, bytes=2_000_000)

    while retention.step(database, NOON):
        pass

    assert 0 < _kept(database) < 2_000
    with database.reading() as connection:
        assert 1_000_000 < size_bytes(connection) <= 2_000_000
    assert tail(database, limit=1) == newest
