"""The Upstream contract: an origin gets what the request says, byte for byte, and nothing of the client's own."""

from collections.abc import AsyncIterator

import pytest

from crossfade.stage import Origin
from crossfade.upstream import Purpose, Upstream
from router.wire.headers import call_id
from tests.wire.origin import OK, Peer, Received, answering, origin
from tests.wire.upstreams import asked

TARGETS = [
    "/a%2Fb%2fc",
    "//double///slash",
    "/a/../b/./c",
    "/q?a=b%20c&a=b+c&&=&x",
    "/q?path=%2Fworkspace%2F%C3%A4.txt",
    "/q?a=1?b=2",
    "/sub-delims/!$&'()*+,;=:@~",
    "/percent/%zz%",
    "/" + "long/" * 2000,
]
OWN = {"accept", "accept-encoding", "user-agent", "content-type", "cookie", "accept-language", "te"}


async def streamed(*chunks: bytes) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk


async def got(upstream: Upstream, **request: object) -> Received:
    """What an origin gets of this request."""
    async with origin(answering(OK)) as there:
        response = await upstream.send(asked(there.url, **request))  # type: ignore[arg-type]
        assert await response.read(10) == b"ok"
        return there.requests[0]


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target[:30])
async def test_the_target_travels_byte_for_byte(upstream: Upstream, target: str) -> None:
    assert (await got(upstream, target=target)).line == f"GET {target} HTTP/1.1"


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "HEAD", "PROPFIND"])
async def test_any_method_travels(upstream: Upstream, method: str) -> None:
    async with origin(answering(OK if method != "HEAD" else OK[:-2])) as there:
        await (await upstream.send(asked(there.url, method=method))).read(10)

    assert there.requests[0].line == f"{method} / HTTP/1.1"


async def test_a_mark_without_a_query_travels(upstream: Upstream) -> None:
    assert (await got(upstream, target="/q?")).line == "GET /q? HTTP/1.1"


async def test_headers_keep_their_case_order_and_duplicates(upstream: Upstream) -> None:
    headers = [(b"X-b", b"1"), (b"x-A", b"2"), (b"X-b", b"3"), (b"X-Empty", b""), (b"X-b", "ä".encode())]
    received = await got(upstream, headers=headers)

    mine = [pair for pair in received.headers if pair[0].lower().startswith("x-")]
    assert mine == [("X-b", "1"), ("x-A", "2"), ("X-b", "3"), ("X-Empty", ""), ("X-b", "\xc3\xa4")]


async def test_duplicates_of_another_spelling_are_not_lost(upstream: Upstream) -> None:
    received = await got(upstream, headers=[(b"X-b", b"1"), (b"x-B", b"2"), (b"X-B", b"3")])

    assert received.named("x-b") == ["1", "2", "3"]


async def test_a_value_that_is_no_utf8_keeps_its_bytes(upstream: Upstream) -> None:
    assert (await got(upstream, headers=[(b"X-b", b"\xe4\xff")])).named("x-b") == ["\xe4\xff"]


@pytest.mark.parametrize("body", [None, b"x" * 3], ids=["no body", "body"])
async def test_nothing_is_added_but_the_host_and_the_framing(upstream: Upstream, body: bytes | None) -> None:
    received = await got(upstream, method="POST" if body else "GET", body=body)

    names = [name.lower() for name, _ in received.headers]
    assert not OWN & set(names)
    assert names.count("host") == 1
    assert set(names) <= {"host", "content-length", "connection"}


async def test_the_host_is_the_origins(upstream: Upstream) -> None:
    async with origin(answering(OK)) as there:
        await (await upstream.send(asked(there.url))).read(10)

    assert there.requests[0].named("host") == [there.url.removeprefix("http://")]


async def test_the_id_of_the_clients_call_goes_along(upstream: Upstream) -> None:
    token = call_id.set("call-7")
    try:
        assert (await got(upstream)).named("x-crossfade-call") == ["call-7"]
    finally:
        call_id.reset(token)


@pytest.mark.parametrize("size", [0, 1, 70_000, 3_000_000])
async def test_a_body_of_bytes_goes_with_its_length(upstream: Upstream, size: int) -> None:
    body = bytes(range(256)) * (size // 256) + b"z" * (size % 256)
    received = await got(upstream, method="PUT", body=body)

    assert received.body == body
    assert received.named("content-length") in ([str(size)], [] if size == 0 else None)
    assert received.named("transfer-encoding") == []


async def test_a_stream_of_unknown_length_goes_in_chunks(upstream: Upstream) -> None:
    received = await got(upstream, method="POST", body=streamed(b"one", b"", b"two"))

    assert received.body == b"onetwo"
    assert [value.lower() for value in received.named("transfer-encoding")] == ["chunked"]
    assert received.named("content-length") == []


async def test_a_stream_of_known_length_goes_with_that_length(upstream: Upstream) -> None:
    headers = [(b"Content-Length", b"6"), (b"Content-Type", b"text/x")]
    received = await got(upstream, method="POST", headers=headers, body=streamed(b"one", b"two"))

    assert received.body == b"onetwo"
    assert received.named("content-length") == ["6"]
    assert received.named("transfer-encoding") == []
    assert received.named("content-type") == ["text/x"]


async def test_no_cookie_of_one_call_is_replayed_on_the_next(upstream: Upstream) -> None:
    cookie = b"HTTP/1.1 200 OK\r\nSet-Cookie: tenant=first; Path=/\r\nContent-Length: 0\r\n\r\n"
    async with origin(answering(cookie)) as there:
        for _ in range(2):
            response = await upstream.send(asked(there.url))
            await response.read(10)

    assert [received.named("cookie") for received in there.requests] == [[], []]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_an_answer_and_is_not_followed(upstream: Upstream, status: int) -> None:
    async def script(peer: Peer) -> None:
        while True:
            await peer.request()
            await peer.say(b"HTTP/1.1 %d Moved\r\nLocation: /elsewhere\r\nContent-Length: 4\r\n\r\nmove" % status)

    async with origin(script) as there:
        response = await upstream.send(asked(there.url, "/here"))
        assert (response.status, await response.read(10)) == (status, b"move")

    assert [received.line for received in there.requests] == ["GET /here HTTP/1.1"]


async def test_every_request_that_left_is_counted_once(
    upstream: Upstream, counted: list[tuple[Origin, Purpose]]
) -> None:
    async with origin(answering(OK)) as there:
        for _ in range(3):
            await (await upstream.send(asked(there.url, method="POST", body=b"b"))).read(10)

    assert counted == [(Origin.OLD, Purpose.ANSWER)] * 3
