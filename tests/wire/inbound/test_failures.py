"""What goes wrong at either end."""

import asyncio
import time

import pytest

from tests.wire.inbound.kit import PATIENCE, origin, relay
from tests.wire.inbound.scripts import Reader, Writer, answering, echo, ok, request, saying

GET = b"GET /x HTTP/1.1\r\nHost: h\r\n\r\n"


async def test_refused_connection_is_an_answer_of_ours_and_keeps_the_client() -> None:
    async with origin(answering(echo)) as base:
        pass
    async with relay(base) as running:
        wire = await running.connect()
        for _ in range(2):
            await wire.send(GET)
            status, _, body = await wire.answer()
            assert (status, body) == (502, b'{"message":"origin lost"}')
        ended = await running.ends(2)
    assert not ended[0].complete and ended[0].lost


async def test_origin_that_closes_without_an_answer() -> None:
    async def script(reader: Reader, writer: Writer) -> None:
        await request(reader)
        writer.close()

    async with origin(script) as base, relay(base) as running:
        wire = await running.connect()
        await wire.send(b"POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\na")
        assert (await wire.answer())[0] == 502


@pytest.mark.parametrize(
    "half",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhal",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
    ],
    ids=["length", "chunked"],
)
async def test_cut_answer_never_looks_whole(half: bytes) -> None:
    async with origin(saying(half, close=True)) as base, relay(base) as running:
        wire = await running.connect()
        await wire.send(GET)
        try:
            got = await wire.rest()
        except ConnectionError:
            got = b""
        ended = await running.ends(1)
    assert not got.endswith(b"0\r\n\r\n") and b"502" not in got
    assert not ended[0].complete and ended[0].lost


async def test_garbage_instead_of_an_answer() -> None:
    async with origin(saying(b"SSH-2.0-OpenSSH\r\n\r\n", close=True)) as base, relay(base) as running:
        wire = await running.connect()
        await wire.send(GET)
        assert (await wire.answer())[0] == 502


async def test_client_that_goes_away_takes_the_origins_request_along() -> None:
    gone = asyncio.Event()

    async def script(reader: Reader, writer: Writer) -> None:
        await request(reader)
        await reader.read()
        gone.set()
        writer.close()

    async with origin(script) as base, relay(base) as running:
        wire = await running.connect()
        await wire.send(GET)
        await asyncio.sleep(0.05)
        wire.writer.transport.abort()
        async with asyncio.timeout(PATIENCE):
            await gone.wait()
        ended = await running.ends(1)
    assert ended[0].disconnected and not ended[0].complete


async def test_slow_reader_bounds_what_is_held() -> None:
    sent = 0

    async def handle(head: bytes, body: bytes, writer: Writer) -> None:
        nonlocal sent
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 200000000\r\n\r\n")
        for _ in range(2000):
            writer.write(b"x" * 100_000)
            await writer.drain()
            sent += 100_000

    async with origin(answering(handle)) as base, relay(base) as running:
        wire = await running.connect()
        wire.writer.transport.get_extra_info("socket")  # reads nothing more than its buffer takes
        wire.reader._transport.pause_reading()  # type: ignore[attr-defined]
        await wire.send(GET)
        await asyncio.sleep(1.0)
        assert sent < 30_000_000
        wire.writer.transport.abort()


async def test_slow_origin_bounds_what_is_held_of_an_upload() -> None:
    taken = asyncio.Event()

    async def script(reader: Reader, writer: Writer) -> None:
        await reader.readuntil(b"\r\n\r\n")
        await taken.wait()
        total = 0
        while total < 50_000_000:
            total += len(await reader.read(1_000_000))
        writer.write(ok(b"%d" % total))
        await writer.drain()
        writer.close()

    async with origin(script) as base, relay(base) as running:
        wire = await running.connect()
        await wire.send(b"POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 50000000\r\n\r\n")
        sending = asyncio.get_running_loop().create_task(wire.send(b"x" * 50_000_000))
        await asyncio.sleep(1.0)
        assert not sending.done()
        taken.set()
        assert (await wire.answer())[2] == b"50000000"
        await sending


async def test_no_http_is_refused_in_the_apis_format() -> None:
    async with origin(answering(echo)) as base, relay(base) as running:
        for garbage in (
            b"HELLO\r\n\r\n",
            b"GET /x HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        ):
            wire = await running.connect()
            await wire.send(garbage)
            got = await wire.rest()
            assert got.startswith(b"HTTP/1.1 400") and got.endswith(b'{"message": "Invalid HTTP request received."}')


async def test_no_http_behind_a_request_does_not_take_its_answer() -> None:
    async def slow(head: bytes, body: bytes, writer: Writer) -> None:
        await asyncio.sleep(0.2)
        await echo(head, body, writer)

    async with origin(answering(slow)) as base, relay(base) as running:
        wire = await running.connect()
        await wire.send(GET + GET.replace(b"/x", b"/y") + b"HELLO\r\n\r\n")
        assert (await wire.answer())[2] == b"/x "
        assert (await wire.answer())[2] == b"/y "
        assert (await wire.rest()).startswith(b"HTTP/1.1 400")


async def test_broken_body_is_refused_and_the_origin_let_go() -> None:
    gone = asyncio.Event()

    async def script(reader: Reader, writer: Writer) -> None:
        await reader.read()
        gone.set()
        writer.close()

    async with origin(script) as base, relay(base) as running:
        wire = await running.connect()
        await wire.send(b"POST /x HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nZZ\r\n")
        assert (await wire.rest()).startswith(b"HTTP/1.1 400")
        async with asyncio.timeout(PATIENCE):
            await gone.wait()


async def test_endless_head_is_refused() -> None:
    async with origin(answering(echo)) as base, relay(base) as running:
        wire = await running.connect()
        await wire.send(b"GET /x HTTP/1.1\r\nHost: h\r\nX-A: ")
        try:
            for _ in range(20):
                await wire.send(b"a" * 65_536)
            got = await wire.rest()
        except ConnectionError:
            got = b"HTTP/1.1 400"
        assert got.startswith(b"HTTP/1.1 400")


async def test_graceful_end_lets_a_call_finish_and_says_close() -> None:
    asked = asyncio.Event()

    async def slow(head: bytes, body: bytes, writer: Writer) -> None:
        asked.set()
        await asyncio.sleep(0.5)
        writer.write(ok(b"done"))

    async with origin(answering(slow)) as base, relay(base) as running:
        wire, idle = await running.connect(), await running.connect()
        await wire.send(GET)
        await asked.wait()
        running.server.should_exit = True
        _, head, body = await wire.answer()
        assert body == b"done" and b"connection: close" in head.lower()
        assert await wire.rest() == await idle.rest() == b""


async def test_end_of_patience_cuts_what_is_left() -> None:
    async def never(head: bytes, body: bytes, writer: Writer) -> None:
        await asyncio.sleep(600)

    async with origin(answering(never)) as base, relay(base) as running:
        wire = await running.connect()
        await wire.send(GET)
        await asyncio.sleep(0.1)
        started = time.monotonic()
        for protocol in list(running.server.server_state.connections):
            protocol.cut()  # type: ignore[union-attr]
        ended = await running.ends(1)
        assert time.monotonic() - started < PATIENCE
        assert not ended[0].complete and not ended[0].disconnected
