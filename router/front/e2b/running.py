"""Processes of embedded sandboxes as envd keeps them: output goes to whoever is attached, and to nobody else."""

import asyncio
import signal
from collections.abc import AsyncIterator
from typing import Any, Literal

from router.backends.local.process import Exit, Process
from router.front.e2b.rpc import Message, encode_bytes
from router.tasks import spawn
from router.wire.connect import ConnectError

KEPT_SECONDS = 30.0  # an ended process may still be attached to, for its exit code
WAITING_CHUNKS = 16  # per attached client; a slow one holds the process back, as with envd

Chunk = tuple[Literal["stdout", "stderr", "pty"], bytes]


class Subscriber:
    """One attached client."""

    def __init__(self) -> None:
        self._queue: asyncio.Queue[Chunk | Exit | None] = asyncio.Queue(maxsize=WAITING_CHUNKS)
        self._left = False

    async def put(self, chunk: Chunk | Exit | None) -> None:
        """Hand over a chunk, the exit, or None for an end without one. Waits for a slow client."""
        if not self._left:
            await self._queue.put(chunk)

    async def get(self) -> Chunk | Exit | None:
        """The next one."""
        return await self._queue.get()

    def leave(self) -> None:
        """Take no more, and let go of whoever waits in put()."""
        self._left = True
        while not self._queue.empty():
            self._queue.get_nowait()


class Running:
    """A process with its configuration, who watches it, and how it ended."""

    def __init__(self, process: Process, config: dict[str, Any], *, tag: str | None, pty: bool, stdin: bool) -> None:
        self.process, self.config, self.tag, self.pty, self.stdin = process, config, tag, pty, stdin
        self.exit: Exit | None = None
        self.timed_out = False
        self.cut_off = False  # the sandbox was paused or killed: there is no exit code to tell
        self._subscribers: set[Subscriber] = set()
        self._deadline: asyncio.TimerHandle | None = None

    def attach(self) -> Subscriber:
        """Output from now on. Leave it when done, or it holds the process back."""
        subscriber = Subscriber()
        self._subscribers.add(subscriber)
        return subscriber

    def detach(self, subscriber: Subscriber) -> None:
        """Stop watching. The process goes on."""
        self._subscribers.discard(subscriber)
        subscriber.leave()

    def end_after(self, seconds: float) -> None:
        """SIGKILL to the process itself, not to its children, when the time is over."""

        def end() -> None:
            self.timed_out = True
            self.process.kill(signal.SIGKILL, group=False)

        self._deadline = asyncio.get_running_loop().call_later(seconds, end)

    async def pump(self) -> None:
        """Carry output to the attached until the pipes are closed, then the exit."""
        try:
            async for chunk in self.process.output():
                for subscriber in tuple(self._subscribers):
                    await subscriber.put(chunk)
            self.exit = await self.process.wait()
        finally:
            if self._deadline is not None:
                self._deadline.cancel()
            # Also when reading failed: then the exit is None, and nobody waits for ever.
            for subscriber in tuple(self._subscribers):
                await subscriber.put(self.exit)


class ProcessTable:
    """The processes of one sandbox, by pid."""

    def __init__(self) -> None:
        self._running: dict[int, Running] = {}
        self._ended: dict[int, Running] = {}

    def add(self, running: Running) -> None:
        """Take it up and begin to carry its output. Attach first, or the first output is lost."""
        self._running[running.process.pid] = running
        spawn(self._follow(running), name=f"e2b process {running.process.pid}")

    def all(self) -> list[Running]:
        """Those that run."""
        return list(self._running.values())

    def find(self, selector: object, *, ended: bool = False) -> Running:
        """By pid or tag; one that ended less than 30 s ago only if asked for. Raises ConnectError not_found."""
        if not isinstance(selector, dict) or not ({"pid", "tag"} & selector.keys()):
            raise ConnectError("invalid_argument", "process needs a selector: {pid} or {tag}")
        tables = (self._running, self._ended) if ended else (self._running,)
        if "pid" in selector:
            pid = selector["pid"]
            found = [table[pid] for table in tables if pid in table]
            name = f"pid {pid}"
        else:
            found = [one for table in tables for one in table.values() if one.tag == selector["tag"]]
            name = f"tag {selector['tag']}"
        if not found:
            raise ConnectError("not_found", f"process with {name} not found")
        return found[0]

    def cut_off(self) -> None:
        """The sandbox stops: whoever is attached is told so, not an exit code."""
        for running in self._running.values():
            running.cut_off = True

    async def _follow(self, running: Running) -> None:
        pid = running.process.pid
        try:
            await running.pump()
        finally:
            del self._running[pid]
        self._ended[pid] = running
        asyncio.get_running_loop().call_later(KEPT_SECONDS, self._forget, pid, running)

    def _forget(self, pid: int, running: Running) -> None:
        if self._ended.get(pid) is running:  # the system may have given the pid to another by now
            del self._ended[pid]


async def events(
    running: Running, subscriber: Subscriber, *, keepalive: float, deadline: float | None
) -> AsyncIterator[Message]:
    """What an attached client is sent: start, data, keepalive, end. Raises ConnectError when it ends otherwise."""
    loop = asyncio.get_running_loop()
    until = None if deadline is None else loop.time() + deadline
    try:
        yield {"event": {"start": {"pid": running.process.pid}}}
        while True:
            left = keepalive if until is None else min(keepalive, until - loop.time())
            try:
                async with asyncio.timeout(left):
                    chunk = await subscriber.get()
            except TimeoutError:
                if until is not None and loop.time() >= until:
                    raise ConnectError("deadline_exceeded", "context deadline exceeded") from None
                yield {"event": {"keepalive": {}}}
                continue
            if isinstance(chunk, tuple):
                yield {"event": {"data": {chunk[0]: encode_bytes(chunk[1])}}}
                continue
            if running.timed_out and until is not None:
                raise ConnectError("deadline_exceeded", "context deadline exceeded")
            if running.cut_off or chunk is None:
                raise ConnectError("unavailable", "the connection to the sandbox ended before the stream completed")
            yield {"event": {"end": end_event(chunk)}}
            return
    finally:
        running.detach(subscriber)


def end_event(exit: Exit) -> dict[str, Any]:
    """How it ended, in the words of Go's os.ProcessState; zero values left out."""
    if exit.signal is not None:
        status = f"signal: {signal_words(exit.signal)}"
        return {"exitCode": -1, "status": status, "error": status}
    status = f"exit status {exit.code}"
    if exit.code == 0:
        return {"exited": True, "status": status}
    return {"exitCode": exit.code, "exited": True, "status": status, "error": status}


_SIGNALS = {
    signal.SIGHUP: "hangup",
    signal.SIGINT: "interrupt",
    signal.SIGQUIT: "quit",
    signal.SIGABRT: "aborted",
    signal.SIGFPE: "floating point exception",
    signal.SIGKILL: "killed",
    signal.SIGSEGV: "segmentation fault",
    signal.SIGPIPE: "broken pipe",
    signal.SIGTERM: "terminated",
}


def signal_words(number: int) -> str:
    """A signal as Go prints it."""
    return _SIGNALS.get(signal.Signals(number), f"signal {number}") if number in set(signal.Signals) else str(number)
