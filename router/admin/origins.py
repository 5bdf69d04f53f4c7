"""Origins in the admin API: breaker, what they were sent, where seats are; and what the router bounds."""

import asyncio
import time
from collections import Counter
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from crossfade.stage import Origin
from router.admin.endpoints import Endpoint
from router.admin.shown import masked
from router.settings import Settings
from router.store.database import Database
from router.store.queries import origin_requests
from router.twins.keeper import Keeper
from router.twins.lanes import Lanes

_DAY = 86_400.0


@dataclass(frozen=True, slots=True)
class OriginsApi:
    """/v1/origins."""

    settings: Settings
    database: Database
    keeper: Keeper
    lanes: Lanes

    def endpoints(self) -> list[Endpoint]:
        """What is served."""
        says = "Both origins: breaker, requests of the last day by purpose, seats; and the router's own limits."
        return [Endpoint(method="GET", path="/origins", says=says, serve=self._list)]

    async def _list(self, _request: Request) -> Response:
        sent = await asyncio.to_thread(origin_requests, self.database, time.time() - _DAY)
        found = [
            self._one(origin, {each: n for (name, each), n in sent.items() if name == origin}) for origin in Origin
        ]
        mirror = self.settings.mirror
        limits = {
            "comparisons_waiting": {"used": self.lanes.waiting, "most": mirror.lane_total},
            "comparisons_waiting_per_sandbox": {"used": None, "most": mirror.lane_calls},
            "mirrored_body_bytes": {"used": None, "most": mirror.body_limit_bytes},
            "mirrored_call_seconds": {"used": None, "most": mirror.call_seconds},
        }
        return JSONResponse({"schema": "crossfade.origins/1", "origins": found, "limits": limits})

    def _one(self, origin: Origin, requests: dict[str, int]) -> dict[str, Any]:
        breaker = self.keeper.sides.breakers[origin]
        there = self.settings.old if origin is Origin.OLD else self.settings.new
        retry = max(0.0, breaker.retry_at - self.keeper.sides.clock.monotonic()) if breaker.open else 0.0
        states = Counter(str(twin.row.follower) for twin in self.keeper.registry if twin.seat is not origin)
        return {
            "origin": str(origin),
            "kind": there.kind,
            "url": masked(there.url or f"https://api.{getattr(there, 'domain', '')}"),
            "breaker": {
                "open": breaker.open,
                "failures": breaker.failures,
                "threshold": breaker.threshold,
                "retry_seconds": retry,
            },
            "requests_of_the_day": requests,
            "seats": sum(twin.seat is origin for twin in self.keeper.registry),
            "followers": dict(states),
        }
