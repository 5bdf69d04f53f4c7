"""Kept connections: used again when that is safe, and never when it is not."""

import asyncio
import contextlib
import socket

import pytest

from router.wire.http1 import Pools, PoolSettings
from tests.wire.http1.asking import GET, HEAD, OK, Asked, ask, post
from tests.wire.origin import Peer, answering, origin, until

FORGED = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged"


@pytest.mark.parametrize(
    ("head", "answer"),
    [
        (GET, OK),
        (GET, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-Sum: 1\r\n\r\n"),
        (HEAD, b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"),
        (GET, b"HTTP/1.1 204 No Content\r\n\r\n"),
        (GET, b"HTTP/1.1 304 Same\r\nContent-Length: 9\r\n\r\n"),
        (GET, b"HTTP/1.1 103 Hints\r\nLink: a\r\n\r\n" + OK),
    ],
    ids=["length", "chunked with trailers", "HEAD", "204", "304", "103"],
)
async def test_a_connection_carries_one_call_after_the_other(head: bytes, answer: bytes) -> None:
    async with origin(answering(answer, OK)) as there, Pools() as pools:
        pool = pools.get(there.url)
        for _ in range(3):
            first = await ask(pool, head, head_only=head is HEAD).over()
            assert first.ended and bytes(first.body) in (b"ok", b"")
            second = ask(pool)
            assert await second.answer() == (200, b"ok")
            assert second.headers == [(b"Content-Length", b"2")]

    assert there.connections == 1


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
    ],
    ids=["close", "1.0"],
)
async def test_a_connection_that_the_origin_gives_up_is_not_used_again(answer: bytes) -> None:
    async with origin(answering(answer)) as there, Pools() as pools:
        for _ in range(2):
            assert await ask(pools.get(there.url)).answer() == (200, b"ok")
        assert pools.get(there.url).counts["open"] == 0

    assert there.connections == 2


async def test_a_second_answer_in_the_same_segment_is_nobodys_answer() -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.say(OK + FORGED)
        await peer.left()

    async with origin(script) as there, Pools() as pools:
        pool = pools.get(there.url)
        for _ in range(3):
            assert await ask(pool).answer() == (200, b"ok")

    assert there.connections == 3


async def test_bytes_that_come_while_nobody_asks_close_the_connection() -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.say(OK)
        await asyncio.sleep(0.02)
        await peer.say(FORGED)
        await peer.left()

    async with origin(script) as there, Pools() as pools:
        pool = pools.get(there.url)
        assert await ask(pool).answer() == (200, b"ok")
        await until(lambda: pool.counts["open"] == 0)
        assert await ask(pool).answer() == (200, b"ok")


async def test_the_connection_used_last_is_used_first() -> None:
    async def script(peer: Peer) -> None:
        while True:
            await peer.request()
            await peer.say(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n%d" % peer.number)

    async with origin(script) as there, Pools() as pools:
        pool = pools.get(there.url)
        calls = [ask(pool) for _ in range(3)]
        for call in calls:
            await call.over()
        last = (await ask(pool).over()).body
        assert [(await ask(pool).over()).body for _ in range(3)] == [last] * 3


async def test_a_connection_idle_for_too_long_is_closed_by_itself() -> None:
    left = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.say(OK)
        await peer.left()
        left.set()

    async with origin(script) as there, Pools(PoolSettings(idle_seconds=0.2)) as pools:
        pool = pools.get(there.url)
        assert await ask(pool).answer() == (200, b"ok")
        await asyncio.wait_for(left.wait(), 20)
        assert pool.counts["open"] == 0


async def test_an_old_connection_is_not_used_again_though_it_never_rests() -> None:
    settings = PoolSettings(idle_seconds=30, age_seconds=0.2)
    async with origin(answering(OK)) as there, Pools(settings) as pools:
        pool = pools.get(there.url)
        calls = []

        class Again(Asked):
            def on_end(self) -> None:
                super().on_end()
                if there.connections == 1:
                    start()

        def start() -> None:
            calls.append(Again())
            calls[-1].handle = pool.start(calls[-1], GET)

        start()
        await until(lambda: there.connections == 2)
        await until(lambda: pool.counts["idle"] == 1)
        assert all(call.ended for call in calls) and pool.counts["open"] == 1


async def test_an_old_connection_at_rest_is_closed_by_itself() -> None:
    async with origin(answering(OK)) as there, Pools(PoolSettings(idle_seconds=30, age_seconds=0.2)) as pools:
        assert await ask(pools.get(there.url)).answer() == (200, b"ok")
        await until(lambda: pools.get(there.url).counts["open"] == 0)


async def test_a_connection_that_died_while_idle_is_not_handed_out() -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.say(OK)

    async with origin(script) as there, Pools() as pools:
        pool = pools.get(there.url)
        for _ in range(3):
            call = await ask(pool, post(1), b"x").over()
            assert call.ended
            await until(lambda: pool.counts["open"] == 0)

    assert len(there.requests) == 3


@pytest.mark.parametrize("then", [b"", FORGED], ids=["end", "second answer"])
async def test_what_only_the_kernel_knows_of_is_noticed_before_a_connection_is_used(then: bytes) -> None:
    loop = asyncio.get_running_loop()
    listener = socket.create_server(("127.0.0.1", 0))
    listener.setblocking(False)
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    with listener, contextlib.ExitStack() as open_:
        async with Pools() as pools:
            pool = pools.get(url)
            for _ in range(3):
                call = ask(pool, post(1), b"x")
                there, _address = await loop.sock_accept(listener)
                open_.enter_context(there)
                assert await loop.sock_recv(there, 1000) == post(1) + b"x"
                await loop.sock_sendall(there, OK)
                assert await call.answer() == (200, b"ok")
                # No turn of the loop between this and the next call.
                if then:
                    there.send(then)
                else:
                    there.close()


@pytest.mark.parametrize("head", [GET, HEAD], ids=["GET", "HEAD"])
async def test_a_bodyless_read_that_met_the_end_of_its_connection_is_repeated_on_a_fresh_one(head: bytes) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.say(OK)
        request = await peer.request()
        if request.line.startswith("GET /last"):
            await peer.say(OK)

    async with origin(script) as there, Pools() as pools:
        pool = pools.get(there.url)
        assert await ask(pool).answer() == (200, b"ok")
        sent: list[int] = []
        call = await ask(pool, head, head_only=head is HEAD, sent=lambda: sent.append(1)).over()
        assert call.ended and len(sent) == 2

    assert there.connections == 2 and len(there.requests) == 3


async def test_it_is_repeated_once_only_and_on_no_kept_connection() -> None:
    both = asyncio.Event()

    async def script(peer: Peer) -> None:
        if peer.number < 3:
            await peer.request()
            await both.wait()
            await peer.say(OK)
        await peer.request()  # and closes without a word

    async with origin(script) as there, Pools() as pools:
        pool = pools.get(there.url)
        calls = [ask(pool), ask(pool)]
        await until(lambda: len(there.requests) == 2)
        both.set()
        for call in calls:
            assert await call.answer() == (200, b"ok")
        call = await ask(pool).over()

        assert call.lost is not None and (call.lost.sent, call.lost.processed) == (True, False)
        assert [received.connection for received in there.requests[2:]] in ([1, 3], [2, 3])


@pytest.mark.parametrize("method", [b"POST", b"GET"])
async def test_what_may_have_been_carried_out_is_not_repeated(method: bytes) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.say(OK)
        await peer.request()

    async with origin(script) as there, Pools() as pools:
        pool = pools.get(there.url)
        assert await ask(pool).answer() == (200, b"ok")
        call = await ask(pool, post(1).replace(b"POST", method), b"x").over()

    assert call.lost is not None and (call.lost.sent, call.lost.processed) == (True, True)
    assert len(there.requests) == 2


@pytest.mark.parametrize("said", [b"H", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 103 Hints\r\n\r\n"])
async def test_a_read_whose_answer_had_begun_is_not_repeated(said: bytes) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.say(OK)
        await peer.request()
        await peer.say(said)

    async with origin(script) as there, Pools() as pools:
        pool = pools.get(there.url)
        assert await ask(pool).answer() == (200, b"ok")
        call = await ask(pool).over()

    assert call.lost is not None and call.lost.text == "the connection was closed in the middle of an answer"
    assert len(there.requests) == 2


async def test_a_read_on_a_fresh_connection_is_not_repeated() -> None:
    async def script(peer: Peer) -> None:
        await peer.request()

    async with origin(script) as there, Pools() as pools:
        call = await ask(pools.get(there.url)).over()

    assert call.lost is not None and call.lost.text == "no answer"
    assert len(there.requests) == 1


async def test_a_reset_is_told_as_what_it_is() -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.say(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
        await asyncio.sleep(0.05)
        peer.reset()

    async with origin(script) as there, Pools() as pools:
        call = await ask(pools.get(there.url)).over()

    assert call.lost is not None and call.body == b"half"
