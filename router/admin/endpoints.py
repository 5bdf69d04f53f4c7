"""Endpoints of `/v1`: one table of values makes the routes, their guard, and their description."""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from crossfade import errors
from router.admin.access import Refused, changing, check, refused
from router.store.audit import SqlAudit

log = logging.getLogger("crossfade.admin")
Serve = Callable[[Request], Awaitable[Response]]
# By class, most special first: what the command line says by its exit code, HTTP says by a status.
_STATUS: Mapping[type[errors.CrossfadeError], int] = {
    errors.Conflict: 409,
    errors.Refused: 403,
    errors.SettingsError: 400,
    errors.Unreachable: 503,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One field of a query or a body. `kind` is JSON's: string, integer, number, boolean, array, object."""

    says: str
    kind: str = "string"
    needed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """What is served at one method and path. `changes`: the body needs author and reason besides `body`."""

    method: str
    path: str
    says: str
    serve: Serve
    query: Mapping[str, Field] = field(default_factory=dict)
    body: Mapping[str, Field] = field(default_factory=dict)
    changes: bool = False
    kind: str = "application/json"  # of the answer


def routes(endpoints: Iterable[Endpoint], token: str) -> list[Route]:
    """Routes that answer whoever shows the token, in order. Of several methods of one path each has its route."""
    return [
        Route(f"/v1{each.path}", _guarded(each, token), methods=[each.method], name=f"{each.method} {each.path}")
        for each in endpoints
    ]


def _guarded(endpoint: Endpoint, token: str) -> Serve:
    async def guarded(request: Request) -> Response:
        try:
            check(request, token)
            if unknown := set(request.query_params) - set(endpoint.query):
                known = ", ".join(endpoint.query) or "none"
                raise Refused(400, f"no query field '{min(unknown)}' here; known: {known}")
            return await endpoint.serve(request)
        except Refused as error:
            return refused(error)
        except errors.CrossfadeError as error:
            status = next((code for kind, code in _STATUS.items() if isinstance(error, kind)), 500)
            return JSONResponse({"error": str(error), "exit": error.exit_code}, status_code=status)

    return guarded


@dataclass(frozen=True, slots=True)
class Order:
    """A change that is asked for: who, why, and what."""

    author: str
    reason: str
    told: Mapping[str, Any]


async def order(request: Request) -> Order:
    """Read it. Raises Refused without author and reason."""
    author, reason = await changing(request)
    return Order(author, reason, json.loads(await request.body()))  # `changing` has read it: it is an object


async def note(audit: SqlAudit, order: Order, action: str, target: str, details: Mapping[str, Any]) -> None:
    """Write it into the trail before it is done: an act whose entry cannot be written does not happen."""
    log.warning(action, extra={"target": target, "author": order.author, "reason": order.reason})
    await asyncio.to_thread(
        audit.add, author=order.author, reason=order.reason, action=action, target=target, details=details
    )


def number(request: Request, name: str, default: float, *, least: float, most: float) -> float:
    """A number of the query. Raises Refused for one that is none, or out of bounds."""
    text = request.query_params.get(name)
    if not text:
        return default
    try:
        found = float(text)
    except ValueError:
        raise Refused(400, f"{name} is '{text:.40}', which is no number") from None
    if not least <= found <= most:
        raise Refused(400, f"{name} is {found:g}; from {least:g} to {most:g}")
    return found
