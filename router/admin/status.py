"""The router's state in the admin API: ready, busy, and what needs somebody."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib.metadata import version
from typing import Protocol

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from router.admin.endpoints import Endpoint
from router.engine.engine import Engine
from router.flags.embedded import EmbeddedFlags
from router.notify.alarms import Alarm
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
    alarms: Callable[[], list[Alarm]]

    def endpoints(self) -> list[Endpoint]:
        """What is served."""
        # Each alarm has a word to sort and translate by; docs/operations.md says what to do.
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
            "flags": {key: flag.get("version") for key, flag in app.flags.current.items()},
            "alarms": [asdict(each) for each in self.alarms()],
        }
        return JSONResponse(told)
