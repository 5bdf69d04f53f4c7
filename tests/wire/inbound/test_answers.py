"""Every framing of an answer arrives as it was meant."""

import asyncio

import pytest

from tests.wire.inbound.kit import origin, relay
from tests.wire.inbound.scripts import Reader, Writer, answering, ok, request, saying

GET = b"GET /x HTTP/1.1\r\nHost: h\r\n\r\n"
HEAD = b"HEAD /x HTTP/1.1\r\nHost: h\r\n\r\n"


async def test_head_is_passed_byte_for_byte_but_for_hop_by_hop() -> None:
    answer = b"HTTP/1.1 413 Too Large\r\nX-Odd: a\r\nsEt-cookie: 1\r\nSet-Cookie: 2\r\nKeep-Alive: timeout=5\r\n"
    answer += b"Content-Encoding: gzip\r\nContent-Length: 2\r\n\r\n\x1f\x8b"
    async with origin(saying(answer)) as base, relay(base) as running:
        wire = await running.connect()
        await wire.send(GET)
        status, head, body = await wire.answer()
    assert head.startswith(b"HTTP/1.1 413 Too Large\r\nX-Odd: a\r\nsEt-cookie: 1\r\nSet-Cookie: 2\r\nContent-Encoding")
    assert (status, body) == (413, b"\x1f\x8b")
    assert b"keep-alive" not in head.lower()


async def test_request_head_is_passed_in_order_without_what_is_ours() -> None:
    seen: list[bytes] = []

    async def handle(head: bytes, body: bytes, writer: Writer) -> None:
        seen.append(head)
        writer.write(ok(b""))

    asked = b"GET /a%2Fb//c?x=1%202 HTTP/1.1\r\nHost: us\r\naCCept: */*\r\nX-A: 1\r\nX-A: 2\r\nTE: trailers\r\n"
    asked += b"Proxy-Connection: keep-alive\r\nAccept-Encoding: gzip\r\n\r\n"
    async with origin(answering(handle)) as base, relay(base) as running:
        wire = await running.connect()
        await wire.send(asked)
        await wire.answer()
    lines = seen[0].split(b"\r\n")
    assert lines[0] == b"GET /a%2Fb//c?x=1%202 HTTP/1.1"
    assert lines[1] == b"Host: " + base.removeprefix("http://").encode()
    assert lines[2:6] == [b"aCCept: */*", b"X-A: 1", b"X-A: 2", b"Accept-Encoding: gzip"]


async def test_encoding_is_not_asked_for_where_the_answer_is_kept() -> None:
    seen: list[bytes] = []

    async def handle(head: bytes, body: bytes, writer: Writer) -> None:
        seen.append(head)
        writer.write(ok(b"plain"))

    async with origin(answering(handle)) as base, relay(base, keep=100) as running:
        wire = await running.connect()
        await wire.send(b"GET /x HTTP/1.1\r\nHost: h\r\nAccept-Encoding: gzip\r\nX-B: 1\r\n\r\n")
        await wire.answer()
        ended = await running.ends(1)
    assert b"ccept" not in seen[0] and b"X-B: 1" in seen[0]
    assert ended[0].kept == b"plain"


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-T\r\n\r\nb\r\nhello world\r\n0\r\nX-T: 1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\nhello world",
        b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\nhello world",
    ],
    ids=["chunked", "trailers", "length", "103"],
)
@pytest.mark.parametrize("pieces", [False, True], ids=["at once", "byte by byte"])
async def test_framings(answer: bytes, pieces: bool) -> None:
    async def script(reader: Reader, writer: Writer) -> None:
        for _ in range(2):
            await request(reader)
            for piece in [answer[at : at + 1] for at in range(len(answer))] if pieces else [answer]:
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(0)
        await reader.read()
        writer.close()

    async with origin(script) as base, relay(base) as running:
        wire = await running.connect()
        for _ in range(2):
            await wire.send(GET)
            status, _, body = await wire.answer()
            assert (status, body) == (200, b"hello world")
        await wire.close()


@pytest.mark.parametrize("kept", [0, 1000])
async def test_answer_that_ends_with_the_connection(kept: int) -> None:
    async with origin(saying(b"HTTP/1.1 200 OK\r\n\r\nhello world", close=True)) as base, relay(base, keep=kept) as it:
        wire = await it.connect()
        await wire.send(GET)
        assert (await wire.answer())[2] == b"hello world"
        ended = await it.ends(1)
    assert ended[0].complete and ended[0].bytes_out == 11
    assert ended[0].kept == (b"hello world" if kept else None)


async def test_head_requests_have_no_body_and_leave_the_connection_usable() -> None:
    async def handle(head: bytes, body: bytes, writer: Writer) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n" + (b"" if head.startswith(b"HEAD") else b"hello"))

    async with origin(answering(handle)) as base, relay(base) as running:
        wire = await running.connect()
        await wire.send(HEAD)
        assert b"Content-Length: 5" in await wire.until(b"\r\n\r\n")
        await wire.send(GET)
        assert (await wire.answer())[2] == b"hello"


@pytest.mark.parametrize("status", [204, 304])
async def test_answers_without_body(status: int) -> None:
    answer = b"HTTP/1.1 %d X\r\nContent-Length: 5\r\n\r\n" % status if status == 304 else b"HTTP/1.1 204 X\r\n\r\n"
    async with origin(saying(answer)) as base, relay(base) as running:
        wire = await running.connect()
        for _ in range(2):
            await wire.send(GET)
            assert (await wire.until(b"\r\n\r\n")).startswith(b"HTTP/1.1 %d X\r\n" % status)


async def test_chunked_answer_to_an_old_client_ends_with_the_connection() -> None:
    answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
    async with origin(saying(answer)) as base, relay(base) as running:
        wire = await running.connect()
        await wire.send(b"GET /x HTTP/1.0\r\nHost: h\r\n\r\n")
        rest = await wire.rest()
    assert rest.endswith(b"\r\n\r\nhello") and b"chunked" not in rest


async def test_answer_larger_than_what_is_kept_is_passed_on_whole() -> None:
    body = b"x" * 300_000
    async with origin(saying(ok(body))) as base, relay(base, keep=1000) as running:
        wire = await running.connect()
        await wire.send(GET)
        assert (await wire.answer())[2] == body
        ended = await running.ends(1)
    assert ended[0].kept is None and ended[0].bytes_out == len(body)


async def test_bytes_behind_an_answer_reach_nobody() -> None:
    # Two answers in one segment: the second is nobody's, and must not be the next request's.
    answers = iter([ok(b"one") + ok(b"smuggled"), ok(b"two"), ok(b"three")])

    async def handle(head: bytes, body: bytes, writer: Writer) -> None:
        writer.write(next(answers))

    async with origin(answering(handle)) as base, relay(base) as running:
        wire = await running.connect()
        got = []
        for _ in range(3):
            await wire.send(GET)
            got.append((await wire.answer())[2])
            await asyncio.sleep(0.05)
    assert got == [b"one", b"two", b"three"]
