"""The Upstream port over these connections: what its contract (tests/wire/test_client_*) leaves open."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from crossfade.stage import Origin
from crossfade.upstream import Purpose, UpstreamFailed
from router.wire.http1 import Pools, PoolSettings
from router.wire.http1.client import Http1Upstream
from tests.wire.http1.asking import OK
from tests.wire.origin import Peer, answering, origin, until
from tests.wire.upstreams import asked

EXPECT = [(b"Expect", b"100-continue")]


async def streamed(*pieces: bytes) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


@pytest.mark.parametrize("body", [b"body", "stream"])
async def test_an_expected_100_is_waited_for_before_the_body_is_sent(body: object) -> None:
    early: list[bytes] = []

    async def script(peer: Peer) -> None:
        head = await peer.head()
        assert head.named("expect") == ["100-continue"]
        with pytest.raises(TimeoutError):
            early.append(await asyncio.wait_for(peer.reader.read(1), 0.2))
        await peer.say(b"HTTP/1.1 100 Continue\r\n\r\n")
        assert b"body" in await peer.reader.readuntil(b"body")
        await peer.say(OK)
        await peer.left()

    async with origin(script) as there, Http1Upstream() as upstream:
        sent = body if isinstance(body, bytes) else streamed(b"body")
        response = await upstream.send(asked(there.url, method="POST", headers=EXPECT, body=sent))
        assert await response.read(10) == b"ok"

    assert early == []


async def test_an_origin_that_never_says_100_gets_the_body_all_the_same() -> None:
    async with origin(answering(OK)) as there, Http1Upstream() as upstream:
        response = await upstream.send(asked(there.url, method="POST", headers=EXPECT, body=b"body"))
        assert await response.read(10) == b"ok"

    assert there.requests[0].body == b"body"


@pytest.mark.parametrize("slow", [False, True], ids=["at once", "slowly"])
async def test_a_body_that_the_origin_declines_is_not_sent_and_costs_the_connection(slow: bool) -> None:
    rest: list[bytes] = []

    async def script(peer: Peer) -> None:
        await peer.head()
        await peer.say(b"HTTP/1.1 417 No\r\nContent-Length: 2\r\n\r\nn")
        if slow:
            await asyncio.sleep(1.3)
        await peer.say(b"o")
        try:
            rest.append(await peer.reader.read(-1))
        except ConnectionError:
            rest.append(b"")

    settings = PoolSettings(linger_seconds=60)
    async with origin(script) as there, Pools(settings) as pools, Http1Upstream(pools=pools) as upstream:
        response = await upstream.send(asked(there.url, method="POST", headers=EXPECT, body=streamed(b"body")))
        assert (response.status, await response.read(10)) == (417, b"no")
        await until(lambda: bool(rest))

    assert rest == [b""]


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ([(b"Content-Length", b"5")], b"four"),
        ([(b"Content-Length", b"5")], None),
        ([(b"Content-Length", b"1"), (b"Content-Length", b"2")], b"1"),
        ([(b"A", b"b\r\nForged: c")], None),
        ([(b"A B", b"c")], None),
    ],
    ids=["longer than said", "no body", "two lengths", "line break", "no name"],
)
async def test_what_would_be_ambiguous_is_not_sent(headers: list[tuple[bytes, bytes]], body: bytes | None) -> None:
    async with origin(answering(OK)) as there, Http1Upstream() as upstream:
        with pytest.raises(UpstreamFailed) as failed:
            await upstream.send(asked(there.url, "/secret?token=1", method="POST", headers=headers, body=body))

    assert not failed.value.sent and there.connections == 0
    assert "secret" not in str(failed.value) and "Forged" not in str(failed.value)


@pytest.mark.parametrize("pieces", [(b"abc",), (b"abc", b"defg")], ids=["shorter", "longer"])
async def test_a_stream_that_is_not_as_long_as_it_said_never_looks_whole(pieces: tuple[bytes, ...]) -> None:
    begun, got = asyncio.Event(), []

    async def script(peer: Peer) -> None:
        await peer.head()
        begun.set()
        try:
            got.append(await peer.reader.read(-1))
        except ConnectionError:
            got.append(b"")

    async def body() -> AsyncIterator[bytes]:
        await begun.wait()
        for piece in pieces:
            yield piece

    async with origin(script) as there, Http1Upstream() as upstream:
        headers = [(b"Content-Length", b"5")]
        with pytest.raises(UpstreamFailed, match="Content-Length") as failed:
            await upstream.send(asked(there.url, method="POST", headers=headers, body=body()))
        await until(lambda: bool(got))

    assert failed.value.sent and len(got[0]) < 5


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "GET", "HEAD", "OPTIONS"])
async def test_a_request_without_a_body_says_so_where_one_might_be_expected(method: str) -> None:
    answer = OK if method != "HEAD" else OK[:-2]
    async with origin(answering(answer)) as there, Http1Upstream() as upstream:
        await (await upstream.send(asked(there.url, method=method))).read(10)

    assert there.requests[0].named("content-length") == ([] if method in ("GET", "HEAD", "OPTIONS") else ["0"])


@pytest.mark.parametrize(
    ("base", "host"),
    [("http://h.test:80", "h.test"), ("http://user:pw@h.test:8080", "h.test:8080"), ("http://[::1]:81", "[::1]:81")],
)
async def test_the_host_is_said_without_what_goes_without_saying(base: str, host: str) -> None:
    async with origin(answering(OK)) as there:
        port = int(there.url.rpartition(":")[2])

        async def resolve(_host: str, _port: int) -> list[tuple[str, int]]:
            return [("127.0.0.1", port)]

        async with Pools(resolve=resolve) as pools, Http1Upstream(pools=pools) as upstream:
            await (await upstream.send(asked(base))).read(10)

    assert there.requests[0].named("host") == [host]


async def test_a_repeated_request_is_counted_as_often_as_it_was_sent() -> None:
    counted: list[tuple[Origin, Purpose]] = []

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.say(OK)
        if peer.number == 1:
            await peer.request()

    def count(origin: Origin, purpose: Purpose) -> None:
        counted.append((origin, purpose))

    async with origin(script) as there, Http1Upstream(count=count) as upstream:
        for _ in range(2):
            assert await (await upstream.send(asked(there.url))).read(10) == b"ok"

    assert len(counted) == len(there.requests) == 3


async def test_shared_pools_are_closed_by_their_owner() -> None:
    async with origin(answering(OK)) as there, Pools(PoolSettings(idle_seconds=30)) as pools:
        for _ in range(2):
            async with Http1Upstream(pools=pools) as upstream:
                await (await upstream.send(asked(there.url))).read(10)
        assert pools.get(there.url).counts["idle"] == 1

    assert there.connections == 1


async def test_outside_its_block_it_says_so() -> None:
    upstream = Http1Upstream()
    with pytest.raises(RuntimeError, match="async with"):
        await upstream.send(asked("http://127.0.0.1:1"))


@pytest.mark.parametrize("base", ["ftp://h", "nonsense", ""])
async def test_what_is_no_origin_cannot_be_asked(base: str) -> None:
    async with Http1Upstream() as upstream:
        with pytest.raises(UpstreamFailed) as failed:
            await upstream.send(asked(base))

    assert not failed.value.sent


async def test_an_upload_left_behind_by_its_caller_leaves_no_task() -> None:
    went_on = asyncio.Event()

    async def endless() -> AsyncIterator[bytes]:
        try:
            while True:
                yield b"x" * 1000
                await asyncio.sleep(0.01)
        finally:
            went_on.set()

    async def script(peer: Peer) -> None:
        await peer.head()
        await peer.say(OK)
        await peer.left()

    async with origin(script) as there, Http1Upstream() as upstream:
        response = await upstream.send(asked(there.url, method="POST", body=endless()))
        assert await response.read(10) == b"ok"
        assert not went_on.is_set()
        await response.close()
        await asyncio.wait_for(went_on.wait(), 20)
    await until(lambda: not any(task.get_name() == "body of a request" for task in asyncio.all_tasks()))
