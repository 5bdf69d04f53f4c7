"""Upgrades: a 101 turns a call into raw bytes both ways, for as long as either side wants."""

import asyncio

from router.wire.http1 import Framing, Limits, Pools, PoolSettings
from tests.wire.http1.asking import GET, OK, Asked, ask
from tests.wire.origin import Peer, answering, origin, until

UPGRADE = b"GET /x HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n"
SWITCH = b"HTTP/1.1 101 Switching\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n"


async def echo(peer: Peer) -> None:
    await peer.request()
    await peer.say(SWITCH + b"hello ")
    while data := await peer.reader.read(65_536):
        await peer.say(data)


async def test_bytes_go_both_ways_as_they_are() -> None:
    async with origin(echo) as there, Pools() as pools:
        call = ask(pools.get(there.url), UPGRADE, upgrade=True)
        await call.until(lambda it: len(it.body) == 6)
        assert (call.status, call.framing) == (101, Framing.TUNNEL)
        call.handle.write(b"0\r\n\r\n\x00")
        await call.until(lambda it: len(it.body) == 12)
        assert call.body == b"hello 0\r\n\r\n\x00"
        assert there.requests[0].named("upgrade") == ["echo"]
        call.handle.end()
        await until(lambda: pools.get(there.url).counts["tunnels"] == 0)
        assert "end" not in call.told and "lost" not in call.told


async def test_the_origins_end_is_the_end() -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.say(SWITCH)
        await peer.say(b"bye")

    async with origin(script) as there, Pools() as pools:
        call = ask(pools.get(there.url), UPGRADE, upgrade=True)
        assert await call.answer() == (101, b"bye")
        assert pools.get(there.url).counts["tunnels"] == 0


async def test_a_declined_upgrade_is_a_plain_answer_and_its_connection_is_not_used_again() -> None:
    async with origin(answering(OK)) as there, Pools() as pools:
        pool = pools.get(there.url)
        call = ask(pool, UPGRADE, upgrade=True)
        assert await call.answer() == (200, b"ok")
        assert call.framing is Framing.LENGTH
        assert await ask(pool).answer() == (200, b"ok")

    assert there.connections == 2


async def test_a_101_that_was_not_asked_for_is_refused() -> None:
    async with origin(answering(SWITCH)) as there, Pools() as pools:
        call = await ask(pools.get(there.url), GET).over()

    assert str(call.lost) == "no valid answer: 101 that was not asked for"


async def test_tunnels_do_not_use_up_the_pool() -> None:
    async def script(peer: Peer) -> None:
        request = await peer.request()
        await peer.say(SWITCH if request.named("upgrade") else OK)
        await peer.left()

    async with origin(script) as there, Pools(PoolSettings(most_open=1)) as pools:
        pool = pools.get(there.url)
        tunnels = [ask(pool, UPGRADE, upgrade=True) for _ in range(5)]
        plain = ask(pool)
        for call in tunnels:
            await call.until(lambda it: it.status)
        assert await plain.answer() == (200, b"ok")
        assert pool.counts["tunnels"] == 5


async def test_a_slow_reader_slows_a_tunnel_down() -> None:
    sent = 0

    async def script(peer: Peer) -> None:
        nonlocal sent
        await peer.request()
        await peer.say(SWITCH)
        while True:
            await peer.say(b"x" * 100_000)
            sent += 100_000

    async with origin(script) as there, Pools() as pools:
        call = ask(pools.get(there.url), UPGRADE, upgrade=True)
        await call.until(lambda it: it.body)
        call.handle.pause()
        before = -1
        async with asyncio.timeout(20):
            while before != sent:
                before = sent
                await asyncio.sleep(0.3)
        assert sent < 30_000_000
        call.handle.abort()


async def test_a_handshake_has_limits_and_a_quiet_tunnel_has_none() -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        if peer.number == 1:
            await asyncio.sleep(600)
        await peer.say(SWITCH)
        await peer.left()

    async with origin(script) as there, Pools() as pools:
        pool = pools.get(there.url)
        limits = Limits(first_byte=0.2, idle=0.2)
        hung = await ask(pool, UPGRADE, upgrade=True, limits=limits).over()
        assert hung.lost is not None
        quiet = ask(pool, UPGRADE, upgrade=True, limits=limits)
        await quiet.until(lambda it: it.status)
        await asyncio.sleep(0.8)
        assert quiet.told == ["head"]


async def test_closing_the_pools_cuts_tunnels() -> None:
    async with origin(echo) as there:
        async with Pools() as pools:
            call: Asked = ask(pools.get(there.url), UPGRADE, upgrade=True)
            await call.until(lambda it: it.body)
        assert str(call.lost) == "the router is stopping"
