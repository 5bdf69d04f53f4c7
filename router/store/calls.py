"""Records as they are looked up: by the order of completion, by id. Segments that cannot hold any are not unpacked."""

import logging
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Row, func, select

from crossfade.record import Record
from router.store import schema
from router.store.bulk import BulkInsert
from router.store.fold import differs
from router.store.segments import Damaged, pack, unpack

if TYPE_CHECKING:
    from router.store.database import Database

log = logging.getLogger("crossfade.store")

MOST_RECORDS = 1 << 16  # in a segment: a record's number is its segment's and its place in it
_SEGMENTS = BulkInsert(schema.segments)
_OF_TOOL, _OF_SANDBOX = 1, 2  # what a mark is of, so that a sandbox called "files" is not the tool
_HEAD = [column for column in schema.segments.columns if column.name not in ("marks", "body")]
_HEADS_AT_ONCE = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Numbered:
    """A record and its place in the order in which calls were completed."""

    seq: int
    record: Record


class Segment:
    """Records on their way into the store: packed once, written as often as it takes."""

    def __init__(self, records: Sequence[Record]) -> None:
        ids = list(map(attrgetter("id"), records))
        arrivals = list(map(attrgetter("at"), records))
        marks = {_mark(_OF_TOOL, name) for name in set(map(attrgetter("tool"), records))}
        marks |= {_mark(_OF_SANDBOX, name) for name in set(map(attrgetter("sandbox"), records))}
        self._row = (
            len(records),
            sum(map(differs, records)),
            min(arrivals),
            max(arrivals),
            min(ids),
            max(ids),
            b"".join(marks),
            pack(records),
        )

    def write(self, connection: Connection) -> None:
        _SEGMENTS.run(connection, [self._row])


def tail(
    database: "Database",
    *,
    after: int = 0,
    before: int | None = None,
    limit: int = 50,
    tool: str | None = None,
    sandbox: str | None = None,
    differing: bool = False,
) -> Sequence[Numbered]:
    """The newest completed calls, oldest of them first; `after` and `before` are places in that order.

    A segment that cannot be read is passed over, and logged once.
    """
    table = schema.segments
    heads = select(*_HEAD).where(table.c.seq >= after // MOST_RECORDS).order_by(table.c.seq.desc())
    if before is not None:
        heads = heads.where(table.c.seq <= before // MOST_RECORDS)
    if differing:
        heads = heads.where(table.c.differing > 0)
    for kind, name in ((_OF_TOOL, tool), (_OF_SANDBOX, sandbox)):
        if name:
            heads = heads.where(func.instr(table.c.marks, _mark(kind, name)) > 0)  # position() in PostgreSQL

    def wanted(record: Record) -> bool:
        return (
            (not tool or record.tool == tool)
            and (not sandbox or record.sandbox == sandbox)
            and (not differing or differs(record))
        )

    with database.reading() as connection:
        numbered = (
            each
            for head in connection.execute(heads.execution_options(yield_per=_HEADS_AT_ONCE))
            for each in reversed(_numbered(database, connection, head))
            if each.seq > after and (before is None or each.seq < before) and wanted(each.record)
        )
        return list(islice(numbered, limit))[::-1]


def records_starting(database: "Database", id: str, *, limit: int = 10) -> Sequence[Record]:
    """Records whose id is, or starts with, this one."""
    table = schema.segments
    after_last = id[:-1] + chr(ord(id[-1]) + 1) if id else "\U0010ffff"
    heads = select(*_HEAD).where(table.c.last_id >= id, table.c.first_id < after_last).order_by(table.c.first_id)
    found: list[Record] = []
    with database.reading() as connection:
        for head in connection.execute(heads.execution_options(yield_per=_HEADS_AT_ONCE)):
            if len(found) == limit and head.first_id > found[-1].id:
                break
            found += [each.record for each in _numbered(database, connection, head) if each.record.id.startswith(id)]
            found = sorted(found, key=attrgetter("id"))[:limit]
    return found


def records_after(
    database: "Database", connection: Connection, seq: int, *, until: int | None = None, differing: bool = False
) -> Iterator[Sequence[Record]]:
    """The records of the segments behind this one, segment by segment; `differing`: of those in which a call does.

    `until`: the last segment that is read.
    """
    table = schema.segments
    heads = select(*_HEAD).where(table.c.seq > seq, table.c.differing >= int(differing)).order_by(table.c.seq)
    if until is not None:
        heads = heads.where(table.c.seq <= until)
    for head in connection.execute(heads).all():
        yield [each.record for each in _numbered(database, connection, head)]


def _numbered(database: "Database", connection: Connection, head: Row[Any]) -> Sequence[Numbered]:
    """The records of a segment; none of one that cannot be read."""
    body = select(schema.segments.c.body).where(schema.segments.c.seq == head.seq)
    try:
        records = unpack(connection.execute(body).scalar_one())
    except Damaged as damage:
        if head.seq not in database.unreadable:
            database.unreadable.add(head.seq)
            first, last = (
                f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M:%S}" for at in (head.first_at, head.last_at)
            )
            log.error(
                "segment %d of the store cannot be read, %s: its %d calls, from %s to %s UTC, are passed over",
                *(head.seq, damage, head.records, first, last),
            )
        return ()
    return [Numbered(seq=head.seq * MOST_RECORDS + place, record=record) for place, record in enumerate(records)]


def _mark(kind: int, name: str) -> bytes:
    # Another name may have the same mark, or two marks side by side may hold it: then a segment is looked at in vain.
    return zlib.crc32(name.encode("utf-8", "replace"), kind).to_bytes(4, "little")
