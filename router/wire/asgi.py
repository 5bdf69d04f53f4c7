"""The client's end of a call: its body as a stream, and the moment it goes away."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, MutableMapping
from typing import Any, TypeVar

from router import tasks

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Scope = MutableMapping[str, Any]
T = TypeVar("T")


class ClientGone(Exception):
    """The client closed its connection before it had its answer."""


class BodyTooLarge(Exception):
    """A body that must be held in memory is larger than the limit."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"request body is larger than {limit} bytes")
        self.limit = limit


class Client:
    """One call's client. The body is read once: by `stream` or by `read`."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._ended = asyncio.Event()
        self.bytes_in = 0

    def no_body(self) -> None:
        """A websocket: its messages are no body."""
        self._ended.set()

    async def stream(self) -> AsyncIterator[bytes]:
        """The body as it comes. Raises ClientGone when it is cut."""
        if self._ended.is_set():
            return
        while True:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                self._ended.set()
                raise ClientGone
            chunk: bytes = message.get("body", b"")
            more: bool = message.get("more_body", False)
            if not more:
                self._ended.set()
            if chunk:
                self.bytes_in += len(chunk)
                yield chunk
            if not more:
                return

    async def read(self, limit: int) -> bytes:
        """The whole body. Raises BodyTooLarge, ClientGone."""
        return b"".join([chunk async for chunk in limited(self.stream(), limit)])

    async def gone(self) -> None:
        """Returns when the client has gone. Waits for the body's end first: only one may receive."""
        await self._ended.wait()
        while (await self._receive())["type"] != "http.disconnect":
            pass

    async def unless_gone(self, work: Coroutine[Any, Any, T]) -> T:
        """Do the work, but cancel it and raise ClientGone as soon as the client has gone."""
        task = tasks.spawn(_quietly(work), name="call", awaited=True)
        watch = tasks.spawn(self.gone(), name="client watch")
        try:
            await asyncio.wait({task, watch}, return_when=asyncio.FIRST_COMPLETED)
            if task.done():
                result: T | _Failed = task.result()
                return _result(result)
            raise ClientGone
        finally:
            watch.cancel()
            if not task.done():
                task.cancel()
                await asyncio.wait({task})


async def limited(body: AsyncIterator[bytes], limit: int) -> AsyncIterator[bytes]:
    """The same bytes. Raises BodyTooLarge past `limit`."""
    size = 0
    async for chunk in body:
        size += len(chunk)
        if size > limit:
            raise BodyTooLarge(limit)
        yield chunk


class _Failed:
    def __init__(self, error: Exception) -> None:
        self.error = error


async def _quietly(work: Coroutine[Any, Any, T]) -> T | _Failed:
    # The error travels as a value: the task must not be logged as failed when its caller handles the error.
    try:
        return await work
    except Exception as error:
        return _Failed(error)


def _result(result: T | _Failed) -> T:
    if isinstance(result, _Failed):
        raise result.error
    return result
