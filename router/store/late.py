"""Sums that are written less often than records: by sandbox, and of latencies.

Their rows are many or long: adding to them at every commit costs more than the records do. What has not been written
can be counted again from its segments: readers do that, and so does the next writer after one that was killed.
"""

import time
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import orjson
from sqlalchemy import Connection, SelectBase, func, select, union_all, update

from router.store import schema
from router.store.bulk import BulkInsert
from router.store.calls import records_after
from router.store.fold import Fold, add_sandbox

if TYPE_CHECKING:
    from router.store.database import Database

WRITTEN = "late_sums"  # in meta: the last segment whose late sums are in their tables
_EVERY_SECONDS = 10.0
_MOST_SANDBOXES = 20_000  # more of them at once would make a client's write wait long (WriteGate)
_SANDBOXES = BulkInsert(
    schema.sandbox_hours, adds=schema.SANDBOX_SUMS, lowest=("first_version",), highest=("last_version",)
)
_UNWRITTEN = BulkInsert(schema.sandboxes_unwritten)
_LATENCIES = BulkInsert(schema.latencies, replaces=("histogram",))


@dataclass(frozen=True, slots=True)
class LateSums:
    """What folds add to sandbox_hours and to latencies, by the keys of those tables."""

    sandboxes: dict[tuple[int, str, str], list[float]] = field(default_factory=dict)
    latencies: dict[tuple[int, str, str, str], Counter[int]] = field(default_factory=lambda: defaultdict(Counter))

    def add(self, fold: Fold) -> None:
        self.add_sandboxes(fold)
        for where, histogram in fold.latencies.items():
            self.latencies[where].update(histogram)

    def add_sandboxes(self, fold: Fold) -> None:
        for key, more in fold.sandboxes.items():
            counts = self.sandboxes.get(key)
            if counts is None:
                self.sandboxes[key] = [*more]
            else:
                add_sandbox(counts, more)

    def write(self, connection: Connection) -> None:
        _SANDBOXES.run(connection, self._sandbox_rows())
        for hour in {key[0] for key in self.latencies}:
            self._write_latencies(connection, hour)

    def sandbox_hours(self, connection: Connection) -> SelectBase:
        """The rows of sandbox_hours and, as more rows of the same keys, these. For a reader's transaction."""
        if not self.sandboxes:
            return select(schema.sandbox_hours)
        # Gone with the transaction, which is rolled back.
        schema.sandboxes_unwritten.create(connection)
        _UNWRITTEN.run(connection, self._sandbox_rows())
        return union_all(select(schema.sandbox_hours), select(schema.sandboxes_unwritten))

    def _sandbox_rows(self) -> Sequence[tuple[Any, ...]]:
        # A client may name a sandbox by bytes that are no text.
        return [
            (hour, tool, sandbox if sandbox.isascii() else sandbox.encode("utf-8", "replace").decode(), *counts)
            for (hour, tool, sandbox), counts in self.sandboxes.items()
        ]

    def _write_latencies(self, connection: Connection, hour: int) -> None:
        table = schema.latencies
        # The lock of this transaction makes read, merge and replace one step; PostgreSQL needs the row locks.
        there = connection.execute(select(table).where(table.c.hour == hour).with_for_update()).all()
        known = {tuple(row[:4]): row.histogram for row in there}
        rows = [
            (*key, orjson.dumps(_added(orjson.loads(known.get(key, "{}")), counts)).decode())
            for key, counts in self.latencies.items()
            if key[0] == hour
        ]
        _LATENCIES.run(connection, rows)


class LateWriter:
    """Gathers late sums of one store's only writer. Not for two threads."""

    def __init__(self, database: "Database", *, every_seconds: float = _EVERY_SECONDS) -> None:
        self._database, self._every_seconds = database, every_seconds
        self._sums = LateSums()
        self._recovered = False
        self._next = time.monotonic() + every_seconds

    def recover(self) -> None:
        """Take over what an earlier writer left. Before the first segment is written; raises Unreachable."""
        if not self._recovered:
            with self._database.reading() as connection:
                self._sums = unwritten(self._database, connection)
            self._recovered = True

    def add(self, fold: Fold) -> None:
        """Gather what a segment adds that is on disk now."""
        self._sums.add(fold)

    def write(self, *, now: bool = False) -> None:
        """Write what waits, if it is time or `now`. Raises Unreachable; then it still waits."""
        sums, due = self._sums, now or time.monotonic() >= self._next
        if not (due and (sums.sandboxes or sums.latencies)) and len(sums.sandboxes) < _MOST_SANDBOXES:
            return
        last = select(func.coalesce(func.max(schema.segments.c.seq), 0)).scalar_subquery()
        with self._database.writing() as connection:
            sums.write(connection)
            connection.execute(update(schema.meta).where(schema.meta.c.name == WRITTEN).values(value=last))
        self._sums = LateSums()
        self._next = time.monotonic() + self._every_seconds


def unwritten(database: "Database", connection: Connection) -> LateSums:
    """The late sums of the newest segments: of a few seconds at most."""
    written = select(schema.meta.c.value).where(schema.meta.c.name == WRITTEN)
    sums = LateSums()
    for records in records_after(database, connection, int(connection.execute(written).scalar_one())):
        sums.add(Fold(records))
    return sums


def _added(histogram: dict[str, int], counts: Mapping[int, int]) -> dict[str, int]:
    """A stored histogram, whose keys are text, with more counts in it."""
    for bucket, count in counts.items():
        name = str(bucket)
        histogram[name] = histogram.get(name, 0) + count
    return histogram
