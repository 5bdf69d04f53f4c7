"""Evidence by sandbox, from hourly sums: what each did in its first hours, and whether it stayed where it was sent."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Subquery, func, select

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

    def add(self, hour: int, sums: Sequence[Any], first_version: int, last_version: int, excuse: Excuse) -> None:
        """Count an hour, later than all before. `sums` in the order of SANDBOX_SUMS."""
        calls, on_new, compared, differing, failed, wished, pairs, old_failed, new_failed, timed, log_seconds = sums
        self.on_new += on_new
        if compared:
            differing = max(0, differing - excuse.calls)
            self.compared += compared
            self.differing += differing
            self.pairs.add(hour, compared, differing, pairs, max(0.0, new_failed - excuse.new_failed), old_failed)
        if first_version and first_version == last_version:
            wished_new = 2 * wished > calls
            # One call that was decided while its flag changed is a matter of moments; who moves goes on moving.
            if min(wished, calls - wished) >= _FEW or self._latest == (first_version, not wished_new):
                self.moved = True
            self._latest = arm = first_version, wished_new
            if not self.arm.calls:
                self.version, self.wished_new = arm
            if arm == (self.version, self.wished_new):
                self.arm.add(hour, calls, failed, timed, log_seconds)
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
    connection: Connection, hours: Subquery, span: Span, excused: Mapping[str, Explained], *, distinct: bool
) -> Mapping[str, Sequence[SandboxUnits]]:
    """By tool, every sandbox that called it. `hours`: the rows of sandbox_hours; `distinct`: one of each key."""
    columns = hours.c
    keys = columns.hour, columns.tool, columns.sandbox
    if distinct:
        query = select(*keys, *(columns[name] for name in SANDBOX_SUMS), columns.first_version, columns.last_version)
    else:
        ends = func.min(columns.first_version), func.max(columns.last_version)
        query = select(*keys, *(func.sum(columns[name]) for name in SANDBOX_SUMS), *ends).group_by(*keys)
    query = query.where(span.holds(columns.hour)).order_by(columns.hour)
    found: dict[str, dict[str, SandboxUnits]] = defaultdict(dict)
    excuses = {tool: each.hours for tool, each in excused.items()}
    for rows in connection.execute(query.execution_options(yield_per=_AT_ONCE)).partitions():
        for hour, tool, sandbox, *sums, first_version, last_version in rows:
            of_tool = found[tool]
            units = of_tool.get(sandbox)
            if units is None:
                units = of_tool[sandbox] = SandboxUnits(sandbox)
            excuse = excuses[tool].get((hour, sandbox), _NOTHING) if tool in excuses else _NOTHING
            units.add(hour, sums, first_version, last_version, excuse)
    return {tool: list(sandboxes.values()) for tool, sandboxes in found.items()}
