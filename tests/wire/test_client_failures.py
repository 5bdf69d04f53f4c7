"""The Upstream contract: what can go wrong is UpstreamFailed, which says whether a byte had left."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterator

import pytest

from crossfade.stage import Origin
from crossfade.upstream import Purpose, Upstream, UpstreamFailed
from tests.wire.origin import OK, Peer, answering, origin, until
from tests.wire.upstreams import asked

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
CUT: dict[str, tuple[bytes, bytes]] = {
    "short of its length": (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf", b"half"),
    "nothing of its length": (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n", b""),
    "within a chunk": (CHUNKED + b"8\r\nhalf", b"half"),
    "between chunks": (CHUNKED + b"4\r\nhalf\r\n", b"half"),
    "before the last chunk's end": (CHUNKED + b"4\r\nhalf\r\n0\r\n", b"half"),
}
NO_ANSWERS: dict[str, bytes] = {
    "nothing": b"",
    "half a head": b"HTTP/1.1 200 OK\r\nContent-",
    "another protocol": b"SSH-2.0-OpenSSH_9.6\r\n",
    "no status": b"HTTP/1.1 abc OK\r\n\r\n",
    "a colon short": b"HTTP/1.1 200 OK\r\nno colon here\r\nContent-Length: 0\r\n\r\n",
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
    "a length that is none": b"HTTP/1.1 200 OK\r\nContent-Length: two\r\n\r\nab",
    "a head without end": b"HTTP/1.1 200 OK\r\n" + b"X: " + b"y" * 200_000,
}


def closed_port() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}"


@contextlib.contextmanager
def full_port() -> Iterator[str]:
    """Somebody listens and accepts nobody: what is sent there to connect is dropped without a word."""
    with contextlib.ExitStack() as sockets:
        listening = sockets.enter_context(socket.socket())
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        for _ in range(8):
            waiting = sockets.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listening.getsockname())
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"


async def refused(upstream: Upstream, base: str, **request: object) -> UpstreamFailed:
    """How asking fails."""
    with pytest.raises(UpstreamFailed) as failed:
        await upstream.send(asked(base, **request))  # type: ignore[arg-type]
    return failed.value


async def test_a_refused_connection_sent_nothing(upstream: Upstream, counted: list[tuple[Origin, Purpose]]) -> None:
    failed = await refused(upstream, closed_port(), method="POST", body=b"x")

    assert not failed.sent
    assert counted == []


async def test_a_connection_that_is_not_made_in_time_sent_nothing(upstream: Upstream) -> None:
    with full_port() as base:
        failed = await refused(upstream, base, connect_seconds=0.3)

    assert not failed.sent


async def test_an_error_names_the_origin_and_none_of_the_requests_secrets(upstream: Upstream) -> None:
    headers = [(b"Authorization", b"Bearer s3cret")]
    base = closed_port()
    failed = await refused(upstream, base, target="/x?token=s3cret", headers=headers)

    assert base in str(failed)
    assert str(Origin.OLD) in str(failed)
    assert "s3cret" not in str(failed)


@pytest.mark.parametrize("said", NO_ANSWERS.values(), ids=NO_ANSWERS)
async def test_what_is_no_answer_fails_and_was_sent(upstream: Upstream, said: bytes) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.say(said)

    async with origin(script) as there:
        failed = await refused(upstream, there.url, method="POST", body=b"x")

    assert failed.sent


async def test_a_connection_reset_before_the_answer_fails_and_was_sent(upstream: Upstream) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        peer.reset()

    async with origin(script) as there:
        assert (await refused(upstream, there.url, method="POST", body=b"x")).sent
        assert len(there.requests) == 1  # nothing is sent a second time by itself


async def test_an_origin_that_stays_silent_fails_in_time_and_was_sent(
    upstream: Upstream, counted: list[tuple[Origin, Purpose]]
) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.left()

    async with origin(script) as there:
        failed = await refused(upstream, there.url, idle_seconds=0.2)

    assert failed.sent
    assert len(counted) == 1


@pytest.mark.parametrize("head", [OK[:-1], CHUNKED + b"2\r\no"], ids=["length", "chunks"])
async def test_silence_within_a_body_fails_after_what_came(upstream: Upstream, head: bytes) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.say(head)
        await peer.left()

    async with origin(script) as there:
        response = await upstream.send(asked(there.url, idle_seconds=0.3))
        came: list[bytes] = []
        with pytest.raises(UpstreamFailed) as failed:
            async for chunk in response.chunks():
                came.append(chunk)

    assert b"".join(came) == b"o"
    assert failed.value.sent


async def test_an_origin_that_is_slow_but_not_silent_is_read_to_the_end(upstream: Upstream) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.say(b"HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n")
        for _ in range(12):
            await asyncio.sleep(0.1)
            await peer.say(b".")

    async with origin(script) as there:
        response = await upstream.send(asked(there.url, idle_seconds=1.0))

        assert await response.read(100) == b"." * 12


@pytest.mark.parametrize(("said", "came"), CUT.values(), ids=CUT)
async def test_a_body_that_is_cut_never_looks_whole(upstream: Upstream, said: bytes, came: bytes) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.say(said)

    async with origin(script) as there:
        response = await upstream.send(asked(there.url))
        seen: list[bytes] = []
        with pytest.raises(UpstreamFailed):
            async for chunk in response.chunks():
                seen.append(chunk)

    assert b"".join(seen) == came


async def test_a_body_whose_connection_is_reset_never_looks_whole(upstream: Upstream) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.say(b"HTTP/1.1 200 OK\r\n\r\n", b"until the end?")
        await asyncio.sleep(0.05)
        peer.reset()

    async with origin(script) as there:
        response = await upstream.send(asked(there.url))
        with pytest.raises(UpstreamFailed):
            await response.read(100)


async def test_a_chunk_of_nonsense_fails(upstream: Upstream) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.say(CHUNKED + b"4\r\nhalf\r\nnonsense\r\n")
        await peer.left()

    async with origin(script) as there:
        with pytest.raises(UpstreamFailed):
            await (await upstream.send(asked(there.url))).read(100)


async def test_what_an_upload_raises_comes_out_and_the_upload_never_looks_whole(upstream: Upstream) -> None:
    cut: list[str] = []

    async def script(peer: Peer) -> None:
        await peer.head()
        try:
            async for _ in peer.chunks():
                pass
            cut.append("whole")
        except (asyncio.IncompleteReadError, ConnectionError):
            cut.append("cut")

    async def body() -> AsyncIterator[bytes]:
        yield b"half"
        await asyncio.sleep(0.05)
        raise LookupError("the client has gone")

    async with origin(script) as there:
        # As it is: a client that went must not count against the origin.
        with pytest.raises(LookupError, match="the client has gone"):
            await upstream.send(asked(there.url, method="POST", body=body()))
        await until(lambda: bool(cut))

    assert cut == ["cut"]


async def test_a_cancelled_request_lets_go_of_its_connection(upstream: Upstream) -> None:
    let_go: list[int] = []

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.left()
        let_go.append(peer.number)

    async with origin(script) as there:
        task = asyncio.create_task(upstream.send(asked(there.url)))
        await until(lambda: len(there.requests) == 1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

        await until(lambda: let_go == [1])


async def test_one_failure_does_not_spoil_the_next_request(upstream: Upstream) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        if peer.number == 1:
            return
        await peer.say(OK)

    async with origin(script) as there:
        await refused(upstream, there.url, method="POST", body=b"x")

        assert await (await upstream.send(asked(there.url))).read(10) == b"ok"


async def test_requests_to_one_origin_do_not_wait_for_those_to_another(upstream: Upstream) -> None:
    async def hang(peer: Peer) -> None:
        await peer.request()
        await peer.left()

    async with origin(hang) as hanging, origin(answering(OK)) as there:
        waiting = [asyncio.create_task(upstream.send(asked(hanging.url))) for _ in range(150)]
        await until(lambda: len(hanging.requests) == 150)
        assert await (await upstream.send(asked(there.url))).read(10) == b"ok"

        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
