"""uvicorn's HTTP protocol with a relay inside: what can be passed on as it is never becomes an ASGI call.

Built on uvicorn's HttpToolsProtocol, whose pipelining, shutdown and connection keeping stay its own. The names used are
not public there: pyproject pins the range of uvicorn that this was tested with (facts: relay trial, §5).
"""

import asyncio
import urllib.parse
from collections import deque
from collections.abc import Callable
from typing import Any

import httptools
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from router.wire.inbound.exchange import Exchange
from router.wire.inbound.head import Head, Whole

# A body up to this size is collected before its call is decided on; a larger one is streamed or left to ASGI.
COLLECTED = 65_536
_OUTSIDE_LIMIT = 262_144  # bytes of head and chunk framing that are read at all; what is refused politely is smaller
_PER_CHUNK = 32  # bytes of framing that a chunk may have without eating into that
_VERSIONS = ("1.1", "1.0")
_LINGER_SECONDS = 2.0
# Asked once the head is there: method, target, head. The exchange that will answer, or None: ASGI does.
Plan = Callable[["RelayProtocol", bytes, bytes, Head], Exchange | None]
# The body of our answer to what is no HTTP, in the API's own format (JSON).
Refusal = Callable[[str], bytes]


class RelayProtocol(HttpToolsProtocol):
    """One client connection. A subclass brings the plan (`relaying`)."""

    plan: Plan
    refusal: Refusal

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._due: Exchange | None = None  # to be started once the parser has let go
        self._answering: Exchange | None = None  # whose answer the connection carries now
        self._outside = 0  # bytes of this request that are not body
        self._in_head = False
        self._whole: Whole | None = None  # what the parser is fed, if it may be one request in one piece
        self._lingering = False
        self._problem = ""  # what is wrong with a request, where the parser does not say
        self._refusing = ""  # what came last was no HTTP; said once the answers before it are out
        self._asgi: Any = None  # the cycle that the application answers now
        self._idle_since = 0.0  # 0: a call is under way
        self._idle_timer: asyncio.TimerHandle | None = None

    # The connection

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._idle_since = self.loop.time()
        # One timer that looks when it fires, instead of one made and cancelled for every call.
        self._idle_timer = self.loop.call_later(self.timeout_keep_alive, self._look_if_idle)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._idle_timer is not None:
            self._idle_timer.cancel()
        cycles = [self.cycle, self._answering, *(cycle for cycle, _ in self.pipeline)]
        super().connection_lost(exc)
        for cycle in dict.fromkeys(cycles):
            if isinstance(cycle, Exchange) and not cycle.response_complete:
                cycle.gone()
        if (running := self._asgi) is not None and not running.response_complete:
            # uvicorn tells the request that came last only; its answer would be written to a closed connection.
            running.disconnected = True
            running.message_event.set()

    def data_received(self, data: bytes) -> None:
        if self._lingering or self._refusing:
            return
        whole = None
        if self._idle_since and not self._in_head:
            # Nothing is under way, so a request begins here.
            whole = Whole(data)
            if (known := whole.known()) is not None:
                method, target, head = known
                exchange = self.plan(self, method, target, head)
                if exchange is not None:
                    self._taken(exchange, method, target, head, whole.body)
                    return
        self._outside += len(data)
        self._whole = whole
        super().data_received(data)
        if self._outside > _OUTSIDE_LIMIT:
            self.send_400_response("Request head or chunk framing is too large.")
            return
        # Not inside the parser's callback: head and body go to the origin in one write.
        if (due := self._due) is not None:
            self._due = None
            due.begin()

    def _taken(self, exchange: Exchange, method: bytes, target: bytes, head: Head, body: bytes) -> None:
        """A request that needed no parser."""
        self._idle_since = 0.0
        exchange.asked = (method, target, head)
        exchange.body = body
        exchange.bytes_in = len(body)
        exchange.body_complete = True
        self.cycle = self._answering = exchange  # type: ignore[assignment]
        exchange.begin()

    def pause_writing(self) -> None:
        super().pause_writing()
        if self._answering is not None:
            self._answering.pause()

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._answering is not None:
            self._answering.resume()

    def send_400_response(self, msg: str) -> None:
        """Refuse what cannot be parsed, behind the answers to what came before it, and close."""
        self._refusing = self._problem or msg
        cycle = self.cycle
        if cycle is None or cycle.response_complete:
            self._refuse()
        elif isinstance(cycle, Exchange):
            if not cycle.body_complete:
                cycle.gone()
                self._answering = None if self._answering is cycle else self._answering
                self._refuse_behind_others()
        elif cycle.more_body:
            super().send_400_response(msg)  # the application is told that its client has gone

    def _refuse_behind_others(self) -> None:
        self.pipeline = deque((cycle, app) for cycle, app in self.pipeline if not cycle.disconnected)
        if self._answering is None:
            self._refuse()

    def _refuse(self) -> None:
        body = self.refusal(self._refusing)
        head = b"HTTP/1.1 400 Bad Request\r\nContent-Type: application/json; charset=utf-8\r\n"
        self.transport.write(b"%bContent-Length: %d\r\nConnection: close\r\n\r\n%b" % (head, len(body), body))
        self.close_after_answer(unread=True)

    # The parser

    def on_message_begin(self) -> None:
        self.url = b""
        self.headers = []
        self._in_head = True
        self._outside = 0

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._in_head:  # trailers come through here too
            self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        self._in_head = False
        self._idle_since = 0.0
        parser = self.parser
        if (version := parser.get_http_version()) not in _VERSIONS:
            raise ValueError(f"HTTP/{version} is not spoken here")  # refused like any other request that is no HTTP
        if parser.should_upgrade():
            self._refuse_lost_body()
            self._as_uvicorn_does()
            return
        head = Head(self.headers)
        method = parser.get_method()
        exchange = self.plan(self, method, self.url, head)
        if exchange is None:
            self._as_uvicorn_does()
            return
        exchange.asked = (method, self.url, head)
        if (whole := self._whole) is not None:
            self._whole = None
            whole.learn(head)
        if not parser.should_keep_alive() or b"connection" in head.fields:
            exchange.http_1_0 = version == "1.0"
            exchange.keep_alive = parser.should_keep_alive()
        before, self.cycle = self.cycle, exchange  # type: ignore[assignment]
        if before is not None and not before.response_complete:
            self.flow.pause_reading()
            self.pipeline.appendleft((exchange, self.app))  # type: ignore[arg-type]
        else:
            self._turn(exchange)

    def _refuse_lost_body(self) -> None:
        """The parser takes what follows any offer to upgrade for another protocol, and so a body for none."""
        fields = {name.lower(): value for name, value in self.headers}
        if self.parser.get_method() == b"CONNECT":
            self._problem = "CONNECT is not served here."
        elif fields.get(b"upgrade", b"").lower() != b"websocket" and (
            b"transfer-encoding" in fields or fields.get(b"content-length", b"0").strip(b"0")
        ):
            self._problem = "A request with a body cannot offer another protocol; leave out Upgrade."
        else:
            return
        raise ValueError(self._problem)

    def on_chunk_header(self) -> None:
        """A chunk's size line is whole."""
        self._outside -= _PER_CHUNK

    def on_body(self, body: bytes) -> None:
        self._outside -= len(body)
        cycle = self.cycle
        if isinstance(cycle, Exchange):
            if not cycle.response_complete:
                cycle.feed(body)
        else:
            super().on_body(body)

    def on_message_complete(self) -> None:
        self._outside = 0
        cycle = self.cycle
        if not isinstance(cycle, Exchange):
            super().on_message_complete()
            return
        if cycle.response_complete:
            return
        cycle.fed()
        if cycle.waiting and cycle is self._answering:
            self._due = cycle

    # Turns

    def _turn(self, exchange: Exchange) -> None:
        """It is this request's turn on the connection."""
        self._answering = exchange
        if exchange.streaming or exchange.body_complete:
            self._due = exchange

    def _start_asgi_task(self, cycle: Any, app: Any) -> None:
        if not isinstance(cycle, Exchange):
            self._answering = None
            self._asgi = cycle
            super()._start_asgi_task(cycle, app)
            return
        # From the pipeline: the parser is not at work, unless it is its own callback that ended the one before.
        self._turn(cycle)
        if self._due is cycle:
            self._due = None
            cycle.begin()

    def on_response_complete(self) -> None:
        """An answer is whole: the next request of the pipeline, or rest."""
        self.server_state.total_requests += 1
        self._answering = None
        if self.transport.is_closing() or self._lingering:
            return
        self._idle_since = self.loop.time()
        self.flow.resume_reading()
        if self.pipeline:
            cycle, app = self.pipeline.pop()
            self._idle_since = 0.0
            self._start_asgi_task(cycle, app)
        elif self._refusing:
            self._refuse()

    def close_after_answer(self, *, unread: bool) -> None:
        """The last answer of this connection was written. `unread`: the client is still sending its request."""
        if not unread:
            self.transport.close()
            return
        # Closing with data unread would reset the connection and take the answer back: let the client finish a little.
        self._lingering = True
        self.flow.resume_reading()
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self.loop.call_later(_LINGER_SECONDS, self.transport.close)

    def cut(self) -> None:
        """Shutdown's patience is over."""
        for cycle in (self._answering, *(cycle for cycle, _ in self.pipeline)):
            if isinstance(cycle, Exchange):
                cycle.cut()

    def _look_if_idle(self) -> None:
        rest = float(self.timeout_keep_alive)
        if self._idle_since:
            rest -= self.loop.time() - self._idle_since
            if rest <= 0:
                self.timeout_keep_alive_handler()
                return
        self._idle_timer = self.loop.call_later(max(rest, 0.01), self._look_if_idle)

    def _unset_keepalive_if_required(self) -> None:
        """Nothing: rest ends with the next head, and the one timer stays."""

    # ASGI

    def _as_uvicorn_does(self) -> None:
        """The request as an ASGI call, from its head on."""
        url, headers = self.url, self.headers
        super().on_message_begin()
        self.url = url
        for name, value in headers:
            super().on_header(name, value)
        super().on_headers_complete()

    def hand_over(self, exchange: Exchange) -> None:
        """The request as an ASGI call after all, now that its body is here."""
        method, url, head = exchange.asked
        self._answering = None
        parsed = httptools.parse_url(url)
        scope = {
            "type": "http",
            "asgi": {"version": self.asgi_version, "spec_version": "2.3"},
            "http_version": "1.0" if exchange.http_1_0 else "1.1",
            "server": self.server,
            "client": self.client,
            "scheme": self.scheme,
            "root_path": self.root_path,
            "headers": [(name.lower(), value) for name, value in head.headers],
            "state": self.app_state.copy(),
            "method": method.decode("ascii"),
            "path": urllib.parse.unquote(parsed.path.decode("ascii")),
            "raw_path": parsed.path,
            "query_string": parsed.query or b"",
        }
        cycle = RequestResponseCycle(
            scope=scope,  # type: ignore[arg-type]
            transport=self.transport,
            flow=self.flow,
            logger=self.logger,
            access_logger=self.access_logger,
            access_log=False,
            default_headers=self.server_state.default_headers,
            message_event=asyncio.Event(),
            expect_100_continue=False,
            keep_alive=exchange.keep_alive,
            on_response=self.on_response_complete,
        )
        cycle.body = bytearray(exchange.body)
        cycle.more_body = not exchange.body_complete
        cycle.message_event.set()
        current: object = self.cycle
        if current is exchange:
            self.cycle = cycle
        self._asgi = cycle
        super()._start_asgi_task(cycle, self.app)


def relaying(plan: Plan, refusal: Refusal) -> type[RelayProtocol]:
    """The protocol class for uvicorn's Config(http=…) that asks this plan."""
    return type("Relaying", (RelayProtocol,), {"plan": staticmethod(plan), "refusal": staticmethod(refusal)})
