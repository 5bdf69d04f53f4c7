"""Limits in time: each phase by itself, nothing where none is given, and no silence counted that is the caller's."""

import asyncio

from router.wire.http1 import Limits, Pools
from tests.wire.http1.asking import OK, ask, post
from tests.wire.origin import Peer, answering, origin, until


async def silent(peer: Peer) -> None:
    await peer.request()
    await asyncio.sleep(600)


async def test_an_answer_that_does_not_begin_is_given_up() -> None:
    async with origin(silent) as there, Pools() as pools:
        call = await ask(pools.get(there.url), limits=Limits(first_byte=0.2)).over()

        assert str(call.lost) == "no answer within 0.2 s"
        assert pools.get(there.url).counts["open"] == 0


async def test_an_answer_that_stops_is_given_up() -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.say(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf")
        await asyncio.sleep(600)

    async with origin(script) as there, Pools() as pools:
        call = await ask(pools.get(there.url), limits=Limits(first_byte=5, idle=0.2)).over()

    assert (str(call.lost), bytes(call.body)) == ("silent for 0.2 s", b"half")


async def test_an_answer_that_takes_too_long_is_given_up_though_it_never_stops() -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.say(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            await peer.say(b"x")
            await asyncio.sleep(0.01)

    async with origin(script) as there, Pools() as pools:
        call = await ask(pools.get(there.url), limits=Limits(idle=5, total=0.5)).over()

    assert str(call.lost) == "no whole answer within 0.5 s" and call.body


async def test_a_slow_answer_within_its_limits_is_whole() -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.say(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n")
        for _ in range(10):
            await asyncio.sleep(0.05)
            await peer.say(b"x")
        await peer.left()

    async with origin(script) as there, Pools() as pools:
        limits = Limits(connect=5, first_byte=5, idle=5, total=15)
        assert await ask(pools.get(there.url), limits=limits).answer() == (200, b"x" * 10)


async def test_a_timeout_on_a_kept_connection_is_no_reason_to_ask_again() -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.say(OK)
        await silent(peer)

    async with origin(script) as there, Pools() as pools:
        pool = pools.get(there.url)
        assert await ask(pool).answer() == (200, b"ok")
        assert (await ask(pool, limits=Limits(idle=0.2)).over()).lost is not None
        await asyncio.sleep(0.05)

    assert len(there.requests) == 2


async def test_a_caller_that_reads_slowly_is_not_the_origins_silence() -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.say(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nha")
        await asyncio.sleep(0.05)
        await peer.say(b"lf")
        await peer.left()

    async with origin(script) as there, Pools() as pools:
        call = ask(pools.get(there.url), limits=Limits(idle=0.2))
        await call.until(lambda it: it.body)
        call.handle.pause()
        await asyncio.sleep(0.8)
        assert call.lost is None
        call.handle.resume()
        assert await call.answer() == (200, b"half")


async def test_a_caller_that_writes_slowly_is_not_the_origins_silence() -> None:
    async with origin(answering(OK)) as there, Pools() as pools:
        call = ask(pools.get(there.url), post(2), b"a", ends=False, limits=Limits(idle=0.2, first_byte=0.2))
        await until(lambda: call.handle.sent)
        await asyncio.sleep(0.8)
        assert call.lost is None
        call.handle.write(b"b")
        call.handle.end()
        assert await call.answer() == (200, b"ok")


async def test_an_origin_that_reads_nothing_is_silent() -> None:
    async def script(peer: Peer) -> None:
        await peer.head()
        await asyncio.sleep(600)

    async with origin(script) as there, Pools() as pools:
        call = ask(pools.get(there.url), post(10**9), b"", ends=False, limits=Limits(idle=0.3))
        async with asyncio.timeout(20):
            while call.lost is None:
                if call.told[-1:] != ["paused"]:
                    call.handle.write(b"x" * 100_000)
                await asyncio.sleep(0)

    assert str(call.lost) == "silent for 0.3 s"


async def test_limits_of_one_call_are_not_the_next_ones() -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.say(OK)
        await peer.request()
        await asyncio.sleep(0.6)
        await peer.say(OK)
        await peer.request()
        await asyncio.sleep(600)

    async with origin(script) as there, Pools() as pools:
        pool = pools.get(there.url)
        assert await ask(pool, limits=Limits(idle=0.2, total=0.3)).answer() == (200, b"ok")
        assert await ask(pool).answer() == (200, b"ok")
        assert (await ask(pool, limits=Limits(first_byte=0.1)).over()).lost is not None

    assert there.connections == 1
