"""A real server around the front, and a backend that answers what a test tells it to."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field

import uvicorn

from crossfade.operation import Operation
from crossfade.outcome import Outcome, done
from crossfade.ports import Channel
from crossfade.results import StreamEnd
from crossfade.upstream import Purpose
from router.front.daytona.app import App, daytona_app

KEY = "test-key"
Answer = Callable[[Operation], Awaitable[Outcome]]


@dataclass
class ScriptedBackend:
    """Answers by operation name; everything else is done with no value."""

    answers: dict[str, Answer] = field(default_factory=dict)
    channels: dict[str, Channel | Outcome] = field(default_factory=dict)
    asked: list[Operation] = field(default_factory=list)
    name: str = "scripted"

    async def perform(self, operation: Operation, purpose: Purpose = Purpose.ANSWER) -> Outcome:
        self.asked.append(operation)
        answer = self.answers.get(operation.name)
        return await answer(operation) if answer else done()

    async def open(self, operation: Operation, purpose: Purpose = Purpose.ANSWER) -> Channel | Outcome:
        self.asked.append(operation)
        return self.channels[operation.name]


@dataclass
class ScriptedChannel:
    """Gives out what it holds, then ends."""

    chunks: list[bytes]
    end: StreamEnd
    sent: list[bytes] = field(default_factory=list)
    closed: bool = False
    hold: asyncio.Event | None = None  # wait for it before the end

    async def output(self) -> AsyncIterator[bytes]:
        for chunk in self.chunks:
            yield chunk
        if self.hold is not None:
            await self.hold.wait()

    async def send(self, data: bytes) -> None:
        self.sent.append(data)
        if self.hold is not None:
            self.hold.set()

    async def close(self) -> None:
        self.closed = True


@contextlib.asynccontextmanager
async def serving(app: App) -> AsyncIterator[tuple[str, int]]:
    """Serve on a free port of loopback."""
    config = uvicorn.Config(
        app, host="127.0.0.1", port=0, log_level="critical", ws="websockets-sansio", timeout_graceful_shutdown=1
    )
    server = uvicorn.Server(config)
    task = asyncio.create_task(server._serve())
    while not server.started:
        await asyncio.sleep(0.002)
    try:
        yield server.servers[0].sockets[0].getsockname()
    finally:
        server.should_exit = True
        await task


def front(backend: ScriptedBackend) -> App:
    return daytona_app(backend, keys=[KEY])


async def raw(address: tuple[str, int], request: bytes) -> bytes:
    """Send bytes, read the answer until the server closes (Connection: close is the caller's to send)."""
    reader, writer = await asyncio.open_connection(*address)
    writer.write(request)
    try:
        return await asyncio.wait_for(reader.read(), 10)
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


def request(method: str, path: str, body: bytes = b"", *headers: str, key: str = KEY) -> bytes:
    """A request's bytes."""
    lines = [
        f"{method} {path} HTTP/1.1",
        "Host: front",
        f"Authorization: Bearer {key}",
        "Connection: close",
        *headers,
    ]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode() + body
