"""One call to an origin, as its caller holds it: more of the request, its end, slower, faster, no more."""

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from router.wire.http1.exchange import NOBODY, Exchange, Interim, Limits, Lost
from router.wire.http1.messages import is_chunked

if TYPE_CHECKING:
    from router.wire.http1.connection import Connection
    from router.wire.http1.pool import Pool

log = logging.getLogger("crossfade.wire")
HIGH_WATER: Final = 65_536  # bytes of a request held while it has no connection, before its caller is paused
JOINED: Final = 65_536  # smaller bodies are copied behind their head: one write is cheaper than two


class Handle:
    """Made by `Pool.start`. Every method may be called at any time; after the end they do nothing."""

    # Values at rest belong to the class: storing a dozen per call costs more than reading them.
    connection: "Connection | None" = None
    paused = False  # the caller takes no more of the answer for now
    caller_paused = False  # told to write no more
    sent = False
    answered = False  # the caller was told the end: on_end or on_lost
    over = False  # and the request is whole, or will never be
    chunked = False
    limits: Limits | None = None
    interim: Interim | None = None
    on_sent: Callable[[], None] | None = None
    upgrade = False
    started = 0.0  # loop time, where there are limits
    deadline = 0.0  # loop time by which it must have a connection
    body: bytes | None
    held: list[bytes] | None = None  # written while there is no connection
    _held_bytes = 0

    def __init__(
        self, pool: "Pool", exchange: Exchange, head: bytes, body: bytes | None, ends: bool, head_only: bool
    ) -> None:
        self.pool = pool
        self.exchange = exchange
        self.head = head
        self.ends = ends  # the request is whole
        self.head_only = head_only
        if is_chunked(head):
            # Said by the head alone, so that head and body cannot be of two minds.
            self.chunked = True
            body = (chunk(body) if body else b"") + (LAST_CHUNK if ends else b"")
        self.body = body

    def write(self, data: bytes) -> None:
        """More of the request's body, without framing; in a tunnel, raw bytes."""
        if self.over or self.ends or not data:
            return
        connection = self.connection
        if connection is None:
            self._hold(chunk(data) if self.chunked else data)
        elif self.chunked:
            connection.write_chunk(data)
        else:
            connection.write(data)

    def end(self) -> None:
        """The request is whole. In a tunnel: nothing more will be written, and the connection is closed."""
        if self.over or self.ends:
            return
        self.ends = True
        connection = self.connection
        if connection is None:
            if self.chunked:
                self._hold(LAST_CHUNK)
            return
        if self.chunked:
            connection.write(LAST_CHUNK)
        connection.request_ended()

    def pause(self) -> None:
        """Read no more of the answer for now. What was read already still comes."""
        if not self.answered:
            self.paused = True
            if self.connection is not None:
                self.connection.pause_reading()

    def resume(self) -> None:
        """Read on."""
        if self.paused:
            self.paused = False
            if self.connection is not None and not self.answered:
                self.connection.resume_reading()

    def abort(self) -> None:
        """Let go, whatever was said until now; nothing more is called. The connection is closed, if there is one."""
        if self.over:
            return
        self.answered = True
        self.end_of_all()
        if self.connection is not None:
            self.connection.abort()
        else:
            self.pool.withdraw(self)

    # For connection and pool

    def end_of_all(self) -> None:
        """Nobody is told anything more. Who asked holds this handle: a ring would leave every call to the collector."""
        self.over = True
        self.exchange = NOBODY

    @property
    def repeatable(self) -> bool:
        """Whether asking twice cannot do more than asking once."""
        return self.ends and self.body is None and self.head.startswith((b"GET ", b"HEAD "))

    def lose(self, text: str) -> None:
        """No answer will come."""
        if self.answered:
            self.over = True
            self.resume_caller()  # it may still write the rest of a request that was answered early
            self.end_of_all()
            return
        self.answered = True
        exchange = self.exchange
        self.end_of_all()
        try:
            exchange.on_lost(Lost(text, self.sent, self.sent and not self.repeatable))
        except Exception:
            # A defect of this caller must not keep the others from hearing of theirs.
            log.exception("loss of an upstream call failed")

    def pause_caller(self) -> None:
        """The origin takes no more for now."""
        if not self.caller_paused and not self.ends:
            self.caller_paused = True
            self.exchange.on_paused()

    def resume_caller(self) -> None:
        """The origin takes more."""
        if self.caller_paused:
            self.caller_paused = False
            self.exchange.on_resumed()

    def _hold(self, data: bytes) -> None:
        if self.held is None:
            self.held = []
        self.held.append(data)
        self._held_bytes += len(data)
        if self._held_bytes + len(self.body or b"") > HIGH_WATER:
            self.pause_caller()


LAST_CHUNK: Final = b"0\r\n\r\n"


def chunk(data: bytes) -> bytes:
    """One chunk of a chunked body."""
    return b"%x\r\n%b\r\n" % (len(data), data)
