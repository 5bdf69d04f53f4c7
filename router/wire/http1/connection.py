"""One connection to an origin: carries one call at a time, by callbacks; no task, no future."""

import asyncio
import logging
import select
from collections.abc import Callable
from typing import TYPE_CHECKING, cast

from router.wire.http1.answers import AnswerReader, BadAnswer
from router.wire.http1.handle import JOINED, Handle, chunk

if TYPE_CHECKING:
    from router.wire.http1.pool import Pool

log = logging.getLogger("crossfade.wire")


class Connection(asyncio.Protocol):
    """Belongs to its pool. Idle exactly while `handle` is None."""

    transport: asyncio.Transport
    handle: Handle | None = None
    heard = 0.0  # loop time of the last sign of progress, where the call has limits
    asked = 0.0  # loop time at which the request was whole, where the call has limits
    idle_since = 0.0
    born = 0.0
    used = False  # carried a call before this one
    closed = in_tunnel = False
    _write_paused = False
    _timer: asyncio.TimerHandle | None = None
    _timer_at = 0.0
    _poll: Callable[[int], object] | None = None

    def __init__(self, pool: "Pool", loop: asyncio.AbstractEventLoop) -> None:
        self.pool = pool
        self.loop = loop
        self.reader = AnswerReader()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """asyncio: the connection stands, TLS included."""
        self.transport = cast(asyncio.Transport, transport)
        self.born = self.idle_since = self.loop.time()
        socket = transport.get_extra_info("socket")
        if socket is not None and hasattr(select, "poll"):  # not on Windows
            poll = select.poll()
            poll.register(socket.fileno(), select.POLLIN)
            self._poll = poll.poll

    # A call

    def carry(self, handle: Handle) -> None:
        """Write this request; the next answer is its."""
        self.handle = handle
        handle.connection = self
        reader = self.reader
        reader.expect(handle.exchange, head_only=handle.head_only, upgrade=handle.upgrade, interim=handle.interim)
        body = handle.body
        handle.sent = True
        if handle.on_sent is not None:
            handle.on_sent()
        if body is None:
            self.transport.write(handle.head)
        elif len(body) < JOINED:
            self.transport.write(handle.head + body)
        else:
            self.transport.writelines((handle.head, body))
        if handle.held is not None:
            self._write_held(handle, handle.held)
        if handle.paused:
            self.transport.pause_reading()
        if handle.limits is not None:
            self.heard = self.asked = self.loop.time()
            self.watch()

    def _write_held(self, handle: Handle, held: list[bytes]) -> None:
        handle.held = None
        self.transport.writelines(held)
        # Paused while there was no connection: somebody must say "go on", or the upload hangs for ever.
        if not self._write_paused:
            handle.resume_caller()

    def data_received(self, data: bytes) -> None:
        """asyncio: bytes of the origin."""
        handle = self.handle
        if handle is None or handle.answered:
            # Nobody asked: whatever it is, nothing on this connection can be trusted to answer the next request.
            self._lose("more than an answer came")
            return
        if handle.limits is not None:
            self.heard = self.loop.time()
        reader = self.reader
        try:
            reader.feed(data)
        except BadAnswer as error:
            self._lose(f"no valid answer: {error}")
            return
        if reader.complete:
            self._answered()
        elif reader.tunnel and not self.in_tunnel and not self.closed:
            self.in_tunnel = True
            self.pool.tunnelled(self)

    def _answered(self) -> None:
        """The answer is whole: the connection goes back first, so that the caller's next request finds it."""
        handle = self.handle
        if handle is None or handle.answered:
            return
        handle.answered = True
        exchange = handle.exchange
        if handle.paused:
            handle.paused = False
            self.transport.resume_reading()
        reader = self.reader
        usable = reader.keep_alive and not reader.surplus
        if handle.upgrade:
            # Declined, or a tunnel at its end. Who decides on upgrades may have taken the connection out of HTTP.
            handle.end_of_all()
            self._let_go(False)
        elif handle.ends:
            handle.end_of_all()
            self._let_go(usable)
        elif usable:
            # An early answer: the origin may still want the rest of the request.
            self.heard = self.loop.time()
            self.watch()
        else:
            handle.end_of_all()
            self._let_go(False)
        try:
            exchange.on_end()
        except Exception:
            # The connection is another call's by now: a defect of this caller must not reach it.
            log.exception("end of an upstream call failed")

    def _let_go(self, usable: bool) -> None:
        # Behind a request that the origin does not read, no other can follow.
        self.handle = None
        self.reader.forget()
        if usable and not self._write_paused and not self.transport.is_closing():
            self.used = True
            self.pool.release(self)
        else:
            self._close()

    def _lose(self, text: str, *, ended: bool = False) -> None:
        """The call that is carried, if any, gets no whole answer. `ended`: the origin ended the connection."""
        handle, self.handle = self.handle, None
        self.reader.forget()
        self._close(abort=True)
        if handle is None:
            return
        handle.connection = None
        # A kept-alive connection that the origin closed while the request was on its way: not this request's fault.
        raced = ended and self.used and not self.reader.started and not handle.answered
        if raced and handle.repeatable:
            self.pool.repeat(handle)
        else:
            handle.lose(text)

    # What the handle asks for

    def write(self, data: bytes) -> None:
        """More of the request."""
        self.transport.write(data)
        self.heard = self.loop.time()

    def write_chunk(self, data: bytes) -> None:
        """More of a chunked request."""
        if len(data) < JOINED:
            self.transport.write(chunk(data))
        else:
            self.transport.writelines((b"%x\r\n" % len(data), data, b"\r\n"))
        self.heard = self.loop.time()

    def request_ended(self) -> None:
        """Everything was written."""
        handle = self.handle
        if handle is None:
            return
        self.heard = self.asked = self.loop.time()
        if self.reader.tunnel:
            handle.answered = True
            handle.end_of_all()
            self.handle = None
            self._close()
        elif handle.answered:
            handle.end_of_all()
            self._let_go(True)

    def pause_reading(self) -> None:
        """The caller takes no more for now."""
        self.transport.pause_reading()

    def resume_reading(self) -> None:
        """The caller takes more."""
        self.heard = self.loop.time()
        self.transport.resume_reading()

    def abort(self) -> None:
        """Nobody wants this call any more, or the connection is not to be trusted."""
        self.handle = None
        self.reader.forget()
        self._close(abort=True)

    # The transport

    def eof_received(self) -> bool:
        """asyncio: the origin writes no more. A half-open connection is of no use: it is closed."""
        self._ended("")
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """asyncio: the connection is gone."""
        self._ended(type(exc).__name__ if exc else "", cut=exc is not None)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _ended(self, text: str, *, cut: bool = False) -> None:
        handle = self.handle
        if handle is not None and not handle.answered and not cut:
            try:
                self.reader.eof()
            except BadAnswer as error:
                self._lose(str(error), ended=True)
                return
            self._answered()
            return
        self._lose(f"the connection broke: {text}" if text else "the connection was closed", ended=True)

    def pause_writing(self) -> None:
        """asyncio: the transport's buffer is full."""
        self._write_paused = True
        if self.handle is not None:
            self.handle.pause_caller()

    def resume_writing(self) -> None:
        """asyncio: it is nearly empty again."""
        self._write_paused = False
        self.heard = self.loop.time()
        if self.handle is not None:
            self.handle.resume_caller()

    def _close(self, *, abort: bool = False) -> None:
        if self.closed:
            return
        self.closed = True
        self.pool.forget(self)
        if abort:
            self.transport.abort()
        else:
            self.transport.close()
            if self.transport.get_write_buffer_size():
                # An origin that reads no more must not keep it for ever.
                self.loop.call_later(self.pool.settings.linger_seconds, self.transport.abort)

    # Idle

    def rest(self, now: float) -> None:
        """It goes back to its pool's idle ones."""
        self.idle_since = now
        if self._timer is None or self._timer_at > now + self.pool.settings.idle_seconds:
            self.watch()

    def shut(self, text: str) -> None:
        """The pool is closed: the call that is carried is lost."""
        handle = self.handle
        self.abort()
        if handle is not None:
            handle.lose(text)

    def fit(self, now: float) -> bool:
        """Whether it may carry another call; closes it when not."""
        limits = self.pool.settings
        if (
            now - self.idle_since > limits.idle_seconds
            or now - self.born > limits.age_seconds
            or self.transport.is_closing()
            # Something may be in the kernel that the loop has not read yet: the connection's end, or bytes that would
            # be taken for the next answer. Looking costs a third of a microsecond.
            or (self._poll is not None and self._poll(0))
        ):
            self._close(abort=True)
            return False
        return True

    # Time

    def watch(self) -> None:
        """See to it that the timer fires no later than the present deadline. It re-arms itself; it is never reset."""
        due = self._due()
        if due is None or (self._timer is not None and self._timer_at <= due[0]):
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer_at = due[0]
        self._timer = self.loop.call_at(due[0], self._tick)

    def _tick(self) -> None:
        self._timer = None
        due = self._due()
        if due is None:
            return
        if due[0] > self.loop.time():
            self.watch()
        elif self.handle is None:
            self._close()
        else:
            self._lose(due[1])

    def _due(self) -> tuple[float, str] | None:
        """When the present phase has taken too long, and what to say then."""
        handle = self.handle
        if self.closed:
            return None
        if handle is None:
            settings = self.pool.settings
            return min(self.idle_since + settings.idle_seconds, self.born + settings.age_seconds), ""
        if handle.answered:
            return self.heard + self.pool.settings.linger_seconds, ""
        limits = handle.limits
        if limits is None:
            return None
        dues: list[tuple[float, str]] = []
        if limits.total is not None:
            dues.append((handle.started + limits.total, f"no whole answer within {limits.total:g} s"))
        asking = not handle.ends and not (handle.upgrade and not self.in_tunnel)
        if handle.paused or (asking and not self._write_paused):
            # Not the origin's silence: the caller reads or writes no faster.
            self.heard = self.asked = self.loop.time()
        if limits.idle is not None:
            dues.append((self.heard + limits.idle, f"silent for {limits.idle:g} s"))
        if limits.first_byte is not None and not self.reader.started:
            dues.append((self.asked + limits.first_byte, f"no answer within {limits.first_byte:g} s"))
        return min(dues, default=None)
