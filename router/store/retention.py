"""Bounded keeping: old rows go by age, then by bytes, a few at a time, so that no commit waits long."""

import time
from dataclasses import dataclass, field

from sqlalchemy import Connection, Table, delete, func, select

from router.store import schema
from router.store.database import Database, release_free_pages, size_bytes

_STEP_ROWS = 500
_SWEEP_SECONDS = 60.0  # between looks when nothing was found to delete
_RELEASED_PAGES = 500  # given back to the file system at a time
_BY_RECORDS_AGE = (schema.sandbox_hours,)
_BY_ROLLUPS_AGE = (schema.rollups, schema.tallies, schema.latencies, schema.signatures, schema.origin_requests)


@dataclass(slots=True)
class Retention:
    """How long and how much; deletes one small step when asked and something is too old or too much."""

    records_seconds: float
    rollups_seconds: float
    bytes: int
    _next: float = field(default=0.0, init=False)

    def step(self, database: Database, now: float) -> int:
        """Delete at most one step's rows. Returns how many; while some were found the next call looks again at once."""
        if time.monotonic() < self._next:
            return 0
        deleted = 0
        with database.writing() as connection:
            deleted += self._old_records(connection, now)
            if not deleted and size_bytes(connection) > self.bytes:
                deleted += _delete_records(connection, _oldest(connection, before=None))
            deleted += self._old_hours(connection, now)
            if deleted:
                release_free_pages(connection, _RELEASED_PAGES)
        if not deleted:
            self._next = time.monotonic() + _SWEEP_SECONDS
        return deleted

    def _old_records(self, connection: Connection, now: float) -> int:
        return _delete_records(connection, _oldest(connection, before=now - self.records_seconds))

    def _old_hours(self, connection: Connection, now: float) -> int:
        deleted = 0
        for tables, seconds in ((_BY_RECORDS_AGE, self.records_seconds), (_BY_ROLLUPS_AGE, self.rollups_seconds)):
            for table in tables:
                deleted += _delete_hours(connection, table, now - seconds)
        return deleted


def _oldest(connection: Connection, *, before: float | None) -> int | None:
    """The last row number of a step's oldest rows that may go, None if there is none."""
    first = select(schema.records.c.seq, schema.records.c.at).order_by(schema.records.c.seq).limit(_STEP_ROWS)
    rows = connection.execute(first).all()
    if before is not None:
        # Rows stand in the order of completion; near enough to the order of arrival, at which age counts.
        rows = [row for row in rows if row.at < before]
    return rows[-1].seq if rows else None


def _delete_records(connection: Connection, last: int | None) -> int:
    if last is None:
        return 0
    return connection.execute(delete(schema.records).where(schema.records.c.seq <= last)).rowcount


def _delete_hours(connection: Connection, table: Table, before: float) -> int:
    oldest = connection.execute(select(func.min(table.c.hour))).scalar_one_or_none()
    if oldest is None or oldest >= before - 3600:
        return 0
    return connection.execute(delete(table).where(table.c.hour == oldest)).rowcount
