"""Evidence by sandbox, from hourly sums: what each did in its first hours, and whether it stayed where it was sent."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Row, Subquery, func, select

from comparators.evidence.hours import Hours
from router.store.explained import Excuse, Explained
from router.store.schema import SANDBOX_SUMS
from router.store.span import Span

_AT_ONCE = 5_000
_FEW = 2
_NOTHING = Excuse(0, 0.0)


@dataclass(slots=True)
class SandboxUnits:
    """One sandbox's calls of one tool.

    Sums of `pairs` are differing, pairs, new_failed, old_failed, explained calls left out; of `arm`, whose calls are
    all of one flag version and one wish: failed, timed, sum of log seconds.
    """

    sandbox: str
    pairs: Hours = field(default_factory=Hours)  # hours in which calls were compared
    arm: Hours = field(default_factory=Hours)
    version: int = 0  # of the flag that chose the arm; 0: no share of it did
    wished_new: bool = False
    moved: bool = False  # its wish changed while the flag did not
    on_new: int = 0
    compared: int = 0
    differing: int = 0
    _latest: tuple[int, bool] = (0, False)

    def add(self, row: Row[*tuple[Any, ...]], excuse: Excuse) -> None:
        """Count an hour, later than all before."""
        differing = max(0, row.differing - excuse.calls)
        self.on_new += row.on_new
        self.compared += row.compared
        self.differing += differing
        new_failed = max(0.0, row.new_failed - excuse.new_failed)
        self.pairs.add(row.hour, row.compared, differing, row.pairs, new_failed, row.old_failed)
        if row.first_version and row.first_version == row.last_version:
            self._add_arm(row)

    def _add_arm(self, row: Row[*tuple[Any, ...]]) -> None:
        version, wished_new = row.first_version, 2 * row.wished > row.calls
        # One call that was decided while its flag changed is a matter of moments; a sandbox that moves goes on moving.
        if min(row.wished, row.calls - row.wished) >= _FEW or self._latest == (version, not wished_new):
            self.moved = True
        self._latest = version, wished_new
        if not self.arm.calls:
            self.version, self.wished_new = version, wished_new
        if (version, wished_new) == (self.version, self.wished_new):
            self.arm.add(row.hour, row.calls, row.failed, row.timed, row.log_seconds)
        else:
            self.arm.closed = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Sandboxes:
    """Sandboxes with at least one such call."""

    seen: int = 0
    on_new: int = 0
    compared: int = 0
    differing: int = 0  # in something that is not explained

    @classmethod
    def of(cls, units: Iterable[SandboxUnits]) -> "Sandboxes":
        """Count them."""
        found = list(units)
        return cls(
            seen=len(found),
            on_new=sum(each.on_new > 0 for each in found),
            compared=sum(each.compared > 0 for each in found),
            differing=sum(each.differing > 0 for each in found),
        )


def sandbox_units(
    connection: Connection, hours: Subquery, span: Span, excused: Mapping[str, Explained]
) -> Mapping[str, Sequence[SandboxUnits]]:
    """By tool, every sandbox that called it. `hours`: the rows of sandbox_hours, perhaps several of one key."""
    columns = hours.c
    ends = (
        func.min(columns.first_version).label("first_version"),
        func.max(columns.last_version).label("last_version"),
    )
    query = (
        select(
            *(columns.hour, columns.tool, columns.sandbox),
            *(func.sum(columns[name]).label(name) for name in SANDBOX_SUMS),
            *ends,
        )
        .where(span.holds(columns.hour))
        .group_by(columns.hour, columns.tool, columns.sandbox)
        .order_by(columns.hour)
    )
    found: dict[str, dict[str, SandboxUnits]] = defaultdict(dict)
    excuses = {tool: each.hours for tool, each in excused.items()}
    for row in connection.execute(query.execution_options(yield_per=_AT_ONCE)):
        of_tool = found[row.tool]
        if row.sandbox not in of_tool:
            of_tool[row.sandbox] = SandboxUnits(row.sandbox)
        excuse = excuses[row.tool].get((row.hour, row.sandbox), _NOTHING) if row.tool in excuses else _NOTHING
        of_tool[row.sandbox].add(row, excuse)
    return {tool: list(sandboxes.values()) for tool, sandboxes in found.items()}
