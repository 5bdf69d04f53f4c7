"""The Upstream contract: both ways are streams, at the slower end's pace, with bounded memory."""

import asyncio
from collections.abc import AsyncIterator

from crossfade.upstream import Upstream
from tests.wire.origin import OK, Peer, origin, settled, until
from tests.wire.upstreams import asked

MEGABYTE = 1024 * 1024
# What may be on its way at once: buffers of two kernels and of the client. The whole would be far more.
ON_ITS_WAY = 24 * MEGABYTE
WHOLE = 256


async def test_an_upload_leaves_while_it_is_made(upstream: Upstream) -> None:
    arrived = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.head()
        seen = b""
        async for chunk in peer.chunks():
            seen += chunk
            arrived.set()
        await peer.say(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(seen) + seen)

    async def body() -> AsyncIterator[bytes]:
        yield b"first"
        await arrived.wait()  # for ever, if the first waited for the second
        yield b", then second"

    async with origin(script) as there, asyncio.timeout(20):
        response = await upstream.send(asked(there.url, method="POST", body=body()))

        assert await response.read(100) == b"first, then second"


async def test_an_upload_of_known_length_leaves_while_it_is_made(upstream: Upstream) -> None:
    arrived = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.head()
        await peer.reader.readexactly(5)
        arrived.set()
        await peer.reader.readexactly(3)
        await peer.say(OK)

    async def body() -> AsyncIterator[bytes]:
        yield b"first"
        await arrived.wait()
        yield b"end"

    async with origin(script) as there, asyncio.timeout(20):
        headers = [(b"Content-Length", b"8")]
        response = await upstream.send(asked(there.url, method="POST", headers=headers, body=body()))

        assert await response.read(100) == b"ok"


async def test_an_answer_is_read_while_it_is_made(upstream: Upstream) -> None:
    read = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.say(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n")
        await read.wait()
        await peer.say(b"6\r\nsecond\r\n0\r\n\r\n")

    async with origin(script) as there, asyncio.timeout(20):
        response = await upstream.send(asked(there.url))
        seen = b""
        async for chunk in response.chunks():
            seen += chunk
            read.set()

    assert seen == b"firstsecond"


async def test_the_head_of_an_answer_does_not_wait_for_its_body(upstream: Upstream) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.say(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n")
        await peer.left()

    async with origin(script) as there, asyncio.timeout(20):
        response = await upstream.send(asked(there.url))

        assert response.status == 200
        await response.close()


async def test_an_answer_that_nobody_reads_is_held_back(upstream: Upstream) -> None:
    said = 0

    async def script(peer: Peer) -> None:
        nonlocal said
        await peer.request()
        await peer.say(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (WHOLE * MEGABYTE))
        for _ in range(WHOLE):
            await peer.say(b"x" * MEGABYTE)
            said += MEGABYTE

    async with origin(script) as there:
        response = await upstream.send(asked(there.url))
        chunks = aiter(response.chunks())
        size = len(await anext(chunks))
        held_at = await settled(lambda: said)
        async for chunk in chunks:
            size += len(chunk)

    assert held_at < ON_ITS_WAY
    assert size == WHOLE * MEGABYTE


async def test_an_upload_that_nobody_reads_is_held_back(upstream: Upstream) -> None:
    made = 0
    go_on = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.head()
        await go_on.wait()
        size = 0
        async for chunk in peer.chunks():
            size += len(chunk)
        await peer.say(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%d" % (len(str(size)), size))

    async def body() -> AsyncIterator[bytes]:
        nonlocal made
        for _ in range(WHOLE):
            made += MEGABYTE
            yield b"x" * MEGABYTE

    async with origin(script) as there:
        asking = asyncio.create_task(upstream.send(asked(there.url, method="PUT", body=body())))
        await until(lambda: made > 0)
        held_at = await settled(lambda: made)
        go_on.set()
        size = await (await asking).read(100)

    assert held_at < ON_ITS_WAY
    assert int(size) == WHOLE * MEGABYTE


async def test_an_answer_may_come_before_its_upload_is_over(upstream: Upstream) -> None:
    let_go: list[int] = []
    made: list[str] = []

    async def script(peer: Peer) -> None:
        await peer.head()
        await peer.say(b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\n\r\nbig")
        await peer.left()
        let_go.append(peer.number)

    async def body() -> AsyncIterator[bytes]:
        try:
            yield b"first"
            await asyncio.Event().wait()
        finally:
            made.append("over")

    async with origin(script) as there, asyncio.timeout(20):
        response = await upstream.send(asked(there.url, method="POST", body=body()))
        assert (response.status, await response.read(10)) == (413, b"big")
        await response.close()

        # Half a request must not be taken for the beginning of the next: its connection goes, and so does the body.
        await until(lambda: bool(let_go and made))


async def test_bytes_said_both_ways_at_once_do_not_wait_for_each_other(upstream: Upstream) -> None:
    async def script(peer: Peer) -> None:
        await peer.head()
        await peer.say(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        async for chunk in peer.chunks():
            await peer.say(b"%x\r\n" % len(chunk), chunk, b"\r\n")
        await peer.say(b"0\r\n\r\n")

    echoed = asyncio.Event()

    async def body() -> AsyncIterator[bytes]:
        yield b"ping"
        await echoed.wait()
        yield b"pong"

    async with origin(script) as there, asyncio.timeout(20):
        response = await upstream.send(asked(there.url, method="POST", body=body()))
        seen = b""
        async for chunk in response.chunks():
            seen += chunk
            echoed.set()

    assert seen == b"pingpong"
