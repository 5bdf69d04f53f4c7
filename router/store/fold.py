"""Folding records into the rows of hourly tables. Pure: the same records give the same rows."""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from operator import attrgetter, itemgetter
from typing import Any, NamedTuple

from comparators.signatures import signature
from crossfade.comparison import Difference, Severity
from crossfade.operation import OPERATIONS
from crossfade.record import Record
from router.store.histogram import buckets_of
from router.store.schema import SANDBOX_SUMS

HOUR = 3600
SAMPLES_KEPT = 5  # of each signature
NAME_LIMIT = 300
_SAMPLE_LIMIT = 2_000  # characters; comparators cap before, this is the last net
_NAMES = 500  # of signatures per tool and hour in one batch, tallies by four: names must not grow with traffic
_OVERFLOW = "(more)"
CLIENT_WENT_AWAY = 499
_SUMMED = len(SANDBOX_SUMS)

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


class _Kind(NamedTuple):
    """What decides how a record is counted. Records of a batch are of few kinds, so they are counted by kind."""

    tool: str
    answering: str
    wish: str
    stage: str
    operation: str
    status: int
    fate: str
    mirrored: bool
    dropped: str
    shadow_fate: str
    matched: bool | None
    severity: str


_kind_of = itemgetter(*map(Record._fields.index, _Kind._fields))


class Fold:
    """What a batch of records adds to the hourly tables."""

    def __init__(self, records: Sequence[Record]) -> None:
        self.sums: dict[tuple[int, str, str, str, str], Sums] = defaultdict(Sums)
        self.tallies: Counter[tuple[int, str, str, str, str]] = Counter()
        self.latencies: dict[tuple[int, str, str, str], Counter[int]] = defaultdict(Counter)
        self.sandboxes: dict[tuple[int, str, str], list[float]] = {}
        self.signatures: dict[tuple[int, str, str], SignatureSums] = {}
        self._samples: dict[tuple[str, str], list[Sample]] = defaultdict(list)
        self._signatures_of: Counter[tuple[int, str]] = Counter()
        for hour, group in _by_hour(records):
            self._add_hour(hour, group)
        # In the order of completion, because of the samples: the newest are kept.
        for record in records:
            if record.matched is False:
                self._add_differences(hour_of(record.at), record)

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

    def signature_rows(self) -> Iterator[Sequence[Any]]:
        for key, sums in self.signatures.items():
            yield (*key, sums.severity, sums.count, sums.first_seen, sums.last_seen)

    def _add_hour(self, hour: int, records: Sequence[Record]) -> None:
        groups: dict[tuple[Any, ...], list[Record]] = defaultdict(list)
        for record in records:
            groups[_kind_of(record)].append(record)
        for kind, group in groups.items():
            self._add_group(hour, _Kind._make(kind), group)

    def _add_group(self, hour: int, kind: _Kind, group: Sequence[Record]) -> None:
        """Records of one kind: most of what is counted is the same for all of them."""
        calls = len(group)
        cancelled = kind.status == CLIENT_WENT_AWAY
        sums = self.sums[hour, kind.tool, kind.answering, kind.wish, kind.stage]
        counts = sums.counts
        counts["calls"] += calls
        counts["cancelled"] += calls * cancelled
        # A client that went away counts against nobody.
        counts["failed"] += calls * (kind.fate != "ok" and not cancelled)
        counts["mirrored"] += calls * kind.mirrored
        counts["bytes_in"] += sum(map(attrgetter("bytes_in"), group))
        counts["bytes_out"] += sum(map(attrgetter("bytes_out"), group))
        if waited := list(filter(None, map(attrgetter("validation_seconds"), group))):
            counts["validated"] += len(waited)
            sums.validation_seconds += sum(waited)
        if kind.matched is not None:
            counts["compared"] += calls
            counts["matched"] += calls * kind.matched
            counts["cosmetic"] += calls * (not kind.matched and kind.severity == Severity.COSMETIC)
            counts["contract"] += calls * (not kind.matched and kind.severity == Severity.CONTRACT)
        if kind.shadow_fate and kind.answering in ("old", "new") and not cancelled:
            counts[parity(kind)] += calls
        self._add_tallies(hour, kind, group)
        self._add_latencies(hour, kind, group)
        self._add_sandboxes(hour, kind, group)

    def _add_tallies(self, hour: int, kind: _Kind, group: Sequence[Record]) -> None:
        self._tally(hour, kind, "status", str(kind.status), len(group))
        if kind.dropped:
            self._tally(hour, kind, "dropped", kind.dropped, len(group))
        if kind.answering != kind.wish:
            for reason, calls in Counter(map(attrgetter("reason"), group)).items():
                self._tally(hour, kind, "held", reason, calls)

    def _add_latencies(self, hour: int, kind: _Kind, group: Sequence[Record]) -> None:
        if not _tells_speed(kind):
            return
        if kind.fate == "ok":
            self._add_durations((hour, kind.tool, kind.answering, "answer"), map(attrgetter("origin_seconds"), group))
        if kind.shadow_fate == "ok":
            other = "old" if kind.answering == "new" else "new"
            self._add_durations((hour, kind.tool, other, "shadow"), map(attrgetter("shadow_seconds"), group))

    def _add_durations(self, key: tuple[int, str, str, str], durations: Iterable[float]) -> None:
        if buckets := buckets_of(filter(None, durations)):
            self.latencies[key].update(buckets)

    def _add_sandboxes(self, hour: int, kind: _Kind, group: Sequence[Record]) -> None:
        cancelled = kind.status == CLIENT_WENT_AWAY
        is_pair = bool(kind.shadow_fate) and kind.answering in ("old", "new") and not cancelled
        cell = parity(kind) if is_pair else ""
        of_kind = (
            *(True, kind.answering == "new", kind.matched is not None, differs(kind)),
            *(kind.fate != "ok" and not cancelled, kind.wish == "new"),
            *(is_pair, cell == "old_failed", cell == "new_failed"),
        )
        # Of the whole group: where a flag changed within one batch, who was decided by which version is not asked. A
        # sandbox for which the tool is off was perhaps never asked about, or everything is killed: that is no share.
        versions = {0} if kind.stage == "off" else set(map(attrgetter("flag_version"), group))
        lowest, highest = min(versions), max(versions)
        timed, logs = _typical(kind, group)
        for sandbox, calls in Counter(map(attrgetter("sandbox"), group)).items():
            if not sandbox:
                continue
            times = timed.get(sandbox, 0), logs.get(sandbox, 0.0)
            more = [*(calls * counted for counted in of_kind), *times, lowest, highest]
            if (sums := self.sandboxes.setdefault((hour, kind.tool, sandbox), more)) is not more:
                add_sandbox(sums, more)

    def _add_differences(self, hour: int, record: Record) -> None:
        named: dict[str, Difference] = {}
        for difference in record.differences:
            named.setdefault(signature(record.operation, difference), difference)
        for name in record.signatures:
            shown = named.get(name)
            severity = shown.severity if shown else _severity_unseen(name, record)
            name = self._bounded(name, (hour, record.tool))
            self._add_signature(hour, record, name, severity)
            if shown:
                self._add_sample(record, name, shown)

    def _bounded(self, name: str, place: tuple[int, str]) -> str:
        name = name[:NAME_LIMIT]
        if (*place, name) in self.signatures:
            return name
        return name if self._signatures_of[place] < _NAMES else _OVERFLOW

    def _add_signature(self, hour: int, record: Record, name: str, severity: str) -> None:
        sums = self.signatures.get((hour, record.tool, name))
        if sums is None:
            self._signatures_of[hour, record.tool] += 1
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

    def _tally(self, hour: int, kind: _Kind, what: str, name: str, calls: int) -> None:
        key = (hour, kind.tool, kind.answering, what, name[:NAME_LIMIT])
        if key not in self.tallies and len(self.tallies) >= _NAMES * 4:
            key = (hour, kind.tool, kind.answering, what, _OVERFLOW)
        self.tallies[key] += calls


def _by_hour(records: Sequence[Record]) -> Iterable[tuple[int, Sequence[Record]]]:
    if not records:
        return ()
    arrivals = list(map(attrgetter("at"), records))
    if hour_of(min(arrivals)) == hour_of(max(arrivals)):
        return [(hour_of(arrivals[0]), records)]
    groups: dict[int, list[Record]] = defaultdict(list)
    for record in records:
        groups[hour_of(record.at)].append(record)
    return groups.items()


def _tells_speed(kind: _Kind) -> bool:
    """A followed log lasts as long as somebody looks, and an answer of ours is no origin's."""
    operation = OPERATIONS.get(kind.operation)
    return kind.answering in ("old", "new") and not (operation is not None and operation.stream)


def _typical(kind: _Kind, group: Sequence[Record]) -> tuple[Mapping[str, int], Mapping[str, float]]:
    """By sandbox: how many answers tell how fast the origin is, and the sum of the logarithms of their seconds."""
    timed: dict[str, int] = defaultdict(int)
    logs: dict[str, float] = defaultdict(float)
    if kind.fate == "ok" and _tells_speed(kind):  # a refusal is quick
        for record in group:
            if record.origin_seconds > 0:
                timed[record.sandbox] += 1
                logs[record.sandbox] += math.log(record.origin_seconds)
    return timed, logs


def add_sandbox(sums: list[float], more: Sequence[float]) -> None:
    """Add to a row of sandbox_hours, without its key, another of the same key."""
    for place in range(_SUMMED):
        sums[place] += more[place]
    sums[_SUMMED] = min(sums[_SUMMED], more[_SUMMED])
    sums[_SUMMED + 1] = max(sums[_SUMMED + 1], more[_SUMMED + 1])


def hour_of(at: float) -> int:
    return int(at // HOUR) * HOUR


def _severity_unseen(name: str, record: Record) -> str:
    """Of a kind without its difference: a comparison that was cut short, or a sample that was capped away."""
    if name.endswith(" (cosmetic)"):
        return str(Severity.COSMETIC)
    # Differences stand worst first, so what was capped away is no worse than the last that is there.
    last = record.differences[-1].severity if record.differences else Severity.COSMETIC
    return record.severity if last is Severity.COSMETIC else str(last)


def differs(record: Record | _Kind) -> bool:
    """Whether the two sides disagree in more than looks."""
    return record.matched is False and record.severity != Severity.COSMETIC


def parity(kind: Record | _Kind) -> str:
    """Which cell of the table old ok or failed × new ok or failed."""
    answered, shadowed = kind.fate == "ok", kind.shadow_fate == "ok"
    old, new = (answered, shadowed) if kind.answering == "old" else (shadowed, answered)
    if old and new:
        return "both_ok"
    if old:
        return "new_failed"
    return "old_failed" if new else "both_failed"
