"""A process of an embedded sandbox: its streams, its end, its group."""

import asyncio
import fcntl
import os
import struct
import termios
import time
from collections import deque
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

Stream = Literal["stdout", "stderr", "pty"]
CHUNK = 65_536
WAITING_CHUNKS = 16  # read ahead of the reader; beyond that the process is held back by its full pipe


@dataclass(frozen=True, slots=True)
class Exit:
    """How a process ended. Killed by a signal: code -1 and the signal's number."""

    code: int
    signal: int | None = None


class Signals(Protocol):
    """Sends signals to what was started under a key."""

    def signal(self, key: int, number: int, *, group: bool, was: int) -> None:
        """Queue it; a process that is gone is no error."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ends:
    """Our ends of a process's streams, as descriptors that do not block."""

    read: Mapping[int, Stream]
    write: int | None = None
    pty: int | None = None


@dataclass(eq=False)
class Process:
    """A running or ended process, leader of its own session and group. `pid` is as seen inside the sandbox."""

    key: int
    pid: int
    argv: Sequence[str]
    cwd: str
    env: Mapping[str, str]
    ends: Ends
    signals: Signals
    tag: str | None = None  # free for fronts
    started_at: float = field(default_factory=time.time)

    def __post_init__(self) -> None:
        self._open: dict[int, Stream] = dict(self.ends.read)
        self._write = self.ends.write
        self._chunks: deque[tuple[Stream, bytes]] = deque()
        self._ready = asyncio.Event()
        self._watched: set[int] = set()
        self._reading = False
        self._exit: asyncio.Future[Exit] = asyncio.get_running_loop().create_future()
        self._was = 0  # its number outside, once reaped: what is left of its group is still killed by that

    # Its streams...

    async def output(self) -> AsyncGenerator[tuple[Stream, bytes], None]:
        """What it writes, until all its pipes end; a child that holds a pipe keeps it open.

        One reader at a time: one that stops early closes the generator (contextlib.aclosing) before the next begins.
        """
        if self._reading:
            raise RuntimeError(f"output of process {self.pid} is being read already")
        self._reading = True
        try:
            while True:
                while self._chunks:
                    yield self._chunks.popleft()
                if not self._open:
                    return
                self._ready.clear()
                self._watch()
                await self._ready.wait()
        finally:
            self._unwatch()
            self._reading = False

    async def write(self, data: bytes) -> None:
        """Write to its standard input or terminal, waiting while it is full. Raises BrokenPipeError."""
        view = memoryview(data)
        while view:
            fd = self._write if self._write is not None else self._terminal()
            try:
                view = view[os.write(fd, view) :]
            except BlockingIOError:
                await writable(fd)
            except OSError as error:  # EIO: nothing holds the terminal's other end any more
                raise BrokenPipeError(error.errno, f"process {self.pid} takes no more input") from error

    async def close_stdin(self) -> None:
        """Let it read the end of its input. A terminal is sent Ctrl-D."""
        if self._write is not None:
            os.close(self._write)
            self._write = None
        elif self.ends.pty is not None:
            await self.write(b"\x04")

    def resize(self, cols: int, rows: int) -> None:
        """Change the terminal's size. Raises BrokenPipeError when it has none or it is gone."""
        fcntl.ioctl(self._terminal(), termios.TIOCSWINSZ, struct.pack("HHHH", rows, cols, 0, 0))

    # Its end...

    async def wait(self) -> Exit:
        """How it ended, once it has. Its output may go on: children may hold the pipes."""
        return await asyncio.shield(self._exit)

    @property
    def ended(self) -> Exit | None:
        """How it ended; None while it runs."""
        return self._exit.result() if self._exit.done() else None

    @property
    def open(self) -> bool:
        """Whether any of its streams is still held."""
        return bool(self._open) or self._write is not None

    def kill(self, signal: int, *, group: bool = True) -> None:
        """Send a signal to its process group, also when the leader is gone, or to itself alone."""
        self.signals.signal(self.key, signal, group=group, was=self._was if group else 0)

    def discard(self) -> None:
        """Let go of its streams; unread output is lost and further writes of it fail. Safe to repeat."""
        self._unwatch()
        if self._write is not None:
            os.close(self._write)
            self._write = None
        for fd in self._open:
            os.close(fd)
        self._open.clear()
        self._ready.set()

    def ends_with(self, code: int, was: int) -> None:
        """Called once by the launcher, when the process has been reaped."""
        self._was = was
        if not self._exit.done():
            self._exit.set_result(Exit(code) if code >= 0 else Exit(-1, -code))

    # Reading...

    def _terminal(self) -> int:
        if self.ends.pty is None or self.ends.pty not in self._open:
            raise BrokenPipeError(f"process {self.pid} takes no input: started without one, or closed")
        return self.ends.pty

    def _watch(self) -> None:
        loop = asyncio.get_running_loop()
        for fd in self._open.keys() - self._watched:
            loop.add_reader(fd, self._readable, fd)
            self._watched.add(fd)

    def _unwatch(self) -> None:
        if self._watched:
            loop = asyncio.get_running_loop()
            for fd in self._watched:
                loop.remove_reader(fd)
            self._watched.clear()

    def _readable(self, fd: int) -> None:
        try:
            data = os.read(fd, CHUNK)
        except BlockingIOError:
            return
        except OSError:  # EIO: the terminal's other end is closed
            data = b""
        if data:
            self._chunks.append((self._open[fd], data))
            if len(self._chunks) >= WAITING_CHUNKS:
                self._unwatch()
        else:
            asyncio.get_running_loop().remove_reader(fd)
            self._watched.discard(fd)
            del self._open[fd]
            os.close(fd)
        self._ready.set()


async def writable(fd: int) -> None:
    """Wait until a descriptor takes more."""
    loop = asyncio.get_running_loop()
    ready: asyncio.Future[None] = loop.create_future()
    loop.add_writer(fd, wake, ready)
    try:
        await ready
    finally:
        loop.remove_writer(fd)


def wake(ready: asyncio.Future[None]) -> None:
    if not ready.done():
        ready.set_result(None)
