"""The adapter over real connections: what went wrong on the way, and what it says about itself."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from crossfade.operation import Operation
from crossfade.outcome import Fate
from crossfade.stage import Origin
from crossfade.upstream import Purpose
from router.backends.daytona.backend import DaytonaBackend
from router.wire.http1.client import Http1Upstream

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
CONFIG = b'{"proxyToolboxUrl": "http://%s/toolbox"}'


class Origins:
    """A server that answers /config truly and everything else as told; keeps the heads it was sent."""

    def __init__(self, rest: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]) -> None:
        self.heads: list[bytes] = []
        self._rest = rest

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                self.heads.append(head)
                if head.startswith(b"GET /api/config"):
                    host = next(line[6:] for line in head.split(b"\r\n") if line.lower().startswith(b"host: "))
                    answer(writer, 200, CONFIG % host)
                else:
                    await self._rest(reader, writer)
        writer.close()


def answer(writer: asyncio.StreamWriter, status: int, body: bytes) -> None:
    writer.write(b"HTTP/1.1 %d X\r\nContent-Length: %d\r\n\r\n%s" % (status, len(body), body))


@contextlib.asynccontextmanager
async def adapter(rest: Serve) -> AsyncIterator[tuple[DaytonaBackend, Origins]]:
    origins = Origins(rest)
    server = await asyncio.start_server(origins.serve, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    async with server, Http1Upstream() as upstream:
        yield DaytonaBackend(upstream, base=f"http://{host}:{port}/api/", key="secret", origin=Origin.OLD), origins


async def cut(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.close()


async def half(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
    await writer.drain()
    writer.close()


EXEC = Operation(name="process.exec", sandbox="s", arguments={"command": "ls"})


@pytest.mark.parametrize("rest", [cut, half])
async def test_an_answer_lost_on_the_way_is_of_unknown_fate(rest: Serve) -> None:
    async with adapter(rest) as (backend, _):
        outcome = await backend.perform(EXEC)

    assert (outcome.fate, outcome.status, outcome.origin) == (Fate.UNKNOWN, 502, Origin.OLD)


async def test_an_origin_that_cannot_be_reached_has_done_nothing() -> None:
    server = await asyncio.start_server(cut, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()
    async with Http1Upstream() as upstream:
        backend = DaytonaBackend(upstream, base=f"http://127.0.0.1:{port}/api", key="secret", origin=Origin.OLD)
        outcome = await backend.perform(EXEC)
        opened = await backend.open(Operation(name="pty.connect", sandbox="s", arguments={"pty": "p"}))

    assert (outcome.fate, outcome.status, outcome.code) == (Fate.FAILED, 502, "BAD_GATEWAY")
    assert "secret" not in outcome.message
    assert getattr(opened, "status", 0) == 502


async def test_work_of_our_own_says_so_and_wakes_nothing() -> None:
    async def fine(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answer(writer, 200, b'{"dir": "/workspace"}')

    operation = Operation(name="sandbox.work_dir", sandbox="s")
    async with adapter(fine) as (backend, origins):
        await backend.perform(operation)
        await backend.perform(operation, Purpose.SETTLE)

    client, own = (head.lower() for head in origins.heads if b"/toolbox/s/work-dir" in head)
    assert b"x-crossfade-purpose" not in client
    assert b"x-crossfade-purpose: settle" in own
    assert b"x-daytona-skip-last-activity-update: true" in own
    assert b"authorization: bearer secret" in own


async def test_the_toolbox_address_is_asked_for_once() -> None:
    async def fine(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answer(writer, 200, b'{"dir": "/workspace"}')

    async with adapter(fine) as (backend, origins):
        operation = Operation(name="sandbox.work_dir", sandbox="s")
        await asyncio.gather(*(backend.perform(operation) for _ in range(10)))

    assert sum(head.startswith(b"GET /api/config") for head in origins.heads) == 1


async def test_a_reader_that_fails_is_not_the_origins_failure() -> None:
    class Gone(Exception):
        pass

    async def body() -> AsyncIterator[bytes]:
        yield b"first"
        raise Gone

    async def swallow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async with adapter(swallow) as (backend, _):
        upload = Operation(name="fs.upload", sandbox="s", arguments={"path": "/x"}, body=body())
        with pytest.raises(Gone):
            await asyncio.wait_for(backend.perform(upload), 10)


async def test_a_download_that_is_cut_raises_while_it_is_read() -> None:
    async with adapter(half) as (backend, _):
        outcome = await backend.perform(Operation(name="fs.download", sandbox="s", arguments={"path": "/x"}))
        with pytest.raises(Exception, match="old at"):
            _ = [chunk async for chunk in outcome.value.stream]

    assert outcome.value.size == 100


async def test_an_operation_daytona_has_no_request_for_is_said_to_be_unsupported() -> None:
    async with adapter(cut) as (backend, _):
        outcome = await backend.perform(Operation(name="pty.connect", sandbox="s", arguments={"pty": "p"}))

    assert (outcome.fate, outcome.status) == (Fate.UNSUPPORTED, 501)
