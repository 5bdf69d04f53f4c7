"""Twins in the admin API: where each stands, whether its sides are equal, and a settle on request."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from router.admin.access import Refused
from router.admin.endpoints import Endpoint, note, order
from router.admin.explained import by_tool
from router.engine.decide import Decider
from router.store.audit import SqlAudit
from router.twins.keeper import Keeper
from router.twins.settle import SettleFailed
from router.twins.state import Twin

_MOST_PATHS = 1_000  # shown of those that differ
_SETTLE_SECONDS = 300.0


@dataclass(frozen=True, slots=True)
class TwinsApi:
    """/v1/twins."""

    keeper: Keeper
    decider: Decider
    audit: SqlAudit

    def endpoints(self) -> list[Endpoint]:
        """What is served."""
        one = "/twins/{id}"
        settle = "Settle now instead of when it is quiet."
        return [
            Endpoint(method="GET", path="/twins", says="Every sandbox with two sides.", serve=self._list),
            Endpoint(method="GET", path=one, says="One sandbox: seat, follower, each tool.", serve=self._show),
            Endpoint(method="POST", path=f"{one}/verify", says="Compare both trees by content.", serve=self._verify),
            Endpoint(method="POST", path=f"{one}/settle", says=settle, serve=self._settle, changes=True),
        ]

    async def _list(self, _request: Request) -> Response:
        found = [self._summary(twin) for twin in self.keeper.registry]
        return JSONResponse({"schema": "crossfade.twins/1", "twins": sorted(found, key=lambda each: str(each["id"]))})

    async def _show(self, request: Request) -> Response:
        twin = self._twin(request)
        return JSONResponse({"schema": "crossfade.twin/1", **self._summary(twin), **self._details(twin)})

    async def _verify(self, request: Request) -> Response:
        """Compare both trees by content. Nothing is changed; calls go on meanwhile, so a busy twin may differ."""
        twin = self._twin(request)
        try:
            async with asyncio.timeout(_SETTLE_SECONDS):
                paths = await self.keeper.settler.differing(twin)
        except (SettleFailed, TimeoutError) as error:
            raise Refused(502, f"sandbox {twin.id} could not be compared: {error or 'it took too long'}") from None
        told = {"schema": "crossfade.verify/1", "id": twin.id, "equal": not paths, "differing": len(paths)}
        return JSONResponse({**told, "paths": list(paths[:_MOST_PATHS])})

    async def _settle(self, request: Request) -> Response:
        """Settle now instead of when it is quiet; the answer says whether the trees are known equal then."""
        twin = self._twin(request)
        await note(self.audit, await order(request), "twin.settle", twin.id, {})
        try:
            async with asyncio.timeout(_SETTLE_SECONDS):
                await self.keeper.settle_now(twin)
        except TimeoutError:
            raise Refused(504, f"sandbox {twin.id} did not settle within {_SETTLE_SECONDS:g} s") from None
        return JSONResponse({"schema": "crossfade.settle/1", "id": twin.id, "clean": self._clean(twin)})

    def _twin(self, request: Request) -> Twin:
        id = str(request.path_params["id"])
        twin = self.keeper.registry.get(id)
        if twin is None:
            raise Refused(404, f"no twin '{id}'; it is the sandbox's visible id, as `crossfade twins list` shows it")
        if request.method == "POST" and not twin.joined:
            raise Refused(409, f"sandbox {id} has no follower to look at: it is {twin.row.follower}")
        return twin

    def _clean(self, twin: Twin) -> bool:
        return twin.clean(self.keeper.sides.clock.monotonic()) and not twin.dirty_paths

    def _summary(self, twin: Twin) -> dict[str, Any]:
        row = twin.row
        return {
            "id": row.id,
            "seat": str(row.seat),
            "follower": str(row.follower),
            "answers": "active" if twin.active else "passive",
            "clean": self._clean(twin),
            "held": row.held,
            "bypass": row.bypass,
            "organization": row.organization,
            "created_at": row.created_at,
        }

    def _details(self, twin: Twin) -> Mapping[str, Any]:
        row, lanes, now = twin.row, self.keeper.lanes, self.keeper.sides.clock.monotonic()
        wishes = self.decider.wishes(twin)
        return {
            "routing_key": row.routing_key,
            "bucket": wishes.bucket,
            "ids": dict(row.ids),
            "epoch": row.epoch,
            "limited_by": list(wishes.limiting),
            "hot": twin.hot,
            "marked_dirty": row.dirty,
            "dirty_paths": sorted(twin.dirty_paths)[:_MOST_PATHS],
            "calls_open": len(twin.open),
            "calls_waiting": lanes.of(twin).calls,
            "settled_at": twin.settled_at,
            "lost": list(row.lost)[:_MOST_PATHS],
            "failed_settles": self.keeper.failures.get(row.id, 0),
            "unusable_seconds": max(0.0, max(twin.unusable_until, twin.suspended_until) - now),
            "idle_seconds": max(0.0, now - twin.last_activity),
            "handles": {handle: str(origin) for handle, origin in twin.handles.items()},
            "tools": by_tool(twin, wishes, now),
        }
