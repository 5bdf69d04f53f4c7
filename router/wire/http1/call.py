"""One call of the Upstream port: the exchange that a pool talks to, and the response that its caller reads."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from typing import Final

from crossfade.upstream import Headers, UpstreamFailed, UpstreamRequest
from router.wire.http1.exchange import Framing, Lost, Pairs
from router.wire.http1.handle import Handle
from router.wire.http1.messages import Unsendable

_HIGH_WATER: Final = 262_144  # bytes of an answer held for a slow reader before the origin is slowed down
_LOW_WATER: Final = 65_536


class Call:
    """A request under way, then its answer. Its caller reads it to the end, or closes it."""

    handle: Handle  # set right after the start, before anything is told

    def __init__(self, request: UpstreamRequest) -> None:
        self.request = request
        self.status = 0
        self.reason = b""
        self.headers: Headers = ()
        self.framing: Framing | None = None
        self.body: asyncio.Task[None] | None = None  # writes the request's body
        self.failure: Exception | None = None  # of the request's body
        self.withheld = False  # the body waits for the origin's 100
        self.ended = False
        self._lost: Lost | None = None
        self._held: deque[bytes] = deque()
        self._size = 0
        self._paused = False
        self._news = asyncio.Event()
        self._writable = asyncio.Event()
        self._writable.set()

    # The exchange

    def on_head(self, status: int, reason: bytes, headers: Pairs, framing: Framing, /) -> None:
        """The answer's head."""
        self.status, self.reason, self.headers, self.framing = status, reason, headers, framing
        self._news.set()

    def on_body(self, data: bytes, /) -> None:
        """A piece of the answer."""
        self._held.append(data)
        self._size += len(data)
        if self._size > _HIGH_WATER and not self._paused:
            self._paused = True
            self.handle.pause()
        self._news.set()

    def on_end(self) -> None:
        """The answer is whole."""
        self.ended = True
        if self.withheld:
            self.handle.abort()  # answered without the body, which is not wanted any more
        self._stop_body(unless_wanted=True)
        self._news.set()

    def on_lost(self, lost: Lost, /) -> None:
        """There will be no more."""
        self._lost = lost
        self._stop_body()
        self._news.set()

    def on_paused(self) -> None:
        """Write no more of the request for now."""
        self._writable.clear()

    def on_resumed(self) -> None:
        """Write on."""
        self._writable.set()

    # Writing

    async def write(self, data: bytes) -> None:
        """Write, and wait while the origin takes no more."""
        self.handle.write(data)
        await self._writable.wait()

    def fail(self, error: Exception) -> None:
        """The request's body broke off: what was sent of it is no request."""
        self.failure = error
        self.handle.abort()
        self._news.set()

    # Reading

    async def head(self) -> None:
        """Returns when the answer's head is there. Raises UpstreamFailed."""
        while self.framing is None:
            self._check()
            self._news.clear()
            await self._news.wait()

    async def chunks(self) -> AsyncIterator[bytes]:
        """The body as it comes, undecoded. Raises UpstreamFailed when it is cut short."""
        while True:
            if self._held:
                data = self._held[0] if len(self._held) == 1 else b"".join(self._held)
                self._held.clear()
                self._size = 0
                if self._paused:
                    self._paused = False
                    self.handle.resume()
                yield data
            elif self.ended:
                return
            else:
                self._check()
                self._news.clear()
                await self._news.wait()

    async def read(self, limit: int) -> bytes:
        """The whole body. Raises UpstreamFailed past `limit` bytes."""
        parts: list[bytes] = []
        size = 0
        async for chunk in self.chunks():
            size += len(chunk)
            if size > limit:
                await self.close()
                raise UpstreamFailed(f"{self.request.origin} answered more than {limit} bytes", sent=True)
            parts.append(chunk)
        return b"".join(parts)

    async def close(self) -> None:
        """Let go: an answer that was not read to its end takes its connection along."""
        self.handle.abort()
        self._stop_body()
        self._held.clear()
        if not self.ended and self._lost is None:
            self._lost = Lost("the answer was closed", sent=True, processed=True)
        self._news.set()

    def _check(self) -> None:
        if isinstance(self.failure, Unsendable):
            raise failed(self.request, str(self.failure), sent=self.handle.sent) from self.failure
        if self.failure is not None:
            raise self.failure  # as it is: a client that went must not count against the origin
        if self._lost is not None:
            raise failed(self.request, self._lost.text, sent=self._lost.sent)

    def _stop_body(self, *, unless_wanted: bool = False) -> None:
        self._writable.set()
        if self.body is not None and not (unless_wanted and not self.handle.over):
            self.body.cancel()


def failed(request: UpstreamRequest, text: str, *, sent: bool) -> UpstreamFailed:
    """What the port raises. Never the URL's query or the headers: they may carry tokens."""
    return UpstreamFailed(f"{request.origin} at {request.base} failed: {text}", sent=sent)
