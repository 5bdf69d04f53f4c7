"""A session: one real, long-lived shell in an embedded sandbox, and the commands given to it one after another."""

import asyncio
import os
import shlex
import signal
import uuid
from collections.abc import AsyncIterator
from contextlib import suppress

from crossfade.results import STDERR_MARK, STDOUT_MARK, CommandInfo, SessionInfo, StreamEnd
from router import tasks
from router.backends.local.process import CHUNK, Process, wake, writable
from router.backends.local.refusals import Refusal, not_found
from router.backends.local.sandboxes import LocalSandbox

TERM_SECONDS = 5.0
DRAIN_SECONDS = 0.05
LOG_LIMIT = 64 * 1024 * 1024
PIPES = "/run/crossfade"  # named pipes of running commands, by their ids


class Command:
    """One command of a session: its log as it grows; its exit code once all that it started let go of its output."""

    def __init__(self, text: str, *, quiet_input: bool = False) -> None:
        self.id = str(uuid.uuid4())
        self.text = text
        self.quiet_input = quiet_input  # what is sent to it is not shown in its log
        self.marked = bytearray()
        self.exit_code: int | None = None
        self.input: int | None = None  # our end of its standard input, while it has one
        self._early = bytearray()
        self.changed = asyncio.Condition()

    @property
    def info(self) -> CommandInfo:
        return CommandInfo(id=self.id, command=self.text, exit_code=self.exit_code)

    async def finished(self) -> int:
        """Its exit code, once it has one."""
        async with self.changed:
            await self.changed.wait_for(lambda: self.exit_code is not None)
        assert self.exit_code is not None
        return self.exit_code

    async def add(self, mark: bytes, *lines: bytes) -> None:
        room = LOG_LIMIT - len(self.marked)
        if room > 0:
            self.marked += b"".join(mark + line.replace(b"\0", b"") + b"\n" for line in lines)
            if len(self.marked) > LOG_LIMIT:
                self.marked += STDERR_MARK + b"crossfade: this log is full, the rest is not kept\n"
        async with self.changed:
            self.changed.notify_all()

    async def takes_input(self, fd: int) -> None:
        """Its input is open: what came too early is written first."""
        self.input = fd
        early, self._early = bytes(self._early), bytearray()
        await self.feed(early)

    async def feed(self, data: bytes) -> None:
        """Write to its input, now or when it starts; lost on a command that reads none, as on Daytona."""
        if self.input is None:
            self._early += data
        view = memoryview(data)
        while view and self.input is not None:
            try:
                view = view[os.write(self.input, view) :]
            except BlockingIOError:
                await writable(self.input)

    async def end(self, code: int) -> None:
        if self.input is not None:
            os.close(self.input)
            self.input = None
        self.exit_code = code
        async with self.changed:
            self.changed.notify_all()


class Session:
    """Commands run strictly one after another in the same shell, so `cd`, variables and functions stay.

    A command that ends the shell (`exit`, `exec`, a failure under `set -e`) ends with the shell's exit code; Daytona
    would never answer it. Later commands are refused.
    """

    def __init__(self, id: str, sandbox: LocalSandbox, *, term_seconds: float = TERM_SECONDS) -> None:
        self.id = id
        self._term_seconds = term_seconds
        self._sandbox = sandbox
        self._shell: Process | None = None
        self._ended: int | None = None  # the shell's exit code
        self._commands: dict[str, Command] = {}
        self._turn = asyncio.Lock()
        self._current: Command | None = None
        self._code: asyncio.Future[int] | None = None  # of the current command, as its shell says

    @property
    def info(self) -> SessionInfo:
        return SessionInfo(id=self.id, commands=tuple(command.info for command in self._commands.values()))

    def command(self, id: str) -> Command:
        """Raises Refusal."""
        try:
            return self._commands[id]
        except KeyError:
            raise not_found("command not found") from None

    async def open(self) -> None:
        """Start the shell."""
        self._shell = await self._sandbox.spawn(["bash"], cwd=None, env={}, stdin=True, merge=True)
        tasks.spawn(self._watch(self._shell), name=f"session {self.id} in {self._sandbox.id}")

    async def run(self, text: str, *, reads_input: bool, quiet_input: bool = False) -> Command:
        """Queue a command; returns at once. Raises Refusal when the shell is gone."""
        if self._ended is not None:
            raise Refusal(
                500,
                f"failed to execute command: the session's shell has ended with exit code {self._ended}; "
                "create a new session",
            )
        command = Command(text, quiet_input=quiet_input)
        self._commands[command.id] = command
        tasks.spawn(self._take_turn(command, reads_input), name=f"command {command.id}")
        return command

    async def write(self, command: Command, data: str) -> None:
        """Send a line to a running command; it shows in the command's log. Raises Refusal."""
        if command.exit_code is not None:
            raise Refusal(410, "gone: command has already completed")
        line = data.removesuffix("\n")
        # First, so that it stands before what the command makes of it.
        if not command.quiet_input:
            await command.add(STDOUT_MARK, line.encode())
        await command.feed(line.encode() + b"\n")

    async def close(self) -> None:
        """End the shell and its group: asked first, killed after 5 seconds."""
        shell = self._shell
        if shell is None:
            return
        shell.kill(signal.SIGTERM)
        with suppress(TimeoutError):
            async with asyncio.timeout(self._term_seconds):
                await shell.wait()
                if self._current is not None:
                    await self._current.finished()
        shell.kill(signal.SIGKILL)
        await shell.wait()

    # Running...

    async def _take_turn(self, command: Command, reads_input: bool) -> None:
        async with self._turn:
            if self._ended is not None or self._shell is None:
                await command.end(self._ended if self._ended is not None else -1)
                return
            self._current, self._code = command, asyncio.get_running_loop().create_future()
            try:
                await command.end(await self._run(self._shell, command, reads_input, self._code))
            except OSError:  # the shell, or the directory of its pipes, is gone
                await command.end(self._ended if self._ended is not None else -1)
            finally:
                self._current = None

    async def _run(self, shell: Process, command: Command, reads_input: bool, code: asyncio.Future[int]) -> int:
        pipes = Pipes(self._sandbox, command.id, reads_input=reads_input)
        try:
            if pipes.input is not None:
                await command.takes_input(pipes.input)
            reading = [
                tasks.spawn(copy_lines(pipes.out, command, STDOUT_MARK), name=f"output of {command.id}"),
                tasks.spawn(copy_lines(pipes.err, command, STDERR_MARK), name=f"errors of {command.id}"),
            ]
            try:
                await shell.write(f"{pipes.line(command.text)}; builtin printf '%s %s\\n' {command.id} $?\n".encode())
                ended = await code
                pipes.let_end()
                # What the command left running may still hold its output: Daytona waits for it, too. Not so when the
                # shell is gone: nobody may ever let go then, and what was written is in the pipes already.
                await asyncio.wait(reading, timeout=None if self._ended is None else DRAIN_SECONDS)
            finally:
                for task in reading:
                    task.cancel()
                await asyncio.wait(reading)
            return ended
        finally:
            pipes.close()

    async def _watch(self, shell: Process) -> None:
        """Read what the shell says of its commands, until it ends."""
        rest = b""
        async for _, data in shell.output():
            *lines, rest = (rest + data).split(b"\n")
            for line in lines:
                self._heard(line)
        ended = await shell.wait()
        self._ended = ended.code if ended.signal is None else 128 + ended.signal
        if self._code is not None and not self._code.done():
            self._code.set_result(self._ended)

    def _heard(self, line: bytes) -> None:
        words = line.split()
        if self._current is None or self._code is None or self._code.done() or len(words) != 2:
            return
        if words[0] == self._current.id.encode() and words[1].isdigit():
            self._code.set_result(int(words[1]))


class Pipes:
    """A command's streams as named pipes in the sandbox, and our ends of them."""

    def __init__(self, sandbox: LocalSandbox, id: str, *, reads_input: bool) -> None:
        self._tree = sandbox.tree
        self._directory = f"{PIPES}/{id}"
        self._tree.mkdir(self._directory, parents=True)
        real = self._tree.real(self._directory)
        self._inside = self._directory if sandbox.has_view else str(real)
        for name in ("in", "out", "err"):
            os.mkfifo(real / name, 0o600)
        self.out = os.open(real / "out", os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
        self.err = os.open(real / "err", os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
        # Held until the shell has spoken: a pipe that nobody has opened yet looks like one that everybody has closed.
        self._held = [os.open(real / name, os.O_WRONLY | os.O_NOFOLLOW) for name in ("out", "err")]
        # Open for both, so that neither end waits for the other to open and the input has no end before we say so.
        flags = os.O_RDWR | os.O_NONBLOCK | os.O_NOFOLLOW
        self.input = os.open(real / "in", flags) if reads_input else None
        self._reads_input = reads_input

    def line(self, text: str) -> str:
        """The command as one line for the shell."""
        source = f"{self._inside}/in" if self._reads_input else "/dev/null"
        streams = (shlex.quote(each) for each in (source, f"{self._inside}/out", f"{self._inside}/err"))
        return f"eval {shlex.quote(text)} <{next(streams)} >{next(streams)} 2>{next(streams)}"

    def let_end(self) -> None:
        """Let the output end with its last writer."""
        while self._held:
            os.close(self._held.pop())

    def close(self) -> None:
        self.let_end()
        for fd in (self.out, self.err):
            os.close(fd)
        with suppress(OSError):  # the user removed it, or the sandbox is being deleted
            self._tree.remove(self._directory, recursive=True)


async def copy_lines(fd: int, command: Command, mark: bytes) -> None:
    """Move a pipe's lines into the command's log until its last writer is gone; the last line is completed."""
    rest = b""
    try:
        while True:
            try:
                data = os.read(fd, CHUNK)
            except BlockingIOError:
                await readable(fd)
                continue
            if not data:
                return
            *lines, rest = (rest + data).split(b"\n")
            if lines:
                await command.add(mark, *lines)
    finally:
        if rest:
            await command.add(mark, rest)


async def readable(fd: int) -> None:
    loop = asyncio.get_running_loop()
    ready: asyncio.Future[None] = loop.create_future()
    loop.add_reader(fd, wake, ready)
    try:
        await ready
    finally:
        loop.remove_reader(fd)


class Follower:
    """A command's log from its start and on, as a channel."""

    def __init__(self, command: Command) -> None:
        self._command = command
        self._closed = False

    async def output(self) -> AsyncIterator[bytes]:
        sent = 0
        while not self._closed:
            async with self._command.changed:
                while not (self._closed or len(self._command.marked) > sent or self._command.exit_code is not None):
                    await self._command.changed.wait()
            data = bytes(self._command.marked[sent:])
            sent += len(data)
            if data:
                yield data
            elif self._command.exit_code is not None:
                return

    async def send(self, data: bytes) -> None:
        del data  # a log takes no input

    async def close(self) -> None:
        self._closed = True
        async with self._command.changed:
            self._command.changed.notify_all()

    @property
    def end(self) -> StreamEnd:
        return StreamEnd(exit_code=self._command.exit_code)
