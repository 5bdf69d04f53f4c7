"""Sums that the command line and the report read, as plain values."""

import math
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import orjson
from sqlalchemy import Connection, Row, Table, func, select

from comparators.judging import Judged
from comparators.standing import Standing
from router.store import schema
from router.store.database import Database
from router.store.explained import Explained, explained
from router.store.fold import COUNTERS
from router.store.histogram import merged
from router.store.judgements import judgements
from router.store.late import LateSums, unwritten
from router.store.sandboxes import Sandboxes, SandboxUnits, sandbox_units
from router.store.span import Span
from router.store.standings import Standings


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """A kind of difference, as counted in the window."""

    name: str
    severity: str
    count: int
    first_seen: float  # Unix seconds
    last_seen: float
    samples: tuple["SampleRow", ...] = ()
    standing: Standing = field(default_factory=Standing)


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleRow:
    """One difference, kept to be shown."""

    call: str
    at: float
    path: str
    old: str
    new: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """How long one origin took in one position (answer, shadow): a histogram of log buckets."""

    origin: str
    position: str
    histogram: Mapping[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolSums:
    """What was counted of one tool in the window. `counts` has the columns of rollups."""

    tool: str
    counts: Mapping[str, int]
    answered: Mapping[str, int]  # by origin: old, new, router
    wished: Mapping[str, int]
    stages: Mapping[str, int]
    validation_seconds: float
    dropped: Mapping[str, int]  # by reason
    held: Mapping[str, int]
    statuses: Mapping[str, int]
    latencies: tuple[Latency, ...]
    sandboxes: Sandboxes
    signatures: tuple[Signature, ...]
    units: tuple[SandboxUnits, ...] = ()
    explained: Explained = field(default_factory=Explained)

    @property
    def differing(self) -> int:
        """Compared calls that differ in more than looks, and in something that is not accepted or ignored."""
        return self.counts["compared"] - self.counts["matched"] - self.counts["cosmetic"] - self.explained.calls

    @property
    def contract(self) -> int:
        """Of these, calls that broke the contract."""
        return self.counts["contract"] - self.explained.contract

    @property
    def new_failed(self) -> int:
        """Of these, calls that failed on new alone."""
        return self.counts["new_failed"] - self.explained.new_failed


@dataclass(frozen=True, slots=True, kw_only=True)
class HourSums:
    """Calls of one tool in one hour, by who answered."""

    hour: int
    tool: str
    answering: str
    calls: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """Everything that was counted since the beginning of an hour, read in one view."""

    since: float
    first_hour: int | None  # None: nothing was counted
    last_hour: int | None
    tools: tuple[ToolSums, ...]
    hours: tuple[HourSums, ...]
    requests: Mapping[tuple[str, str], int]  # (origin, purpose) -> count
    losses: Mapping[str, int]  # reason -> records


def window(database: Database, since: float = 0.0, until: float = math.inf, *, now: float | None = None) -> Window:
    """Sums of every hour of which a part lies between the two: hours are not split.

    `now`: at which ignore rules are in force.
    """
    span = Span.of(since, until)
    now = time.time() if now is None else now
    with database.reading() as connection:
        rollups = connection.execute(select(schema.rollups).where(span.holds(schema.rollups.c.hour))).all()
        by_tool: dict[str, list[Row[tuple[object, ...]]]] = defaultdict(list)
        for row in rollups:
            by_tool[row.tool].append(row)
        tallies = _tallies(connection, span)
        late = unwritten(database, connection)
        latencies = _latencies(connection, late, span)
        hours_of_sandboxes = late.sandbox_hours(connection).subquery()
        judged = Judged(judgements(connection))
        excused = explained(connection, judged, span=span, now=now, by_sandbox=True)
        units = sandbox_units(connection, hours_of_sandboxes, span, excused, distinct=not late.sandboxes)
        signatures = _signatures(connection, span, Standings(connection, judged, now))
        tools = tuple(
            _tool(
                tool,
                by_tool[tool],
                tallies=tallies,
                latencies=latencies.get(tool, {}),
                units=tuple(units.get(tool, ())),
                signatures=signatures.get(tool, ()),
                excused=excused.get(tool, Explained()),
            )
            for tool in sorted(by_tool)
        )
        requests = _sums(connection, schema.origin_requests, ("origin", "purpose"), span)
        losses = _sums(connection, schema.losses, ("reason",), span)
    hours = [row.hour for row in rollups]
    return Window(
        since=since,
        first_hour=min(hours, default=None),
        last_hour=max(hours, default=None),
        tools=tools,
        hours=_hours(rollups),
        requests={(str(key[0]), str(key[1])): count for key, count in requests.items()},
        losses={str(key[0]): count for key, count in losses.items()},
    )


def origin_requests(database: Database, since: float = 0.0) -> Mapping[tuple[str, str], int]:
    """Requests that were sent, by (origin, purpose), in every hour that ended after `since`. Raises Unreachable."""
    with database.reading() as connection:
        found = _sums(connection, schema.origin_requests, ("origin", "purpose"), Span.of(since))
    return {(key[0], key[1]): count for key, count in found.items()}


def samples_of(database: Database, name: str) -> Sequence[SampleRow]:
    """The newest differences of one kind, of all tools, newest first. Raises Unreachable."""
    table = schema.samples
    with database.reading() as connection:
        rows = connection.execute(select(table).where(table.c.name == name).order_by(table.c.seq.desc())).all()
    return [SampleRow(call=row.call, at=row.at, path=row.path, old=row.old, new=row.new) for row in rows]


def _tool(
    tool: str,
    rows: Iterable[Row[tuple[object, ...]]],
    *,
    tallies: Mapping[tuple[str, str], Mapping[str, int]],
    latencies: Mapping[tuple[str, str], Mapping[int, int]],
    units: tuple[SandboxUnits, ...],
    signatures: tuple[Signature, ...],
    excused: Explained,
) -> ToolSums:
    totals = _Totals()
    for row in rows:
        totals.add(row)
    return ToolSums(
        tool=tool,
        counts=dict(totals.counts),
        answered=dict(totals.answered),
        wished=dict(totals.wished),
        stages=dict(totals.stages),
        validation_seconds=totals.validation_seconds,
        dropped=tallies.get((tool, "dropped"), {}),
        held=tallies.get((tool, "held"), {}),
        statuses=tallies.get((tool, "status"), {}),
        latencies=tuple(
            Latency(origin=origin, position=position, histogram=histogram)
            for (origin, position), histogram in sorted(latencies.items())
        ),
        sandboxes=Sandboxes.of(units),
        units=units,
        signatures=signatures,
        explained=excused,
    )


@dataclass(slots=True)
class _Totals:
    counts: Counter[str] = field(default_factory=lambda: Counter(dict.fromkeys(COUNTERS, 0)))
    answered: Counter[str] = field(default_factory=Counter)
    wished: Counter[str] = field(default_factory=Counter)
    stages: Counter[str] = field(default_factory=Counter)
    validation_seconds: float = 0.0

    def add(self, row: Row[tuple[object, ...]]) -> None:
        for name in COUNTERS:
            self.counts[name] += getattr(row, name)
        self.answered[row.answering] += row.calls
        self.wished[row.wish] += row.calls
        self.stages[row.stage] += row.calls
        self.validation_seconds += row.validation_seconds


def _hours(rollups: Iterable[Row[tuple[object, ...]]]) -> tuple[HourSums, ...]:
    sums: Counter[tuple[int, str, str]] = Counter()
    for row in rollups:
        sums[row.hour, row.tool, row.answering] += row.calls
    return tuple(
        HourSums(hour=hour, tool=tool, answering=answering, calls=calls)
        for (hour, tool, answering), calls in sorted(sums.items())
    )


def _tallies(connection: Connection, span: Span) -> Mapping[tuple[str, str], Mapping[str, int]]:
    found: dict[tuple[str, str], dict[str, int]] = defaultdict(dict)
    for (tool, kind, name), count in _sums(connection, schema.tallies, ("tool", "kind", "name"), span).items():
        found[tool, kind][name] = count
    return found


def _latencies(
    connection: Connection, late: LateSums, span: Span
) -> Mapping[str, Mapping[tuple[str, str], Mapping[int, int]]]:
    found: dict[str, dict[tuple[str, str], Mapping[int, int]]] = defaultdict(dict)

    def add(tool: str, key: tuple[str, str], histogram: Mapping[int, int]) -> None:
        found[tool][key] = merged(found[tool].get(key, {}), histogram)

    for row in connection.execute(select(schema.latencies).where(span.holds(schema.latencies.c.hour))):
        histogram = {int(bucket): count for bucket, count in orjson.loads(row.histogram).items()}
        add(row.tool, (row.origin, row.position), histogram)
    for (hour, tool, origin, position), counts in late.latencies.items():
        if span.first <= hour < span.end:
            add(tool, (origin, position), counts)
    return found


def _signatures(connection: Connection, span: Span, standings: Standings) -> Mapping[str, tuple[Signature, ...]]:
    table = schema.signatures
    query = (
        select(
            table.c.tool,
            table.c.name,
            func.max(table.c.severity).label("severity"),
            func.sum(table.c.count).label("times"),
            func.min(table.c.first_seen).label("first_seen"),
            func.max(table.c.last_seen).label("last_seen"),
        )
        .where(span.holds(table.c.hour))
        .group_by(table.c.tool, table.c.name)
    )
    samples = _samples(connection, span)
    found: dict[str, list[Signature]] = defaultdict(list)
    for row in connection.execute(query):
        found[row.tool].append(
            Signature(
                name=row.name,
                severity=row.severity,
                count=int(row.times),
                first_seen=row.first_seen,
                last_seen=row.last_seen,
                samples=tuple(samples.get((row.tool, row.name), ())),
                standing=standings.of(row.name, row.severity, row.last_seen),
            )
        )
    return {tool: tuple(sorted(each, key=lambda one: (-one.count, one.name))) for tool, each in found.items()}


def _samples(connection: Connection, span: Span) -> Mapping[tuple[str, str], Sequence[SampleRow]]:
    table = schema.samples
    found: dict[tuple[str, str], list[SampleRow]] = defaultdict(list)
    for row in connection.execute(select(table).where(span.holds(table.c.at)).order_by(table.c.seq.desc())):
        found[row.tool, row.name].append(SampleRow(call=row.call, at=row.at, path=row.path, old=row.old, new=row.new))
    return found


def _sums(connection: Connection, table: Table, keys: Sequence[str], span: Span) -> Mapping[tuple[str, ...], int]:
    columns = [table.c[key] for key in keys]
    query = select(*columns, func.sum(table.c.count)).where(span.holds(table.c.hour)).group_by(*columns)
    return {tuple(row[:-1]): int(row[-1]) for row in connection.execute(query)}
