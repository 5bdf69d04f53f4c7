"""Many calls at once to an origin of every mood: each hears its own answer or its own loss, and nothing is left."""

import asyncio
import random

import pytest

from router.wire.http1 import Limits, Pool, Pools, PoolSettings
from tests.wire.http1.asking import Asked
from tests.wire.origin import Peer, origin, until

CALLS = 400
BODY = b"x" * 5000


class Moody:
    """An origin that answers with the request's own number, well or badly."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)

    async def __call__(self, peer: Peer) -> None:
        while True:
            head = await peer.head()
            number = head.line.split()[1].encode()
            mood = self.chance.random()
            if mood < 0.05:
                return  # a kept connection that ends under a request
            if mood < 0.08:
                await peer.say(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (len(number) + 3), number)
                return  # cut
            if mood < 0.11:
                peer.reset()
                return
            early = mood < 0.16
            if not early:
                await self._body(peer, head.named("content-length"), head.named("transfer-encoding"))
            await self._answer(peer, number)
            if early:
                await self._body(peer, head.named("content-length"), head.named("transfer-encoding"))
            if mood > 0.95:
                await peer.say(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged")
            if mood > 0.9:
                await asyncio.sleep(self.chance.random() * 0.02)
                return

    async def _body(self, peer: Peer, length: list[str], coding: list[str]) -> None:
        if coding:
            async for _ in peer.chunks():
                pass
        elif length:
            await peer.reader.readexactly(int(length[0]))

    async def _answer(self, peer: Peer, number: bytes) -> None:
        if self.chance.random() < 0.2:
            await asyncio.sleep(self.chance.random() * 0.02)
        mood = self.chance.randrange(5)
        if mood == 0:
            await peer.say(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"%x\r\n" % len(number), number)
            await peer.say(b"\r\n0\r\nX-Sum: 1\r\n\r\n")
        elif mood == 1:
            await peer.say(b"HTTP/1.1 103 Hints\r\n\r\n", b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n", number)
            peer.writer.close()
        else:
            await peer.say(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(number) + number)


def start(pool: Pool, chance: random.Random, number: int) -> Asked:
    call = Asked()
    kind = chance.randrange(4)
    line = b"%b /%d HTTP/1.1\r\nHost: h\r\n" % (b"GET" if kind < 2 else b"POST", number)
    limits = Limits(connect=20, idle=10) if chance.random() < 0.5 else None
    if kind < 2:
        call.handle = pool.start(call, line + b"\r\n", limits=limits)
    elif kind == 2:
        head = line + b"Content-Length: %d\r\n\r\n" % len(BODY)
        call.handle = pool.start(call, head, BODY, limits=limits)
    else:
        call.handle = pool.start(call, line + b"Transfer-Encoding: chunked\r\n\r\n", b"a", ends=False, limits=limits)
    return call


async def behave(call: Asked, chance: random.Random) -> bool:
    """What its caller does meanwhile; whether it stays to the end."""
    await asyncio.sleep(chance.random() * 0.02)
    if chance.random() < 0.2:
        call.handle.pause()
        await asyncio.sleep(chance.random() * 0.02)
        call.handle.resume()
    call.handle.write(BODY)
    if chance.random() < 0.15:
        call.handle.abort()
        told = list(call.told)
        await asyncio.sleep(0.05)
        assert call.told == told
        return False
    call.handle.end()
    await call.over()
    return True


@pytest.mark.parametrize("seed", range(4))
async def test_every_call_hears_its_own_answer_or_its_own_loss(seed: int) -> None:
    chance = random.Random(seed)
    settings = PoolSettings(most_open=10, idle_seconds=5, connect_seconds=20, linger_seconds=0.3)
    outcomes = {"whole": 0, "lost": 0, "left": 0}
    async with origin(Moody(seed)) as there, Pools(settings) as pools:
        pool = pools.get(there.url)

        async def one(number: int) -> None:
            await asyncio.sleep(chance.random() * 0.5)
            call = start(pool, chance, number)
            if not await behave(call, chance):
                outcomes["left"] += 1
            elif call.lost is not None:
                outcomes["lost"] += 1
                assert (b"/%d" % number).startswith(call.body)
            else:
                outcomes["whole"] += 1
                assert (call.status, call.body) == (200, b"/%d" % number)

        await asyncio.gather(*(one(number) for number in range(CALLS)))
        await until(lambda: pool.counts["open"] == pool.counts["idle"])
        assert pool.counts["waiting"] == pool.counts["dialing"] == pool.counts["tunnels"] == 0

    assert sum(outcomes.values()) == CALLS
    assert outcomes["whole"] > CALLS * 0.4 and outcomes["lost"] > CALLS * 0.02 and outcomes["left"] > CALLS * 0.05
