"""Counts by sandbox, added up less often than records are written.

Sandboxes are many: adding to their rows at every commit costs more than the records do. What has not been added up can
be counted again from its segments: readers do that, and so does the next writer after one that was killed.
"""

import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, SelectBase, func, select, union_all, update

from router.store import schema
from router.store.bulk import BulkInsert
from router.store.calls import records_after
from router.store.fold import Fold

if TYPE_CHECKING:
    from router.store.database import Database

COUNTED = "sandboxes_counted"  # in meta: the last segment whose sandboxes are in sandbox_hours
_EVERY_SECONDS = 10.0
_MOST = 20_000  # keys that wait: more of them at once would make a client's write wait long (WriteGate)
_SANDBOXES = BulkInsert(schema.sandbox_hours, adds=("calls", "on_new", "compared", "differing"))
_UNCOUNTED = BulkInsert(schema.sandboxes_uncounted)

Key = tuple[int, str, str]  # hour, tool, sandbox


class SandboxCounts:
    """What one writer's records add to sandbox_hours, gathered in memory. Not for two threads."""

    def __init__(self, database: "Database", *, every_seconds: float = _EVERY_SECONDS) -> None:
        self._database, self._every_seconds = database, every_seconds
        self._waiting: dict[Key, list[int]] = {}
        self._recovered = False
        self._next = time.monotonic() + every_seconds

    def recover(self) -> None:
        """Take over what an earlier writer left. Before the first segment is written; raises Unreachable."""
        if not self._recovered:
            with self._database.reading() as connection:
                self._waiting = uncounted(self._database, connection)
            self._recovered = True

    def add(self, counts: Mapping[Key, Sequence[int]]) -> None:
        """Gather what a segment adds that is on disk now."""
        _add(self._waiting, counts)

    def write(self, *, now: bool = False) -> None:
        """Add up what waits, if it is time or `now`. Raises Unreachable; then it still waits."""
        if not self._waiting or not (now or len(self._waiting) >= _MOST or time.monotonic() >= self._next):
            return
        rows = _rows(self._waiting)
        last = select(func.coalesce(func.max(schema.segments.c.seq), 0)).scalar_subquery()
        with self._database.writing() as connection:
            _SANDBOXES.run(connection, rows)
            connection.execute(update(schema.meta).where(schema.meta.c.name == COUNTED).values(value=last))
        self._waiting = {}
        self._next = time.monotonic() + self._every_seconds


def uncounted(database: "Database", connection: Connection) -> dict[Key, list[int]]:
    """What the newest segments add to sandbox_hours: a few seconds of records at most."""
    counted = select(schema.meta.c.value).where(schema.meta.c.name == COUNTED)
    found: dict[Key, list[int]] = {}
    for records in records_after(database, connection, int(connection.execute(counted).scalar_one())):
        _add(found, Fold(records).sandboxes)
    return found


def all_hours(database: "Database", connection: Connection) -> SelectBase:
    """The rows of sandbox_hours and, as more rows of the same keys, what is not added up yet."""
    waiting = uncounted(database, connection)
    if not waiting:
        return select(schema.sandbox_hours)
    # Gone with the reader's transaction, which is rolled back.
    schema.sandboxes_uncounted.create(connection)
    _UNCOUNTED.run(connection, _rows(waiting))
    return union_all(select(schema.sandbox_hours), select(schema.sandboxes_uncounted))


def _rows(counts: Mapping[Key, Sequence[int]]) -> list[tuple[Any, ...]]:
    # A client may name a sandbox by bytes that are no text.
    return [
        (hour, tool, sandbox if sandbox.isascii() else sandbox.encode("utf-8", "replace").decode(), *each)
        for (hour, tool, sandbox), each in counts.items()
    ]


def _add(sums: dict[Key, list[int]], counts: Mapping[Key, Sequence[int]]) -> None:
    for key, more in counts.items():
        there = sums.get(key)
        if there is None:
            sums[key] = [*more]
        else:
            for place, count in enumerate(more):
                there[place] += count
