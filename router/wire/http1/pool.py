"""Connections to one origin: used last in, first out, bounded in number, waited for in order."""

import asyncio
import contextvars
from collections import deque
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass
from typing import Final

from router import tasks
from router.wire.http1.connection import Connection
from router.wire.http1.dial import Dialer, say
from router.wire.http1.exchange import Exchange, Interim, Limits
from router.wire.http1.handle import Handle

_STOPPING: Final = "the router is stopping"
_TOO_MANY: Final = "too many calls wait for a connection"


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolSettings:
    """How many connections one origin gets, and for how long each."""

    most_open: int = 1024  # tunnels not counted
    idle_seconds: float = 15.0  # below the origin's own, or a request would meet a closing connection
    age_seconds: float = 300.0  # so that a changed address is followed
    connect_seconds: float = 5.0  # a call waits no longer for a connection, whether made or freed
    most_waiting: int = 10_000
    linger_seconds: float = 10.0  # for the rest of a request that was answered early, between two pieces of it


class Pool:
    """The connections to one (scheme, host, port, TLS context)."""

    def __init__(self, dialer: Dialer, settings: PoolSettings, loop: asyncio.AbstractEventLoop) -> None:
        self.settings = settings
        self._dialer = dialer
        self._loop = loop
        self._idle: list[Connection] = []
        self._all: set[Connection] = set()
        self._tunnels: set[Connection] = set()
        self._dialing = 0  # connections being made for whoever waits
        self._repeating = 0  # and those for one call each
        self._dials: set[asyncio.Task[None]] = set()
        self._waiting: deque[Handle] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0.0
        self._closed = False

    @property
    def counts(self) -> dict[str, int]:
        """Connections open, idle, being made and turned tunnels; calls waiting for one."""
        return {
            "open": len(self._all),
            "idle": len(self._idle),
            "dialing": self._dialing + self._repeating,
            "tunnels": len(self._tunnels),
            "waiting": len(self._waiting),
        }

    def start(
        self,
        exchange: Exchange,
        head: bytes,
        body: bytes | None = None,
        *,
        ends: bool = True,
        head_only: bool = False,
        upgrade: bool = False,
        limits: Limits | None = None,
        interim: Interim | None = None,
        sent: Callable[[], None] | None = None,
    ) -> Handle:
        """Send a request: its head up to and with the empty line, and what is there of its body, in one write.

        `ends`: `body` is the whole of it, else `Handle.write` and `Handle.end` follow. Where the head says
        `Transfer-Encoding: chunked`, chunks are made here; else the caller keeps to the length it announced.
        `head_only`: the method is HEAD. `upgrade`: a 101 turns the call into a tunnel. `interim` hears of other 1xx.
        `sent` is called each time the head goes out: once, twice where it is repeated, perhaps before this returns.
        """
        handle = Handle(self, exchange, head, body, ends and not upgrade, head_only)
        if limits is not None:
            handle.limits, handle.started = limits, self._loop.time()
        if interim is not None:
            handle.interim = interim
        if sent is not None:
            handle.on_sent = sent
        if upgrade:
            handle.upgrade = True
        idle = self._idle
        if idle:
            now = self._loop.time()
            while idle:
                connection = idle.pop()
                if connection.fit(now):
                    connection.carry(handle)
                    return handle
        self._wait(handle)
        return handle

    def close(self) -> None:
        """Let everything go: calls under way are lost, tunnels cut."""
        self._closed = True
        for handle in self._take_waiting(len(self._waiting)):
            handle.lose(_STOPPING)
        for task in list(self._dials):
            task.cancel()
        for connection in [*self._all, *self._tunnels]:
            connection.shut(_STOPPING)

    # For connections and handles

    def release(self, connection: Connection) -> None:
        """It carried a call and may carry the next."""
        now = self._loop.time()
        connection.idle_since = now
        if self._waiting and connection.fit(now):
            connection.carry(self._waiting.popleft())
        elif self._closed:
            connection.abort()
        elif not connection.closed:
            connection.rest(now)
            self._idle.append(connection)

    def forget(self, connection: Connection) -> None:
        """It is closed, or about to be."""
        if connection in self._all:
            self._all.discard(connection)
            if connection in self._idle:
                self._idle.remove(connection)
            self._dial_for_waiting()
        else:
            self._tunnels.discard(connection)

    def tunnelled(self, connection: Connection) -> None:
        """It carries a tunnel from now on, for as long as that lives: the bound is not for those."""
        self._all.discard(connection)
        self._tunnels.add(connection)
        self._dial_for_waiting()

    def repeat(self, handle: Handle) -> None:
        """Ask again, on a fresh connection of its own: those that are idle may have been closed just like its first."""
        if self._closed:
            handle.lose(_STOPPING)
            return
        self._repeating += 1
        self._spawn(self._connect_for(handle))

    def withdraw(self, handle: Handle) -> None:
        """A call that had no connection yet is not wanted any more."""
        if handle in self._waiting:
            self._waiting.remove(handle)

    # Waiting...

    def _wait(self, handle: Handle) -> None:
        if self._closed or len(self._waiting) >= self.settings.most_waiting:
            # Its caller must have the handle before it hears of the end.
            self._loop.call_soon(handle.lose, _STOPPING if self._closed else _TOO_MANY)
            return
        handle.deadline = self._loop.time() + self._patience(handle)
        self._waiting.append(handle)
        self._watch(handle.deadline)
        self._dial_for_waiting()

    def _patience(self, handle: Handle) -> float:
        limits = handle.limits
        if limits is None:
            return self.settings.connect_seconds
        seconds = self.settings.connect_seconds if limits.connect is None else limits.connect
        return seconds if limits.total is None else min(seconds, limits.total)

    def _take_waiting(self, count: int) -> Iterator[Handle]:
        for _ in range(count):
            if not self._waiting:
                return
            yield self._waiting.popleft()

    def _watch(self, due: float) -> None:
        if self._timer is not None:
            if self._timer_at <= due:
                return
            self._timer.cancel()
        self._timer_at = due
        self._timer = self._loop.call_at(due, self._tick)

    def _tick(self) -> None:
        self._timer = None
        now = self._loop.time()
        late = [handle for handle in self._waiting if handle.deadline <= now]
        for handle in late:
            self._waiting.remove(handle)
        for handle in late:
            handle.lose(f"no connection within {self._patience(handle):g} s")
        if self._waiting:
            self._watch(min(handle.deadline for handle in self._waiting))

    # Dialing...

    def _dial_for_waiting(self) -> None:
        room = self.settings.most_open - len(self._all) - self._dialing - self._repeating
        for _ in range(min(room, len(self._waiting) - self._dialing)):
            self._dialing += 1
            self._spawn(self._connect_for_waiting())

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        # A connection outlives the call it is made for: it must not carry that call's context.
        task = contextvars.Context().run(tasks.spawn, work, name=f"connect {self._dialer}")
        self._dials.add(task)
        task.add_done_callback(self._dials.discard)

    async def _connect_for_waiting(self) -> None:
        connection, failure = None, _STOPPING
        try:
            connection, failure = await self._connect()
        finally:
            self._dialing -= 1
            if connection is None:
                # Nobody may wait for a connection that nobody is making any more.
                for handle in self._take_waiting(len(self._waiting) - self._dialing):
                    handle.lose(failure)
        if connection is not None:
            self.release(connection)

    async def _connect_for(self, handle: Handle) -> None:
        connection, failure = None, _STOPPING
        try:
            connection, failure = await self._connect()
        finally:
            self._repeating -= 1
            if connection is None:
                handle.lose(failure)
        if connection is not None and not handle.over:
            connection.carry(handle)
        elif connection is not None:
            self.release(connection)

    async def _connect(self) -> tuple[Connection | None, str]:
        """A connection, or why there is none."""
        try:
            connection = await self._dialer.connect(lambda: Connection(self, self._loop), self.settings.connect_seconds)
        except (OSError, UnicodeError) as error:
            return None, f"cannot connect: {say(error)}"
        if connection.closed:
            return None, "cannot connect: closed at once"
        self._all.add(connection)
        return connection, ""
