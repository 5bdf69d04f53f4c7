"""Up- and downloads over sockets that break, stall or are let go of: no silent truncation, no false success."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable

import pytest

from crossfade.operation import Operation
from crossfade.outcome import Fate
from crossfade.ports import Backend
from crossfade.stage import Origin
from crossfade.upstream import UpstreamFailed
from router.backends.daytona.backend import DaytonaBackend
from router.backends.e2b.backend import E2BBackend
from router.wire.http1.client import Http1Upstream
from tests.wire.origin import Peer, Received, origin, settled, until

MEGABYTE = 1024 * 1024
ON_ITS_WAY = 24 * MEGABYTE  # buffers of two kernels and our own; the whole would be far more
WHOLE = 256 * MEGABYTE
PIECE = b"x" * 65_536
SANDBOX = b'{"sandboxID":"s","templateID":"base","envdAccessToken":"t","state":"running","id":"s"}'


def json_answer(body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body


@contextlib.asynccontextmanager
async def provider(kind: str, transfer: Callable[[Peer, Received], object]) -> AsyncIterator[Backend]:
    """An adapter before an origin that knows its sandbox, and does with files what a test says."""

    async def script(peer: Peer) -> None:
        while True:
            head = await peer.head()
            path = head.line.split()[1]
            if path.startswith(("/files", "/toolbox/s/files", "/api/toolbox/s/toolbox/files")):
                await transfer(peer, head)  # type: ignore[misc]
            else:
                await peer.say(json_answer(b"{}" if path == "/api/config" else SANDBOX))

    async with origin(script) as there, Http1Upstream() as upstream, asyncio.timeout(60):
        if kind == "daytona":
            yield DaytonaBackend(upstream, base=f"{there.url}/api", key="key", origin=Origin.OLD)
        else:
            yield E2BBackend(
                upstream, api_url=there.url, sandbox_url=there.url, domain="sandbox.test", key="key",
                templates={"*": "base"}, origin=Origin.NEW,
            )  # fmt: skip


@pytest.fixture(params=["daytona", "e2b"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def download() -> Operation:
    return Operation(name="fs.download", sandbox="s", arguments={"path": "/f"})


def upload(body: AsyncIterator[bytes] | bytes) -> Operation:
    return Operation(name="fs.upload", sandbox="s", arguments={"path": "/f"}, body=body)


LENGTH = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n" + b"x" * 999
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3e7\r\n" + b"x" * 999 + b"\r\n"
PARTIAL = b"HTTP/1.1 206 Partial\r\nContent-Range: bytes 0-999/2000\r\nContent-Length: 1000\r\n\r\n" + b"x" * 999


@pytest.mark.parametrize("answer", [LENGTH, CHUNKED, PARTIAL], ids=["length", "chunked", "range"])
@pytest.mark.parametrize("reset", [False, True], ids=["closed", "reset"])
async def test_a_download_that_is_cut_short_is_an_error(kind: str, answer: bytes, reset: bool) -> None:
    async def cut(peer: Peer, _head: Received) -> None:
        await peer.say(answer)
        if reset:
            await asyncio.sleep(0.05)
            peer.reset()
        else:
            peer.writer.close()

    async with provider(kind, cut) as backend:
        got = await backend.perform(download())
        assert got.ok, got

        with pytest.raises(UpstreamFailed):
            _ = [chunk async for chunk in got.value.stream]


async def test_a_reader_that_stops_stops_the_origin(kind: str) -> None:
    sent = 0

    async def endless(peer: Peer, _head: Received) -> None:
        nonlocal sent
        await peer.say(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % WHOLE)
        while sent < WHOLE:
            await peer.say(PIECE)
            sent += len(PIECE)

    async with provider(kind, endless) as backend:
        got = await backend.perform(download())
        first = await anext(got.value.stream)

        assert first.strip(b"x") == b""
        assert await settled(lambda: sent) < ON_ITS_WAY
        await got.value.stream.aclose()


@pytest.mark.parametrize("begun", [False, True], ids=["unread", "half read"])
async def test_a_download_that_is_let_go_of_ends_at_the_origin(kind: str, begun: bool) -> None:
    ended = asyncio.Event()

    async def wait(peer: Peer, _head: Received) -> None:
        await peer.say(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nfirst")
        await peer.left()
        ended.set()

    async with provider(kind, wait) as backend:
        got = await backend.perform(download())
        if begun:
            assert await anext(got.value.stream) == b"first"
        await got.value.stream.aclose()

        await ended.wait()


async def test_an_origin_that_stops_taking_stops_the_source_of_an_upload(kind: str) -> None:
    given = 0

    async def source() -> AsyncIterator[bytes]:
        nonlocal given
        while given < WHOLE:
            yield PIECE
            given += len(PIECE)

    async def idle(peer: Peer, _head: Received) -> None:
        peer.writer.transport.pause_reading()  # type: ignore[attr-defined]
        await asyncio.sleep(3600)

    async with provider(kind, idle) as backend:
        working = asyncio.create_task(backend.perform(upload(source())))
        await until(lambda: given > 0)

        assert await settled(lambda: given) < ON_ITS_WAY
        working.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await working


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n[", b"HTTP/1.1 200 OK\r\n"])
@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
async def test_an_upload_whose_answer_is_lost_is_unknown(kind: str, answer: bytes, streamed: bool) -> None:
    async def take(peer: Peer, head: Received) -> None:
        if streamed:
            assert [size async for size in peer.chunks()]
        else:
            await peer.reader.readexactly(int(head.named("content-length")[0]))
        await peer.say(answer)
        peer.writer.close()

    async def source() -> AsyncIterator[bytes]:
        yield b"data"

    async with provider(kind, take) as backend:
        got = await backend.perform(upload(source() if streamed else b"data"))

    assert (got.ok, got.fate, got.status) == (False, Fate.UNKNOWN, 502)


async def test_an_upload_that_is_refused_early_is_refused(kind: str) -> None:
    body = b'{"code":507,"message":"no space left","statusCode":507}'

    async def refuse(peer: Peer, _head: Received) -> None:
        await peer.reader.read(65_536)
        head = b"HTTP/1.1 507 Full\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
        await peer.say(head % len(body) + body)
        await peer.left()

    async def source() -> AsyncIterator[bytes]:
        for _ in range(10_000):
            yield PIECE

    async with provider(kind, refuse) as backend:
        got = await backend.perform(upload(source()))

    assert (got.ok, got.status) == (False, 507)
    assert "no space left" in got.message


class Gone(Exception):
    """What a client's body raises when the client has gone."""


async def test_a_source_that_breaks_off_never_ends_the_request(kind: str) -> None:
    seen: list[bytes] = []
    broke = asyncio.Event()

    async def take(peer: Peer, _head: Received) -> None:
        try:
            async for chunk in peer.chunks():
                seen.append(chunk)
        except asyncio.IncompleteReadError:
            broke.set()
            raise

    async def source() -> AsyncIterator[bytes]:
        yield b"half"
        await until(lambda: b"half" in b"".join(seen))
        raise Gone

    async with provider(kind, take) as backend:
        with pytest.raises(Gone):
            await backend.perform(upload(source()))

        await broke.wait()
