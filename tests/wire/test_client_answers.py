"""The Upstream contract: an answer comes as the origin said it, and its connection is used again when it may be."""

import asyncio
import gzip

import pytest

from crossfade.upstream import Upstream, UpstreamFailed
from tests.wire.origin import OK, Peer, answering, origin, until
from tests.wire.upstreams import asked

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
ZIPPED = gzip.compress(b"as it was packed", mtime=0)
BODIES: dict[str, tuple[bytes, bytes]] = {
    "length": (OK, b"ok"),
    "length 0": (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", b""),
    "chunks": (CHUNKED + b"3\r\nabc\r\nA\r\n0123456789\r\n0\r\n\r\n", b"abc0123456789"),
    "chunks with extensions and trailers": (CHUNKED + b"3;x=y\r\nabc\r\n0\r\nX-Sum: 1\r\n\r\n", b"abc"),
    "no chunk": (CHUNKED + b"0\r\n\r\n", b""),
    "204": (b"HTTP/1.1 204 No Content\r\n\r\n", b""),
    "304": (b"HTTP/1.1 304 Not Modified\r\nETag: x\r\n\r\n", b""),
    "304 that names a length": (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 99\r\n\r\n", b""),
    "after 100": (b"HTTP/1.1 100 Continue\r\n\r\n" + OK, b"ok"),
    "after 102 and 103": (
        b"HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + OK,
        b"ok",
    ),
    "packed": (
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n%b" % (len(ZIPPED), ZIPPED),
        ZIPPED,
    ),
    "an encoding nobody knows": (
        b"HTTP/1.1 200 OK\r\nContent-Encoding: sealed\r\nContent-Length: 2\r\n\r\nab",
        b"ab",
    ),
    "an error": (b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 3\r\n\r\nbad", b"bad"),
}
LAST: dict[str, bytes] = {
    "said": b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok",
    "old": b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
}


@pytest.mark.parametrize(("answer", "body"), BODIES.values(), ids=BODIES)
async def test_a_body_comes_undecoded_and_its_connection_is_used_again(
    upstream: Upstream, answer: bytes, body: bytes
) -> None:
    async with origin(answering(answer)) as there:
        for _ in range(3):
            assert await (await upstream.send(asked(there.url))).read(1000) == body

        assert there.connections == 1


async def test_status_reason_and_headers_come_as_they_were_said(upstream: Upstream) -> None:
    answer = (
        b"HTTP/1.1 299 Well, Nearly\r\nX-b: 1\r\nx-A: 2\r\nSet-Cookie: a=1\r\nX-B: 3\r\nset-cookie: b=2\r\n"
        b"Empty:\r\nLatin: \xe4\xff\r\nPadded:  x y \t\r\nContent-Length: 0\r\n\r\n"
    )
    async with origin(answering(answer)) as there:
        response = await upstream.send(asked(there.url))
        await response.read(10)

    assert (response.status, response.reason) == (299, b"Well, Nearly")
    assert list(response.headers) == [
        *[(b"X-b", b"1"), (b"x-A", b"2"), (b"Set-Cookie", b"a=1"), (b"X-B", b"3"), (b"set-cookie", b"b=2")],
        *[(b"Empty", b""), (b"Latin", b"\xe4\xff"), (b"Padded", b"x y"), (b"Content-Length", b"0")],
    ]


async def test_a_head_of_sixty_kilobytes_is_taken(upstream: Upstream) -> None:
    value = b"v" * 60_000
    async with origin(answering(b"HTTP/1.1 200 OK\r\nLong: %b\r\nContent-Length: 0\r\n\r\n" % value)) as there:
        response = await upstream.send(asked(there.url))
        await response.read(10)

    assert dict(response.headers)[b"Long"] == value


@pytest.mark.parametrize("length", [b"Content-Length: 99\r\n", b"Transfer-Encoding: chunked\r\n"])
async def test_head_has_no_body_whatever_its_answer_says(upstream: Upstream, length: bytes) -> None:
    async with origin(answering(b"HTTP/1.1 200 OK\r\n%b\r\n" % length)) as there:
        for _ in range(2):
            response = await upstream.send(asked(there.url, method="HEAD"))
            assert await response.read(1000) == b""

        assert there.connections == 1


async def test_head_needs_no_length_to_end(upstream: Upstream) -> None:
    async with origin(answering(b"HTTP/1.1 200 OK\r\n\r\n")) as there:
        assert await (await upstream.send(asked(there.url, method="HEAD"))).read(10) == b""


@pytest.mark.parametrize("answer", LAST.values(), ids=LAST)
async def test_a_connection_that_is_to_end_is_not_used_again(upstream: Upstream, answer: bytes) -> None:
    async with origin(answering(answer)) as there:
        for _ in range(2):
            assert await (await upstream.send(asked(there.url))).read(10) == b"ok"

        assert there.connections == 2


async def test_a_body_may_end_with_its_connection(upstream: Upstream) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.say(b"HTTP/1.1 200 OK\r\n\r\n", b"until ", b"the end")

    async with origin(script) as there:
        for _ in range(2):
            assert await (await upstream.send(asked(there.url))).read(100) == b"until the end"

        assert there.connections == 2


async def test_a_body_past_the_limit_fails_and_drops_the_connection(upstream: Upstream) -> None:
    let_go: list[int] = []

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.say(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n" + b"x" * 500)
        await peer.left()
        let_go.append(peer.number)

    async with origin(script) as there:
        response = await upstream.send(asked(there.url))
        with pytest.raises(UpstreamFailed, match="more than 100 bytes") as failed:
            await response.read(100)

        assert failed.value.sent
        await until(lambda: let_go == [1])


async def test_a_body_of_the_limit_is_read(upstream: Upstream) -> None:
    async with origin(answering(OK)) as there:
        assert await (await upstream.send(asked(there.url))).read(2) == b"ok"


async def test_closing_early_drops_the_connection_and_later_requests_get_their_own(upstream: Upstream) -> None:
    let_go: list[int] = []

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.say(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n", b"x" * 10)
        await peer.left()
        let_go.append(peer.number)

    async with origin(script) as there:
        first = await upstream.send(asked(there.url))
        await anext(aiter(first.chunks()))
        await first.close()
        await first.close()  # letting go twice is letting go
        await until(lambda: let_go == [1])
        second = await upstream.send(asked(there.url))

        assert there.connections == 2
        await second.close()


async def test_closing_after_the_end_keeps_the_connection(upstream: Upstream) -> None:
    async with origin(answering(OK)) as there:
        for _ in range(2):
            response = await upstream.send(asked(there.url))
            await response.read(10)
            await response.close()

        assert there.connections == 1


async def test_an_idle_connection_that_the_origin_closed_is_not_used(upstream: Upstream) -> None:
    gone: list[int] = []

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.say(OK)
        peer.writer.write_eof()
        await peer.left()  # the client has seen the end and closed its own
        gone.append(peer.number)

    async with origin(script) as there:
        for number in (1, 2):
            response = await upstream.send(asked(there.url, method="POST", body=b"not to be sent twice"))
            assert await response.read(10) == b"ok"
            await until(lambda number=number: gone[-1:] == [number])  # type: ignore[misc]

        assert len(there.requests) == 2


async def test_two_answers_under_way_have_a_connection_each(upstream: Upstream) -> None:
    both = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.say(OK[:-2])
        await both.wait()
        await peer.say(b"%d!" % peer.number)

    async with origin(script) as there:
        one, other = await upstream.send(asked(there.url)), await upstream.send(asked(there.url))
        both.set()

        assert [await one.read(10), await other.read(10)] == [b"1!", b"2!"]
