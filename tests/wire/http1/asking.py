"""Somebody who asks an origin by the callbacks, and notes everything that is told."""

import asyncio
from collections.abc import Callable
from typing import Any

from router.wire.http1 import Framing, Handle, Lost, Pool
from tests.wire.origin import PATIENCE

Pairs = list[tuple[bytes, bytes]]
GET = b"GET /x HTTP/1.1\r\nHost: h\r\n\r\n"
HEAD = b"HEAD /x HTTP/1.1\r\nHost: h\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def post(length: int) -> bytes:
    """The head of a POST with a body of this length."""
    return b"POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n" % length


class Asked:
    """One call. `over` waits for its end; nothing may be told after that."""

    handle: Handle

    def __init__(self) -> None:
        self.status = 0
        self.reason = b""
        self.headers: Pairs = []
        self.framing: Framing | None = None
        self.body = bytearray()
        self.ended = False
        self.lost: Lost | None = None
        self.told: list[str] = []  # in order, pieces of the body once each
        self._news = asyncio.Event()

    def on_head(self, status: int, reason: bytes, headers: Pairs, framing: Framing) -> None:
        self.status, self.reason, self.headers, self.framing = status, reason, headers, framing
        self._note("head")

    def on_body(self, data: bytes) -> None:
        assert data
        self.body += data
        self._note("body")

    def on_end(self) -> None:
        self._note("end")
        self.ended = True

    def on_lost(self, lost: Lost) -> None:
        self._note("lost")
        self.lost = lost

    def on_paused(self) -> None:
        self._note("paused", late=True)

    def on_resumed(self) -> None:
        self._note("resumed", late=True)

    def _note(self, what: str, *, late: bool = False) -> None:
        assert late or not (self.ended or self.lost), f"{what} after {self.told}"
        self.told.append(what)
        self._news.set()

    async def until(self, condition: Callable[["Asked"], object]) -> None:
        """Returns when it is so."""
        async with asyncio.timeout(PATIENCE):
            while not condition(self):
                self._news.clear()
                await self._news.wait()

    async def over(self) -> "Asked":
        """Returns at the end, good or bad."""
        await self.until(lambda it: it.ended or it.lost)
        return self

    async def answer(self) -> tuple[int, bytes]:
        """Status and body of a whole answer."""
        await self.over()
        assert self.lost is None, self.lost
        return self.status, bytes(self.body)


def ask(pool: Pool, head: bytes = GET, body: bytes | None = None, **how: Any) -> Asked:
    """Start a call."""
    asked = Asked()
    asked.handle = pool.start(asked, head, body, **how)
    return asked
