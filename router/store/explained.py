"""How many differing calls and sandboxes people have explained: what the report leaves out, and tells of."""

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from sqlalchemy import Connection, func, select

from comparators.judging import Judged
from router.store import schema
from router.store.kinds import names_of
from router.store.span import Span


class Excuse(NamedTuple):
    """Explained calls of one sandbox in one hour."""

    calls: int
    new_failed: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Explained:
    """Of a tool's differing calls, those whose every kind is accepted or ignored."""

    calls: int = 0
    contract: int = 0  # of these, broke the contract
    new_failed: int = 0  # of these, failed on new alone
    hours: Mapping[tuple[int, str], Excuse] = field(default_factory=dict)  # the same calls by hour and sandbox


def explained(
    connection: Connection, judged: Judged, *, span: Span, now: float, by_sandbox: bool = False
) -> Mapping[str, Explained]:
    """What is explained of each tool in the window; `by_sandbox`: `hours` too, which may be many."""
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
        .where(span.holds(sets.c.hour))
        .group_by(sets.c.tool, sets.c.kinds)
    )
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    known: dict[str, bool] = {}
    failing: dict[tuple[str, str], float] = {}
    for row in connection.execute(query):
        if row.kinds not in known:
            known[row.kinds] = _excused(judged, row.names, now)
        if known[row.kinds]:
            counts[row.tool].update({name: int(getattr(row, name)) for name in sums})
            failing[row.tool, row.kinds] = row.new_failed / row.calls
    hours = _by_sandbox(connection, failing, span) if by_sandbox else {}
    return {tool: Explained(**each, hours=hours.get(tool, {})) for tool, each in counts.items()}


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


def _by_sandbox(
    connection: Connection, failing: Mapping[tuple[str, str], float], span: Span
) -> Mapping[str, Mapping[tuple[int, str], Excuse]]:
    """By tool, hour and sandbox. `failing`: of a tool's explained set of kinds, the share that failed on new alone."""
    found: dict[str, dict[tuple[int, str], Excuse]] = defaultdict(dict)
    if not failing:
        return found
    table = schema.sandbox_kinds
    for row in connection.execute(select(table).where(span.holds(table.c.hour))):
        # Kinds say how a call ended, so of a set all failed on new or none: the share is 0 or 1.
        share = failing.get((row.tool, row.kinds))
        if share is not None:
            before = found[row.tool].get((row.hour, row.sandbox), Excuse(0, 0.0))
            more = Excuse(before.calls + row.calls, before.new_failed + row.calls * share)
            found[row.tool][row.hour, row.sandbox] = more
    return found
