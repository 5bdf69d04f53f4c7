"""The bridge between two real websockets: a client's, taken by uvicorn, and an origin's."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest
import websockets
from hypothesis import given
from hypothesis import strategies as st
from websockets.asyncio.server import ServerConnection, serve

from crossfade.stage import Origin
from crossfade.upstream import Purpose, UpstreamRequest
from router.wire.asgi import Receive, Scope, Send
from router.wire.bridge import Passed, bridge, sendable
from router.wire.http1.client import Http1Upstream
from tests.serving import serving


class _Bridging:
    """An ASGI application that bridges every websocket to one origin."""

    def __init__(self, upstream: Http1Upstream, base: str) -> None:
        self.upstream, self.base = upstream, base
        self.passed = Passed()
        self.over = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        request = UpstreamRequest(
            origin=Origin.OLD, purpose=Purpose.ANSWER, method="GET", base=self.base, target=scope["path"]
        )
        socket = await self.upstream.websocket(request)
        await send({"type": "websocket.accept"})
        await bridge(socket, receive, send, self.passed)
        self.over.set()


@contextlib.asynccontextmanager
async def bridged(origin: Any) -> AsyncIterator[tuple[_Bridging, str]]:
    async with serve(origin, "127.0.0.1", 0, max_size=None) as server, Http1Upstream() as upstream:
        port = server.sockets[0].getsockname()[1]
        app = _Bridging(upstream, f"http://127.0.0.1:{port}")
        async with serving(app) as url:
            yield app, url.replace("http", "ws", 1)


async def _echo(socket: ServerConnection) -> None:
    async for message in socket:
        await socket.send(message)


async def test_text_and_bytes_pass_as_they_are_and_are_counted() -> None:
    messages = ["text", "ümläut", b"\x00\xff", b"x" * 300_000, ""]
    got = []
    async with bridged(_echo) as (app, url), websockets.connect(url, proxy=None, max_size=None) as client:
        for message in messages:
            await client.send(message)
            got.append(await client.recv())
        await client.close()
        async with asyncio.timeout(10):
            await app.over.wait()

    assert got == messages
    assert app.passed.up == app.passed.down == sum(map(len, messages))


async def test_a_close_of_the_origin_reaches_the_client_with_its_code_and_reason() -> None:
    async def close(socket: ServerConnection) -> None:
        await socket.send("last")
        await socket.close(4321, "enough")

    async with bridged(close) as (_, url), websockets.connect(url, proxy=None) as client:
        assert await client.recv() == "last"
        with pytest.raises(websockets.ConnectionClosed):
            await client.recv()

        assert (client.close_code, client.close_reason) == (4321, "enough")


@pytest.mark.parametrize(("code", "seen"), [(4000, 4000), (1001, 1001), (1000, 1000)])
async def test_a_close_of_the_client_reaches_the_origin_with_its_code(code: int, seen: int) -> None:
    closed: asyncio.Future[int | None] = asyncio.get_running_loop().create_future()

    async def wait(socket: ServerConnection) -> None:
        await socket.wait_closed()
        closed.set_result(socket.close_code)

    async with bridged(wait) as (app, url):
        async with websockets.connect(url, proxy=None) as client:
            await client.close(code)
        async with asyncio.timeout(10):
            assert await closed == seen
            await app.over.wait()


async def test_a_client_that_vanishes_closes_the_origins_end() -> None:
    closed = asyncio.Event()

    async def wait(socket: ServerConnection) -> None:
        await socket.wait_closed()
        closed.set()

    async with bridged(wait) as (app, url):
        client = await websockets.connect(url, proxy=None)
        client.transport.abort()
        async with asyncio.timeout(10):
            await closed.wait()
            await app.over.wait()


@given(st.none() | st.integers(0, 70_000))
def test_a_code_that_no_frame_may_hold_is_never_sent(code: int | None) -> None:
    sent = sendable(code)

    assert sent == code or sent == 1000
    assert 1000 <= sent <= 1014 or 3000 <= sent <= 4999
    assert sent not in (1004, 1005, 1006)
