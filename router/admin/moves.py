"""Seats in the admin API: moved on somebody's word, or taken from a side that is failing."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from crossfade.stage import Origin
from router.admin.access import Refused
from router.admin.endpoints import Endpoint, Field, note, order
from router.store.audit import SqlAudit
from router.twins.commit import NotMoved
from router.twins.evacuate import Evacuation
from router.twins.moves import Moves
from router.twins.state import Twin


@dataclass(frozen=True, slots=True)
class MovesApi:
    """/v1/twins/{id}/move and attach."""

    moves: Moves
    evacuation: Evacuation
    audit: SqlAudit

    def endpoints(self) -> list[Endpoint]:
        """What is served."""
        return [
            Endpoint(
                method="POST",
                path="/twins/{id}/move",
                says="Move one seat. 409 with the reason where something would be left behind.",
                serve=self._move,
                body={
                    "to": Field(says="old or new.", needed=True),
                    "hard": Field(says="Take it whatever runs there.", kind="boolean"),
                    "accept_loss": Field(says="With hard: the last settle will do.", kind="boolean"),
                },
                changes=True,
            ),
            Endpoint(
                method="POST",
                path="/twins/{id}/attach",
                says="Use a follower again that was let go, or survived.",
                serve=self._attach,
                changes=True,
            ),
        ]

    async def _move(self, request: Request) -> Response:
        """Move one seat: proven idle, or with `hard` whatever runs there."""
        twin = self._twin(request)
        asked = await order(request)
        told, to = asked.told, _side(asked.told)
        details = {"to": str(to), "hard": bool(told.get("hard")), "accept_loss": bool(told.get("accept_loss"))}
        await note(self.audit, asked, "twin.move", twin.id, details)
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
        await note(self.audit, await order(request), "twin.attach", twin.id, {})
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


def _side(told: Mapping[str, Any]) -> Origin:
    try:
        return Origin(str(told.get("to")))
    except ValueError:
        raise Refused(400, f'"to" is "old" or "new", not {told.get("to")!r}') from None
