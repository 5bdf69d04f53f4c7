"""Answers made by us and not by a sandbox: in the words of Daytona's proxy, marked as the router's."""

from dataclasses import dataclass

from router.front.daytona.errors import error_body
from router.wire.asgi import Send

ROUTER = (b"X-Crossfade-Origin", b"router")
Lines = list[tuple[bytes, bytes]]


@dataclass(frozen=True, slots=True)
class Ours:
    """A whole answer."""

    status: int
    headers: Lines
    body: bytes = b""


def refusal(status: int, message: str, *, method: str, path: str = "") -> Ours:
    """An error. The query is no part of it: it may hold a key."""
    body = error_body("toolbox", status, message, path=path, method=method)
    return Ours(status, [(b"content-type", b"application/json; charset=utf-8"), ROUTER], body)


def redirect(where: str) -> Ours:
    """The same request once more, there."""
    return Ours(307, [(b"location", where.encode("latin-1")), (b"cache-control", b"no-store"), ROUTER])


async def send_http(answer: Ours, send: Send, *, extra: Lines, head_only: bool = False) -> None:
    """Send it as the answer to a request."""
    headers = [*answer.headers, *extra]
    if not any(name.lower() == b"content-length" for name, _ in headers):
        headers.append((b"content-length", b"%d" % len(answer.body)))
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if head_only else answer.body})


async def send_refused(answer: Ours, send: Send, *, extra: Lines) -> None:
    """Send it instead of a websocket."""
    headers = [*answer.headers, *extra]
    await send({"type": "websocket.http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "websocket.http.response.body", "body": answer.body})
