"""The Upstream port over these connections: one awaitable call for each request, websockets included."""

import asyncio
import contextlib
from collections.abc import AsyncIterable, AsyncIterator, Callable, Sequence
from typing import TYPE_CHECKING, Final, Self

from crossfade.stage import Origin
from crossfade.upstream import (
    Headers,
    Purpose,
    Upstream,
    UpstreamRefused,
    UpstreamRequest,
    UpstreamResponse,
    UpstreamSocket,
)
from router import tasks
from router.wire.headers import call_id
from router.wire.http1.call import Call, failed
from router.wire.http1.exchange import Framing, Limits, Pairs
from router.wire.http1.messages import Unsendable, content_length, expects_continue, request_head
from router.wire.http1.pool import Pool
from router.wire.http1.pools import Pools
from router.wire.http1.websocket import Handshake, Socket

Count = Callable[[Origin, Purpose], None]
_WITHOUT_BODY: Final = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})  # methods whose request says no length 0
_CONTINUE_SECONDS: Final = 1.0  # so long a body waits for an origin that never says 100
_REFUSAL_LIMIT: Final = 65_536


class Http1Upstream:
    """Keep-alive connections to any number of origins. `count` hears of every request whose head was sent.

    `pools` may be shared with others and is then closed by its owner. `handshake_seconds`: from a websocket request's
    head to the end of the answer.
    """

    def __init__(
        self, *, count: Count | None = None, pools: Pools | None = None, handshake_seconds: float = 10.0
    ) -> None:
        self._count = count
        self._own = pools is None
        self._pools = pools or Pools()
        self._handshake_seconds = handshake_seconds
        self._entered = False

    async def __aenter__(self) -> Self:
        if self._own:
            await self._pools.__aenter__()
        self._entered = True
        return self

    async def __aexit__(self, *_: object) -> None:
        self._entered = False
        if self._own:
            await self._pools.__aexit__()

    async def send(self, request: UpstreamRequest) -> UpstreamResponse:
        """Returns when the head of the answer is there. Raises UpstreamFailed."""
        pool = self._pool(request)
        call = Call(request)
        try:
            head, stream = _written(request)
        except (Unsendable, UnicodeEncodeError) as error:
            raise failed(request, f"cannot be asked: {type(error).__name__}", sent=False) from error
        told_to_go_on = asyncio.Event()
        waits = stream is not None and expects_continue(request.headers)

        def interim(status: int, _reason: bytes, _headers: Pairs) -> None:
            if status == 100:
                told_to_go_on.set()

        call.handle = pool.start(
            call,
            head,
            request.body if isinstance(request.body, bytes) and stream is None else None,
            ends=stream is None,
            head_only=request.method == "HEAD",
            limits=Limits(connect=request.connect_seconds, idle=request.idle_seconds),
            interim=interim if waits else None,
            sent=self._sent(request),
        )
        if stream is not None:
            go = told_to_go_on if waits else None
            call.body = tasks.spawn(_write(call, stream, go), name="body of a request", awaited=True)
        try:
            await call.head()
        except BaseException:
            # Called off as well: nobody will read the answer.
            await call.close()
            raise
        return call

    async def websocket(self, request: UpstreamRequest, subprotocols: Sequence[str] = ()) -> UpstreamSocket:
        """Returns when the handshake is done. Raises UpstreamFailed or UpstreamRefused."""
        pool = self._pool(request)
        call = Call(request)
        handshake = Handshake(subprotocols)
        headers = [*_with_call(request.headers), *handshake.headers]
        try:
            head = request_head(b"GET", _target(request), headers, host=_host(request.base), upgrade=b"websocket")
        except (Unsendable, UnicodeEncodeError) as error:
            raise failed(request, f"cannot be asked: {type(error).__name__}", sent=False) from error
        loop = asyncio.get_running_loop()
        count = self._sent(request)
        try:
            async with asyncio.timeout(None) as patience:

                def sent() -> None:
                    patience.reschedule(loop.time() + self._handshake_seconds)
                    count()

                limits = Limits(connect=request.connect_seconds)
                call.handle = pool.start(call, head, upgrade=True, limits=limits, sent=sent)
                await call.head()
                if call.framing is not Framing.TUNNEL:
                    raise UpstreamRefused(call.status, call.headers, await _capped(call))
            problem = handshake.problem(call.headers)
            if problem:
                raise failed(request, problem, sent=True)
        except TimeoutError as error:
            await call.close()
            raise failed(request, f"no handshake within {self._handshake_seconds:g} s", sent=True) from error
        except BaseException:
            await call.close()
            raise
        return Socket(call, handshake.subprotocol)

    def _pool(self, request: UpstreamRequest) -> Pool:
        if not self._entered:
            raise RuntimeError("Http1Upstream is used outside its 'async with'")
        try:
            return self._pools.get(request.base)
        except ValueError as error:
            raise failed(request, str(error), sent=False) from error

    def _sent(self, request: UpstreamRequest) -> Callable[[], None]:
        def sent() -> None:
            if self._count is not None:
                self._count(request.origin, request.purpose)

        return sent


if TYPE_CHECKING:
    _: type[Upstream] = Http1Upstream


def _written(request: UpstreamRequest) -> tuple[bytes, AsyncIterator[bytes] | None]:
    """The request's head, and its body where that is to be streamed. Raises Unsendable, UnicodeEncodeError."""
    body = request.body
    length = content_length(request.headers)
    stream: AsyncIterator[bytes] | None = None
    if isinstance(body, AsyncIterable):
        stream = _counted(body, length)
    elif length is not None and length != len(body or b""):
        raise Unsendable("Content-Length is not the body's length")
    elif body is not None or request.method not in _WITHOUT_BODY:
        length = len(body or b"")
        if body and expects_continue(request.headers):
            stream = _once(body)
    head = request_head(
        request.method.encode("ascii"),
        _target(request),
        _with_call(request.headers),
        host=_host(request.base),
        length=length,
        chunked=stream is not None and length is None,
    )
    return head, stream


def _with_call(headers: Headers) -> Headers:
    call = call_id.get()
    return [*headers, (b"X-Crossfade-Call", call.encode("latin-1"))] if call else headers


def _target(request: UpstreamRequest) -> bytes:
    return request.target.encode("latin-1")


def _host(base: str) -> bytes:
    scheme, _, rest = base.partition("://")
    host = rest.rpartition("@")[2].rstrip("/")
    return host.removesuffix(":443" if scheme == "https" else ":80").encode("ascii")


async def _once(body: bytes) -> AsyncIterator[bytes]:
    yield body


async def _counted(body: AsyncIterable[bytes], length: int | None) -> AsyncIterator[bytes]:
    """The same bytes. Raises Unsendable when they are not as many as was announced."""
    left = length
    async for data in body:
        if left is not None:
            left -= len(data)
            if left < 0:
                raise Unsendable("the body is longer than its Content-Length")
        yield data
    if left:
        raise Unsendable("the body is shorter than its Content-Length")


async def _write(call: Call, stream: AsyncIterator[bytes], go_on: asyncio.Event | None) -> None:
    """Write the request's body. What goes wrong with it is the call's matter."""
    try:
        if go_on is not None:
            call.withheld = True
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_CONTINUE_SECONDS):
                    await go_on.wait()
            if call.framing is not None:
                return
            call.withheld = False
        async for data in stream:
            if call.handle.over:
                return
            await call.write(data)
        call.handle.end()
    except Exception as error:
        call.fail(error)


async def _capped(call: Call) -> bytes:
    """The body of a refusal, its beginning at least."""
    body = b""
    async for chunk in call.chunks():
        body += chunk
        if len(body) >= _REFUSAL_LIMIT:
            break
    await call.close()
    return body[:_REFUSAL_LIMIT]
