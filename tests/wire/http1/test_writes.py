"""What goes to the transport, and when: one write for a head and its body, none while an answer is being parsed."""

import asyncio
from collections.abc import Callable, Iterable
from typing import Any

from router.wire.http1 import Pool, PoolSettings
from router.wire.http1.connection import Connection
from router.wire.http1.dial import Dialer
from tests.wire.http1.asking import GET, OK, Asked, post
from tests.wire.origin import until


class Noted(asyncio.Transport):
    """A transport that goes nowhere and notes every write."""

    def __init__(self) -> None:
        super().__init__()
        self.writes: list[list[bytes]] = []
        self.closing = False

    def write(self, data: Any) -> None:
        self.writes.append([data])

    def writelines(self, list_of_data: Iterable[Any]) -> None:
        self.writes.append(list(list_of_data))

    def is_closing(self) -> bool:
        return self.closing

    def close(self) -> None:
        self.closing = True

    def abort(self) -> None:
        self.closing = True

    def get_write_buffer_size(self) -> int:
        return 0

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return default

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...


class Nowhere(Dialer):
    """Connects to nobody, as soon as it may."""

    def __init__(self, *, lost: bool = False) -> None:
        super().__init__("nowhere.test", 80, None)
        self.made: list[Connection] = []
        self.may = asyncio.Event()
        self.may.set()
        self.lost = lost

    async def connect(self, factory: Callable[[], Connection], seconds: float) -> Connection:
        await self.may.wait()
        connection = factory()
        connection.connection_made(Noted())
        if self.lost:
            connection.connection_lost(None)
        self.made.append(connection)
        return connection

    def pool(self, most_open: int = 1) -> Pool:
        return Pool(self, PoolSettings(most_open=most_open), asyncio.get_running_loop())


def writes(connection: Connection) -> list[list[bytes]]:
    assert isinstance(connection.transport, Noted)
    return connection.transport.writes


async def connected() -> tuple[Pool, Connection, Noted]:
    """A pool with one connection, idle."""
    dialer = Nowhere()
    pool = dialer.pool()
    first = Asked()
    first.handle = pool.start(first, GET)
    await until(lambda: first.handle.sent)
    connection = dialer.made[0]
    connection.data_received(OK)
    assert first.ended
    noted = connection.transport
    assert isinstance(noted, Noted)
    noted.writes.clear()
    return pool, connection, noted


async def test_head_and_small_body_are_one_write_and_a_large_body_is_not_copied() -> None:
    pool, connection, noted = await connected()
    small, large = b"x" * 1000, b"y" * 1_000_000
    for body in (None, small, large):
        asked = Asked()
        pool.start(asked, post(0), body)
        connection.data_received(OK)
        assert asked.ended

    assert noted.writes[:2] == [[post(0)], [post(0) + small]]
    assert len(noted.writes) == 3 and noted.writes[2][1] is large


async def test_the_next_request_is_written_once_the_parser_has_let_go_and_before_the_end_is_told() -> None:
    pool, connection, noted = await connected()
    seen: list[tuple[str, int]] = []

    class Watching(Asked):
        def on_head(self, *head: Any) -> None:
            seen.append(("head", len(noted.writes)))

        def on_body(self, data: bytes) -> None:
            seen.append(("body", len(noted.writes)))

        def on_end(self) -> None:
            seen.append(("end", len(noted.writes)))

    first, second = Watching(), Asked()
    first.handle = pool.start(first, GET)
    second.handle = pool.start(second, GET)
    assert pool.counts["waiting"] == 1
    connection.data_received(OK)

    assert seen == [("head", 1), ("body", 1), ("end", 2)]
    connection.data_received(OK)
    assert second.ended


async def test_a_call_started_at_the_end_of_another_uses_its_connection() -> None:
    pool, connection, noted = await connected()
    after = Asked()

    class Again(Asked):
        def on_end(self) -> None:
            super().on_end()
            after.handle = pool.start(after, GET)

    again = Again()
    again.handle = pool.start(again, GET)
    connection.data_received(OK)
    connection.data_received(OK)

    assert after.ended and len(noted.writes) == 2 and pool.counts["open"] == 1


async def test_a_call_aborted_while_its_answer_is_parsed_hears_no_more_of_it() -> None:
    pool, connection, noted = await connected()

    class Leaving(Asked):
        def on_head(self, *head: Any) -> None:
            self.told.append("head")
            self.handle.abort()

    leaving = Leaving()
    leaving.handle = pool.start(leaving, GET)
    connection.data_received(OK)

    assert leaving.told == ["head"] and noted.closing and pool.counts["open"] == 0


async def test_a_repeated_request_takes_no_connection_that_was_used_before() -> None:
    dialer = Nowhere()
    pool = dialer.pool(most_open=3)
    calls = [Asked(), Asked()]
    for call in calls:
        call.handle = pool.start(call, GET)
    await until(lambda: len(dialer.made) == 2 and all(call.handle.sent for call in calls))
    busy, kept = dialer.made
    kept.data_received(OK)
    raced = Asked()
    raced.handle = pool.start(raced, GET)
    dialer.may.clear()
    kept.connection_lost(None)  # before a byte of the answer came
    busy.data_received(OK)
    assert len(writes(busy)) == 1 and raced.told == [] and pool.counts["idle"] == 1

    dialer.may.set()
    await until(lambda: len(dialer.made) == 3)
    dialer.made[2].data_received(OK)
    assert raced.ended and writes(dialer.made[2]) == [[GET]]


async def test_a_connection_lost_as_soon_as_it_was_made_is_no_connection() -> None:
    pool = Nowhere(lost=True).pool()
    call = Asked()
    call.handle = pool.start(call, GET)
    await call.over()

    assert str(call.lost) == "cannot connect: closed at once" and call.lost is not None and not call.lost.sent
    assert pool.counts["open"] == 0


async def test_a_second_answer_in_one_read_never_reaches_who_waits() -> None:
    pool, connection, noted = await connected()
    first, second = Asked(), Asked()
    first.handle = pool.start(first, GET)
    second.handle = pool.start(second, GET)
    connection.data_received(OK + OK)

    assert first.ended and noted.closing
    assert second.told == [] and len(noted.writes) == 1
    second.handle.abort()
