"""Requests and answers of the embedded server, between ASGI and the handlers."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, unquote

import orjson
from starlette.types import Receive, Scope, Send

from router.tasks import spawn

BODY_LIMIT = 32 * 1024 * 1024  # of bodies that are held in memory: JSON, never files


class ClientGone(Exception):
    """The client went away before its request was complete."""


class ApiError(Exception):
    """An answer with an integer code, as E2B's API, its edge and envd's REST part give them."""

    def __init__(self, status: int, message: str, **more: Any) -> None:
        super().__init__(message)
        self.status, self.message, self.more = status, message, more


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One HTTP request. Header names are lower case; of repeated headers and parameters the first counts."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    scope: Scope
    receive: Receive

    async def chunks(self) -> AsyncIterator[bytes]:
        """The body as it comes. Raises ClientGone when it is cut short."""
        while True:
            message = await self.receive()
            if message["type"] == "http.disconnect":
                raise ClientGone
            if chunk := message.get("body", b""):
                yield chunk
            if not message.get("more_body", False):
                return

    async def body(self, limit: int = BODY_LIMIT) -> bytes:
        """The whole body. Raises ApiError 413 past `limit` bytes."""
        parts: list[bytes] = []
        size = 0
        async for chunk in self.chunks():
            size += len(chunk)
            if size > limit:
                raise ApiError(413, f"the request body is larger than {limit} bytes")
            parts.append(chunk)
        return b"".join(parts)

    async def json(self) -> dict[str, Any]:
        """The body as a JSON object; nothing sent counts as {}. Raises ApiError 400."""
        return json_object(await self.body())


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What goes back: a body held in memory, or one that is produced while it is sent."""

    status: int = 200
    headers: Sequence[tuple[str, str]] = ()
    body: bytes | AsyncIterator[bytes] = b""


def request_of(scope: Scope, receive: Receive) -> Request:
    """An ASGI HTTP or websocket request as a value."""
    headers: dict[str, str] = {}
    for name, value in scope["headers"]:
        headers.setdefault(name.decode("latin-1").lower(), value.decode("latin-1"))
    query: dict[str, str] = {}
    for key, text in parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True):
        query.setdefault(key, text)
    raw = scope.get("raw_path")
    path = unquote(raw.decode("latin-1").partition("?")[0]) if raw else scope["path"]
    return Request(
        method=scope.get("method", "GET"), path=path, query=query, headers=headers, scope=scope, receive=receive
    )


def json_object(body: bytes) -> dict[str, Any]:
    """A body as a JSON object; an empty one counts as {}. Raises ApiError 400."""
    try:
        value = orjson.loads(body or b"{}")
    except orjson.JSONDecodeError as error:
        raise ApiError(400, f"the request body is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise ApiError(400, "the request body is not a JSON object")
    return value


def json_answer(value: Any, status: int = 200, headers: Sequence[tuple[str, str]] = ()) -> Answer:
    """A JSON body."""
    return Answer(status=status, headers=(("Content-Type", "application/json"), *headers), body=orjson.dumps(value))


def error_answer(error: ApiError) -> Answer:
    """E2B's error object."""
    return json_answer({"code": error.status, "message": error.message, **error.more}, error.status)


async def send_answer(answer: Answer, request: Request, send: Send) -> None:
    """Send it. A client that leaves ends a streamed body; an error in one cuts the connection."""
    headers = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in answer.headers]
    body = answer.body
    if isinstance(body, bytes):
        # 204 and 304 have no body, and so no length: uvicorn refuses one.
        if answer.status not in (204, 304) and not any(name == b"content-length" for name, _ in headers):
            headers.append((b"content-length", b"%d" % len(body)))
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        await send({"type": "http.response.body", "body": body})
        return
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await _stream(body, request.receive, send)


async def _stream(body: AsyncIterator[bytes], receive: Receive, send: Send) -> None:
    failures: list[Exception] = []

    async def pump() -> None:
        try:
            async for chunk in body:
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
        except Exception as error:  # kept for the caller: a task's own log would report it a second time
            failures.append(error)

    async def client_leaves() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass

    tasks = [spawn(pump(), name="e2b answer"), spawn(client_leaves(), name="e2b client watch")]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        if (close := getattr(body, "aclose", None)) is not None:
            await close()
    if failures:
        raise failures[0]  # uvicorn drops the connection, so a cut body never looks complete
    if tasks[0] in done:
        await send({"type": "http.response.body", "body": b""})
