"""The append-only trail of what people had done besides flags: seats moved, followers settled or attached."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from sqlalchemy import Column, Float, Index, MetaData, String, Table, Text, func, insert, select

from router.store import schema
from router.store.database import Database

DRIFTED = "twin.drifted"  # two sides that were believed equal were not
_ours = MetaData()
# Append-only: nothing in this program updates or deletes a row. Made when it is first needed, so that a store of an
# earlier program gets it too; an earlier program does not mind it.
_table = Table(
    "audit",
    _ours,
    Column("seq", schema.segments.c.seq.type, primary_key=True, autoincrement=True),
    Column("at", Float, nullable=False),
    Column("author", String, nullable=False),
    Column("action", String, nullable=False),
    Column("target", String, nullable=False),
    Column("reason", Text, nullable=False),
    Column("details", Text, nullable=False),
)
Index("audit_by_time", _table.c.at)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """Who did what to which sandbox, and why."""

    at: float  # Unix seconds
    author: str
    action: str  # such as twin.move
    target: str
    reason: str
    details: Mapping[str, Any]


class SqlAudit:
    """The trail in the store. Safe with other processes."""

    def __init__(self, database: Database, *, now: Callable[[], float] = time.time) -> None:
        self._database = database
        self._now = now

    def add(self, *, author: str, reason: str, action: str, target: str, details: Mapping[str, Any]) -> None:
        """Write one entry; it is on disk when this returns. Raises Unreachable."""
        row = {"at": self._now(), "author": author, "action": action, "target": target, "reason": reason}
        with self._database.writing_durably() as connection:
            _ours.create_all(connection, checkfirst=True)
            connection.execute(insert(_table).values(**row, details=orjson.dumps(dict(details)).decode()))

    def targets(self, action: str, *, since: float, before: float | None = None) -> int:
        """How many targets had this done to them since a moment (Unix seconds), until another. Raises Unreachable."""
        query = select(func.count(_table.c.target.distinct())).where(_table.c.action == action, _table.c.at >= since)
        if before is not None:
            query = query.where(_table.c.at < before)
        with self._database.reading() as connection:
            if not connection.dialect.has_table(connection, _table.name):
                return 0
            return int(connection.execute(query).scalar_one())

    def entries(self, *, before: float | None = None, target: str | None = None, limit: int = 100) -> Sequence[Entry]:
        """The newest entries first; only those of before that moment (Unix seconds). Raises Unreachable."""
        query = select(_table).order_by(_table.c.at.desc(), _table.c.seq.desc()).limit(limit)
        if before is not None:
            query = query.where(_table.c.at < before)
        if target is not None:
            query = query.where(_table.c.target == target)
        with self._database.reading() as connection:
            if not connection.dialect.has_table(connection, _table.name):
                return ()
            rows = connection.execute(query).all()
        return [
            Entry(
                at=row.at,
                author=row.author,
                action=row.action,
                target=row.target,
                reason=row.reason,
                details=orjson.loads(row.details),
            )
            for row in rows
        ]
