"""A store of schema 1, a row per record, becomes one of segments."""

import dataclasses
import sqlite3
from collections.abc import Sequence
from pathlib import Path

import orjson
import pytest

from crossfade.comparison import Severity
from crossfade.errors import Refused
from crossfade.judgement import Judgement, Saying
from crossfade.record import Record
from router.store import migration
from router.store.calls import records_starting, tail
from router.store.database import open_database
from router.store.judgements import SqlJudgements
from router.store.queries import window
from router.store.records import SqlRecords
from tests.store.store_examples import NOON, differing, record

_SCHEMA_1 = """
CREATE TABLE records (
    seq INTEGER NOT NULL, id VARCHAR NOT NULL, at FLOAT NOT NULL, tool VARCHAR NOT NULL, sandbox VARCHAR NOT NULL,
    differing BOOLEAN NOT NULL, body TEXT NOT NULL, PRIMARY KEY (seq)
);
CREATE UNIQUE INDEX records_by_id ON records (id);
CREATE INDEX records_by_sandbox ON records (sandbox, seq);
CREATE INDEX records_differing ON records (seq) WHERE differing IS 1;
UPDATE meta SET value = '1' WHERE name = 'schema_version';
DELETE FROM meta WHERE name = 'late_sums';
DROP TABLE segments;
DROP TABLE kind_sets;
DROP TABLE sandbox_kinds;
DROP TABLE judgements;
"""


def make_old(url: str, records: Sequence[Record]) -> None:
    """A store as schema 1 had it: sums as they are now, records as rows of JSON."""
    database = open_database(url)
    writer = SqlRecords(database)
    for each in records:
        writer.add(each)
    writer.close()
    database.close()
    with _connected(url) as connection:
        connection.executescript(_SCHEMA_1)
        connection.executemany(
            "INSERT INTO records (id, at, tool, sandbox, differing, body) VALUES (?, ?, ?, ?, ?, ?)",
            [(each.id, each.at, each.tool, each.sandbox, each.matched is False, _body(each)) for each in records],
        )


def _body(each: Record) -> str:
    values = each._asdict() | {"differences": [dataclasses.asdict(difference) for difference in each.differences]}
    del values["trace_parent"]  # the first programs did not know it
    return orjson.dumps(values | {"forgotten": 1}).decode()


def _connected(url: str) -> sqlite3.Connection:
    return sqlite3.connect(Path(url.removeprefix("sqlite:///")))


def _tables(url: str) -> set[str]:
    with _connected(url) as connection:
        return {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}


def test_old_rows_are_read_as_before_in_their_order(url: str) -> None:
    kept = [record(id="b"), differing(id="a", sandbox="other"), *(record() for _ in range(5_000)), record(id="c")]
    make_old(url, kept)

    database = open_database(url)

    assert [numbered.record for numbered in tail(database, limit=10_000)] == kept
    assert [numbered.record.id for numbered in tail(database, differing=True)] == ["a"]
    assert [numbered.record.id for numbered in tail(database, sandbox="other")] == ["a"]
    assert records_starting(database, "a") == [kept[1]]
    assert not {"records", "records_by_id", "records_by_sandbox", "records_differing"} & _tables(url)
    database.close()


def test_sums_are_not_counted_twice_and_new_records_follow(url: str) -> None:
    make_old(url, [record(), differing(sandbox="other")])
    database = open_database(url)
    before = window(database)
    writer = SqlRecords(database)
    writer.add(record(id="new"))
    writer.close()

    after = window(database)

    assert before.tools[0].counts["calls"] == 2
    assert (before.tools[0].sandboxes.seen, before.tools[0].sandboxes.differing) == (2, 1)
    assert after.tools[0].counts["calls"] == 3
    with database.reading() as connection:
        counted = connection.exec_driver_sql("SELECT sandbox, calls FROM sandbox_hours ORDER BY sandbox").all()
    assert [tuple(row) for row in counted] == [("other", 1), ("sb-1", 2)]
    assert tail(database)[-1].record.id == "new"
    database.close()


def test_a_conversion_that_was_cut_short_goes_on(url: str) -> None:
    kept = [record() for _ in range(4_500)]
    make_old(url, kept)
    with _connected(url) as connection:  # the third batch cannot be written
        connection.execute(
            "CREATE TRIGGER full BEFORE DELETE ON records WHEN old.seq > 4000 BEGIN SELECT RAISE(ABORT, 'cut'); END"
        )
    with pytest.raises(Exception, match="cut"):
        open_database(url)
    with pytest.raises(Refused, match=r"schema 1, of an older crossfade.*converts it when its router first runs"):
        open_database(url, create=False)
    with _connected(url) as connection:
        assert connection.execute("SELECT count(*) FROM records").fetchone() == (500,)
        connection.execute("DROP TRIGGER full")

    database = open_database(url)

    assert [numbered.record for numbered in tail(database, limit=10_000)] == kept
    database.close()


def test_a_row_that_cannot_be_read_is_a_loss_the_report_knows_of(url: str) -> None:
    make_old(url, [record(id="a"), record(id="b", at=NOON), record(id="c")])
    with _connected(url) as connection:
        connection.execute("UPDATE records SET body = '{' WHERE id = 'b'")

    database = open_database(url)

    assert [numbered.record.id for numbered in tail(database)] == ["a", "c"]
    assert window(database).losses == {migration.NOT_CONVERTED: 1}
    database.close()


def test_a_reader_does_not_convert(url: str) -> None:
    make_old(url, [record()])

    with pytest.raises(Refused, match="schema 1"):
        open_database(url, create=False)

    assert "records" in _tables(url)


def test_differing_calls_of_an_older_store_can_be_explained(url: str) -> None:
    make_old(url, [record(), differing(), differing(sandbox="other")])
    database = open_database(url)
    SqlJudgements(database).add(_accepted("fs.info mode value"))

    (found,) = window(database).tools

    database.close()
    assert (found.differing, found.explained.calls, found.sandboxes.differing) == (0, 2, 0)


def test_a_store_of_schema_2_is_counted_once(url: str) -> None:
    database = open_database(url)
    writer = SqlRecords(database)
    for each in (record(), differing(), differing(sandbox="other")):
        writer.add(each)
    writer.close()
    database.close()
    with _connected(url) as connection:
        for table in ("kind_sets", "sandbox_kinds", "judgements"):
            connection.execute(f"DROP TABLE {table}")
        connection.execute("UPDATE meta SET value = '2' WHERE name = 'schema_version'")
    with pytest.raises(Refused, match="schema 2, of an older crossfade"):
        open_database(url, create=False)

    open_database(url).close()
    database = open_database(url)
    migration.migrate(database)  # as a second process that was late
    SqlJudgements(database).add(_accepted("fs.info mode value"))

    (found,) = window(database).tools
    database.close()
    assert (found.counts["calls"], found.explained.calls, found.differing) == (3, 2, 0)


def test_a_store_of_schema_3_is_counted_again_by_sandbox(url: str) -> None:
    database = open_database(url)
    writer = SqlRecords(database)
    kept = [record(flag_version=4), differing(sandbox="other", flag_version=4), record(shadow_fate="failed")]
    for each in kept:
        writer.add(each)
    writer.close()
    expected = window(database)
    database.close()
    with _connected(url) as connection:
        connection.executescript(_SANDBOX_HOURS_3)
        connection.execute("UPDATE meta SET value = '3' WHERE name = 'schema_version'")

    database = open_database(url)
    migration.migrate(database)  # as a second process that was late
    found = window(database)
    writer = SqlRecords(database)
    writer.add(record(flag_version=4))
    writer.close()
    later = window(database)
    database.close()

    assert found == expected
    assert {each.sandbox: each.pairs.calls for each in later.tools[0].units} == {"sb-1": 3, "other": 1}


_SANDBOX_HOURS_3 = """
DROP TABLE sandbox_hours;
CREATE TABLE sandbox_hours (
    hour BIGINT NOT NULL, tool VARCHAR NOT NULL, sandbox VARCHAR NOT NULL, calls BIGINT DEFAULT '0' NOT NULL,
    on_new BIGINT DEFAULT '0' NOT NULL, compared BIGINT DEFAULT '0' NOT NULL, differing BIGINT DEFAULT '0' NOT NULL,
    PRIMARY KEY (hour, tool, sandbox)
);
INSERT INTO sandbox_hours SELECT 0, 'files', 'gone', 1, 0, 1, 0;
"""


def _accepted(subject: str) -> Judgement:
    return Judgement(
        at=NOON, saying=Saying.ACCEPT, subject=subject, author="ada", reason="known", severity=Severity.CONTENT
    )
