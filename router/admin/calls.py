"""Recorded calls in the admin API: newest first, filtered and paged; one with the reason of its decision."""

import asyncio
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from router.admin.access import Refused
from router.admin.endpoints import Endpoint, Field, number
from router.store import calls
from router.store.database import Database

_MOST = 500


@dataclass(frozen=True, slots=True)
class CallsApi:
    """/v1/calls."""

    database: Database

    def endpoints(self) -> list[Endpoint]:
        """What is served."""
        return [
            Endpoint(
                method="GET",
                path="/calls",
                says="The newest completed calls, newest first.",
                serve=self._list,
                query={
                    "tool": Field(says="Only of this tool."),
                    "sandbox": Field(says="Only of this sandbox."),
                    "differing": Field(says="1: only where the answers differ in more than looks.", kind="integer"),
                    "before": Field(says="Only before this place: `next` of the page before.", kind="integer"),
                    "limit": Field(says=f"How many; 50, at most {_MOST}.", kind="integer"),
                },
            ),
            Endpoint(
                method="GET",
                path="/calls/{id}",
                says="One call, by its id (X-Crossfade-Call) or the beginning of it.",
                serve=self._show,
            ),
        ]

    async def _list(self, request: Request) -> Response:
        asked = request.query_params
        limit = int(number(request, "limit", 50, least=1, most=_MOST))
        before = int(number(request, "before", 0, least=0, most=2**62)) or None
        found = await asyncio.to_thread(
            calls.tail,
            self.database,
            before=before,
            limit=limit,
            tool=asked.get("tool") or None,
            sandbox=asked.get("sandbox") or None,
            differing=asked.get("differing", "") not in ("", "0"),
        )
        lines = [{"seq": each.seq, **each.record.plain()} for each in reversed(found)]
        following = found[0].seq if len(found) == limit else None
        return JSONResponse({"schema": "crossfade.calls/1", "calls": lines, "next": following})

    async def _show(self, request: Request) -> Response:
        id = str(request.path_params["id"])
        found = await asyncio.to_thread(calls.records_starting, self.database, id)
        exact = [record for record in found if record.id == id] or found
        if not exact:
            raise Refused(404, f"no call '{id}' in the store; it may be older than what is kept, or not written yet")
        if len(exact) > 1:
            several = ", ".join(record.id for record in exact[:5])
            raise Refused(409, f"'{id}' begins more than one call: {several}")
        return JSONResponse({"schema": "crossfade.call/1", **exact[0].plain()})
