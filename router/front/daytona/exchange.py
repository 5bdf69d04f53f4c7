"""One exchange with a client over ASGI: its body as a stream, the answer sent, and the moment it goes away."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from typing import Any

from router import tasks
from router.front.daytona.errors import BadRequest
from router.front.daytona.responses import Response
from router.wire.asgi import BodyTooLarge, Client, ClientGone, Message, Receive, Scope, Send

__all__ = ["ClientGone", "Exchange", "Message", "Receive", "Scope", "Send", "race"]


class Exchange:
    """One HTTP request and its answer. The body is read once: by `stream` or by `read`."""

    def __init__(self, receive: Receive, send: Send) -> None:
        self._client = Client(receive)
        self._send = send
        self.started = False  # the answer's head has left: nothing else can be answered
        self.bytes_out = 0

    def stream(self) -> AsyncIterator[bytes]:
        """The body as it comes. Raises ClientGone when it is cut."""
        return self._client.stream()

    async def read(self, limit: int) -> bytes:
        """The whole body. Raises BadRequest (413) past `limit` bytes, ClientGone."""
        try:
            return await self._client.read(limit)
        except BodyTooLarge as error:
            message = f"body is larger than {error.limit} bytes"
            raise BadRequest(message, status=413, code="PAYLOAD_TOO_LARGE") from None

    async def answer(self, response: Response) -> None:
        """Send it. A body that breaks off midway leaves the answer unfinished, so that the client sees it cut."""
        headers = list(response.headers)
        body = response.body
        if isinstance(body, bytes) and response.status not in (204, 304):
            headers.append((b"content-length", b"%d" % len(body)))
        self.started = True
        start = {"type": "http.response.start", "status": response.status, "headers": headers}
        if isinstance(body, bytes):
            self.bytes_out = len(body)
            await self._send(start)
            await self._send({"type": "http.response.body", "body": body, "more_body": False})
            return
        try:
            await self._send(start)
            async for chunk in body:
                self.bytes_out += len(chunk)
                await self._send({"type": "http.response.body", "body": chunk, "more_body": True})
                # To a client that has gone, sending returns at once: without a turn for others it would go unnoticed.
                await asyncio.sleep(0)
        finally:
            if close := getattr(body, "aclose", None):
                await close()
        await self._send({"type": "http.response.body", "body": b"", "more_body": False})

    async def unless_gone(self, work: Coroutine[Any, Any, None]) -> None:
        """Do the work, but cancel it and raise ClientGone as soon as the client has gone."""
        await self._client.unless_gone(work)


async def race(*works: Coroutine[Any, Any, None]) -> None:
    """Run them until the first is over, cancel the others, and raise what the first raised."""
    running = [tasks.spawn(_error_of(work), name="exchange") for work in works]
    try:
        await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in running:
            task.cancel()
        await asyncio.wait(running)
    # In the order given: work that is done counts, even if the client went away in the same moment.
    error = next(task.result() for task in running if not task.cancelled())
    if error is not None:
        raise error


async def _error_of(work: Coroutine[Any, Any, None]) -> Exception | None:
    # As a value: a failed task would be logged, though its caller handles the error.
    try:
        await work
    except Exception as error:
        return error
    return None
