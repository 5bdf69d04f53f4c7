"""The pool: how many connections, who waits and for how long, and that nobody waits for nothing."""

import asyncio
import gc
import weakref

import pytest

from router.wire.headers import call_id
from router.wire.http1 import Limits, Pools, PoolSettings
from tests.wire.http1.asking import GET, OK, Asked, ask, post
from tests.wire.origin import Peer, answering, origin, until

NOTHING = dict.fromkeys(("open", "idle", "dialing", "tunnels", "waiting"), 0)


def gate(opened: asyncio.Event) -> object:
    """A script that answers only once the gate is open."""

    async def script(peer: Peer) -> None:
        while True:
            await peer.request()
            await opened.wait()
            await peer.say(OK)

    return script


async def refused() -> str:
    """The address of nobody."""
    async with origin(answering(OK)) as there:
        return there.url


async def test_no_more_connections_are_made_than_allowed_and_calls_wait_in_order() -> None:
    opened, order = asyncio.Event(), []

    class Noting(Asked):
        def __init__(self, number: int) -> None:
            super().__init__()
            self.number = number

        def on_end(self) -> None:
            super().on_end()
            order.append(self.number)

    async with origin(gate(opened)) as there, Pools(PoolSettings(most_open=2)) as pools:  # type: ignore[arg-type]
        pool = pools.get(there.url)
        calls = [Noting(number) for number in range(12)]
        for call in calls:
            call.handle = pool.start(call, GET)
        await until(lambda: len(there.requests) == 2)
        assert pool.counts == NOTHING | {"open": 2, "waiting": 10}
        opened.set()
        for call in calls:
            assert await call.answer() == (200, b"ok")

    assert there.connections == 2
    # Two connections work side by side: neighbours may overtake each other, nobody else.
    assert all(abs(place - number) <= 2 for place, number in enumerate(order))


async def test_a_call_that_waits_for_a_free_connection_waits_no_longer_than_allowed() -> None:
    settings = PoolSettings(most_open=1, connect_seconds=0.2)
    async with origin(gate(asyncio.Event())) as there, Pools(settings) as pools:  # type: ignore[arg-type]
        pool = pools.get(there.url)
        first = ask(pool)
        await until(lambda: bool(there.requests))
        late, later = ask(pool), ask(pool, limits=Limits(connect=0.4))
        await late.over()
        assert later.lost is None
        await later.over()

        assert [str(call.lost) for call in (late, later)] == [
            "no connection within 0.2 s",
            "no connection within 0.4 s",
        ]
        assert late.lost is not None and (late.lost.sent, late.lost.processed) == (False, False)
        assert first.told == [] and pool.counts["waiting"] == 0


async def test_a_short_limit_behind_a_long_one_is_still_short() -> None:
    async with origin(gate(asyncio.Event())) as there, Pools(PoolSettings(most_open=1)) as pools:  # type: ignore[arg-type]
        pool = pools.get(there.url)
        calls = [ask(pool), ask(pool), ask(pool, limits=Limits(connect=0.1)), ask(pool, limits=Limits(total=0.2))]
        await calls[3].over()

        assert [str(call.lost) for call in calls[2:]] == ["no connection within 0.1 s", "no connection within 0.2 s"]
        assert calls[0].lost is None and calls[1].lost is None


async def test_a_refused_connection_is_told_to_everybody_who_waits_for_it() -> None:
    url = await refused()
    async with Pools(PoolSettings(most_open=3)) as pools:
        pool = pools.get(url)
        calls = [ask(pool) for _ in range(50)]
        for call in calls:
            await call.over()
            assert call.lost is not None and str(call.lost).startswith("cannot connect: ConnectionRefusedError")
            assert (call.lost.sent, call.lost.processed) == (False, False)
        assert pool.counts == NOTHING


async def test_nobody_is_told_of_a_refusal_before_the_start_has_returned() -> None:
    async with Pools(PoolSettings(most_waiting=0)) as pools:
        call = ask(pools.get(await refused()))
        assert call.told == []
        await call.over()
        assert str(call.lost) == "too many calls wait for a connection"


async def test_an_origin_that_accepts_and_closes_is_no_connection() -> None:
    async def script(peer: Peer) -> None:
        peer.reset()

    async with origin(script) as there, Pools() as pools:
        calls = [ask(pools.get(there.url), post(1), b"x") for _ in range(20)]
        for call in calls:
            await call.over()
            assert call.lost is not None
        assert there.connections <= 40
        await until(lambda: pools.get(there.url).counts == NOTHING)


async def test_a_call_withdrawn_while_it_waits_hears_nothing_and_sends_nothing() -> None:
    opened = asyncio.Event()
    async with origin(gate(opened)) as there, Pools(PoolSettings(most_open=1)) as pools:  # type: ignore[arg-type]
        pool = pools.get(there.url)
        first, second, third = ask(pool), ask(pool), ask(pool)
        await until(lambda: bool(there.requests))
        second.handle.abort()
        second.handle.abort()
        second.handle.write(b"x")
        opened.set()
        assert await first.answer() == await third.answer() == (200, b"ok")

    assert second.told == [] and len(there.requests) == 2


async def test_a_connection_made_for_a_call_that_left_serves_the_next() -> None:
    async with origin(answering(OK)) as there, Pools() as pools:
        pool = pools.get(there.url)
        ask(pool).handle.abort()
        await until(lambda: pool.counts["idle"] == 1)
        assert await ask(pool).answer() == (200, b"ok")

    assert there.connections == 1 and len(there.requests) == 1


async def test_a_lost_connection_makes_room_for_who_waits() -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        if peer.number > 1:
            await peer.say(OK)
            await peer.left()

    async with origin(script) as there, Pools(PoolSettings(most_open=1)) as pools:
        pool = pools.get(there.url)
        first, second = ask(pool), ask(pool)
        assert (await first.over()).lost is not None
        assert await second.answer() == (200, b"ok")


async def test_a_defect_of_one_caller_is_its_own_affair(caplog: pytest.LogCaptureFixture) -> None:
    class Broken(Asked):
        def on_end(self) -> None:
            raise LookupError("ours")

    class Unlucky(Asked):
        def on_lost(self, lost: object) -> None:
            raise LookupError("ours too")

    async with origin(answering(OK)) as there, Pools() as pools:
        pool = pools.get(there.url)
        broken = Broken()
        broken.handle = pool.start(broken, GET)
        await broken.until(lambda it: it.body)
        assert await ask(pool).answer() == (200, b"ok")
        assert there.connections == 1
    async with Pools(PoolSettings(most_open=1)) as pools:
        pool = pools.get(there.url)
        unlucky = Unlucky()
        unlucky.handle = pool.start(unlucky, GET)
        assert (await ask(pool).over()).lost is not None

    assert [record.message for record in caplog.records] == [
        "end of an upstream call failed",
        "loss of an upstream call failed",
    ]


async def test_a_connection_does_not_carry_the_context_of_the_call_it_was_made_for() -> None:
    seen: list[str] = []

    class Looking(Asked):
        def on_end(self) -> None:
            super().on_end()
            seen.append(call_id.get())

    async with origin(answering(OK)) as there, Pools() as pools:
        pool = pools.get(there.url)
        for name in ("first", "second"):
            token = call_id.set(name)
            looking = Looking()
            looking.handle = pool.start(looking, GET)
            call_id.reset(token)
            await looking.over()

    assert seen == ["", ""]


async def test_closing_tells_everybody_and_leaves_nothing_open() -> None:
    opened = asyncio.Event()
    left: list[int] = []

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.left()
        left.append(peer.number)

    async with origin(script) as there:
        async with Pools(PoolSettings(most_open=2)) as pools:
            pool = pools.get(there.url)
            calls = [ask(pool) for _ in range(4)]
            await until(lambda: len(there.requests) == 2)
        assert [str(call.lost) for call in calls] == ["the router is stopping"] * 4
        assert [call.lost.sent for call in calls if call.lost] == [True, True, False, False]
        await until(lambda: sorted(left) == [1, 2])
        assert pool.counts == NOTHING
        late = ask(pool)
        assert late.told == [] and str((await late.over()).lost) == "the router is stopping"
        with pytest.raises(RuntimeError, match="async with"):
            pools.get(there.url)
    opened.set()


async def test_closing_while_connections_are_being_made_tells_everybody() -> None:
    async with origin(answering(OK)) as there:
        async with Pools() as pools:
            call = ask(pools.get(there.url))
        assert str((await call.over()).lost) == "the router is stopping"


async def test_a_pool_lives_as_long_as_somebody_needs_it() -> None:
    settings = PoolSettings(idle_seconds=0.2, connect_seconds=0.5)
    async with origin(answering(OK)) as there, Pools(settings) as pools:
        assert await ask(pools.get(there.url)).answer() == (200, b"ok")
        assert await ask(pools.get(there.url)).answer() == (200, b"ok")
        assert there.connections == 1
        pool = weakref.ref(pools.get(there.url))
        async with asyncio.timeout(20):
            while pool() is not None:
                await asyncio.sleep(0.05)
                gc.collect()


@pytest.mark.parametrize("base", ["ftp://h", "h:80", "http://", "", "https:///x", "http://h:99999"])
async def test_what_is_no_origin_has_no_pool(base: str) -> None:
    async with Pools() as pools:
        with pytest.raises(ValueError):
            pools.get(base)
