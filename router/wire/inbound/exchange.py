"""One request passed to an origin and its answer passed back, by callbacks: no task, no future, no queue."""

import logging
import time
from collections.abc import Callable
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from router.wire.headers import HOP_BY_HOP
from router.wire.http1 import Framing, Handle, Lost, Pool
from router.wire.inbound.head import Head

if TYPE_CHECKING:
    from router.wire.inbound.protocol import RelayProtocol

log = logging.getLogger("crossfade.wire")
Pairs = list[tuple[bytes, bytes]]

# Answers' heads, made once for all that are alike but for their date, which changes each second. Bounded.
_MOST_HEADS: Final = 1000
_LONGEST_HEAD: Final = 4096
_heads: dict[tuple[Any, ...], bytes] = {}
_SIZED: Final = frozenset((Framing.LENGTH, Framing.NONE))


class _Unheard:
    """Stands for the event that uvicorn sets to wake an application: here nobody waits."""

    def set(self) -> None:
        """Nothing."""


class Exchange:
    """One relayed request. To uvicorn it is the cycle of its connection; to the upstream pool, who asked.

    Subclasses say what is asked of which origin (`begun`), and hear how it ended (`over`), once.
    """

    # What uvicorn asks of a cycle.
    response_complete = False
    disconnected = False
    message_event = _Unheard()
    keep_alive = True

    # Values at rest belong to the class: storing a dozen per call costs more than reading them.
    http_1_0 = False
    body: bytes = b""
    body_complete = False
    streaming = False  # the body is passed on as it comes
    waiting = True  # for its turn on the connection, or for its body
    handle: Handle | None = None
    head_only = False
    status = 0
    started = False  # a byte of the answer was given to the client
    first_byte = 0.0
    bytes_in = 0
    bytes_out = 0
    keep = 0  # bytes of the answer to hold for `over`
    kept: list[bytes] | None = None
    complete = False  # the answer was passed on to its end
    reading_paused = False
    extra = b""  # header lines for the client's answer
    headers: Pairs
    _head = b""
    _chunked = False
    _ended = False

    asked: tuple[bytes, bytes, Head]  # method, target and head, as they came

    def __init__(self, protocol: "RelayProtocol") -> None:
        self.protocol = protocol

    # For subclasses

    def begun(self) -> bool:
        """The body is here, or is to be streamed. False: it is not to be relayed after all."""
        raise NotImplementedError

    def over(self, lost: Lost | None) -> tuple[int, bytes, bytes] | None:
        """The end: `complete`, or the client went away (`disconnected`), or the origin was `lost`.

        For a lost origin, while `started` is False: status, header lines and body of the answer the client gets.
        """
        raise NotImplementedError

    def broken(self) -> tuple[int, bytes, bytes]:
        """`begun` failed, a defect of ours: status, header lines and body of the answer."""
        raise NotImplementedError

    # The request

    def begin(self) -> None:
        """It is this request's turn, and what must be here of its body is."""
        self.waiting = False
        try:
            begun = self.begun()
        except Exception:
            self._ended = True
            self.answer(*self.broken())
            return
        if not begun:
            self._ended = True
            self.protocol.hand_over(self)

    def feed(self, data: bytes) -> None:
        """More of the body."""
        self.bytes_in += len(data)
        if self.handle is not None:
            self.handle.write(data)
        else:
            self.body = self.body + data if self.body else data

    def fed(self) -> None:
        """The body is whole."""
        self.body_complete = True
        if self.handle is not None and self.streaming:
            self.handle.end()

    def send(self, pool: Pool, head: bytes, sent: Callable[[], None] | None = None) -> None:
        """Ask the origin. What came of the body until now goes along. `sent` hears when it goes out."""
        body, self.body = self.body, b""
        self.handle = pool.start(self, head, body or None, ends=self.body_complete, head_only=self.head_only, sent=sent)

    # What the upstream pool tells

    def on_head(self, status: int, reason: bytes, headers: Pairs, framing: Framing) -> None:
        """The answer's head. It goes out with what follows it."""
        self.first_byte = time.perf_counter()
        self.status, self.headers = status, headers
        if not self.body_complete:
            # Answered before the request was whole: the rest is read and thrown away, nothing may follow it.
            self.keep_alive = False
        key = (status, reason, *headers)
        lines = _heads.get(key)
        if lines is None:
            lines = _lines(status, reason, headers)
            if len(_heads) >= _MOST_HEADS:
                _heads.clear()
            if len(lines) <= _LONGEST_HEAD:
                _heads[key] = lines
        if self.keep:
            self.kept = []
        if self.keep_alive and not self.http_1_0 and framing in _SIZED:
            self._head = b"%b%b\r\n" % (lines, self.extra)
            return
        parts = [lines]
        parts.append(self.extra)
        if framing not in _SIZED:
            if self.http_1_0:
                self.keep_alive = False
            else:
                self._chunked = True
                parts.append(b"Transfer-Encoding: chunked\r\n")
        if not self.keep_alive:
            parts.append(b"Connection: close\r\n")
        elif self.http_1_0:
            parts.append(b"Connection: keep-alive\r\n")
        parts.append(b"\r\n")
        self._head = b"".join(parts)

    def on_body(self, data: bytes) -> None:
        """A piece of the answer."""
        size = len(data)
        self.bytes_out += size
        if self.kept is not None:
            if self.bytes_out <= self.keep:
                self.kept.append(data)
            else:
                self.kept = None
        head = self._head
        transport = self.protocol.transport
        if self._chunked:
            transport.writelines((head, b"%x\r\n" % size, data, b"\r\n") if head else (b"%x\r\n" % size, data, b"\r\n"))
        elif head:
            # Joined while small: one write is cheaper than two; copied never while large.
            transport.write(head + data) if size < 65_536 else transport.writelines((head, data))
        else:
            transport.write(data)
        if head:
            self._head = b""
            self.started = True

    def on_end(self) -> None:
        """The answer is whole."""
        if self._head or self._chunked:
            self.started = True
            self.protocol.transport.write(self._head + (b"0\r\n\r\n" if self._chunked else b""))
            self._head = b""
        self.complete = True
        if not self.body_complete and self.handle is not None:
            self.handle.abort()
        self._over(None)
        self._done()

    def on_lost(self, lost: Lost) -> None:
        """No answer, or half of one."""
        answer = self._over(lost)
        if self.started or answer is None:
            # A cut answer must not look whole.
            self.response_complete = True
            self.protocol.transport.abort()
            return
        self.answer(*answer)

    def on_paused(self) -> None:
        """The origin takes no more of the request for now."""
        self.reading_paused = True
        self.protocol.flow.pause_reading()

    def on_resumed(self) -> None:
        """The origin takes more again."""
        self.reading_paused = False
        self.protocol.flow.resume_reading()

    # What the client's connection tells

    def gone(self) -> None:
        """The client went away."""
        self.disconnected = True
        if self.handle is not None:
            self.handle.abort()
        if not self.waiting:
            self._over(None)

    def pause(self) -> None:
        """The client takes no more for now."""
        if self.handle is not None:
            self.handle.pause()

    def resume(self) -> None:
        """The client takes more again."""
        if self.handle is not None:
            self.handle.resume()

    def cut(self) -> None:
        """Shutdown's patience is over: client and origin are let go."""
        if self.handle is not None:
            self.handle.abort()
        self._over(None)
        self.response_complete = True
        self.protocol.transport.abort()

    def answer(self, status: int, lines: bytes, body: bytes) -> None:
        """An answer of our own."""
        close = b"" if self.keep_alive and self.body_complete else b"Connection: close\r\n"
        self.keep_alive = not close
        phrase = HTTPStatus(status).phrase.encode()
        head = b"HTTP/1.1 %d %b\r\nContent-Length: %d\r\n%b%b\r\n" % (status, phrase, len(body), lines, close)
        self.started = True
        self.protocol.transport.write(head if self.head_only else head + body)
        self._done()

    def _done(self) -> None:
        self.response_complete = True
        if not self.keep_alive:
            self.protocol.close_after_answer(unread=not self.body_complete)
        self.protocol.on_response_complete()

    def _over(self, lost: Lost | None) -> tuple[int, bytes, bytes] | None:
        if self._ended:
            return None
        self._ended = True
        try:
            return self.over(lost)
        except Exception:
            # The answer is the client's whatever becomes of our books.
            log.exception("end of a relayed call failed")
            return None


def _lines(status: int, reason: bytes, headers: Pairs) -> bytes:
    """Status line and headers that travel on, in the origin's own spelling."""
    parts = [b"HTTP/1.1 %d %b\r\n" % (status, reason)]
    parts += [b"%b: %b\r\n" % header for header in headers if header[0].lower() not in HOP_BY_HOP]
    return b"".join(parts)
