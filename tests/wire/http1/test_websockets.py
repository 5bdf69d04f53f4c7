"""Websockets in a tunnel of ours: handshakes that are none, and frames as origins may cut them."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from websockets.utils import accept_key

from crossfade.upstream import UpstreamFailed
from router.wire.http1.client import Http1Upstream
from tests.wire.origin import Peer, Script, origin, until
from tests.wire.upstreams import asked

GRANTED = (
    "HTTP/1.1 101 Switching\r\nConnection: Upgrade\r\nUpgrade: {upgrade}\r\nSec-WebSocket-Accept: {key}\r\n{more}\r\n"
)


def granting(
    then: Callable[[Peer], Awaitable[None]] | None = None, *, upgrade: str = "websocket", key: str = "", more: str = ""
) -> Script:
    """A script that grants a handshake, rightly unless told otherwise."""

    async def script(peer: Peer) -> None:
        request = await peer.request()
        right = accept_key(request.named("sec-websocket-key")[0])
        await peer.say(GRANTED.format(upgrade=upgrade, key=key or right, more=more).encode())
        if then is not None:
            await then(peer)
        await peer.left()

    return script


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"key": "c29tZWJvZHkgZWxzZSdzIGtleQ=="}, "the websocket's key was not accepted"),
        ({"upgrade": "h2c"}, "switched to something that is no websocket"),
        ({"more": "Sec-WebSocket-Protocol: other\r\n"}, "a subprotocol that was not offered"),
        ({"more": "Sec-WebSocket-Extensions: permessage-deflate\r\n"}, "an extension that was not offered"),
    ],
    ids=["key", "protocol", "subprotocol", "extension"],
)
async def test_a_handshake_that_grants_something_else_is_none(wrong: dict[str, str], said: str) -> None:
    left = asyncio.Event()

    async def then(peer: Peer) -> None:
        await peer.left()
        left.set()

    async with origin(granting(then, **wrong)) as there, Http1Upstream() as upstream:
        with pytest.raises(UpstreamFailed, match=said) as failed:
            await upstream.websocket(asked(there.url), ["terminal"])
        await asyncio.wait_for(left.wait(), 20)

    assert failed.value.sent


async def test_messages_in_pieces_are_whole_messages() -> None:
    async def then(peer: Peer) -> None:
        frames = b"\x01\x01a\x89\x00\x00\x01\xc3\x80\x01\xa4\x02\x02bc\x80\x01d\x82\x00\x88\x02\x03\xe8"
        for at in range(len(frames)):
            await peer.say(frames[at : at + 1])
        await peer.left()

    async with origin(granting(then)) as there, Http1Upstream() as upstream:
        socket = await upstream.websocket(asked(there.url))
        assert [message async for message in socket.messages()] == ["aä", b"bcd", b""]
        assert socket.closed == (1000, "")


@pytest.mark.parametrize(
    "frames",
    [b"\x81\x01\xff", b"\x83\x00", b"\x80\x01a", b"\x81\x81\x00\x00\x00\x00a"],
    ids=["no UTF-8", "unknown frame", "end without beginning", "masked"],
)
async def test_what_is_no_message_ends_the_socket(frames: bytes) -> None:
    async def then(peer: Peer) -> None:
        await peer.say(frames)
        await peer.left()

    async with origin(granting(then)) as there, Http1Upstream() as upstream:
        socket = await upstream.websocket(asked(there.url))
        assert [message async for message in socket.messages()] == []
        assert socket.closed[0] == 1006
        with pytest.raises(UpstreamFailed):
            await socket.send("more")


async def test_a_close_that_is_never_answered_holds_nobody() -> None:
    async def then(peer: Peer) -> None:
        await asyncio.sleep(600)

    async with origin(granting(then)) as there, Http1Upstream() as upstream:
        socket = await upstream.websocket(asked(there.url))
        async with asyncio.timeout(20):
            await socket.close()
        await socket.close()
        assert [message async for message in socket.messages()] == []


async def test_a_close_while_somebody_reads_ends_the_reading() -> None:
    async def then(peer: Peer) -> None:
        await peer.reader.read(100)
        await peer.say(b"\x88\x02\x03\xe9")

    async with origin(granting(then)) as there, Http1Upstream() as upstream:
        socket = await upstream.websocket(asked(there.url))
        heard: list[object] = []

        async def read() -> None:
            heard.extend([message async for message in socket.messages()])
            heard.append("end")

        reading = asyncio.get_running_loop().create_task(read())
        await asyncio.sleep(0.05)
        await socket.close(1001, "bye")
        await until(lambda: bool(heard))
        await reading

    assert heard == ["end"]
