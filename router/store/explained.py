"""How many differing calls and sandboxes people have explained: what the report leaves out, and tells of."""

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, Subquery, func, select

from comparators.judging import Judged
from router.store import schema
from router.store.kinds import names_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Explained:
    """Of a tool's differing calls, those whose every kind is accepted or ignored."""

    calls: int = 0
    contract: int = 0  # of these, broke the contract
    new_failed: int = 0  # of these, failed on new alone
    sandboxes: int = 0  # that differ in nothing else


def explained(
    connection: Connection, judged: Judged, *, first: int, now: float, sandbox_hours: Subquery | None = None
) -> Mapping[str, Explained]:
    """What is explained of each tool since the hour `first`.

    `sandbox_hours`: the differing calls by sandbox; without them sandboxes are not counted.
    """
    if judged.excuses_nothing:
        return {}  # nothing to look for, in what may be years of hours
    sets = schema.kind_sets
    sums = ("calls", "contract", "new_failed")
    query = (
        select(
            sets.c.tool,
            sets.c.kinds,
            func.min(sets.c.names).label("names"),
            *(func.sum(sets.c[name]).label(name) for name in sums),
        )
        .where(sets.c.hour >= first)
        .group_by(sets.c.tool, sets.c.kinds)
    )
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    known: dict[str, bool] = {}
    for row in connection.execute(query):
        if row.kinds not in known:
            known[row.kinds] = _excused(judged, row.names, now)
        if known[row.kinds]:
            counts[row.tool].update({name: int(getattr(row, name)) for name in sums})
    excused = {kinds for kinds, is_explained in known.items() if is_explained}
    if excused and sandbox_hours is not None:
        for tool, sandboxes in _sandboxes(connection, excused, first, sandbox_hours).items():
            counts[tool]["sandboxes"] = sandboxes
    return {tool: Explained(**each) for tool, each in counts.items()}


def explained_by_hour(
    connection: Connection, judged: Judged, tool: str, *, first: int, now: float
) -> Mapping[int, int]:
    """One tool's explained calls by hour."""
    if judged.excuses_nothing:
        return {}
    sets = schema.kind_sets
    found: Counter[int] = Counter()
    known: dict[str, bool] = {}
    for row in connection.execute(select(sets).where(sets.c.tool == tool, sets.c.hour >= first)):
        if row.kinds not in known:
            known[row.kinds] = _excused(judged, row.names, now)
        found[row.hour] += row.calls * known[row.kinds]
    return found


def _excused(judged: Judged, names: str, now: float) -> bool:
    return all(judged.explains(name, severity, now) for name, severity in names_of(names))


def _sandboxes(connection: Connection, excused: set[str], first: int, hours: Subquery) -> Mapping[str, int]:
    """Sandboxes by tool whose every differing call is explained."""
    table = schema.sandbox_kinds
    calls: Counter[tuple[str, str]] = Counter()
    for row in connection.execute(select(table).where(table.c.hour >= first)):
        if row.kinds in excused:
            calls[row.tool, row.sandbox] += row.calls
    query = (
        select(hours.c.tool, hours.c.sandbox, func.sum(hours.c.differing).label("differing"))
        .where(hours.c.hour >= first, hours.c.differing > 0)
        .group_by(hours.c.tool, hours.c.sandbox)
    )
    found: Counter[str] = Counter()
    for row in connection.execute(query):
        found[row.tool] += calls[row.tool, row.sandbox] >= row.differing
    return found
