"""Records and counts of requests, written in batches by a thread of their own, off every call's way."""

import logging
import threading
import time
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from sqlalchemy import Connection, delete, select

from crossfade.errors import Unreachable
from crossfade.record import Record
from crossfade.upstream import Purpose
from router.store import schema
from router.store.bulk import BulkInsert
from router.store.calls import Segment
from router.store.database import Database
from router.store.fold import COUNTERS, HOUR, SAMPLES_KEPT, Fold
from router.store.kinds import KindSets
from router.store.late import LateWriter
from router.store.retention import Retention

log = logging.getLogger("crossfade.store")

_CAPACITY = 50_000  # records waiting; beyond it new ones are lost, counted
_COMMIT_SECONDS = 0.5
# One segment and one transaction: large, because most of the work is by the batch; not larger, because a client's write
# may wait for it (WriteGate).
_BATCH = 4_000
_CLOSE_SECONDS = 15.0

_ROLLUPS = BulkInsert(schema.rollups, adds=(*COUNTERS, "validation_seconds"))
_TALLIES = BulkInsert(schema.tallies, adds=("count",))
_SIGNATURES = BulkInsert(
    schema.signatures, adds=("count",), replaces=("severity",), lowest=("first_seen",), highest=("last_seen",)
)
_SAMPLES = BulkInsert(schema.samples)
_REQUESTS = BulkInsert(schema.origin_requests, adds=("count",))
_LOSSES = BulkInsert(schema.losses, adds=("count",))

QUEUE_FULL = "queue full"
NOT_WRITABLE = "record could not be written"
CLOSED = "store closed or not writable at the end"


class SqlRecords:
    """Records in the store. `add` and `count` never block and never raise; what is lost is counted by reason."""

    def __init__(
        self,
        database: Database,
        *,
        keep_records_days: float = 14.0,
        keep_rollups_days: float = 400.0,
        keep_bytes: int = 5 * 1024**3,
        capacity: int = _CAPACITY,
        commit_seconds: float = _COMMIT_SECONDS,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._database = database
        self._retention = Retention(
            records_seconds=keep_records_days * 86_400, rollups_seconds=keep_rollups_days * 86_400, bytes=keep_bytes
        )
        self._capacity, self._commit_seconds, self._now = capacity, commit_seconds, now
        self._waiting: deque[Record] = deque()
        self._batch: list[Record] = []  # taken from the queue, not yet on disk
        self._lock = threading.Lock()  # of the losses, held for one addition
        # Requests ever counted, and those of them that are on disk: only `count` writes the one, the writer the other.
        self._requests: defaultdict[tuple[str, Purpose], int] = defaultdict(int)
        self._requests_written: dict[tuple[str, Purpose], int] = {}
        self._losses: Counter[tuple[int, str]] = Counter()
        self._wake = threading.Event()
        self._idle = threading.Condition()
        self._asked = self._served = 0  # flushes
        self._closing = self._closed = False
        self._failing = False
        self.lost = 0
        self.written = 0
        self._late = LateWriter(database)
        self._thread = threading.Thread(target=self._run, name="crossfade records", daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        """Records not yet written."""
        return len(self._waiting) + len(self._batch)

    def add(self, record: Record) -> None:
        """Queue it, or count it as lost. Never blocks."""
        if self._closed:
            self._lose(record.at, CLOSED, 1)
        elif len(self._waiting) >= self._capacity:
            self._lose(record.at, QUEUE_FULL, 1)
        else:
            self._waiting.append(record)
            if len(self._waiting) * 2 == self._capacity:
                self._wake.set()

    def count(self, origin: str, purpose: Purpose) -> None:
        """Count one request sent to an origin. Never blocks. For one thread; the hour is that of its writing."""
        self._requests[origin, purpose] += 1

    def flush(self, timeout: float = _CLOSE_SECONDS) -> bool:
        """Wait until everything given before is on disk. False: it could not be written in time."""
        with self._idle:
            self._asked += 1
            asked = self._asked
        self._wake.set()
        with self._idle:
            return self._idle.wait_for(lambda: self._served >= asked or self._closed, timeout) and not self._failing

    def close(self, timeout: float = _CLOSE_SECONDS) -> None:
        """Write what waits, then stop. What cannot be written in time is counted and logged."""
        self._closing = True
        self._wake.set()
        self._thread.join(timeout)
        self._closed = True
        if left := self.waiting:
            self._lose(self._now(), CLOSED, left)
            log.error("records lost at the end", extra={"records": left})
            self._waiting.clear()

    # The writer's thread...

    def _run(self) -> None:
        while True:
            self._wake.wait(self._commit_seconds)
            self._wake.clear()
            last = self._closing
            with self._idle:
                asked = self._asked
            self._write_all()
            self._write_late(now=last)
            with self._idle:
                self._served = asked
                self._idle.notify_all()
            if last:
                return
            self._tidy()

    def _write_all(self) -> None:
        """Write what waits now, in transactions of one batch. A store that fails is tried again at the next turn."""
        try:
            self._late.recover()
        except Unreachable as error:
            self._report(error)
            return
        left = self.waiting
        while left > 0 or self._counters_waiting():
            if not self._batch:
                self._batch = [self._waiting.popleft() for _ in range(min(len(self._waiting), _BATCH))]
            if not self._written(self._batch):
                return
            left -= len(self._batch)
            self._batch = []

    def _written(self, batch: Sequence[Record]) -> bool:
        """Whether the batch is done with: written, or what cannot be written counted as lost."""
        try:
            self._commit(batch)
        except Unreachable as error:
            self._report(error)
            return False
        except Exception:
            # A defect in one record must not hold up all others.
            log.exception("records could not be written together", extra={"records": len(batch)})
            self._one_by_one(batch)
            return bool(batch)
        if self._failing:
            self._failing = False
            log.warning("store can be written again", extra={"lost": self.lost})
        return True

    def _one_by_one(self, batch: Sequence[Record]) -> None:
        if len(batch) <= 1:
            for record in batch:
                self._lose(record.at, NOT_WRITABLE, 1)
            return
        half = len(batch) // 2
        for part in (batch[:half], batch[half:]):
            try:
                self._commit(part)
            except Unreachable as error:
                self._report(error)
                self._waiting.extendleft(reversed(part))  # for the next turn
            except Exception:
                self._one_by_one(part)

    def _commit(self, batch: Sequence[Record]) -> None:
        # Made before the write lock is taken.
        fold, kinds = Fold(batch), KindSets(batch)
        segment = Segment(batch) if batch else None
        requests, losses = dict(self._requests), self._losses_taken()
        try:
            with self._database.writing() as connection:
                if segment:
                    segment.write(connection)
                _write_fold(connection, fold)
                kinds.write(connection)
                _REQUESTS.run(connection, self._request_rows(requests))
                _LOSSES.run(connection, [(*key, count) for key, count in losses.items()])
        except BaseException:
            with self._lock:
                self._losses.update(losses)
            raise
        self._requests_written = requests
        self._late.add(fold)
        self.written += len(batch)

    def _write_late(self, *, now: bool) -> None:
        try:
            self._late.write(now=now)
        except Exception as error:  # nothing is lost: the next turn, or the next writer, writes them
            self._report(error)

    def _request_rows(self, requests: Mapping[tuple[str, Purpose], int]) -> list[tuple[int, str, str, int]]:
        hour, written = _hour(self._now()), self._requests_written
        rows = [(hour, str(key[0]), str(key[1]), count - written.get(key, 0)) for key, count in requests.items()]
        return [row for row in rows if row[3]]

    def _losses_taken(self) -> Counter[tuple[int, str]]:
        with self._lock:
            losses, self._losses = self._losses, Counter()
        return losses

    def _counters_waiting(self) -> bool:
        return bool(self._losses) or self._requests != self._requests_written

    def _tidy(self) -> None:
        try:
            self._retention.step(self._database, self._now())
        except Exception as error:  # the next turn tries again
            self._report(error)

    def _lose(self, at: float, reason: str, count: int) -> None:
        with self._lock:
            self.lost += count
            self._losses[_hour(at), reason] += count

    def _report(self, error: Exception) -> None:
        if not self._failing:
            self._failing = True
            log.error("store cannot be written; records wait, then are lost and counted", extra={"cause": str(error)})


def _write_fold(connection: Connection, fold: Fold) -> None:
    _ROLLUPS.run(connection, list(fold.rollup_rows()))
    _TALLIES.run(connection, list(fold.tally_rows()))
    _SIGNATURES.run(connection, list(fold.signature_rows()))
    _write_samples(connection, fold)


def _write_samples(connection: Connection, fold: Fold) -> None:
    table = schema.samples
    samples = fold.samples
    _SAMPLES.run(connection, [(s.tool, s.name, s.call, s.at, s.path, s.old, s.new) for s in samples])
    for tool, name in {(sample.tool, sample.name) for sample in samples}:
        same = (table.c.tool == tool) & (table.c.name == name)
        newest = select(table.c.seq).where(same).order_by(table.c.seq.desc()).limit(SAMPLES_KEPT)
        connection.execute(delete(table).where(same, table.c.seq.not_in(newest)))


def _hour(at: float) -> int:
    return int(at // HOUR) * HOUR


if TYPE_CHECKING:
    from crossfade.ports import Records

    _: type[Records] = SqlRecords
