"""The router's state in the admin API: ready, busy, and what needs somebody."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any, Protocol

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from crossfade.twin import FollowerState
from router.admin.endpoints import Endpoint
from router.engine.engine import Engine
from router.flags.embedded import EmbeddedFlags
from router.store.records import SqlRecords
from router.twins.keeper import Keeper
from router.twins.lanes import Lanes


class Seen(Protocol):
    """The parts of a router that are looked at."""

    engine: Engine
    keeper: Keeper
    lanes: Lanes
    flags: EmbeddedFlags
    records: SqlRecords


@dataclass(frozen=True, slots=True)
class StatusApi:
    """/v1/status."""

    app: Seen
    reasons: Callable[[], list[str]]

    def endpoints(self) -> list[Endpoint]:
        """What is served."""
        says = "Whether the router is ready, what it is doing, and alarms: what needs somebody."
        return [Endpoint(method="GET", path="/status", says=says, serve=self._show)]

    async def _show(self, _request: Request) -> Response:
        app, twins = self.app, list(self.app.keeper.registry)
        told = {
            "schema": "crossfade.router/1",
            "version": version("crossfade"),
            "ready": not self.reasons(),
            "reasons": self.reasons(),
            "calls_in_flight": app.engine.in_flight.calls,
            "comparisons_waiting": app.lanes.waiting,
            "twins": len(twins),
            "seats_on_new": sum(twin.seat == "new" for twin in twins),
            "dirty": sum(twin.row.dirty for twin in twins),
            "flags_version": app.flags.version,
            "alarms": self._alarms(),
        }
        return JSONResponse(told)

    def _alarms(self) -> list[dict[str, Any]]:
        """Each with a word to sort and translate by, how often, and of what; as docs/operations.md has what to do."""
        app = self.app
        alarms = [
            {"word": "breaker-open", "count": 1, "of": str(origin)}
            for origin, each in app.keeper.sides.breakers.items()
            if each.open
        ]
        counts = {
            "flags-unread": int(app.flags.fresh_at <= 0),
            "settles-failing": len(app.keeper.failures),
            "records-lost": app.records.lost,
            "quarantined": sum(twin.row.follower is FollowerState.QUARANTINED for twin in app.keeper.registry),
            "changes-lost": sum(bool(twin.row.lost) for twin in app.keeper.registry),
        }
        return [*alarms, *({"word": word, "count": count, "of": ""} for word, count in counts.items() if count)]
