"""An answer passed on as it comes, with a capped copy kept."""

import asyncio
from collections.abc import MutableMapping
from typing import Any

import pytest

from crossfade.upstream import Upstream, UpstreamFailed
from router.wire.relay import pass_on
from tests.wire.origin import OK, Peer, answering, origin, until
from tests.wire.upstreams import asked

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: x-hop\r\nX-Hop: 1\r\nX-b: 1\r\nx-B: 2\r\n\r\n"


class Sent:
    """What a client was sent, as ASGI messages."""

    def __init__(self) -> None:
        self.messages: list[MutableMapping[str, Any]] = []

    async def __call__(self, message: MutableMapping[str, Any]) -> None:
        self.messages.append(message)

    @property
    def body(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.messages)

    @property
    def ended(self) -> bool:
        return bool(self.messages) and self.messages[-1].get("more_body") is False


async def test_an_answer_is_passed_on_without_what_was_meant_for_its_connection(upstream: Upstream) -> None:
    sent = Sent()
    async with origin(answering(CHUNKED + b"3\r\nabc\r\n0\r\n\r\n")) as there:
        relayed = await pass_on(await upstream.send(asked(there.url)), sent, extra=[(b"X-Crossfade-Call", b"c")])

    start = sent.messages[0]
    assert (start["status"], start["headers"]) == (200, [(b"X-b", b"1"), (b"x-B", b"2"), (b"X-Crossfade-Call", b"c")])
    assert (sent.body, sent.ended) == (b"abc", True)
    assert (relayed.status, relayed.bytes_out, relayed.complete) == (200, 3, True)
    assert relayed.started > 0
    assert (b"X-Hop", b"1") in list(relayed.headers)  # as the origin said them: comparing needs them all


@pytest.mark.parametrize(
    ("keep", "kept"), [(0, None), (4, None), (5, b"12345"), (100, b"12345")], ids=["none", "over", "just", "under"]
)
async def test_a_copy_is_kept_only_where_it_is_whole(upstream: Upstream, keep: int, kept: bytes | None) -> None:
    sent = Sent()
    async with origin(answering(CHUNKED + b"2\r\n12\r\n3\r\n345\r\n0\r\n\r\n")) as there:
        relayed = await pass_on(await upstream.send(asked(there.url)), sent, keep=keep)

    assert relayed.body == kept
    assert relayed.bytes_out == 5
    assert sent.body == b"12345"


async def test_a_copy_that_grew_too_large_is_let_go(upstream: Upstream) -> None:
    size = 3_000_000
    async with origin(answering(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size + b"x" * size)) as there:
        relayed = await pass_on(await upstream.send(asked(there.url)), Sent(), keep=1_000_000)

    assert (relayed.body, relayed.parts, relayed.bytes_out) == (None, [], size)


async def test_the_answer_to_head_keeps_its_length_and_has_no_body(upstream: Upstream) -> None:
    sent = Sent()
    async with origin(answering(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n")) as there:
        for _ in range(2):
            response = await upstream.send(asked(there.url, method="HEAD"))
            relayed = await pass_on(response, sent, head_only=True)

        assert there.connections == 1  # let go of, and used again

    assert sent.messages[0]["headers"] == [(b"Content-Length", b"99")]
    assert (sent.body, sent.ended, relayed.complete, relayed.bytes_out) == (b"", True, True, 0)


async def test_a_cut_answer_is_never_ended(upstream: Upstream) -> None:
    sent = Sent()

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.say(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf")

    async with origin(script) as there:
        with pytest.raises(UpstreamFailed):
            await pass_on(await upstream.send(asked(there.url)), sent, keep=100)

    assert sent.body == b"half"
    assert not sent.ended  # a server that sees this closes the client's connection


async def test_each_chunk_is_passed_on_before_the_next_is_there(upstream: Upstream) -> None:
    arrived = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.say(CHUNKED + b"5\r\nfirst\r\n")
        await arrived.wait()  # the client has it
        await peer.say(b"0\r\n\r\n")

    async def send(message: MutableMapping[str, Any]) -> None:
        if message.get("body") == b"first":
            arrived.set()

    async with origin(script) as there, asyncio.timeout(20):
        relayed = await pass_on(await upstream.send(asked(there.url)), send)

    assert relayed.complete


async def test_a_relay_that_is_cancelled_lets_go_of_the_origin(upstream: Upstream) -> None:
    let_go: list[int] = []
    sent = Sent()

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.say(OK[:-2])
        await peer.left()
        let_go.append(peer.number)

    async with origin(script) as there:
        response = await upstream.send(asked(there.url))
        relaying = asyncio.create_task(pass_on(response, sent))
        await until(lambda: bool(sent.messages))
        relaying.cancel()
        with pytest.raises(asyncio.CancelledError):
            await relaying

        await until(lambda: let_go == [1])
    assert not sent.ended


async def test_a_client_that_went_while_it_was_sent_to_ends_the_relay(upstream: Upstream) -> None:
    let_go: list[int] = []

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.say(OK[:-2])
        await peer.left()
        let_go.append(peer.number)

    async def gone(_message: MutableMapping[str, Any]) -> None:
        raise ConnectionResetError

    async with origin(script) as there:
        response = await upstream.send(asked(there.url))
        with pytest.raises(ConnectionResetError):
            await pass_on(response, gone)

        await until(lambda: let_go == [1])
