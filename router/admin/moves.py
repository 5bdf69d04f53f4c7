"""Seats in the admin API: moved on somebody's word, or taken from a side that is failing."""

import dataclasses
import json
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from crossfade.stage import Origin
from router.admin.access import Refused, changing, check, refused
from router.twins.commit import NotMoved
from router.twins.evacuate import Evacuation
from router.twins.moves import Moves
from router.twins.state import Twin

log = logging.getLogger("crossfade.admin")


@dataclass(frozen=True, slots=True)
class MovesApi:
    """/v1/twins/{id}/move and /v1/twins/{id}/attach."""

    moves: Moves
    evacuation: Evacuation
    token: str

    def routes(self) -> list[Route]:
        """What is served."""
        return [
            Route("/v1/twins/{id}/move", self._guarded(self._move), methods=["POST"]),
            Route("/v1/twins/{id}/attach", self._guarded(self._attach), methods=["POST"]),
        ]

    def _guarded(self, serve: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
        async def guarded(request: Request) -> Response:
            try:
                check(request, self.token)
                return await serve(request)
            except Refused as error:
                return refused(error)

        return guarded

    async def _move(self, request: Request) -> Response:
        """Move one seat: proven idle, or with `hard` whatever runs there."""
        twin = self._twin(request)
        author, reason = await changing(request)
        told = await _body(request)
        to = _side(told)
        log.warning("move asked for", extra={"sandbox": twin.id, "to": str(to), "author": author, "reason": reason})
        if told.get("hard"):
            done = await self.evacuation.leave(twin, to, accept_loss=bool(told.get("accept_loss")))
            return JSONResponse({"schema": "crossfade.move/1", **_plain(done)})
        if twin.seat is not to:
            try:
                await self.moves.now(twin)
            except NotMoved as error:
                raise Refused(409, f"the seat of {twin.id} stays on {twin.seat}: {error}") from None
        return JSONResponse({"schema": "crossfade.move/1", "id": twin.id, "how": "moved", "seat": str(twin.seat)})

    async def _attach(self, request: Request) -> Response:
        """Use a follower again that was let go, or survived: it gets the seat's files, and loses what it has alone."""
        twin = self._twin(request)
        author, reason = await changing(request)
        log.warning("attach asked for", extra={"sandbox": twin.id, "author": author, "reason": reason})
        if not await self.evacuation.keeper.reattach(twin):
            raise Refused(409, f"sandbox {twin.id} has nothing to attach: its follower is {twin.row.follower}")
        return JSONResponse({"schema": "crossfade.attach/1", "id": twin.id, "follower": str(twin.row.follower)})

    def _twin(self, request: Request) -> Twin:
        id = str(request.path_params["id"])
        twin = self.evacuation.keeper.registry.get(id)
        if twin is None:
            raise Refused(404, f"no twin '{id}'; it is the sandbox's visible id, as `crossfade twins list` shows it")
        return twin


def _plain(done: Any) -> dict[str, Any]:
    return {**dataclasses.asdict(done), "how": str(done.how)}


async def _body(request: Request) -> dict[str, Any]:
    told = json.loads(await request.body() or b"{}")  # `changing` has read it: it is an object
    return dict(told)


def _side(told: dict[str, Any]) -> Origin:
    try:
        return Origin(str(told.get("to")))
    except ValueError:
        raise Refused(400, f'"to" is "old" or "new", not {told.get("to")!r}') from None
