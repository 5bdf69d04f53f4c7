"""Every kind of difference that is still remembered, and where it stands."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, func, select

from comparators.judging import Judged, worse
from comparators.standing import Seen, Standing, State, standing
from router.store import schema

_LOOKBACK_SECONDS = 60 * 86_400.0  # of sightings that tell fixed from open: older ones say nothing of this program
_ORDER = list(State)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One kind of difference over all tools."""

    name: str
    severity: str
    tools: tuple[str, ...]
    count: int  # calls that showed it
    first_seen: float  # Unix seconds
    last_seen: float
    standing: Standing


def kinds(connection: Connection, judged: Judged, now: float) -> Sequence[Kind]:
    """The kinds seen in the last 60 days: those that want a look first, the worst and most frequent of them first."""
    first = now - _LOOKBACK_SECONDS
    table = schema.signatures
    columns = (
        func.sum(table.c.count).label("calls"),
        func.min(table.c.first_seen).label("first_seen"),
        func.max(table.c.last_seen).label("last_seen"),
    )
    query = select(table.c.name, table.c.tool, table.c.severity, *columns).where(table.c.hour >= first)
    found: dict[str, _Sightings] = defaultdict(_Sightings)
    for row in connection.execute(query.group_by(table.c.name, table.c.tool, table.c.severity)):
        found[row.name].add(row.tool, row.severity, int(row.calls), row.first_seen, row.last_seen)
    for name, hour in connection.execute(select(table.c.name, table.c.hour).where(table.c.hour >= first).distinct()):
        found[name].hours.add(hour)
    compared = _compared(connection, first)
    return sorted((each.kind(name, judged, compared, now) for name, each in found.items()), key=_first_look)


class Standings:
    """Where kinds stand, by name: those of the last 60 days by words and sightings, older ones by words alone."""

    def __init__(self, connection: Connection, judged: Judged, now: float) -> None:
        self._judged, self._now = judged, now
        self._known = {kind.name: kind.standing for kind in kinds(connection, judged, now)}

    def of(self, name: str, severity: str, last_seen: float) -> Standing:
        """Where a kind stands now."""
        seen = Seen(name=name, severity=severity, last_seen=last_seen)
        return self._known.get(name) or standing(seen, self._judged, self._now)


def _first_look(kind: Kind) -> tuple[int, int, int, str]:
    severities = ("contract", "content", "cosmetic", kind.severity)
    return _ORDER.index(kind.standing.state), severities.index(kind.severity), -kind.count, kind.name


def _compared(connection: Connection, first: float) -> Mapping[str, Mapping[int, int]]:
    """Compared calls by tool and hour."""
    table = schema.rollups
    query = (
        select(table.c.tool, table.c.hour, func.sum(table.c.compared).label("compared"))
        .where(table.c.hour >= first)
        .group_by(table.c.tool, table.c.hour)
    )
    found: dict[str, dict[int, int]] = defaultdict(dict)
    for row in connection.execute(query):
        found[row.tool][row.hour] = int(row.compared)
    return found


class _Sightings:
    """One kind's rows while they are being summed."""

    def __init__(self) -> None:
        self.hours: set[int] = set()
        self.tools: set[str] = set()
        self.severity = ""
        self.count = 0
        self.first_seen, self.last_seen = float("inf"), 0.0

    def add(self, tool: str, severity: str, count: int, first_seen: float, last_seen: float) -> None:
        self.tools.add(tool)
        self.count += count
        self.severity = severity if worse(severity, self.severity) else self.severity
        self.first_seen, self.last_seen = min(self.first_seen, first_seen), max(self.last_seen, last_seen)

    def kind(self, name: str, judged: Judged, compared: Mapping[str, Mapping[int, int]], now: float) -> Kind:
        pairs: Counter[int] = Counter()
        for tool in self.tools:
            pairs.update(compared.get(tool, {}))
        seen = Seen(name=name, severity=self.severity, last_seen=self.last_seen, hours=self.hours, compared=pairs)
        return Kind(
            name=name,
            severity=self.severity,
            tools=tuple(sorted(self.tools)),
            count=self.count,
            first_seen=self.first_seen,
            last_seen=self.last_seen,
            standing=standing(seen, judged, now),
        )
