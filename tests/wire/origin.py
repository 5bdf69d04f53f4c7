"""An origin on a loopback socket that says exactly the bytes a test gives it, and notes exactly the bytes it gets."""

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field

PATIENCE = 20.0  # seconds; a test that waits longer hangs
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@dataclass(frozen=True)
class Received:
    """A request as it came."""

    line: str
    headers: list[tuple[str, str]]
    body: bytes
    connection: int  # 1 is the first

    def named(self, name: str) -> list[str]:
        """Values of a header, in order."""
        return [value for each, value in self.headers if each.lower() == name]


@dataclass(eq=False)
class Peer:
    """One connection, seen from the origin."""

    origin: "Origin"
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    number: int

    async def head(self) -> Received:
        """The next request's head. Raises IncompleteReadError when there is none."""
        lines = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")[:-2]
        headers = [(name, value.strip()) for name, _, value in (line.partition(":") for line in lines[1:])]
        return Received(lines[0], headers, b"", self.number)

    async def request(self) -> Received:
        """The next request, whole; noted."""
        head = await self.head()
        received = Received(head.line, head.headers, await self._body(head), self.number)
        self.origin.requests.append(received)
        return received

    async def _body(self, head: Received) -> bytes:
        if head.named("transfer-encoding"):
            return b"".join([chunk async for chunk in self.chunks()])
        return await self.reader.readexactly(int((head.named("content-length") or ["0"])[0]))

    async def chunks(self) -> AsyncIterator[bytes]:
        """Chunks of a chunked body, as they come. Raises IncompleteReadError when it is cut."""
        while size := int(await self.reader.readuntil(b"\r\n"), 16):
            yield (await self.reader.readexactly(size + 2))[:-2]
        await self.reader.readexactly(2)

    async def say(self, *parts: bytes) -> None:
        for part in parts:
            self.writer.write(part)
            await self.writer.drain()

    async def left(self) -> None:
        """Returns when the other end has let go of the connection."""
        with contextlib.suppress(ConnectionError):
            while await self.reader.read(65_536):
                pass

    def reset(self) -> None:
        """Drop the connection by RST: not even its end is said."""
        sock = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


@dataclass(eq=False)
class Origin:
    """A listening origin."""

    url: str = ""
    connections: int = 0
    requests: list[Received] = field(default_factory=list)
    errors: list[BaseException] = field(default_factory=list)


Script = Callable[[Peer], Awaitable[None]]


@contextlib.asynccontextmanager
async def origin(script: Script) -> AsyncIterator[Origin]:
    """Serve by the script, one run for each connection. A run that fails by itself fails the test."""
    it = Origin()
    running: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        it.connections += 1
        task = asyncio.current_task()
        assert task is not None
        running.add(task)
        try:
            await script(Peer(it, reader, writer, it.connections))
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # the other end went, or the test is over; where that matters the test looks
        except Exception as error:
            it.errors.append(error)
        finally:
            running.discard(task)
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, limit=1_048_576)
    host, port = server.sockets[0].getsockname()
    it.url = f"http://{host}:{port}"
    try:
        yield it
    finally:
        server.close()
        for task in list(running):
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
    assert it.errors == []


def answering(*answers: bytes) -> Script:
    """Answer the requests of each connection in turn, again and again; the connection stays open."""

    async def script(peer: Peer) -> None:
        while True:
            for answer in answers:
                await peer.request()
                await peer.say(answer)

    return script


async def until(condition: Callable[[], bool]) -> None:
    """Wait until it is so."""
    async with asyncio.timeout(PATIENCE):
        while not condition():
            await asyncio.sleep(0.01)


async def settled(amount: Callable[[], int]) -> int:
    """The amount once it has not grown for half a second."""
    before, still = amount(), 0
    async with asyncio.timeout(PATIENCE):
        while still < 50:
            await asyncio.sleep(0.01)
            now = amount()
            before, still = now, still + 1 if now == before else 0
    return before
