"""A call that is over is freed at once: in a ring, thousands would wait for the collector, which stops the loop."""

import asyncio
import gc
import weakref
from collections.abc import Iterator

import pytest

from router.wire.http1 import Pools
from router.wire.http1.client import Http1Upstream
from router.wire.inbound.exchange import Exchange
from tests.wire.http1.asking import GET, OK, Asked, post
from tests.wire.inbound import kit
from tests.wire.inbound.scripts import Writer, ok
from tests.wire.inbound.scripts import answering as handling
from tests.wire.origin import Peer, answering, origin, until
from tests.wire.upstreams import asked


@pytest.fixture(autouse=True)
def no_collector() -> Iterator[None]:
    gc.disable()
    yield
    gc.enable()


async def cut(peer: Peer) -> None:
    await peer.request()


async def early(peer: Peer) -> None:
    await peer.head()
    await peer.say(OK)
    await peer.left()


@pytest.mark.parametrize("end", ["answered", "lost", "aborted", "refused", "answered early"])
async def test_a_call_of_the_pool(end: str) -> None:
    script = {"lost": cut, "answered early": early}.get(end, answering(OK))
    async with origin(script) as there, Pools() as pools:
        pool = pools.get("http://127.0.0.1:1" if end == "refused" else there.url)
        call = Asked()
        if end == "answered early":
            call.handle = pool.start(call, post(4), ends=False)
            while not call.ended:
                await asyncio.sleep(0.01)
            call.handle.write(b"body")
            call.handle.end()
        else:
            call.handle = pool.start(call, GET)
        if end == "aborted":
            call.handle.abort()
        else:
            await call.over()
        gone = weakref.ref(call)
        del call
        await until(lambda: gone() is None)


async def test_a_call_of_the_port() -> None:
    async with origin(answering(OK)) as there, Http1Upstream() as upstream:
        response = await upstream.send(asked(there.url))
        assert await response.read(10) == b"ok"
        gone = weakref.ref(response)
        del response
        await until(lambda: gone() is None)


async def test_a_relayed_call() -> None:
    async def handle(head: bytes, body: bytes, writer: Writer) -> None:
        writer.write(ok(b"here"))

    def alive() -> int:
        return sum(isinstance(each, Exchange) for each in gc.get_objects())

    async with kit.origin(handling(handle)) as base, kit.relay(base) as running:
        wire = await running.connect()
        before = alive()
        for _ in range(20):
            await wire.send(b"GET /x HTTP/1.1\r\nHost: h\r\n\r\n")
            await wire.answer()
        await asyncio.sleep(0)
        # The connection keeps its last.
        assert alive() <= before + 1
