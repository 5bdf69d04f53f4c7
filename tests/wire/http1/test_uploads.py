"""Requests with bodies: written at once or as they come, on cold and kept connections, answered early or late."""

import asyncio

import pytest

from router.wire.http1 import Pools, PoolSettings
from tests.wire.http1.asking import OK, ask, post
from tests.wire.origin import Peer, answering, origin, until

CHUNKED = b"POST /x HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
PIECE = b"x" * 100_000


@pytest.mark.parametrize("cold", [True, False], ids=["cold pool", "kept connection"])
async def test_head_and_small_body_are_one_segment(cold: bool) -> None:
    pieces: list[bytes] = []

    async def script(peer: Peer) -> None:
        if not cold:
            await peer.request()
            await peer.say(OK)
        pieces.append(await peer.reader.read(65_536))
        await peer.say(OK)

    async with origin(script) as there, Pools() as pools:
        if not cold:
            await ask(pools.get(there.url)).over()
        assert await ask(pools.get(there.url), post(4), b"body").answer() == (200, b"ok")

    assert pieces == [post(4) + b"body"]


async def test_chunks_are_made_here_and_ended_here() -> None:
    seen: list[bytes] = []

    async def script(peer: Peer) -> None:
        while True:
            seen.append(await peer.reader.readuntil(b"0\r\n\r\n"))
            await peer.say(OK)

    async with origin(script) as there, Pools() as pools:
        pool = pools.get(there.url)
        streamed = ask(pool, CHUNKED, b"first", ends=False)
        streamed.handle.write(b"")
        streamed.handle.write(b"0123456789abcdef")
        streamed.handle.end()
        assert await streamed.answer() == (200, b"ok")
        assert await ask(pool, CHUNKED, b"whole").answer() == (200, b"ok")
        assert await ask(pool, CHUNKED).answer() == (200, b"ok")

    assert seen == [
        CHUNKED + b"5\r\nfirst\r\n10\r\n0123456789abcdef\r\n0\r\n\r\n",
        CHUNKED + b"5\r\nwhole\r\n0\r\n\r\n",
        CHUNKED + b"0\r\n\r\n",
    ]


async def test_large_chunks_keep_their_bytes() -> None:
    async with origin(answering(OK)) as there, Pools() as pools:
        call = ask(pools.get(there.url), CHUNKED, b"", ends=False)
        for _ in range(30):
            call.handle.write(PIECE)
        call.handle.end()
        assert await call.answer() == (200, b"ok")

    assert there.requests[0].body == PIECE * 30


@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
async def test_an_upload_above_the_high_water_mark_goes_on_after_a_cold_pool_has_connected(chunked: bool) -> None:
    async with origin(answering(OK)) as there, Pools() as pools:
        head = CHUNKED if chunked else post(100 * len(PIECE))
        call = ask(pools.get(there.url), head, PIECE, ends=False)
        call.handle.write(PIECE)
        assert call.told == ["paused"]  # there is no connection yet
        for _ in range(98):
            if call.told[-1] == "paused":
                await call.until(lambda it: it.told[-1] != "paused")
            assert not call.ended
            call.handle.write(PIECE)
        call.handle.end()
        assert await call.answer() == (200, b"ok")

    assert len(there.requests[0].body) == 100 * len(PIECE)


async def test_what_was_written_and_ended_while_connecting_is_sent_in_order() -> None:
    async with origin(answering(OK)) as there, Pools() as pools:
        call = ask(pools.get(there.url), post(3), b"a", ends=False)
        call.handle.write(b"b")
        call.handle.write(b"c")
        call.handle.end()
        assert await call.answer() == (200, b"ok")

    assert there.requests[0].body == b"abc"


async def test_an_origin_that_takes_nothing_pauses_its_caller_until_it_does() -> None:
    take = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.head()
        await take.wait()
        await peer.reader.readexactly(30_000_000)
        await peer.say(OK)

    async with origin(script) as there, Pools() as pools:
        call = ask(pools.get(there.url), post(30_000_000), ends=False)
        written = 0
        async with asyncio.timeout(20):
            while "paused" not in call.told:
                await asyncio.sleep(0)
                call.handle.write(PIECE)
                written += len(PIECE)
        assert written < 25_000_000
        take.set()
        while written < 30_000_000:
            await call.until(lambda it: it.told[-1] != "paused")
            call.handle.write(PIECE)
            written += len(PIECE)
        call.handle.end()
        assert await call.answer() == (200, b"ok")


async def test_an_early_answer_is_told_and_the_rest_of_the_upload_goes_on() -> None:
    async def script(peer: Peer) -> None:
        await peer.head()
        await peer.say(OK)
        await peer.reader.readexactly(6_000_000)
        await peer.request()
        await peer.say(OK)

    async with origin(script) as there, Pools() as pools:
        pool = pools.get(there.url)
        call = ask(pool, post(6_000_000), b"", ends=False)
        assert await call.answer() == (200, b"ok")
        assert pool.counts["idle"] == 0
        for _ in range(60):
            await call.until(lambda it: it.told[-1] != "paused")
            call.handle.write(PIECE)
        call.handle.end()
        assert pool.counts["idle"] == 1
        assert await ask(pool).answer() == (200, b"ok")

    assert there.connections == 1


async def test_an_early_answer_to_a_paused_caller_leaves_a_connection_that_reads() -> None:
    async def script(peer: Peer) -> None:
        await peer.head()
        await peer.say(OK)
        await peer.reader.readexactly(2)
        peer.writer.close()

    async with origin(script) as there, Pools(PoolSettings(linger_seconds=60)) as pools:
        pool = pools.get(there.url)
        call = ask(pool, post(2), b"a", ends=False)
        call.on_head = lambda *_: call.handle.pause()  # type: ignore[method-assign]
        assert await call.answer() == (0, b"ok")
        call.handle.write(b"b")
        await until(lambda: pool.counts["open"] == 0)


async def test_bytes_behind_an_early_answer_cost_its_connection() -> None:
    async def script(peer: Peer) -> None:
        await peer.head()
        await peer.say(OK)
        await peer.reader.readexactly(1)
        await peer.say(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged")
        await peer.left()

    async with origin(script) as there, Pools(PoolSettings(linger_seconds=60)) as pools:
        pool = pools.get(there.url)
        call = ask(pool, post(2), b"", ends=False)
        assert await call.answer() == (200, b"ok")
        call.handle.write(b"a")
        await until(lambda: call.handle.over)
        call.handle.write(b"b")
        call.handle.end()
        assert pool.counts["open"] == 0 and call.body == b"ok"


async def test_a_caller_paused_behind_an_early_answer_is_let_go_when_the_connection_breaks() -> None:
    broken = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.head()
        await peer.say(OK)
        await broken.wait()
        peer.reset()

    async with origin(script) as there, Pools(PoolSettings(linger_seconds=60)) as pools:
        call = ask(pools.get(there.url), post(50_000_000), b"", ends=False)
        assert await call.answer() == (200, b"ok")
        async with asyncio.timeout(20):
            while call.told[-1] != "paused":
                call.handle.write(PIECE)
                await asyncio.sleep(0)
        broken.set()
        await call.until(lambda it: it.told[-1] == "resumed")
        assert call.handle.over


async def test_an_upload_that_stops_behind_its_early_answer_costs_its_connection() -> None:
    left = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.head()
        await peer.say(OK)
        await peer.left()
        left.set()

    async with origin(script) as there, Pools(PoolSettings(linger_seconds=0.2)) as pools:
        call = ask(pools.get(there.url), post(1000), b"some", ends=False)
        assert await call.answer() == (200, b"ok")
        await asyncio.wait_for(left.wait(), 20)
        assert call.handle.over and pools.get(there.url).counts["open"] == 0
        call.handle.write(b"more")
        call.handle.end()
        call.handle.abort()


async def test_413_and_close_in_the_middle_of_an_upload_is_an_answer() -> None:
    async def script(peer: Peer) -> None:
        await peer.head()
        await peer.say(b"HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\nConnection: close\r\n\r\nbig")
        # And closes, with most of the upload unread: the kernel resets the connection.

    async with origin(script) as there, Pools() as pools:
        call = ask(pools.get(there.url), post(50_000_000), b"", ends=False)
        async with asyncio.timeout(20):
            while not (call.ended or call.lost):
                if call.told[-1:] != ["paused"]:
                    call.handle.write(PIECE)
                await asyncio.sleep(0)
        assert (call.status, call.reason, call.body, call.lost) == (413, b"Too Large", b"big", None)
        call.handle.write(PIECE)
        call.handle.end()
        assert pools.get(there.url).counts["open"] == 0


async def test_an_answer_to_a_body_that_was_not_read_does_not_leave_a_connection_to_the_next_call() -> None:
    async def script(peer: Peer) -> None:
        await peer.head()
        await peer.say(OK)
        await asyncio.sleep(600)

    async with origin(script) as there, Pools() as pools:
        pool = pools.get(there.url)
        for _ in range(2):
            assert await ask(pool, post(50_000_000), b"x" * 50_000_000).answer() == (200, b"ok")

    assert there.connections == 2


async def test_an_upload_whose_caller_leaves_is_cut_and_never_looks_whole() -> None:
    got: list[bytes] = []

    async def script(peer: Peer) -> None:
        try:
            got.append(await peer.reader.read(-1))
        except ConnectionError:
            got.append(b"reset")

    async with origin(script) as there, Pools() as pools:
        call = ask(pools.get(there.url), CHUNKED, b"half", ends=False)
        await until(lambda: call.handle.sent)
        await asyncio.sleep(0.02)
        call.handle.abort()
        await until(lambda: bool(got))

    assert not got[0].endswith(b"0\r\n\r\n")
    assert call.told == []


async def test_the_origins_100_is_told_before_the_body_is_sent() -> None:
    async def script(peer: Peer) -> None:
        await peer.head()
        await peer.say(b"HTTP/1.1 100 Go on\r\nX-a: b\r\n\r\n")
        assert await peer.reader.readexactly(4) == b"body"
        await peer.say(OK)

    async with origin(script) as there, Pools() as pools:
        head = b"POST /x HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n"
        interim: list[object] = []
        call = ask(pools.get(there.url), head, ends=False, interim=lambda *said: interim.append(said))
        await until(lambda: bool(interim))
        assert interim == [(100, b"Go on", [(b"X-a", b"b")])]
        call.handle.write(b"body")
        call.handle.end()
        assert await call.answer() == (200, b"ok")
