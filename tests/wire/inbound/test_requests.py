"""Requests: bodies, turns on a connection, and what is left to the application."""

import asyncio

from tests.wire.inbound.kit import origin, relay
from tests.wire.inbound.scripts import Reader, Writer, answering, echo, ok, request


def post(path: bytes, body: bytes, *lines: bytes) -> bytes:
    head = b"POST %b HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n" % (path, len(body))
    return head + b"".join(line + b"\r\n" for line in lines) + b"\r\n" + body


async def test_head_and_small_body_reach_the_origin_in_one_piece() -> None:
    pieces: list[bytes] = []

    async def script(reader: Reader, writer: Writer) -> None:
        pieces.append(await reader.read(65_536))
        writer.write(ok(b"yes"))
        await reader.read()
        writer.close()

    async with origin(script) as base, relay(base) as running:
        wire = await running.connect()
        await wire.send(b"POST /x HTTP/1.1\r\nHost: h\r\nContent-")
        await asyncio.sleep(0.05)
        await wire.send(b"Length: 4\r\n\r\nab")
        await asyncio.sleep(0.05)
        await wire.send(b"cd")
        assert (await wire.answer())[2] == b"yes"
        await wire.close()
    assert pieces[0].startswith(b"POST /x") and pieces[0].endswith(b"\r\n\r\nabcd")


async def test_large_upload_through_a_cold_pool() -> None:
    body = bytes(range(256)) * 40_000
    async with origin(answering(echo)) as base, relay(base) as running:
        wire = await running.connect()
        await wire.send(post(b"/up", body))
        assert (await wire.answer())[2] == b"/up " + body
        ended = await running.ends(1)
    assert ended[0].bytes_in == len(body)


async def test_chunked_upload_stays_chunked() -> None:
    async with origin(answering(echo)) as base, relay(base) as running:
        wire = await running.connect()
        await wire.send(b"POST /up HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
        await asyncio.sleep(0.02)
        await wire.send(b"1\r\n!\r\n0\r\n\r\n")
        assert (await wire.answer())[2] == b"/up hello!"


async def test_pipelined_requests_are_answered_in_order_whoever_answers() -> None:
    async with origin(answering(echo)) as base, relay(base) as running:
        wire = await running.connect()
        paths = [b"/1", b"/asgi/2", b"/3", b"/late/4", b"/5", b"/broken/6", b"/7"]
        await wire.send(b"".join(post(path, b"b") for path in paths))
        got = [await wire.answer() for _ in paths]
    assert [body for _, _, body in got] == [
        b"/1 b",
        b'{"asgi": "/asgi/2", "bytes": 1}',
        b"/3 b",
        b'{"asgi": "/late/4", "bytes": 1}',
        b"/5 b",
        b'{"message":"ours"}',
        b"/7 b",
    ]
    assert running.asgi == [("/asgi/2", b"b"), ("/late/4", b"b")]


async def test_application_gets_what_was_collected_before_it_was_asked() -> None:
    async with origin(answering(echo)) as base, relay(base) as running:
        wire = await running.connect()
        for size in (0, 1, 60_000):
            await wire.send(post(b"/late", b"x" * size))
            assert (await wire.answer())[2] == b'{"asgi": "/late", "bytes": %d}' % size


async def test_expect_is_left_to_the_application() -> None:
    async with origin(answering(echo)) as base, relay(base) as running:
        wire = await running.connect()
        await wire.send(b"POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n")
        assert (await wire.until(b"\r\n\r\n")).startswith(b"HTTP/1.1 100")
        await wire.send(b"ab")
        assert (await wire.answer())[2] == b'{"asgi": "/x", "bytes": 2}'


async def test_early_answer_while_the_request_is_still_coming() -> None:
    async def script(reader: Reader, writer: Writer) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 413 No\r\nContent-Length: 3\r\nConnection: close\r\n\r\nbig")
        await writer.drain()
        writer.close()

    async with origin(script) as base, relay(base) as running:
        wire = await running.connect()
        await wire.send(b"POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 10000000\r\n\r\n" + b"x" * 100_000)
        status, head, body = await wire.answer()
        assert (status, body) == (413, b"big")
        assert b"connection: close" in head.lower()
        await wire.close()


async def test_connection_without_a_request_is_closed_after_a_while() -> None:
    async with origin(answering(echo)) as base, relay(base, keep_alive_seconds=1) as running:
        silent, half, used = [await running.connect() for _ in range(3)]
        await half.send(b"GET /x HTTP/1.1\r\nHost:")
        await used.send(post(b"/x", b""))
        await used.answer()
        for wire in (silent, half, used):
            assert await wire.rest() == b""


async def test_call_longer_than_the_idle_time_is_not_cut() -> None:
    async def slow(head: bytes, body: bytes, writer: Writer) -> None:
        await asyncio.sleep(2.5)
        writer.write(ok(b"late"))

    async with origin(answering(slow)) as base, relay(base, keep_alive_seconds=1) as running:
        wire = await running.connect()
        await wire.send(post(b"/x", b""))
        assert (await wire.answer())[2] == b"late"


async def test_client_that_says_close_is_closed() -> None:
    async with origin(answering(echo)) as base, relay(base) as running:
        wire = await running.connect()
        await wire.send(post(b"/x", b"", b"Connection: close"))
        rest = await wire.rest()
    assert b"connection: close" in rest.lower() and rest.endswith(b"/x ")


async def test_request_of_an_old_client_ends_the_connection_unless_it_asks() -> None:
    async with origin(answering(echo)) as base, relay(base) as running:
        wire = await running.connect()
        await wire.send(b"GET /a HTTP/1.0\r\nHost: h\r\nConnection: keep-alive\r\n\r\n")
        assert b"connection: keep-alive" in (await wire.answer())[1].lower()
        await wire.send(b"GET /b HTTP/1.0\r\nHost: h\r\n\r\n")
        assert (await wire.rest()).endswith(b"/b ")


async def test_scripts_read_requests() -> None:
    reader = asyncio.StreamReader()
    reader.feed_data(post(b"/x", b"abc"))
    assert (await request(reader))[1] == b"abc"
