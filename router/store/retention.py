"""Bounded keeping: segments and old rows go by age, then by bytes, a few at a time, so that no commit waits long."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import accumulate, takewhile
from typing import Any

from sqlalchemy import Connection, Row, Table, delete, func, select

from router.store import schema
from router.store.database import Database, release_free_pages, size_bytes

# Of one step, whichever is first.
_STEP_SEGMENTS = 50
_STEP_BYTES = 2_000_000
_SWEEP_SECONDS = 60.0  # between looks when nothing was found to delete
_RELEASED_PAGES = 500  # given back to the file system at a time
_BY_RECORDS_AGE = (schema.sandbox_hours, schema.sandbox_kinds)
_BY_ROLLUPS_AGE = (
    *(schema.rollups, schema.tallies, schema.latencies, schema.signatures, schema.kind_sets, schema.origin_requests),
)


@dataclass(slots=True)
class Retention:
    """How long and how much; deletes one small step when asked and something is too old or too much."""

    records_seconds: float
    rollups_seconds: float
    bytes: int
    _next: float = field(default=0.0, init=False)

    def step(self, database: Database, now: float) -> int:
        """Delete at most one step's records and rows. Returns how many; after some it looks again when next called."""
        if time.monotonic() < self._next:
            return 0
        deleted = 0
        with database.writing() as connection:
            deleted += self._old_records(connection, now)
            if not deleted and (excess := size_bytes(connection) - self.bytes) > 0:
                deleted += _delete(connection, _oldest(connection, min(excess, _STEP_BYTES)))
            deleted += self._old_hours(connection, now)
            if deleted:
                release_free_pages(connection, _RELEASED_PAGES)
        if not deleted:
            self._next = time.monotonic() + _SWEEP_SECONDS
        return deleted

    def _old_records(self, connection: Connection, now: float) -> int:
        # Segments stand in the order of completion; near enough to the order of arrival, at which age counts.
        before = now - self.records_seconds
        oldest = takewhile(lambda segment: segment.last_at < before, _oldest(connection, _STEP_BYTES))
        return _delete(connection, list(oldest))

    def _old_hours(self, connection: Connection, now: float) -> int:
        deleted = 0
        for tables, seconds in ((_BY_RECORDS_AGE, self.records_seconds), (_BY_ROLLUPS_AGE, self.rollups_seconds)):
            for table in tables:
                deleted += _delete_hours(connection, table, now - seconds)
        return deleted


def _oldest(connection: Connection, size: int) -> Sequence[Row[*tuple[Any, ...]]]:
    """The oldest segments that together hold so many bytes, or a step's number of them."""
    table = schema.segments
    columns = (table.c.seq, table.c.last_at, table.c.records, func.length(table.c.body).label("bytes"))
    query = select(*columns).order_by(table.c.seq).limit(_STEP_SEGMENTS)
    segments = connection.execute(query).all()
    before = accumulate((segment.bytes for segment in segments), initial=0)
    return [segment for segment, passed in zip(segments, before, strict=False) if passed < size]


def _delete(connection: Connection, segments: Sequence[Row[*tuple[Any, ...]]]) -> int:
    if not segments:
        return 0
    connection.execute(delete(schema.segments).where(schema.segments.c.seq <= segments[-1].seq))
    return sum(segment.records for segment in segments)


def _delete_hours(connection: Connection, table: Table, before: float) -> int:
    oldest = connection.execute(select(func.min(table.c.hour))).scalar_one_or_none()
    if oldest is None or oldest >= before - 3600:
        return 0
    return connection.execute(delete(table).where(table.c.hour == oldest)).rowcount
