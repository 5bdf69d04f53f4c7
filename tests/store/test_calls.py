"""Looking records up in segments: by the order of completion, by id, by what is in them."""

import logging
import threading
import time

import pytest
from sqlalchemy import select, update

from crossfade.record import Record
from router.store import schema
from router.store.calls import records_starting, tail
from router.store.database import Database, open_database
from router.store.records import SqlRecords
from tests.store.store_examples import NOON, differing, record


def write(records: SqlRecords, *batches: list[Record]) -> None:
    """Each batch a segment."""
    for batch in batches:
        for each in batch:
            records.add(each)
        assert records.flush()


def ids(database: Database, **wanted: object) -> list[str]:
    return [numbered.record.id for numbered in tail(database, **wanted)]  # type: ignore[arg-type]


def damage(database: Database, seq: int) -> None:
    """Change the last byte of a segment."""
    table = schema.segments
    with database.writing() as connection:
        body = connection.execute(select(table.c.body).where(table.c.seq == seq)).scalar_one()
        other = body[:-1] + bytes([body[-1] ^ 1])
        connection.execute(update(table).where(table.c.seq == seq).values(body=other))


def test_the_newest_calls_come_from_as_many_segments_as_it_takes(database: Database, records: SqlRecords) -> None:
    write(records, [record(id="a"), record(id="b")], [record(id="c")], [record(id="d"), record(id="e")])

    assert ids(database, limit=1) == ["e"]
    assert ids(database, limit=3) == ["c", "d", "e"]
    assert ids(database, limit=4) == ["b", "c", "d", "e"]
    assert ids(database, limit=9) == ["a", "b", "c", "d", "e"]


def test_places_rise_within_segments_and_from_one_to_the_next(database: Database, records: SqlRecords) -> None:
    write(records, *([record() for _ in range(3)] for _ in range(3)))
    places = [numbered.seq for numbered in tail(database)]

    assert places == sorted(set(places))
    for passed, place in enumerate(places, start=1):
        assert [numbered.seq for numbered in tail(database, after=place)] == places[passed:]


def test_a_follower_sees_every_call_once_while_segments_arrive(url: str, database: Database) -> None:
    records = SqlRecords(database, commit_seconds=0.005)
    given = [record() for _ in range(3_000)]
    end = record(id="end")

    def feed() -> None:
        for number, each in enumerate([*given, end]):
            records.add(each)
            if number % 100 == 0:
                records.flush()

    reading = open_database(url, create=False)
    feeder = threading.Thread(target=feed)
    feeder.start()
    seen: list[Record] = []
    after, deadline = 0, time.monotonic() + 60
    while end not in seen and time.monotonic() < deadline:
        for numbered in tail(reading, after=after, limit=10_000):
            seen.append(numbered.record)
            after = numbered.seq
    feeder.join()
    records.close()
    reading.close()

    assert seen == [*given, end]


def test_a_follower_that_filters_goes_on_behind_what_it_saw(database: Database, records: SqlRecords) -> None:
    write(records, [record(tool="web", id="a"), record(id="b"), record(tool="web", id="c"), record(id="d")])
    first, second = tail(database, tool="web")
    assert [numbered.record.id for numbered in tail(database, tool="web", after=first.seq)] == ["c"]
    write(records, [record(id="e")], [record(tool="web", id="f")])

    assert ids(database, tool="web", after=second.seq) == ["f"]


def test_filters_meet_in_one_call_not_in_one_segment(database: Database, records: SqlRecords) -> None:
    write(
        records,
        [record(sandbox="one", tool="web", id="a"), differing(sandbox="two", id="b")],
        [record(sandbox="two", tool="web", id="c"), record(sandbox="files", tool="web", id="d")],
    )

    assert ids(database, sandbox="two", tool="web") == ["c"]
    assert ids(database, sandbox="one", differing=True) == []
    assert ids(database, sandbox="two", differing=True) == ["b"]
    assert ids(database, sandbox="files", tool="files") == []
    assert ids(database, sandbox="files") == ["d"]
    assert ids(database, sandbox="nobody's") == []


def test_a_sandbox_is_found_among_thousands_in_many_segments(database: Database, records: SqlRecords) -> None:
    write(records, *([record(sandbox=f"sb-{part}-{number}") for number in range(2_000)] for part in range(4)))

    for sandbox in ("sb-0-0", "sb-1-999", "sb-3-1999"):
        assert [each.record.sandbox for each in tail(database, sandbox=sandbox)] == [sandbox]


def test_a_call_is_found_by_its_id_at_every_place_of_every_segment(database: Database, records: SqlRecords) -> None:
    batches = [[record(id=f"{part:02}-{place:02}") for place in range(10)] for part in range(5)]
    write(records, *batches)

    for batch in batches:
        for each in batch:
            assert records_starting(database, each.id) == [each]
    assert records_starting(database, "02-") == batches[2]
    assert records_starting(database, "00-09x") == []
    assert records_starting(database, "05") == []


def test_beginnings_of_ids_are_found_across_segments_that_overlap_lowest_first(
    database: Database, records: SqlRecords
) -> None:
    write(
        records,
        [record(id="a7"), record(id="a2"), record(id="z1")],
        [record(id="a1"), record(id="b1")],  # a call that took long has an early id
        [record(id="a9"), record(id="a3")],
        [record(id="c1")],
    )

    assert [each.id for each in records_starting(database, "a")] == ["a1", "a2", "a3", "a7", "a9"]
    assert [each.id for each in records_starting(database, "a", limit=2)] == ["a1", "a2"]
    assert [each.id for each in records_starting(database, "", limit=3)] == ["a1", "a2", "a3"]
    assert [each.id for each in records_starting(database, "z")] == ["z1"]


def test_a_damaged_segment_is_named_once_and_the_others_can_be_read(
    database: Database, records: SqlRecords, caplog: pytest.LogCaptureFixture
) -> None:
    write(records, [record(id="a")], [record(id="b", at=NOON), record(id="c", at=NOON + 60)], [record(id="d")])
    damage(database, 2)

    with caplog.at_level(logging.ERROR):
        assert ids(database) == ["a", "d"]
        assert ids(database) == ["a", "d"]
        assert records_starting(database, "b") == []

    assert [entry.getMessage() for entry in caplog.records] == [
        "segment 2 of the store cannot be read, its checksum differs: its 2 calls, from 2026-11-22 12:00:00 to "
        "2026-11-22 12:01:00 UTC, are passed over"
    ]


def test_a_number_is_not_given_again_when_all_segments_are_gone(
    url: str, database: Database, records: SqlRecords
) -> None:
    write(records, [record(id="a")])
    seen = tail(database)[0].seq
    with database.writing() as connection:
        connection.execute(schema.segments.delete())
    write(records, [record(id="b")])

    assert ids(database, after=seen) == ["b"]


def test_looking_up_reads_few_bodies(url: str, database: Database, records: SqlRecords) -> None:
    write(records, *([record(id=f"{part:03}-{place}", tool=f"t{part}") for place in range(5)] for part in range(300)))
    for part in range(1, 301):
        if part not in (7, 200):
            damage(database, part)  # who unpacked one would complain
    found = open_database(url, create=False)

    assert [each.id for each in records_starting(found, "006-")] == [f"006-{place}" for place in range(5)]
    assert ids(found, tool="t199", limit=5) == [f"199-{place}" for place in range(5)]
    assert found.unreadable == set()
    found.close()
