"""Folding records into the rows of hourly tables. Pure: the same records give the same rows."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from comparators.signatures import signature
from crossfade.comparison import Difference, Severity
from crossfade.operation import OPERATIONS
from crossfade.record import Record
from router.store.histogram import bucket_of

HOUR = 3600
SAMPLES_KEPT = 5  # of each signature
_NAME_LIMIT = 300
_SAMPLE_LIMIT = 2_000  # characters; comparators cap before, this is the last net
_NAMES = 500  # of signatures per tool and hour in one batch, tallies by four: names must not grow with traffic
_OVERFLOW = "(more)"
_CLIENT_WENT_AWAY = 499

COUNTERS = (
    *("calls", "failed", "cancelled", "mirrored", "compared", "matched", "cosmetic", "contract"),
    *("both_ok", "old_failed", "new_failed", "both_failed", "validated", "bytes_in", "bytes_out"),
)


@dataclass(slots=True)
class Sums:
    """One row of rollups while it is being summed."""

    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(COUNTERS, 0))
    validation_seconds: float = 0.0


@dataclass(slots=True)
class SignatureSums:
    """One row of signatures while it is being summed."""

    severity: str
    count: int
    first_seen: float
    last_seen: float


@dataclass(frozen=True, slots=True)
class Sample:
    """One difference to show."""

    tool: str
    name: str
    call: str
    at: float
    path: str
    old: str
    new: str


class Fold:
    """What a batch of records adds to the hourly tables."""

    def __init__(self, records: Iterable[Record]) -> None:
        self.sums: dict[tuple[int, str, str, str, str], Sums] = defaultdict(Sums)
        self.tallies: Counter[tuple[int, str, str, str, str]] = Counter()
        self.latencies: dict[tuple[int, str, str, str], Counter[int]] = defaultdict(Counter)
        self.sandboxes: dict[tuple[int, str, str], list[int]] = defaultdict(lambda: [0, 0, 0, 0])
        self.signatures: dict[tuple[int, str, str], SignatureSums] = {}
        self._samples: dict[tuple[str, str], list[Sample]] = defaultdict(list)
        for record in records:
            self._add(record)

    @property
    def samples(self) -> list[Sample]:
        """The newest few of each signature."""
        return [sample for samples in self._samples.values() for sample in samples]

    def rollup_rows(self) -> Iterator[Sequence[Any]]:
        """In the order of the table's columns, like all rows here."""
        for key, sums in self.sums.items():
            yield (*key, *sums.counts.values(), sums.validation_seconds)

    def tally_rows(self) -> Iterator[Sequence[Any]]:
        return ((*key, count) for key, count in self.tallies.items())

    def sandbox_rows(self) -> Iterator[Sequence[Any]]:
        return ((*key, *counts) for key, counts in self.sandboxes.items())

    def signature_rows(self) -> Iterator[Sequence[Any]]:
        for key, sums in self.signatures.items():
            yield (*key, sums.severity, sums.count, sums.first_seen, sums.last_seen)

    def _add(self, record: Record) -> None:
        hour = int(record.at // HOUR) * HOUR
        cancelled = record.status == _CLIENT_WENT_AWAY
        sums = self.sums[hour, record.tool, record.answering, record.wish, record.stage]
        counts = sums.counts
        counts["calls"] += 1
        counts["cancelled"] += cancelled
        # A client that went away counts against nobody.
        counts["failed"] += record.fate != "ok" and not cancelled
        counts["mirrored"] += record.mirrored
        counts["bytes_in"] += record.bytes_in
        counts["bytes_out"] += record.bytes_out
        if record.validation_seconds:
            counts["validated"] += 1
            sums.validation_seconds += record.validation_seconds
        if record.matched is not None:
            self._add_comparison(hour, record, counts)
        if record.shadow_fate and record.answering in ("old", "new") and not cancelled:
            counts[_parity(record)] += 1
        self._tally(hour, record, "status", str(record.status))
        if record.dropped:
            self._tally(hour, record, "dropped", record.dropped)
        if record.answering != record.wish:
            self._tally(hour, record, "held", record.reason)
        self._add_latency(hour, record)
        if record.sandbox:
            sandbox = self.sandboxes[hour, record.tool, record.sandbox]
            sandbox[0] += 1
            sandbox[1] += record.answering == "new"
            sandbox[2] += record.matched is not None
            sandbox[3] += differs(record)

    def _add_comparison(self, hour: int, record: Record, counts: dict[str, int]) -> None:
        counts["compared"] += 1
        if record.matched:
            counts["matched"] += 1
            return
        counts["cosmetic"] += record.severity == Severity.COSMETIC
        counts["contract"] += record.severity == Severity.CONTRACT
        named: dict[str, Difference] = {}
        for difference in record.differences:
            named.setdefault(signature(record.operation, difference), difference)
        for name in record.signatures:
            shown = named.get(name)
            # A name without a difference is a comparison that was cut short, or a sample that was capped away.
            severity = shown.severity if shown else record.severity
            name = self._bounded(name, (hour, record.tool))
            self._add_signature(hour, record, name, severity)
            if shown:
                self._add_sample(record, name, shown)

    def _bounded(self, name: str, place: tuple[int, str]) -> str:
        name = name[:_NAME_LIMIT]
        if (*place, name) in self.signatures:
            return name
        return name if sum(key[:2] == place for key in self.signatures) < _NAMES else _OVERFLOW

    def _add_signature(self, hour: int, record: Record, name: str, severity: str) -> None:
        sums = self.signatures.get((hour, record.tool, name))
        if sums is None:
            self.signatures[hour, record.tool, name] = SignatureSums(str(severity), 1, record.at, record.at)
            return
        sums.count += 1
        sums.first_seen = min(sums.first_seen, record.at)
        sums.last_seen = max(sums.last_seen, record.at)

    def _add_sample(self, record: Record, name: str, difference: Difference) -> None:
        samples = self._samples[record.tool, name]
        samples.append(
            Sample(
                tool=record.tool,
                name=name,
                call=record.id,
                at=record.at,
                path=difference.path[:_SAMPLE_LIMIT],
                old=difference.old[:_SAMPLE_LIMIT],
                new=difference.new[:_SAMPLE_LIMIT],
            )
        )
        del samples[:-SAMPLES_KEPT]

    def _tally(self, hour: int, record: Record, kind: str, name: str) -> None:
        key = (hour, record.tool, record.answering, kind, name[:_NAME_LIMIT])
        if key not in self.tallies and len(self.tallies) >= _NAMES * 4:
            key = (hour, record.tool, record.answering, kind, _OVERFLOW)
        self.tallies[key] += 1

    def _add_latency(self, hour: int, record: Record) -> None:
        kind = OPERATIONS.get(record.operation)
        # A followed log lasts as long as somebody looks, and a refusal is quick: neither tells how fast an origin is.
        if record.answering not in ("old", "new") or (kind is not None and kind.stream):
            return
        if record.fate == "ok" and record.origin_seconds:
            self.latencies[hour, record.tool, record.answering, "answer"][bucket_of(record.origin_seconds)] += 1
        if record.shadow_fate == "ok" and record.shadow_seconds:
            other = "old" if record.answering == "new" else "new"
            self.latencies[hour, record.tool, other, "shadow"][bucket_of(record.shadow_seconds)] += 1


def differs(record: Record) -> bool:
    """Whether the two sides disagree in more than looks."""
    return record.matched is False and record.severity != Severity.COSMETIC


def _parity(record: Record) -> str:
    """Which cell of the table old ok or failed × new ok or failed."""
    answered, shadowed = record.fate == "ok", record.shadow_fate == "ok"
    old, new = (answered, shadowed) if record.answering == "old" else (shadowed, answered)
    if old and new:
        return "both_ok"
    if old:
        return "new_failed"
    return "old_failed" if new else "both_failed"
