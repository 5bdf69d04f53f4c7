"""A client's call sent on to old: the request as it was, with our guard, and a purpose where it is not the answer."""

import contextlib
from collections.abc import AsyncIterator

import pytest

from crossfade.upstream import Purpose, UpstreamFailed
from router.engine.forward import Forward, body_size, has_body
from router.engine.old import OldAddresses
from router.wire.http1.client import Http1Upstream
from tests.engine.calls import call_of
from tests.wire.origin import OK, Origin, answering, origin

CHUNKED, SIZED = (b"transfer-encoding", b"chunked"), (b"content-length", b"3")


@contextlib.asynccontextmanager
async def forwarding(answer: bytes = OK) -> AsyncIterator[tuple[Forward, Origin]]:
    async with Http1Upstream() as upstream, origin(answering(answer)) as old:
        addresses = OldAddresses(f"{old.url}/daytona/api", upstream, toolbox=f"{old.url}/proxy/toolbox")
        yield Forward(upstream, addresses, instance="router-1"), old


async def streamed(*chunks: bytes) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk


@pytest.mark.parametrize(
    ("line", "sent"),
    [
        ("GET /api/sandbox?labels=%7B%7D&a=+", "GET /daytona/api/sandbox?labels=%7B%7D&a=+"),
        ("GET /toolbox/s1/files/info?path=%2Fa", "GET /proxy/toolbox/s1/files/info?path=%2Fa"),
        ("DELETE /toolbox/s1/files/", "DELETE /proxy/toolbox/s1/files/"),
    ],
)
async def test_a_call_reaches_its_own_address_at_old(line: str, sent: str) -> None:
    async with forwarding() as (forward, old):
        await (await forward.send(call_of(line), None)).read(10)

    assert old.requests[0].line == f"{sent} HTTP/1.1"


async def test_headers_go_on_but_for_what_was_meant_for_us() -> None:
    headers = [(b"authorization", b"Bearer k"), (b"connection", b"x-hop"), (b"x-hop", b"1"), (b"x-a", b"2")]
    async with forwarding() as (forward, old):
        await (await forward.send(call_of("GET /api/sandbox", *headers), None)).read(10)

    request = old.requests[0]
    assert (request.named("authorization"), request.named("x-a")) == (["Bearer k"], ["2"])
    assert request.named("host") == [old.url.removeprefix("http://")]
    assert request.named("x-crossfade-via") == ["router-1"]
    assert request.named("x-hop") == request.named("x-crossfade-purpose") == []


@pytest.mark.parametrize("purpose", [purpose for purpose in Purpose if purpose is not Purpose.ANSWER])
async def test_what_is_no_clients_call_says_so(purpose: Purpose) -> None:
    async with forwarding() as (forward, old):
        await (await forward.send(call_of("GET /api/sandbox"), None, purpose=purpose)).read(10)

    assert old.requests[0].named("x-crossfade-purpose") == [str(purpose)]


@pytest.mark.parametrize(
    ("headers", "length"), [([SIZED], ["3"]), ([CHUNKED], []), ([CHUNKED, SIZED], [])], ids=["sized", "chunked", "both"]
)
async def test_a_streamed_body_keeps_its_framing(headers: list[tuple[bytes, bytes]], length: list[str]) -> None:
    async with forwarding() as (forward, old):
        call = call_of("POST /api/sandbox", *headers)
        await (await forward.send(call, streamed(b"a", b"bc"))).read(10)

    request = old.requests[0]
    assert request.body == b"abc"
    assert request.named("content-length") == length
    assert len(request.named("transfer-encoding")) == (0 if length else 1)


async def test_an_answer_that_we_must_read_is_asked_for_unpacked() -> None:
    packed = (b"accept-encoding", b"gzip")
    async with forwarding() as (forward, old):
        await (await forward.send(call_of("GET /api/sandbox", packed), None)).read(10)
        answer = await forward.fetch(call_of("GET /api/sandbox", packed), None, 10)

    assert [request.named("accept-encoding") for request in old.requests] == [["gzip"], []]
    assert (answer.status, answer.body) == (200, b"ok")


async def test_an_answer_larger_than_we_hold_fails() -> None:
    async with forwarding() as (forward, _):
        with pytest.raises(UpstreamFailed, match="more than 1 bytes"):
            await forward.fetch(call_of("GET /api/sandbox"), None, 1)


@pytest.mark.parametrize(
    ("headers", "announced", "size"),
    [
        ([], False, 0),
        ([SIZED], True, 3),
        ([(b"content-length", b"0")], False, 0),
        ([CHUNKED], True, 0),
        ([(b"content-length", b"-5")], True, 0),
        ([(b"content-length", b"\xb2")], True, 0),
    ],
)
def test_what_a_request_announces_of_its_body(headers: list[tuple[bytes, bytes]], announced: bool, size: int) -> None:
    call = call_of("POST /api/sandbox", *headers)

    assert (has_body(call), body_size(call)) == (announced, size)
