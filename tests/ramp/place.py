"""A store, a clock and evidence of the test's own."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from crossfade.evidence import Evidence, Metric
from policies.ramp import Plan, State, weights
from router.admin.desk import StoreDesk
from router.admin.ramps import DeskBoard
from router.flags import schema
from router.flags.shown import shares_of, version_of
from router.ramp.pilot import Pilot
from router.ramp.ports import Facts
from router.store.audit import SqlAudit
from router.store.database import Database
from router.store.flags import SqlFlagRows
from router.store.ramps import SqlRamps

DAY, BEGAN = 86_400.0, 1_000_000_800.0  # BEGAN is not on a full hour
GOOD = Metric(name="error rate", lower=-0.002, upper=0.004, harm=0.01, budget=0.01, units=900, least_units=30)
BAD = replace(GOOD, lower=0.02, upper=0.04)
SIGNED: dict[str, str] = {"author": "ada", "reason": "week 1"}


@dataclass
class Place:
    """A store, a clock, and evidence as the test says it is."""

    database: Database
    now: float = BEGAN
    counted: dict[str, Evidence] = field(default_factory=dict)
    asked: list[float] = field(default_factory=list)  # since when
    facts: Facts = field(default_factory=Facts)

    @property
    def rows(self) -> SqlFlagRows:
        return SqlFlagRows(self.database)

    def evidence(self, since: float, _until: float) -> Mapping[str, Evidence]:
        self.asked.append(since)
        return self.counted

    def pilot(self) -> Pilot:
        """A router's; each call makes another's."""
        audit = SqlAudit(self.database, now=lambda: self.now)
        board = DeskBoard(StoreDesk(self.rows, 7))
        return Pilot(SqlRamps(self.database), board, self.evidence, lambda: self.facts, audit, lambda: self.now)

    def set(self, share: float, tool: str = "files") -> None:
        before = self.rows.read()[1].get(schema.key_of(tool))
        flag = schema.build(tool, weights(share), version=version_of(before) + 1, seed=7)
        self.rows.write(flag, author="bob", reason="r", expected_version=version_of(before) if before else None)

    def count(self, *metrics: Metric, tool: str = "files", units: int = 0, **more: object) -> None:
        made = tuple(replace(metric, units=metric.units + units) for metric in metrics)
        self.counted[tool] = Evidence(tool=tool, metrics=made, **more)  # type: ignore[arg-type]

    def shares(self, tool: str = "files") -> dict[str, float]:
        return shares_of(self.rows.read()[1].get(schema.key_of(tool)))

    def acts(self) -> list[tuple[str, str]]:
        """The trail, oldest first."""
        return [(each.action, each.author) for each in reversed(SqlAudit(self.database).entries())]

    def state(self) -> tuple[State, float]:
        ramp = SqlRamps(self.database).read()["files"]
        return ramp.state, ramp.share


def begun(place: Place, share: float = 0.0, **plan: object) -> Pilot:
    if share:
        place.set(share)
    pilot = place.pilot()
    pilot.plan(Plan(tool="files", **plan), **SIGNED)  # type: ignore[arg-type]
    pilot.start("files", **SIGNED)
    return pilot


def pass_days(place: Place, pilot: Pilot, days: float, *metrics: Metric) -> None:
    """Evidence grows, and is looked at, every four hours."""
    for look in range(round(6 * days)):
        place.now += 4 * 3600
        place.count(*metrics, units=look)
        pilot.evaluate()
