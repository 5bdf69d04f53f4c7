"""Answers on a socket: by length, by chunks, to the connection's end, cut, slow, and as the origin spelled them."""

import asyncio

import pytest

from router.wire.http1 import Framing, Pools
from tests.wire.http1.asking import GET, HEAD, OK, ask
from tests.wire.origin import Peer, answering, origin, settled, until


def saying(*parts: bytes) -> object:
    """A script that answers the first request with these parts, and closes."""

    async def script(peer: Peer) -> None:
        await peer.request()
        for part in parts:
            await peer.say(part)
            await asyncio.sleep(0.01)

    return script


@pytest.mark.parametrize(
    "parts", [(b"all at once",), (b"piece", b" by ", b"piece"), ()], ids=["once", "pieces", "empty"]
)
async def test_an_answer_to_the_end_of_the_connection_is_whole_with_its_last_piece(parts: tuple[bytes, ...]) -> None:
    async with origin(saying(b"HTTP/1.1 200 OK\r\n\r\n", *parts)) as there, Pools() as pools:  # type: ignore[arg-type]
        call = ask(pools.get(there.url))
        assert await call.answer() == (200, b"".join(parts))
        assert call.framing is Framing.UNTIL_EOF

        assert pools.get(there.url).counts["open"] == 0


async def test_an_answer_to_the_end_of_the_connection_that_is_reset_is_cut() -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.say(b"HTTP/1.1 200 OK\r\n\r\nhalf")
        await asyncio.sleep(0.05)
        peer.reset()

    async with origin(script) as there, Pools() as pools:
        call = await ask(pools.get(there.url)).over()

    assert call.body == b"half" and call.lost is not None and call.lost.sent


@pytest.mark.parametrize(
    "half",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n0\r\n",
        b"HTTP/1.1 200 OK\r\nContent-",
    ],
    ids=["length", "chunks", "last chunk", "head"],
)
async def test_a_cut_answer_is_lost_and_not_ended(half: bytes) -> None:
    async with origin(saying(half)) as there, Pools() as pools:  # type: ignore[arg-type]
        call = await ask(pools.get(there.url)).over()

    assert call.lost is not None and call.lost.processed is False and "end" not in call.told


@pytest.mark.parametrize("garbage", [b"SSH-2.0-OpenSSH\r\n\r\n", b"HTTP/1.1 200 OK\nContent-Length: 0\n\n"])
async def test_what_is_no_answer_is_told_without_its_bytes(garbage: bytes) -> None:
    async with origin(saying(garbage)) as there, Pools() as pools:  # type: ignore[arg-type]
        call = await ask(pools.get(there.url)).over()

    assert call.lost is not None and call.lost.text.startswith("no valid answer: ") and "SSH" not in call.lost.text


async def test_the_origins_own_words_arrive_byte_for_byte() -> None:
    answer = b"HTTP/1.1 413 Too  Large\r\nX-b: 1\r\nx-A: \xe4\r\nX-b: 2\r\nContent-Length: 0\r\n\r\n"
    async with origin(answering(answer)) as there, Pools() as pools:
        call = await ask(pools.get(there.url)).over()

    assert (call.status, call.reason) == (413, b"Too  Large")
    assert call.headers == [(b"X-b", b"1"), (b"x-A", b"\xe4"), (b"X-b", b"2"), (b"Content-Length", b"0")]


async def test_head_is_answered_at_the_end_of_its_head() -> None:
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"
    async with origin(answering(answer, OK)) as there, Pools() as pools:
        call = ask(pools.get(there.url), HEAD, head_only=True)
        assert await call.answer() == (200, b"")
        assert call.framing is Framing.NONE
        assert await ask(pools.get(there.url), GET).answer() == (200, b"ok")

    assert there.connections == 1


async def test_a_body_behind_heads_answer_is_nobodys_answer() -> None:
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged"
    async with origin(answering(answer, OK)) as there, Pools() as pools:
        pool = pools.get(there.url)
        assert await ask(pool, HEAD, head_only=True).answer() == (200, b"")
        assert await ask(pool, GET).answer() == (200, b"forged")

    assert there.connections == 2


async def test_trailers_are_dropped_and_do_not_reach_the_next_answer() -> None:
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-Trailer: 1\r\n\r\n"
    async with origin(answering(chunked, OK)) as there, Pools() as pools:
        for headers in ([(b"Transfer-Encoding", b"chunked")], [(b"Content-Length", b"2")]):
            call = ask(pools.get(there.url))
            assert await call.answer() == (200, b"ok")
            assert call.headers == headers

    assert there.connections == 1


async def test_a_slow_reader_bounds_what_is_read() -> None:
    sent = 0

    async def script(peer: Peer) -> None:
        nonlocal sent
        await peer.request()
        await peer.say(b"HTTP/1.1 200 OK\r\nContent-Length: 50000000\r\n\r\n")
        for _ in range(500):
            await peer.say(b"x" * 100_000)
            sent += 100_000

    async with origin(script) as there, Pools() as pools:
        call = ask(pools.get(there.url))
        await call.until(lambda it: it.body)
        call.handle.pause()
        told = len(call.body)
        assert await settled(lambda: sent) < 20_000_000
        assert len(call.body) - told < 1_000_000
        call.handle.resume()
        assert len((await call.over()).body) == 50_000_000


async def test_a_reader_that_paused_before_there_was_a_connection_gets_nothing_yet() -> None:
    async with origin(answering(OK)) as there, Pools() as pools:
        call = ask(pools.get(there.url))
        call.handle.pause()
        await until(lambda: bool(there.requests))
        await asyncio.sleep(0.1)
        assert call.told == []
        call.handle.resume()
        assert await call.answer() == (200, b"ok")


async def test_a_reader_that_paused_at_the_end_leaves_a_connection_that_reads() -> None:
    async with origin(answering(OK)) as there, Pools() as pools:
        pool = pools.get(there.url)
        for _ in range(3):
            call = ask(pool)
            call.on_head = lambda *_, call=call: call.handle.pause()  # type: ignore[method-assign]
            assert (await call.answer())[1] == b"ok"

    assert there.connections == 1


async def test_a_caller_that_aborts_hears_nothing_more_and_the_origin_is_let_go() -> None:
    left = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.say(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhalf")
        await peer.left()
        left.set()

    async with origin(script) as there, Pools() as pools:
        call = ask(pools.get(there.url))
        await call.until(lambda it: it.body)
        call.handle.abort()
        await asyncio.wait_for(left.wait(), 20)
        assert call.told == ["head", "body"]
        assert pools.get(there.url).counts == dict.fromkeys(("open", "idle", "dialing", "tunnels", "waiting"), 0)
