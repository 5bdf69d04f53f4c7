"""Sandboxes older than the router in the admin API: followers made and filled in bulk, trusted, given up."""

from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from router.admin.access import Refused
from router.admin.endpoints import Endpoint, Field, note, order
from router.engine.adopt import Adoption, How, NotAdopted
from router.store.audit import SqlAudit
from router.twins.state import Twin

_MOST_HELD = 1_000  # told with their reason


@dataclass(frozen=True, slots=True)
class AdoptionApi:
    """/v1/backfill, and /v1/twins/{id}/trust and detach."""

    adoption: Adoption
    audit: SqlAudit

    def endpoints(self) -> list[Endpoint]:
        """What is served."""
        what = {
            "sandboxes": Field(says="Ids on old, in place of all that have no twin.", kind="array"),
            "limit": Field(says="At most so many.", kind="integer"),
        }
        trust = "Nobody writes behind the router any more: from its next start on its seat may move."
        detach = "Give its follower up for good, and delete it on new. 409 where the seat is there."
        return [
            Endpoint(method="GET", path="/backfill", says="The last backfill and how far it is.", serve=self._status),
            Endpoint(
                method="POST",
                path="/backfill",
                says="Make and fill followers of sandboxes that are older than the router. 409 while one is under way.",
                serve=self._start,
                body=what,
                changes=True,
            ),
            Endpoint(method="POST", path="/backfill/stop", says="Begin no more.", serve=self._stop, changes=True),
            Endpoint(method="POST", path="/twins/{id}/trust", says=trust, serve=self._trust, changes=True),
            Endpoint(method="POST", path="/twins/{id}/detach", says=detach, serve=self._detach, changes=True),
        ]

    async def _status(self, _request: Request) -> Response:
        return JSONResponse(self._plain())

    async def _start(self, request: Request) -> Response:
        """Begin in the background; GET says how far it is."""
        asked = await order(request)
        named, limit = asked.told.get("sandboxes"), asked.told.get("limit")
        if named is not None and not (isinstance(named, list) and all(isinstance(each, str) for each in named)):
            raise Refused(400, '"sandboxes" is a list of ids')
        if limit is not None and (not isinstance(limit, int) or limit < 1):
            raise Refused(400, '"limit" is a whole number above 0')
        try:
            chosen = (await self.adoption.everybody() if named is None else named)[:limit]
            await note(self.audit, asked, "twins.backfill", f"{len(chosen)} sandboxes", {"sandboxes": chosen[:100]})
            await self.adoption.start(chosen)
        except NotAdopted as reason:
            raise Refused(409, str(reason)) from None
        return JSONResponse(self._plain())

    async def _stop(self, request: Request) -> Response:
        """What has a follower by now keeps it."""
        await note(self.audit, await order(request), "twins.backfill.stop", "", {})
        await self.adoption.stop()
        return JSONResponse(self._plain())

    async def _trust(self, request: Request) -> Response:
        """The flag falls; what runs there still holds the seat until a start."""
        twin = self._twin(request)
        await note(self.audit, await order(request), "twin.trust", twin.id, {})
        if not twin.row.bypass:
            raise Refused(409, f"sandbox {twin.id} is trusted already")
        await self.adoption.trust(twin)
        return JSONResponse({"schema": "crossfade.trust/1", "id": twin.id, "bypass": twin.row.bypass})

    async def _detach(self, request: Request) -> Response:
        """Its calls go on at old."""
        twin = self._twin(request)
        asked = await order(request)
        await note(self.audit, asked, "twin.detach", twin.id, {})
        try:
            await self.adoption.detach(twin, asked.reason)
        except NotAdopted as reason:
            raise Refused(409, f"the follower of {twin.id} stays: {reason}") from None
        return JSONResponse({"schema": "crossfade.detach/1", "id": twin.id, "follower": str(twin.row.follower)})

    def _twin(self, request: Request) -> Twin:
        id = str(request.path_params["id"])
        twin = self.adoption.keeper.registry.get(id)
        if twin is None:
            raise Refused(404, f"no twin '{id}'; it is the sandbox's visible id, as `crossfade twins list` shows it")
        return twin

    def _plain(self) -> dict[str, Any]:
        backfill = self.adoption.backfill
        held = {id: why for id, (how, why) in backfill.told.items() if how is How.HELD}
        return {
            "schema": "crossfade.backfill/1",
            "running": backfill.running,
            "total": len(backfill.told),
            **{str(how): backfill.count(how) for how in How},
            "reasons": dict(list(held.items())[:_MOST_HELD]),
        }
