"""An older store, brought to this program's schema. Killed in the middle, it goes on when the store is next opened."""

import logging
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Row, column, delete, func, inspect, select, table, text

from crossfade.record import Record
from router.store import schema
from router.store.bulk import BulkInsert
from router.store.calls import Segment, records_after
from router.store.fold import Fold
from router.store.kinds import KindSets
from router.store.late import WRITTEN, LateSums
from router.store.rows import record_of

if TYPE_CHECKING:
    from router.store.database import Database

log = logging.getLogger("crossfade.store")

# Schema 1 had a row of JSON per record, in the order of completion.
_RECORDS = table("records", column("seq"), column("id"), column("at"), column("body"))
_INDEXES = ("records_by_id", "records_by_sandbox", "records_differing")
_BATCH = 2_000
_TOLD = 100 * _BATCH
_LOSSES = BulkInsert(schema.losses, adds=("count",))
NOT_CONVERTED = "record of an older store could not be read"


def migrate(database: "Database") -> None:
    """From whatever schema to this one. Raises Unreachable; then what is not done yet can be done later."""
    with database.reading() as connection:
        is_first = inspect(connection).has_table(_RECORDS.name)
    if is_first:
        _make_segments(database)
    _count_kinds(database)
    _count_sandboxes(database)


def _make_segments(database: "Database") -> None:
    """Schema 1 to 2: segments of the records."""
    with database.writing() as connection:
        schema.metadata.create_all(connection, checkfirst=True)
        for name in _INDEXES:  # deleting beside them takes ten times as long
            connection.execute(text(f"DROP INDEX IF EXISTS {name}"))
    log.warning("store is being converted to schema %d", 2)
    converted = 0
    while done := _convert(database):
        converted += done
        if converted % _TOLD == 0:
            log.warning("%d records are converted", converted)
    log.warning("store is converted: %d records", converted)


def _count_kinds(database: "Database") -> None:
    """Schema 2 to 3: differing calls by their kinds, of the records that are still there."""
    with database.writing() as connection:
        if _version(connection) != 2:
            return  # another process was faster
        schema.metadata.create_all(connection, checkfirst=True)
        for records in records_after(database, connection, 0, differing=True):
            KindSets(records).write(connection)
        _say(connection, "schema_version", 3)
    log.warning("store is converted to schema %d", 3)


def _count_sandboxes(database: "Database") -> None:
    """Schema 3 to 4: more sums by sandbox, counted again from the records that are still there."""
    with database.writing() as connection:
        if _version(connection) != 3:
            return  # another process was faster
        schema.sandbox_hours.drop(connection)
        schema.sandbox_hours.create(connection)
        # What is behind the last segment whose sums are written, the next writer adds.
        written = select(schema.meta.c.value).where(schema.meta.c.name == WRITTEN)
        sums = LateSums()
        for records in records_after(database, connection, 0, until=int(connection.execute(written).scalar_one())):
            sums.add_sandboxes(Fold(records))
        sums.write(connection)
        _say(connection, "schema_version", schema.SCHEMA_VERSION)
    log.warning("store is converted to schema %d", schema.SCHEMA_VERSION)


def _convert(database: "Database") -> int:
    """Convert the oldest batch; 0 when none was left and the store has the new schema."""
    with database.writing() as connection:
        if not inspect(connection).has_table(_RECORDS.name):
            return 0  # another process was faster
        rows = connection.execute(select(_RECORDS).order_by(_RECORDS.c.seq).limit(_BATCH)).all()
        if not rows:
            _finish(connection)
            return 0
        read = [(row, _record(row)) for row in rows]
        if records := [record for _, record in read if record is not None]:
            Segment(records).write(connection)
        lost = [(int(row.at // 3600) * 3600, NOT_CONVERTED, 1) for row, record in read if record is None]
        for each in lost:
            _LOSSES.run(connection, [each])
        connection.execute(delete(_RECORDS).where(_RECORDS.c.seq <= rows[-1].seq))
        return len(rows)


def _record(row: Row[Any]) -> Record | None:
    try:
        return record_of(row.body)
    except (ValueError, TypeError, LookupError):
        log.exception("record cannot be converted", extra={"call": row.id})
        return None


def _finish(connection: Connection) -> None:
    connection.execute(text("DROP TABLE records"))
    last = connection.execute(select(func.coalesce(func.max(schema.segments.c.seq), 0))).scalar_one()
    _say(connection, WRITTEN, last)  # their sums were written with them
    _say(connection, "schema_version", 2)


def _version(connection: Connection) -> int:
    value = schema.meta.c.value
    return int(connection.execute(select(value).where(schema.meta.c.name == "schema_version")).scalar_one())


def _say(connection: Connection, name: str, value: int) -> None:
    connection.execute(delete(schema.meta).where(schema.meta.c.name == name))
    connection.execute(schema.meta.insert().values(name=name, value=str(value)))
