"""The client's end of a call: its body once, and the moment it goes."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from router.wire.asgi import BodyTooLarge, Client, ClientGone, Message, limited
from tests.serving import serving
from tests.wire.origin import until


def told(*messages: Message) -> Callable[[], Awaitable[Message]]:
    """A receive that gives these, then waits for ever."""
    rest = list(messages)

    async def receive() -> Message:
        if rest:
            return rest.pop(0)
        return await asyncio.Event().wait() or {}

    return receive


def part(body: bytes, *, more: bool = True) -> Message:
    return {"type": "http.request", "body": body, "more_body": more}


GONE: Message = {"type": "http.disconnect"}


async def test_a_body_is_read_as_it_comes_and_counted() -> None:
    client = Client(told(part(b"one"), part(b""), part(b"two", more=False)))

    assert [chunk async for chunk in client.stream()] == [b"one", b"two"]
    assert client.bytes_in == 6


async def test_a_body_is_read_once() -> None:
    client = Client(told(part(b"one", more=False)))

    assert await client.read(10) == b"one"
    assert await client.read(10) == b""


async def test_a_body_without_end_marks_is_empty() -> None:
    assert await Client(told({"type": "http.request"})).read(0) == b""


async def test_a_body_that_is_cut_is_no_body() -> None:
    client = Client(told(part(b"half"), GONE))

    with pytest.raises(ClientGone):
        await client.read(10)


@pytest.mark.parametrize(("parts", "limit"), [((b"12345",), 4), ((b"123", b"45"), 4), ((b"1",), 0)])
async def test_a_body_past_the_limit_is_refused_before_it_is_held(parts: tuple[bytes, ...], limit: int) -> None:
    client = Client(told(*(part(each) for each in parts)))

    with pytest.raises(BodyTooLarge) as refused:
        await client.read(limit)
    assert refused.value.limit == limit


async def test_a_body_of_the_limit_is_read() -> None:
    assert await Client(told(part(b"12"), part(b"34", more=False))).read(4) == b"1234"


async def test_a_limit_passes_bytes_on_at_the_readers_pace() -> None:
    made: list[int] = []

    async def body() -> AsyncIterator[bytes]:
        for number in range(3):
            made.append(number)
            yield b"xx"

    chunks = limited(body(), 4)
    await anext(chunks)
    assert made == [0]
    await anext(chunks)
    with pytest.raises(BodyTooLarge):
        await anext(chunks)


async def test_work_gives_its_result_while_the_client_stays() -> None:
    async def work() -> str:
        return "done"

    client = Client(told(part(b"", more=False)))
    await client.read(0)

    assert await client.unless_gone(work()) == "done"


async def test_an_error_of_the_work_comes_out_as_it_is() -> None:
    async def work() -> None:
        raise LookupError("mine")

    client = Client(told(part(b"", more=False)))
    await client.read(0)

    with pytest.raises(LookupError, match="mine"):
        await client.unless_gone(work())


async def test_work_is_cancelled_and_over_when_the_client_goes() -> None:
    ended: list[str] = []

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)  # cleaning up takes a moment; it is waited for
            ended.append("over")

    client = Client(told(part(b"", more=False), GONE))
    await client.read(0)

    with pytest.raises(ClientGone):
        await client.unless_gone(work())
    assert ended == ["over"]


async def test_a_result_that_is_there_counts_though_the_client_goes_with_it() -> None:
    async def work() -> str:
        return "done"

    client = Client(told(GONE))
    client.no_body()

    assert await client.unless_gone(work()) == "done"


async def test_a_client_is_not_watched_while_its_body_is_being_read() -> None:
    client = Client(told(part(b"a"), part(b"b", more=False)))

    async def work() -> bytes:
        return b"".join([chunk async for chunk in client.stream()])

    assert await client.unless_gone(work()) == b"ab"


async def test_a_cancelled_wait_cancels_the_work() -> None:
    ended: list[str] = []

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("over")

    client = Client(told())
    client.no_body()
    waiting = asyncio.create_task(client.unless_gone(work()))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    waiting.cancel()

    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert ended == ["over"]


async def test_a_real_client_that_hangs_up_is_noticed() -> None:
    seen: list[str] = []

    async def app(_scope: object, receive: Callable[[], Awaitable[Message]], _send: object) -> None:
        client = Client(receive)
        await client.read(10)
        seen.append("asked")
        try:
            await client.unless_gone(asyncio.Event().wait())
        except ClientGone:
            seen.append("gone")

    async with serving(app) as url:
        host, _, port = url.removeprefix("http://").partition(":")
        _, writer = await asyncio.open_connection(host, int(port))
        writer.write(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nab")
        await until(lambda: seen == ["asked"])
        writer.close()

        await until(lambda: seen == ["asked", "gone"])
