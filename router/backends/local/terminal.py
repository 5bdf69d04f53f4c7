"""Pseudo-terminals: interactive login shells in an embedded sandbox, shared by whoever attaches."""

import asyncio
import signal
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime

from crossfade.results import PtyInfo, StreamEnd
from router import tasks
from router.backends.local.process import Process
from router.backends.local.refusals import Refusal, bad_request
from router.backends.local.sandboxes import BadCwd, LocalSandbox

WAITING_CHUNKS = 256  # per reader; a slower one is cut off, the others and the shell are not held up
MAX_SIDE = 1000
HANG_UP_SECONDS = 1.0


class Terminal:
    """One terminal. Its shell starts with the first attachment, so that this sees the prompt; it outlives them all."""

    def __init__(
        self, id: str, sandbox: LocalSandbox, *, cols: int, rows: int, cwd: str | None, env: Mapping[str, str]
    ) -> None:
        self.id = id
        self.size = checked_size(cols, rows)
        self._sandbox = sandbox
        self._cwd = cwd
        self._env = dict(env)
        self._created_at = datetime.now(UTC).isoformat()
        self._shell: Process | None = None
        self._attached: set[Attachment] = set()
        self._turn = asyncio.Lock()
        self.end: StreamEnd | None = None

    @property
    def info(self) -> PtyInfo:
        cols, rows = self.size
        return PtyInfo(
            id=self.id,
            cwd=self._cwd or self._sandbox.work_dir,
            env=self._env,
            cols=cols,
            rows=rows,
            created_at=self._created_at,
            active=self._shell is not None and self.end is None,
        )

    async def attach(self) -> "Attachment":
        """A new reader and writer, from now on. Raises Refusal when the shell is gone or cannot start."""
        async with self._turn:
            if self.end is not None:
                raise Refusal(410, f"gone: PTY session {self.id} has ended")
            # Before the shell starts: its prompt is for whoever made it start.
            attachment = Attachment(self)
            self._attached.add(attachment)
            try:
                if self._shell is None:
                    await self._start()
            except BaseException:
                self._attached.discard(attachment)
                raise
            return attachment

    def resize(self, cols: int, rows: int) -> None:
        """Raises Refusal."""
        size = checked_size(cols, rows)
        if self.end is not None:
            raise Refusal(410, f"gone: PTY session {self.id} has ended")
        if self._shell is None:
            raise Refusal(500, f"PTY session {self.id} is not started: connect to it first")
        try:
            self._shell.resize(*size)
        except OSError as error:
            raise Refusal(410, f"gone: PTY session {self.id} has ended") from error
        self.size = size

    async def write(self, data: bytes) -> None:
        """Type into it; nothing happens once the shell is gone."""
        if self._shell is not None and self.end is None:
            try:
                await self._shell.write(data)
            except BrokenPipeError:
                pass  # it ended meanwhile; its attachments are told so

    async def close(self) -> None:
        """Kill the shell and what runs in its foreground."""
        if self._shell is None:
            self._finish(StreamEnd(exit_code=None, reason="deleted before it was started"))
            return
        self._shell.kill(signal.SIGKILL)
        await self._shell.wait()

    def detach(self, attachment: "Attachment") -> None:
        self._attached.discard(attachment)

    async def _start(self) -> None:
        env = {"TERM": "xterm-256color", **self._env}
        try:
            self._shell = await self._sandbox.spawn(["bash", "-il"], cwd=self._cwd, env=env, pty=self.size)
        except BadCwd as error:
            raise bad_request(f"working directory {self._cwd}: {error.strerror}") from error
        tasks.spawn(self._pump(self._shell), name=f"terminal {self.id} in {self._sandbox.id}")

    async def _pump(self, shell: Process) -> None:
        reading = tasks.spawn(self._read(shell), name=f"output of terminal {self.id}")
        ended = await shell.wait()
        # What it wrote last is still on its way; background jobs may hold the terminal for ever.
        await asyncio.wait([reading], timeout=HANG_UP_SECONDS)
        reading.cancel()
        await asyncio.wait([reading])
        shell.discard()
        if ended.signal is not None:
            self._finish(StreamEnd(exit_code=128 + ended.signal, reason=signal.Signals(ended.signal).name))
        else:
            self._finish(StreamEnd(exit_code=ended.code, reason="non-zero exit" if ended.code else ""))

    async def _read(self, shell: Process) -> None:
        async for _, data in shell.output():
            for attachment in list(self._attached):
                attachment.offer(data)

    def _finish(self, end: StreamEnd) -> None:
        self.end = end
        for attachment in list(self._attached):
            attachment.finish(end)
        self._attached.clear()


class Attachment:
    """One client at a terminal, as a channel."""

    def __init__(self, terminal: Terminal) -> None:
        self._terminal = terminal
        self._chunks: asyncio.Queue[bytes] = asyncio.Queue(WAITING_CHUNKS)
        self._over = asyncio.Event()
        self._end = StreamEnd(reason="detached")

    def offer(self, data: bytes) -> None:
        """Give it output, or cut it off when it does not keep up."""
        try:
            self._chunks.put_nowait(data)
        except asyncio.QueueFull:
            self._terminal.detach(self)
            self.finish(StreamEnd(reason="slow reader"))

    def finish(self, end: StreamEnd) -> None:
        self._end = end
        self._over.set()

    async def output(self) -> AsyncIterator[bytes]:
        over = asyncio.ensure_future(self._over.wait())  # noqa: TID251 (kept, and cancelled below)
        try:
            while True:
                while not self._chunks.empty():
                    yield self._chunks.get_nowait()
                if self._over.is_set():
                    return
                waiting = asyncio.ensure_future(self._chunks.get())  # noqa: TID251 (kept, and cancelled below)
                try:
                    await asyncio.wait([over, waiting], return_when=asyncio.FIRST_COMPLETED)
                    if waiting.done():
                        yield waiting.result()
                finally:
                    waiting.cancel()
        finally:
            over.cancel()

    async def send(self, data: bytes) -> None:
        await self._terminal.write(data)

    async def close(self) -> None:
        self._terminal.detach(self)
        self._over.set()

    @property
    def end(self) -> StreamEnd:
        return self._end


def checked_size(cols: int, rows: int) -> tuple[int, int]:
    """(cols, rows). Raises Refusal outside 1..1000."""
    for name, value in (("cols", cols), ("rows", rows)):
        if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MAX_SIDE:
            raise bad_request(f"{name} must be 1 to {MAX_SIDE}, not {str(value)[:20]}")
    return cols, rows
