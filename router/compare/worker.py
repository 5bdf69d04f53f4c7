"""Comparisons that cannot hold anybody up: cheap answers here, detail in a process that can be killed."""

import asyncio
import logging
import os
import pickle
import secrets
import sys
from collections import Counter, deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from comparators import UNCOMPARED, agree
from comparators.compare import LIMITS
from comparators.limits import Limits, measure
from comparators.redact import sealed, sealed_exactly
from crossfade.comparison import Comparison, Pair
from router import tasks
from router.compare.process import LENGTH_BYTES, READY, decode, frame

log = logging.getLogger("crossfade.compare")

# An equal pair up to this size is normalised and found equal on the event loop: well under a millisecond.
INLINE_BYTES = 16 * 1024
INLINE_NODES = 800
# Masked between two turns of the event loop: about a millisecond's work.
SEAL_BYTES = 32 * 1024
SEAL_ROWS = 100
SECRETS = 256  # of a pair, looked for in all of it


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerSettings:
    """How much comparing may cost."""

    processes: int = 1
    waiting: int = 64  # pairs that may wait for a process; one more is limited
    seconds: float = 2.0  # for one pair
    start_seconds: float = 30.0  # for a process to come up, on a loaded machine
    memory_bytes: int = 1024 * 1024 * 1024
    limits: Limits = LIMITS


class _Process:
    """One worker process. Used by one pair at a time."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdin is not None and process.stdout is not None
        self.process = process
        self._requests, self._answers = process.stdin, process.stdout

    async def ask(self, body: bytes) -> bytes:
        # The other side reads a whole pair before it writes a byte, so this order cannot deadlock.
        self._requests.write(frame(body))
        await self._requests.drain()
        return await self.answer()

    async def answer(self) -> bytes:
        try:
            head = await self._answers.readexactly(LENGTH_BYTES)
            return await self._answers.readexactly(int.from_bytes(head, "big"))
        except asyncio.IncompleteReadError as error:
            raise EOFError("worker process ended") from error

    def kill(self) -> None:
        with suppress(ProcessLookupError):
            self.process.kill()
        self._requests.close()


class CompareWorker:
    """Compares pairs. Equal small pairs are answered at once; every other one by a bounded number of processes.

    A pair that is too big, takes too long or finds the queue full is limited: counted, and never a match.
    """

    def __init__(self, settings: WorkerSettings | None = None) -> None:
        self._settings = settings or WorkerSettings()
        self._key = secrets.token_bytes(16)
        self._idle: deque[_Process | None] = deque([None] * self._settings.processes)
        self._turn = asyncio.Semaphore(self._settings.processes)
        self._waiting = 0
        self._running: set[_Process] = set()
        self._ending: set[asyncio.Task[Any]] = set()
        self._closed = False
        self._agreed: dict[str, Comparison] = {}
        # inline, process, limited:<why>; processes started and ended
        self.counts: Counter[str] = Counter()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """End every process and wait until none is left. Calls under way answer that they were limited."""
        self._closed = True
        for process in list(self._running):
            self._end(process)
        # Every turn taken once: whoever was inside has left, and a process that was just starting has been ended.
        for _ in range(self._settings.processes):
            await self._turn.acquire()
        for _ in range(self._settings.processes):
            self._turn.release()
        for process in list(self._running):
            self._end(process)
        await asyncio.gather(*self._ending)

    async def warm(self) -> None:
        """Start the processes now, so that the first pair that differs need not wait for one."""
        for _ in range(self._settings.processes):
            async with self._turn:
                process = self._idle.popleft()
                try:
                    process = process or await self._started(None)
                finally:
                    self._idle.append(process)

    def agreeing(self, pair: Pair) -> Comparison | None:
        """The comparison of a small pair that agrees, at once; None: it has to be looked at in detail.

        The pair need not be masked: nothing of it is kept. What is equal as it stands is equal masked.
        """
        if pair.operation in UNCOMPARED:
            return None
        if not _identical(pair):
            size = measure([pair.old, pair.new], self._settings.limits)
            if size.size_bytes > INLINE_BYTES or size.nodes > INLINE_NODES or size.over(self._settings.limits):
                return None
            if not agree(pair):
                return None
        return self.agreed(pair.operation)

    def agreed(self, operation: str) -> Comparison:
        """The comparison of a pair that was found to agree."""
        self.counts["inline"] += 1
        found = self._agreed.get(operation)
        if found is None:
            found = self._agreed[operation] = Comparison(operation=operation)
        return found

    async def compare(self, pair: Pair) -> Comparison:
        """What differs between the two. Never raises for a pair, whatever is in it."""
        if reason := UNCOMPARED.get(pair.operation):
            return self._limit(pair, reason, "kind")
        if (agreed := self.agreeing(pair)) is not None:
            return agreed
        if reason := measure([pair.old, pair.new], self._settings.limits).over(self._settings.limits):
            return self._limit(pair, reason, "size")
        if self._closed:
            return self._limit(pair, "comparing has been shut down", "closed")
        if self._waiting >= self._settings.waiting + self._settings.processes:
            return self._limit(pair, "too many comparisons were waiting", "queue")
        self._waiting += 1
        try:
            async with self._turn:
                return await self._in_a_process(pair)
        finally:
            self._waiting -= 1

    async def _in_a_process(self, pair: Pair) -> Comparison:
        settings = self._settings
        process, kept = self._idle.pop(), None
        try:
            # Secrets are masked before they leave this process; equal ones stay equal.
            old, new = await self._both_sealed(pair)
            body = pickle.dumps(Pair(operation=pair.operation, old=old, new=new))
            if process is None or process.process.returncode is not None:
                process = await self._started(process)
            if process is None:
                return self._limit(pair, "shut down" if self._closed else "no comparison process could start", "start")
            async with asyncio.timeout(settings.seconds):
                comparison = decode(await process.ask(body))
            kept = process
        except TimeoutError:
            return self._limit(pair, f"took longer than {settings.seconds:g} s", "time")
        except (EOFError, OSError, ValueError, KeyError) as failure:
            log.warning("comparison process ended", extra={"operation": pair.operation, "error": repr(failure)})
            return self._limit(pair, "the comparison process ended", "died")
        finally:
            # Whatever interrupted us, cancellation too: a process that may still be at work is not used again.
            if kept is None and process is not None:
                self._end(process)
            self._idle.append(kept)
        self.counts["limited:size" if comparison.limited else "process"] += 1
        return comparison

    async def _started(self, ended: _Process | None) -> _Process | None:
        """A process that is ready for a pair, or None if there is none to be had."""
        if ended is not None:
            self._end(ended)
        if self._closed:
            return None
        try:
            return await self._start()
        except (OSError, TimeoutError, EOFError) as failure:
            log.warning("comparison process did not start", extra={"error": repr(failure)})
            return None

    async def _start(self) -> _Process:
        settings, limits = self._settings, self._settings.limits
        process = _Process(
            await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "router.compare.process", f"{settings.seconds}", f"{settings.memory_bytes}"),
                *(f"{limits.size_bytes}", f"{limits.nodes}", f"{limits.depth}"),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,  # a traceback might quote what was compared
                env=_environment(),
            )
        )
        self._running.add(process)
        try:
            async with asyncio.timeout(settings.start_seconds):
                if self._closed or await process.answer() != READY:
                    raise EOFError("the process did not say that it was ready")
        except BaseException:
            self._end(process)
            raise
        self.counts["started"] += 1
        return process

    async def _both_sealed(self, pair: Pair) -> tuple[dict[str, Any], dict[str, Any]]:
        """Both sides masked. What is a secret on one is one on the other too, where its name may be what differs."""
        found: dict[str, None] = {}
        hide = partial(sealed, key=self._key, found=found)
        old, new = await self._sealed(pair.old, hide), await self._sealed(pair.new, hide)
        known = tuple(islice(found, SECRETS))
        if not known:
            return old, new
        again = partial(sealed_exactly, secrets=known, key=self._key)
        return await self._sealed(old, again), await self._sealed(new, again)

    async def _sealed(self, side: Mapping[str, Any], hide: Callable[[Any], Any]) -> dict[str, Any]:
        """One side with its secrets masked, a little at a time: the event loop has better things to do."""
        value = side.get("value")
        rest: dict[str, Any] = hide({name: part for name, part in side.items() if name != "value"})
        if not isinstance(value, Mapping):
            return {**rest, "value": hide(value)}
        fields: dict[str, Any] = {}
        for name, part in value.items():
            pieces: list[Any] = []
            if isinstance(part, bytes):
                for piece in _pieces(part):
                    pieces.append(hide(piece))
                    await asyncio.sleep(0)
                fields[name] = b"".join(pieces)
            elif isinstance(part, list):
                for start in range(0, len(part), SEAL_ROWS):
                    pieces.extend(hide(part[start : start + SEAL_ROWS]))
                    await asyncio.sleep(0)
                fields[name] = pieces
            else:
                fields.update(hide({name: part}))
        return {**rest, "value": fields}

    def _limit(self, pair: Pair, reason: str, kind: str) -> Comparison:
        self.counts[f"limited:{kind}"] += 1
        return Comparison(operation=pair.operation, limited=reason)

    def _end(self, process: _Process) -> None:
        if process not in self._running:
            return
        self._running.discard(process)
        self.counts["ended"] += 1
        process.kill()
        ending = tasks.spawn(process.process.wait(), name="end of a comparison process")
        self._ending.add(ending)
        ending.add_done_callback(self._ending.discard)


def _identical(pair: Pair) -> bool:
    try:
        return bool(pair.old == pair.new)
    except RecursionError:
        return False  # nested too deep to tell; its measure will say so


def _environment() -> dict[str, str]:
    """Nothing of ours but where code is found: keys of origins live in our environment."""
    paths = os.pathsep.join(path or str(Path.cwd()) for path in sys.path)
    libraries = {name: os.environ[name] for name in ("LD_LIBRARY_PATH",) if name in os.environ}
    return {"PYTHONPATH": paths, **libraries}


def _pieces(text: bytes) -> list[bytes]:
    """Text in pieces cut where no secret can be: after a line, else after a comma or space."""
    pieces = []
    start = 0
    while start < len(text):
        end = start + SEAL_BYTES
        if end < len(text):
            cut = text.rfind(b"\n", start, end)
            if cut <= start:
                cut = max(text.rfind(b",", start, end), text.rfind(b" ", start, end))
            end = cut + 1 if cut > start else end
        pieces.append(text[start:end])
        start = end
    return pieces
