"""A relay in front of a scripted origin, both on real sockets, and a client that sends and reads exact bytes."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import uvicorn

from router.wire.http1 import Lost, Pools
from router.wire.inbound.exchange import Exchange
from router.wire.inbound.head import Head
from router.wire.inbound.protocol import COLLECTED, RelayProtocol, relaying

PATIENCE = 20.0
Script = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@dataclass
class Ended:
    """How one relayed call ended, as its `over` was told."""

    target: bytes
    status: int
    complete: bool
    disconnected: bool
    lost: str
    kept: bytes | None
    bytes_in: int
    bytes_out: int


@dataclass
class Relay:
    """A running relay: paths below /asgi are answered by an application, /late by it once the body is there."""

    port: int
    server: uvicorn.Server
    pools: Pools
    ended: list[Ended] = field(default_factory=list)
    asgi: list[tuple[str, bytes]] = field(default_factory=list)
    left: list[str] = field(default_factory=list)  # what an application below /asgi/held was told at last

    async def connect(self) -> "Wire":
        return Wire(*await asyncio.open_connection("127.0.0.1", self.port))

    async def ends(self, count: int) -> list[Ended]:
        async with asyncio.timeout(PATIENCE):
            while len(self.ended) < count:
                await asyncio.sleep(0.01)
        return self.ended


@dataclass
class Wire:
    """A client's connection, byte by byte."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def until(self, mark: bytes) -> bytes:
        async with asyncio.timeout(PATIENCE):
            return await self.reader.readuntil(mark)

    async def exactly(self, count: int) -> bytes:
        async with asyncio.timeout(PATIENCE):
            return await self.reader.readexactly(count)

    async def rest(self) -> bytes:
        """Everything until the other side closes."""
        async with asyncio.timeout(PATIENCE):
            return await self.reader.read(-1)

    async def answer(self) -> tuple[int, bytes, bytes]:
        """Status, head and body of the next answer, which must carry a length or come in chunks."""
        head = await self.until(b"\r\n\r\n")
        status = int(head.split(b" ", 2)[1])
        low = head.lower()
        if b"transfer-encoding: chunked" in low:
            body = b""
            while size := int(await self.until(b"\r\n"), 16):
                body += await self.exactly(size)
                await self.exactly(2)
            await self.exactly(2)
            return status, head, body
        length = next((line for line in low.split(b"\r\n") if line.startswith(b"content-length:")), b":0")
        return status, head, await self.exactly(int(length.split(b":")[1]))

    async def close(self) -> None:
        self.writer.close()
        with contextlib.suppress(ConnectionError):
            await self.writer.wait_closed()


@contextlib.asynccontextmanager
async def origin(script: Script) -> AsyncIterator[str]:
    """A server that runs the script for every connection; its base URL."""
    server = await asyncio.start_server(script, "127.0.0.1", 0, limit=2**22)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()


@contextlib.asynccontextmanager
async def relay(
    base: str, *, keep: int = 0, keep_alive_seconds: int = 75, drain_seconds: int = 5
) -> AsyncIterator[Relay]:
    """A relay of everything to one origin."""
    authority = base.removeprefix("http://").encode()
    async with Pools() as pools:
        running: Relay

        class PassOn(Exchange):
            def __init__(self, protocol: RelayProtocol, method: bytes, url: bytes, head: Head) -> None:
                super().__init__(protocol)
                self.line, self.head, self.url, self.keep = method, head, url, keep
                self.head_only = method == b"HEAD"
                self.streaming = head.chunked or head.length > COLLECTED

            def begun(self) -> bool:
                if self.url.startswith(b"/late"):
                    return False
                if self.url.startswith(b"/broken"):
                    raise RuntimeError("a defect")
                framing = b"Transfer-Encoding: chunked\r\n" if self.head.chunked else b""
                lines = self.head.lines(readable=keep > 0)
                head = b"%b %b HTTP/1.1\r\nHost: %b\r\n%b%b\r\n" % (self.line, self.url, authority, lines, framing)
                self.send(pools.get(base), head)
                return True

            def over(self, lost: Lost | None) -> tuple[int, bytes, bytes] | None:
                kept = None if self.kept is None else b"".join(self.kept)
                said = "" if lost is None else str(lost)
                flags = (self.complete, self.disconnected, said, kept, self.bytes_in, self.bytes_out)
                running.ended.append(Ended(self.url, self.status, *flags))
                return None if lost is None else (502, b"", b'{"message":"origin lost"}')

            def broken(self) -> tuple[int, bytes, bytes]:
                return 500, b"", b'{"message":"ours"}'

        def plan(protocol: RelayProtocol, method: bytes, url: bytes, head: Head) -> Exchange | None:
            if url.startswith(b"/asgi") or head.hosts != 1 or not head.plain:
                return None
            return PassOn(protocol, method, url, head)

        async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
            body, more = b"", True
            while more:
                message = await receive()
                body, more = body + message.get("body", b""), message.get("more_body", False)
            running.asgi.append((scope["raw_path"].decode(), body))
            if scope["raw_path"].startswith(b"/asgi/held"):
                running.left.append((await receive())["type"])
            said = json.dumps({"asgi": scope["raw_path"].decode(), "bytes": len(body)}).encode()
            length = (b"content-length", b"%d" % len(said))
            await send({"type": "http.response.start", "status": 200, "headers": [length]})
            await send({"type": "http.response.body", "body": said})

        config = uvicorn.Config(
            app,  # type: ignore[arg-type]
            host="127.0.0.1",
            port=0,
            http=relaying(plan, lambda text: json.dumps({"message": text}).encode()),
            lifespan="off",
            log_config=None,
            access_log=False,
            timeout_keep_alive=keep_alive_seconds,
            timeout_graceful_shutdown=drain_seconds,
        )
        server = _Server(config)
        serving = asyncio.get_running_loop().create_task(server.serve())
        while not server.started:
            await asyncio.sleep(0.005)
        running = Relay(server.servers[0].sockets[0].getsockname()[1], server, pools)
        try:
            yield running
        finally:
            server.should_exit = True
            for protocol in list(server.server_state.connections):
                protocol.transport.abort()  # type: ignore[union-attr]
            await serving


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Any:
        yield
