"""The Upstream contract: websockets to an origin, from the handshake to the close."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from websockets.asyncio.server import ServerConnection, serve

from crossfade.stage import Origin
from crossfade.upstream import Purpose, Upstream, UpstreamFailed, UpstreamRefused, UpstreamSocket
from router.wire.headers import call_id
from tests.wire.origin import OK, Peer, Received, origin, until
from tests.wire.test_client_failures import closed_port, full_port
from tests.wire.upstreams import HANDSHAKE_SECONDS, asked

Handler = Callable[[ServerConnection], Awaitable[None]]
REFUSAL = b'HTTP/1.1 403 Forbidden\r\nX-b: 1\r\nx-B: 2\r\nContent-Length: 17\r\n\r\n{"code":"denied"}'


@contextlib.asynccontextmanager
async def talking(handler: Handler, **options: object) -> AsyncIterator[str]:
    async with serve(handler, "127.0.0.1", 0, compression=None, max_size=None, **options) as server:  # type: ignore[arg-type]
        host, port = next(iter(server.sockets)).getsockname()
        yield f"http://{host}:{port}"


async def echo(connection: ServerConnection) -> None:
    async for message in connection:
        await connection.send(message)


async def heard(socket: UpstreamSocket) -> list[str | bytes]:
    async with asyncio.timeout(20):
        return [message async for message in socket.messages()]


async def test_messages_travel_both_ways_as_they_are(upstream: Upstream) -> None:
    sent: list[str | bytes] = ["text ä", b"\x00\xff", "", b"", "x" * 300_000, b"y" * 5_000_000]
    async with talking(echo) as base:
        socket = await upstream.websocket(asked(base, "/pty?x=%2F"))
        back = aiter(socket.messages())
        for message in sent:
            await socket.send(message)
            assert await anext(back) == message

        await socket.close()


@pytest.mark.parametrize(("offered", "taken"), [((), None), (("a",), None), (("a", "b"), "b"), (("b", "c"), "b")])
async def test_the_origin_chooses_the_subprotocol(upstream: Upstream, offered: tuple[str, ...], taken: str) -> None:
    def choose(_connection: ServerConnection, names: list[str]) -> str | None:
        return "b" if "b" in names else None

    async with talking(echo, select_subprotocol=choose) as base:
        socket = await upstream.websocket(asked(base), offered)

        assert socket.subprotocol == taken
        await socket.close()


@pytest.mark.parametrize(("code", "reason"), [(1000, ""), (1000, "done"), (1001, "moving"), (4401, "no key")])
async def test_the_origins_close_is_told(upstream: Upstream, code: int, reason: str) -> None:
    async def leave(connection: ServerConnection) -> None:
        await connection.send("last words")
        await connection.close(code, reason)

    async with talking(leave) as base:
        socket = await upstream.websocket(asked(base))

        assert await heard(socket) == ["last words"]
        assert socket.closed == (code, reason)
        await socket.close()


@pytest.mark.parametrize(("code", "reason"), [(1000, ""), (1001, "gone"), (4000, "ä" * 30)])
async def test_our_close_is_told_to_the_origin(upstream: Upstream, code: int, reason: str) -> None:
    ended: list[tuple[int | None, str | None]] = []

    async def listen(connection: ServerConnection) -> None:
        await connection.wait_closed()
        ended.append((connection.close_code, connection.close_reason))

    async with talking(listen) as base:
        socket = await upstream.websocket(asked(base))
        await socket.close(code, reason)
        await socket.close(1011, "again")  # at most once

        await until(lambda: ended == [(code, reason)])


@pytest.mark.parametrize("before", ["", "a", "ab"])
async def test_a_reason_too_long_is_cut_between_characters(upstream: Upstream, before: str) -> None:
    ended: list[tuple[int | None, str]] = []

    async def listen(connection: ServerConnection) -> None:
        await connection.wait_closed()
        ended.append((connection.close_code, connection.close_reason or ""))

    async with talking(listen) as base:
        socket = await upstream.websocket(asked(base))
        await socket.close(1000, before + "€" * 200)
        await until(lambda: bool(ended))

    code, reason = ended[0]
    assert code == 1000
    assert (before + "€" * 200).startswith(reason)
    assert len(reason.encode()) > 110


async def test_a_connection_that_breaks_ends_the_messages_without_a_code(upstream: Upstream) -> None:
    async def break_off(connection: ServerConnection) -> None:
        await connection.send("a")
        connection.transport.abort()

    async with talking(break_off) as base:
        socket = await upstream.websocket(asked(base))

        assert await heard(socket) == ["a"]
        assert socket.closed[0] == 1006
        with pytest.raises(UpstreamFailed):
            for _ in range(100):
                await socket.send("into the void")
        await socket.close()


async def test_pings_are_answered(upstream: Upstream) -> None:
    answered = asyncio.Event()

    async def ping(connection: ServerConnection) -> None:
        pong = await connection.ping()
        await pong
        answered.set()
        await connection.close()

    async with talking(ping) as base:
        socket = await upstream.websocket(asked(base))

        assert await heard(socket) == []
        assert answered.is_set()


# The handshake...


async def handshaken(upstream: Upstream, **request: object) -> Received:
    """What an origin gets; it refuses."""

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.say(REFUSAL)

    async with origin(script) as there:
        with pytest.raises(UpstreamRefused):
            await upstream.websocket(asked(there.url, **request), ("x", "y"))  # type: ignore[arg-type]
        return there.requests[0]


async def test_a_handshake_says_what_the_request_says(
    upstream: Upstream, counted: list[tuple[Origin, Purpose]]
) -> None:
    token = call_id.set("call-9")
    try:
        received = await handshaken(upstream, target="//p%2Fq?a=%20", headers=[(b"Authorization", b"Bearer k")])
    finally:
        call_id.reset(token)

    assert received.line == "GET //p%2Fq?a=%20 HTTP/1.1"
    assert received.named("authorization") == ["Bearer k"]
    assert [value.lower() for value in received.named("upgrade")] == ["websocket"]
    assert received.named("sec-websocket-version") == ["13"]
    assert received.named("sec-websocket-protocol")[0].replace(" ", "") == "x,y"
    assert received.named("x-crossfade-call") == ["call-9"]
    assert not any(received.named(name) for name in ("origin", "user-agent", "accept", "sec-websocket-extensions"))
    assert counted == [(Origin.OLD, Purpose.ANSWER)]


async def test_a_refused_handshake_is_told_with_status_headers_and_body(upstream: Upstream) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.say(REFUSAL)

    async with origin(script) as there:
        with pytest.raises(UpstreamRefused) as refused:
            await upstream.websocket(asked(there.url))

    assert (refused.value.status, refused.value.body) == (403, b'{"code":"denied"}')
    assert list(refused.value.headers)[:2] == [(b"X-b", b"1"), (b"x-B", b"2")]


@pytest.mark.parametrize("status", [200, 302, 401, 404, 502])
async def test_any_plain_answer_is_a_refusal_and_is_not_followed(upstream: Upstream, status: int) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.say(b"HTTP/1.1 %d X\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n" % status)

    async with origin(script) as there:
        with pytest.raises(UpstreamRefused) as refused:
            await upstream.websocket(asked(there.url))

        assert refused.value.status == status
        assert len(there.requests) == 1


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 101 X\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: bm9wZQ==\r\n\r\n",
        b"HTTP/1.1 101 X\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n",
        b"nonsense\r\n\r\n",
        b"",
    ],
    ids=["wrong key", "another protocol", "no HTTP", "nothing"],
)
async def test_a_handshake_answered_wrongly_fails(upstream: Upstream, answer: bytes) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.say(answer)

    async with origin(script) as there:
        with pytest.raises(UpstreamFailed) as failed:
            await upstream.websocket(asked(there.url))

    assert failed.value.sent


@pytest.mark.parametrize("said", [b"", b"HTTP/1.1 101 Switching", REFUSAL[:-3]], ids=["head", "half", "body"])
async def test_a_handshake_that_stays_silent_fails_in_time(upstream: Upstream, said: bytes) -> None:
    let_go: list[int] = []

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.say(said)
        await peer.left()
        let_go.append(peer.number)

    async with origin(script) as there, asyncio.timeout(HANDSHAKE_SECONDS + 15):
        with pytest.raises(UpstreamFailed) as failed:
            await upstream.websocket(asked(there.url))
        await until(lambda: let_go == [1])

    assert failed.value.sent


async def test_a_refused_connection_sent_no_handshake(
    upstream: Upstream, counted: list[tuple[Origin, Purpose]]
) -> None:
    with pytest.raises(UpstreamFailed) as failed:
        await upstream.websocket(asked(closed_port()))

    assert not failed.value.sent
    assert counted == []


async def test_a_connection_that_is_not_made_in_time_sent_no_handshake(upstream: Upstream) -> None:
    with full_port() as base, pytest.raises(UpstreamFailed) as failed:
        await upstream.websocket(asked(base, connect_seconds=0.3))

    assert not failed.value.sent


async def test_a_socket_may_be_silent_for_longer_than_its_handshake_might(upstream: Upstream) -> None:
    async def late(connection: ServerConnection) -> None:
        await asyncio.sleep(HANDSHAKE_SECONDS * 2)
        await connection.send("still here")

    async with talking(late) as base:
        socket = await upstream.websocket(asked(base, connect_seconds=0.2))

        assert await heard(socket) == ["still here"]


async def test_a_request_after_a_refusal_is_unharmed(upstream: Upstream) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.say(REFUSAL if peer.origin.requests[-1].named("upgrade") else OK)
        await peer.left()

    async with origin(script) as there:
        with pytest.raises(UpstreamRefused):
            await upstream.websocket(asked(there.url))

        assert await (await upstream.send(asked(there.url))).read(10) == b"ok"
