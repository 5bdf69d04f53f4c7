"""The upstream client, on aiohttp for now (docs/decisions): the Upstream port over real connections.

Every setting below answers a pitfall that was measured (facts/stack.md §6.2): no cookie jar, since one replays the
first caller's Set-Cookie to the next tenant; no redirects, no decompression, no headers of the client's own; the
target is sent byte for byte; no proxy from the environment.
"""

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Callable, Sequence
from contextvars import ContextVar
from types import SimpleNamespace
from typing import Self

import aiohttp
from yarl import URL

from crossfade.stage import Origin
from crossfade.upstream import (
    Headers,
    Purpose,
    UpstreamFailed,
    UpstreamRefused,
    UpstreamRequest,
    UpstreamResponse,
    UpstreamSocket,
)
from router.wire.headers import call_id

_OWN_HEADERS = ("Accept", "Accept-Encoding", "User-Agent", "Content-Type")
_HEAD_LIMIT = 65_536
Count = Callable[[Origin, Purpose], None]


class HttpUpstream:
    """Keep-alive connections to any number of origins. `count` hears of every request whose head was sent."""

    def __init__(
        self, *, count: Count | None = None, idle_close_seconds: float = 15.0, handshake_seconds: float = 10.0
    ) -> None:
        self._count = count
        self._idle_close_seconds = idle_close_seconds
        self._handshake_seconds = handshake_seconds  # from the request's head to the answer's end, after connecting
        self._session: aiohttp.ClientSession | None = None
        self._sockets: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._session = self._made()
        self._sockets = self._made(_refusals)
        return self

    async def __aexit__(self, *_: object) -> None:
        for session in (self._session, self._sockets):
            if session is not None:
                await session.close()

    def _made(self, *middlewares: aiohttp.ClientMiddlewareType) -> aiohttp.ClientSession:
        trace = aiohttp.TraceConfig()
        trace.on_request_headers_sent.append(self._head_sent)
        return aiohttp.ClientSession(
            # Idle connections go before the origin's own idle timeout, or a request would meet a closing one. No limit:
            # one that origins share would let an origin that hangs take the other's connections.
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=self._idle_close_seconds),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None),
            auto_decompress=False,
            trust_env=False,
            skip_auto_headers=_OWN_HEADERS,
            max_field_size=_HEAD_LIMIT,
            max_line_size=_HEAD_LIMIT,
            read_bufsize=262_144,
            trace_configs=[trace],
            middlewares=middlewares,
        )

    async def _head_sent(self, _session: object, context: SimpleNamespace, _parameters: object) -> None:
        sending: _Sending = context.trace_request_ctx or _handshake.get()  # ws_connect passes no context on
        sending.sent = True
        if sending.patience is not None:
            sending.patience.reschedule(asyncio.get_running_loop().time() + self._handshake_seconds)
        if self._count is not None:
            self._count(sending.request.origin, sending.request.purpose)

    async def send(self, request: UpstreamRequest) -> UpstreamResponse:
        """Returns when the head of the answer is there. Raises UpstreamFailed, and what the request's body raises."""
        session = _opened(self._session)
        sending = _Sending(request)
        upload = None if request.body is None or isinstance(request.body, bytes) else _Upload(request.body)
        try:
            response = await session.request(
                request.method,
                URL(request.base + request.target, encoded=True),
                headers=_text(request.headers),
                data=upload or request.body,
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(
                    total=None, sock_connect=request.connect_seconds, sock_read=request.idle_seconds
                ),
                trace_request_ctx=sending,
            )
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            if upload is not None and upload.error is not None:
                raise upload.error from error
            raise UpstreamFailed(_say(request, error), sent=sending.sent) from error
        return _Response(request, response)

    async def websocket(self, request: UpstreamRequest, subprotocols: Sequence[str] = ()) -> UpstreamSocket:
        """Returns when the handshake is done. Raises UpstreamFailed or UpstreamRefused."""
        session = _opened(self._sockets)
        sending = _Sending(request)
        told = _handshake.set(sending)
        try:
            async with asyncio.timeout(request.connect_seconds) as sending.patience:
                socket = await session.ws_connect(
                    URL(request.base + request.target, encoded=True),
                    headers=_text(request.headers),
                    protocols=subprotocols,
                    max_msg_size=0,
                    compress=0,
                    autoping=True,
                )
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise UpstreamFailed(_say(request, error), sent=sending.sent) from error
        finally:
            _handshake.reset(told)
        return _Socket(socket)


class _Sending:
    """What the trace needs to know of a request under way."""

    __slots__ = ("patience", "request", "sent")

    def __init__(self, request: UpstreamRequest) -> None:
        self.request = request
        self.sent = False
        self.patience: asyncio.Timeout | None = None  # of a handshake


class _Upload:
    """A body on its way, and what went wrong with it at our end: that is no failure of the origin."""

    def __init__(self, chunks: AsyncIterable[bytes]) -> None:
        self._chunks = chunks
        self.error: Exception | None = None

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for chunk in self._chunks:
                yield chunk
        except Exception as error:
            self.error = error
            raise


_handshake: ContextVar[_Sending] = ContextVar("handshake")


async def _refusals(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    """Tell a plain answer to a handshake whole, before aiohttp follows it elsewhere or forgets its body."""
    response = await handler(request)
    if response.status == 101:
        return response
    try:
        body = bytearray()
        async for chunk in response.content.iter_any():
            body += chunk
            if len(body) >= _HEAD_LIMIT:
                break
    finally:
        response.close()
    raise UpstreamRefused(response.status, response.raw_headers, bytes(body[:_HEAD_LIMIT]))


def _opened(session: aiohttp.ClientSession | None) -> aiohttp.ClientSession:
    if session is None:
        raise RuntimeError("HttpUpstream is used outside its 'async with'")
    return session


class _Response:
    def __init__(self, request: UpstreamRequest, response: aiohttp.ClientResponse) -> None:
        self._request = request
        self._response = response
        self.status = response.status
        self.reason = (response.reason or "").encode("latin-1", "replace")
        self.headers: Headers = response.raw_headers
        framed = "Content-Length" in response.headers or "Transfer-Encoding" in response.headers
        # A body without either ends with its connection, and how that ended is all that tells whether it is whole.
        self._ending = response.connection.protocol if response.connection is not None and not framed else None

    async def chunks(self) -> AsyncIterator[bytes]:
        try:
            async for chunk in self._response.content.iter_any():
                yield chunk
            if self._ending is not None and isinstance(lost := self._ending.exception(), OSError):
                raise lost  # aiohttp takes a reset for the end
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise UpstreamFailed(_say(self._request, error), sent=True) from error

    async def read(self, limit: int) -> bytes:
        parts: list[bytes] = []
        size = 0
        async for chunk in self.chunks():
            size += len(chunk)
            if size > limit:
                await self.close()
                raise UpstreamFailed(f"{self._request.origin} answered more than {limit} bytes", sent=True)
            parts.append(chunk)
        return b"".join(parts)

    async def close(self) -> None:
        # A response read to its end has given its connection back already; otherwise close() drops the connection.
        self._response.close()


class _Socket:
    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self.subprotocol = socket.protocol
        self._reason = ""

    async def send(self, message: str | bytes) -> None:
        try:
            if isinstance(message, bytes):
                await self._socket.send_bytes(message)
            else:
                await self._socket.send_str(message)
        except (ConnectionError, aiohttp.ClientError) as error:
            raise UpstreamFailed(f"websocket lost: {error}", sent=True) from error

    async def messages(self) -> AsyncIterator[str | bytes]:
        while True:
            message = await self._socket.receive()
            if message.type in (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY):
                yield message.data
            elif message.type is aiohttp.WSMsgType.CLOSE:
                self._reason = message.extra or ""
                return
            else:
                return

    async def close(self, code: int = 1000, reason: str = "") -> None:
        try:
            # A peer that never answers the close must not hold us: aiohttp would wait ten seconds.
            async with asyncio.timeout(2):
                await self._socket.close(code=code, message=_fitting(reason))
        except (TimeoutError, ConnectionError, aiohttp.ClientError):
            pass  # gone already

    @property
    def closed(self) -> tuple[int, str]:
        return self._socket.close_code or 1006, self._reason


def _fitting(reason: str) -> bytes:
    """What a close frame can hold of a reason: 123 bytes, no character cut in two (RFC 6455 §5.5)."""
    return reason.encode()[:123].decode(errors="ignore").encode()


def _text(headers: Headers) -> list[tuple[str, str]]:
    # aiohttp forgets the first of duplicates that are spelled differently, so the first spelling stands for all.
    spelled: dict[bytes, str] = {}
    text = [(spelled.setdefault(name.lower(), name.decode("latin-1")), _utf8(value)) for name, value in headers]
    if call := call_id.get():
        text.append(("X-Crossfade-Call", call))
    return text


def _utf8(value: bytes) -> str:
    # aiohttp writes UTF-8, so that is what keeps a value's bytes; bytes that are none cannot be kept by it.
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")


def _say(request: UpstreamRequest, error: Exception) -> str:
    # Never the URL's query or the headers: they may carry tokens.
    kind = type(error).__name__
    detail = str(error) if isinstance(error, (aiohttp.ClientConnectorError, OSError)) else ""
    return f"{request.origin} at {request.base} failed: {kind}{': ' + detail if detail else ''}"
