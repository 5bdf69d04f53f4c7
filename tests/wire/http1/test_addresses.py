"""Addresses: asked for again from time to time, and every one of them tried."""

import asyncio
import socket

from router.wire.http1 import Pools, PoolSettings
from router.wire.http1.dial import Address, Dialer
from tests.wire.http1.asking import OK, ask
from tests.wire.origin import answering, origin


class Names:
    """A resolver that says what it is told to, and notes who asks."""

    def __init__(self, *hosts: str) -> None:
        self.hosts = list(hosts)
        self.asked: list[tuple[str, int]] = []

    async def __call__(self, host: str, port: int) -> list[Address]:
        self.asked.append((host, port))
        if not self.hosts:
            raise socket.gaierror(socket.EAI_NONAME, "no such name")
        return [(each, port) for each in self.hosts]


def port(url: str) -> str:
    return url.rpartition(":")[2]


async def test_every_address_is_tried_in_order() -> None:
    names = Names("127.0.0.3", "127.0.0.2", "127.0.0.1")  # only the last listens
    async with origin(answering(OK)) as there, Pools(resolve=names) as pools:
        assert await ask(pools.get(f"http://origin.test:{port(there.url)}")).answer() == (200, b"ok")

    assert names.asked == [("origin.test", int(port(there.url)))]


async def test_an_address_that_swallows_everything_leaves_time_for_the_next() -> None:
    # A listener whose queue is full answers no further connection.
    full = socket.socket()
    full.bind(("127.0.0.2", 0))
    full.listen(0)
    waiting = [socket.socket() for _ in range(2)]
    for one in waiting:
        one.setblocking(False)
        one.connect_ex(full.getsockname())
    number = full.getsockname()[1]
    server = await asyncio.start_server(_serve, "127.0.0.1", number)
    names = Names("127.0.0.2", "127.0.0.1")
    try:
        async with Pools(PoolSettings(connect_seconds=2.0), resolve=names) as pools:
            assert await ask(pools.get(f"http://origin.test:{number}")).answer() == (200, b"ok")
    finally:
        server.close()
        for one in (full, *waiting):
            one.close()


async def _serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(OK)
    await writer.drain()
    writer.close()


async def test_names_are_asked_for_again_when_they_are_old_and_only_then() -> None:
    close = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok"
    names = Names("127.0.0.1")
    async with origin(answering(close)) as there:
        base = f"http://origin.test:{port(there.url)}"
        async with Pools(resolve=names) as pools:
            pool = pools.get(base)
            for _ in range(3):
                assert await ask(pool).answer() == (200, b"ok")
        assert len(names.asked) == 1
        async with Pools(resolve=names, refresh_seconds=0) as pools:
            pool = pools.get(base)
            for _ in range(3):
                assert await ask(pool).answer() == (200, b"ok")
        assert len(names.asked) == 4


async def test_a_name_whose_addresses_all_failed_is_asked_for_again() -> None:
    names = Names("127.0.0.2")
    async with origin(answering(OK)) as there, Pools(resolve=names) as pools:
        pool = pools.get(f"http://origin.test:{port(there.url)}")
        assert (await ask(pool).over()).lost is not None
        names.hosts = ["127.0.0.1"]
        assert await ask(pool).answer() == (200, b"ok")


async def test_a_name_nobody_knows_is_told_as_such() -> None:
    async with Pools(resolve=Names()) as pools:
        call = await ask(pools.get("http://origin.test")).over()

    assert call.lost is not None and "gaierror" in str(call.lost) and not call.lost.sent


async def test_a_resolver_that_never_answers_is_given_up() -> None:
    async def never(host: str, port: int) -> list[Address]:
        await asyncio.sleep(600)
        return []

    async with Pools(PoolSettings(connect_seconds=0.2), resolve=never) as pools:
        call = await ask(pools.get("http://origin.test")).over()

    assert call.lost is not None and "within 0.2 s" in str(call.lost)


async def test_a_name_is_resolved_by_the_system() -> None:
    async with origin(answering(OK)) as there, Pools() as pools:
        assert await ask(pools.get(f"http://localhost:{port(there.url)}")).answer() == (200, b"ok")

    assert str(Dialer("localhost", 80, None)) == "localhost:80"
