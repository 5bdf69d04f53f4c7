"""What is true of the running router at the moment of a scrape."""

from collections import Counter
from collections.abc import Mapping
from typing import Protocol

from router.engine.engine import Engine
from router.flags.embedded import EmbeddedFlags
from router.preview.app import Preview
from router.store.records import SqlRecords
from router.telemetry import Telemetry
from router.twins.keeper import Keeper
from router.twins.lanes import Lanes
from router.twins.lifetimes import Lifetimes
from router.twins.registry import Registry
from router.twins.sides import Sides


class Running(Protocol):
    """The parts of a router that are looked at."""

    engine: Engine
    registry: Registry
    keeper: Keeper
    lanes: Lanes
    lifetimes: Lifetimes
    flags: EmbeddedFlags
    records: SqlRecords
    telemetry: Telemetry
    sides: Sides
    preview: Preview | None


def gauges(app: Running) -> None:
    """Register them."""

    def followers() -> Mapping[tuple[tuple[str, str], ...], float]:
        states = Counter((("seat", str(twin.seat)), ("follower", str(twin.row.follower))) for twin in app.registry)
        return {labels: float(count) for labels, count in states.items()}

    def breakers() -> Mapping[tuple[tuple[str, str], ...], float]:
        return {(("origin", str(origin)),): float(each.open) for origin, each in app.sides.breakers.items()}

    def in_flight() -> int:
        return app.engine.in_flight.calls + (app.preview.visits.open if app.preview else 0)

    def lifetimes() -> Mapping[tuple[tuple[str, str], ...], float]:
        return {(("what", what),): float(count) for what, count in sorted(app.lifetimes.done.items())}

    gauge = app.telemetry.gauge
    gauge("crossfade_calls_in_flight", "Calls being answered.", in_flight)
    gauge("crossfade_evidence_waiting", "Calls waiting to be repeated on the other side.", lambda: app.lanes.waiting)
    gauge("crossfade_twins", "Sandboxes with two sides, by seat and state of the follower.", followers)
    gauge("crossfade_twins_dirty", "Twins whose follower may differ.", lambda: sum(t.row.dirty for t in app.registry))
    gauge("crossfade_settles_failing", "Twins whose last settle failed.", lambda: len(app.keeper.failures))
    gauge("crossfade_lifetimes", "What was done since the start to sandboxes, by their timers.", lifetimes)
    gauge("crossfade_deletes_overdue", "Deletes that failed at least three times.", lambda: app.keeper.overdue())
    gauge("crossfade_breaker_open", "Whether an origin's followers are left alone after failures.", breakers)
    gauge("crossfade_records_waiting", "Records not yet on disk.", lambda: app.records.waiting)
    gauge("crossfade_records_lost", "Records that were lost since the start.", lambda: app.records.lost)
    gauge("crossfade_flags_version", "Rises with every flag change.", lambda: app.flags.version)
    gauge("crossfade_flags_fresh", "Whether the flags could be read lately.", lambda: float(app.flags.fresh_at > 0))
