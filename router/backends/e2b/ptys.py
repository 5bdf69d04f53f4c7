"""Terminals on envd: the router holds each one's stream, keeps its last output, fans it out to who is attached."""

import asyncio
import base64
import signal
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from crossfade.operation import Operation
from crossfade.outcome import Outcome, done, refused, unknown
from crossfade.ports import Channel
from crossfade.results import PtyInfo, StreamEnd
from crossfade.upstream import Purpose
from router import tasks
from router.backends.e2b.commands import START, Commands, environment, exit_code, kill_script
from router.backends.e2b.envd import Envd, Handle
from router.backends.e2b.refusals import Failed
from router.wire.connect import ConnectError

_TAG = "crossfade-pty:"
_RING_LIMIT = 65_536
_QUEUE = 256
_START_SECONDS = 15.0
_MOST = 1000  # columns or rows
# Signals as envd names them, after Go.
_SIGNALS = {
    "hangup": signal.SIGHUP,
    "interrupt": signal.SIGINT,
    "quit": signal.SIGQUIT,
    "aborted": signal.SIGABRT,
    "killed": signal.SIGKILL,
    "segmentation fault": signal.SIGSEGV,
    "terminated": signal.SIGTERM,
}


@dataclass(slots=True, eq=False)
class _Pty:
    """One terminal and who looks at it."""

    info: PtyInfo
    pid: int = 0
    ring: bytearray = field(default_factory=bytearray)
    attached: list["_Attached"] = field(default_factory=list)
    shown: bool = False  # somebody has seen the ring
    end: StreamEnd | None = None
    started: asyncio.Event = field(default_factory=asyncio.Event)
    problem: Exception | None = None

    def take(self, data: bytes) -> None:
        for each in list(self.attached):
            each.put(data)
        if not self.attached:
            self.ring += data
            del self.ring[:-_RING_LIMIT]

    def over(self, end: StreamEnd) -> None:
        self.end = end
        self.started.set()
        for each in list(self.attached):
            each.put(None)


class _Attached:
    """A channel to a terminal."""

    def __init__(self, ptys: "Ptys", handle: Handle, pty: _Pty, purpose: Purpose) -> None:
        self._ptys, self._handle, self._pty, self._purpose = ptys, handle, pty, purpose
        self._queue: asyncio.Queue[bytes | None] = asyncio.Queue(_QUEUE)
        self._slow = False

    def put(self, data: bytes | None) -> None:
        try:
            self._queue.put_nowait(data)
        except asyncio.QueueFull:
            # As Daytona does: who does not read is let go, so that the others are not held up.
            self._slow = True
            self._queue.get_nowait()
            self._queue.put_nowait(None)
            if self in self._pty.attached:
                self._pty.attached.remove(self)

    async def output(self) -> AsyncIterator[bytes]:
        while (data := await self._queue.get()) is not None:
            yield data

    async def send(self, data: bytes) -> None:
        await self._ptys.type(self._handle, self._pty, data, self._purpose)

    async def close(self) -> None:
        if self in self._pty.attached:
            self._pty.attached.remove(self)
            self.put(None)  # lets go of who waits for output

    @property
    def end(self) -> StreamEnd:
        if self._slow:
            return StreamEnd(reason="too slow: output was not read")
        return self._pty.end or StreamEnd(reason="detached")


@dataclass(slots=True, kw_only=True)
class Ptys:
    """PTY operations."""

    envd: Envd
    commands: Commands
    known: dict[tuple[str, str], _Pty] = field(default_factory=dict)

    async def perform(self, handle: Handle, operation: Operation, purpose: Purpose) -> Outcome:
        """Carry out one pty.* operation. Raises ConnectError, Failed."""
        if operation.name == "pty.create":
            return await self._create(handle, operation, purpose)
        if operation.name == "pty.list":
            await self._find(handle, purpose)
            return done(tuple(pty.info for (sandbox, _), pty in self.known.items() if sandbox == handle.id))
        pty = await self._get(handle, str(operation.arguments["pty"]), purpose)
        if pty is None:
            return refused(404, "NOT_FOUND", f"PTY session {operation.arguments['pty']} not found")
        match operation.name:
            case "pty.resize":
                return await self._resize(handle, pty, operation.arguments, purpose)
            case "pty.delete":
                return await self._delete(handle, pty, purpose)
            case _:
                return done(pty.info)

    async def attach(self, handle: Handle, operation: Operation, purpose: Purpose) -> Channel | Outcome:
        """A channel to a terminal; the first one sees what was written before it came."""
        pty = await self._get(handle, str(operation.arguments["pty"]), purpose)
        if pty is None:
            return refused(404, "NOT_FOUND", f"PTY session {operation.arguments['pty']} not found")
        # One found again after a restart: what is typed before its stream is there would be answered to nobody.
        async with asyncio.timeout(_START_SECONDS):
            await pty.started.wait()
        channel = _Attached(self, handle, pty, purpose)
        if pty.ring:
            channel.put(bytes(pty.ring))
            pty.ring.clear()
        pty.attached.append(channel)
        return channel

    async def type(self, handle: Handle, pty: _Pty, data: bytes, purpose: Purpose) -> None:
        """Input to a terminal; dropped once it has ended."""
        if pty.end is not None:
            return
        message = {"process": {"pid": pty.pid}, "input": {"pty": base64.b64encode(data).decode()}}
        try:
            await self.envd.call(handle, "process.Process/SendInput", message, purpose)
        except ConnectError as error:
            if error.code != "not_found":
                raise

    async def _create(self, handle: Handle, operation: Operation, purpose: Purpose) -> Outcome:
        arguments = operation.arguments
        name = str(arguments.get("pty") or "")
        if not name:
            return refused(400, "BAD_REQUEST", "bad request: PTY session id is required")
        if await self._get(handle, name, purpose) is not None:
            return refused(409, "CONFLICT", f"PTY session with ID '{name}' already exists")
        try:
            env = environment(arguments.get("env"))
            cols, rows = _size(arguments)
        except ValueError as error:
            return refused(400, "BAD_REQUEST", f"bad request: {error}")
        cwd = self.commands.absolute(str(arguments.get("cwd") or ""))
        info = PtyInfo(
            id=name, cwd=cwd, env=env, cols=cols, rows=rows, active=True, created_at=datetime.now(UTC).isoformat()
        )
        process = {"cmd": "/bin/bash", "args": ["-i", "-l"], "envs": {"TERM": "xterm-256color", **env}, "cwd": cwd}
        message = {"process": process, "pty": {"size": {"cols": cols, "rows": rows}}, "tag": _TAG + name}
        pty = _Pty(info=info)
        self._hold(handle, pty, self.envd.stream(handle, START, message, purpose))
        try:
            async with asyncio.timeout(_START_SECONDS):
                await pty.started.wait()
        except TimeoutError:
            # It may run there, and is found by its tag then.
            return unknown(f"E2B did not start the terminal within {_START_SECONDS:g} s", status=504)
        if pty.problem is not None:
            self.known.pop((handle.id, name), None)
            raise pty.problem
        return done(info, status=201)

    def _hold(self, handle: Handle, pty: _Pty, events: AsyncIterator[dict[str, Any]]) -> None:
        self.known[handle.id, pty.info.id] = pty
        tasks.spawn(self._pump(handle, pty, events), name=f"pty {pty.info.id} of {handle.id}")

    async def _pump(self, handle: Handle, pty: _Pty, events: AsyncIterator[dict[str, Any]]) -> None:
        end = StreamEnd(reason="terminal's stream broke off")
        try:
            async for message in events:
                event = message.get("event") or {}
                if "start" in event:
                    pty.pid = int(event["start"].get("pid", 0))
                    pty.started.set()
                elif "data" in event:
                    pty.take(base64.b64decode(event["data"].get("pty") or ""))
                elif "end" in event:
                    end = _end_of(event["end"])
        except (ConnectError, Failed) as error:
            pty.problem = error
        finally:
            self.known.pop((handle.id, pty.info.id), None)
            pty.over(end)

    async def _get(self, handle: Handle, name: str, purpose: Purpose) -> _Pty | None:
        if (handle.id, name) not in self.known:
            await self._find(handle, purpose, name)
        return self.known.get((handle.id, name))

    async def _find(self, handle: Handle, purpose: Purpose, name: str | None = None) -> None:
        """Terminals that run there and are not held here: made before a restart. Told by their tag, used by pid."""
        answer = await self.envd.call(handle, "process.Process/List", {}, purpose)
        for process in answer.get("processes") or ():
            tag = str(process.get("tag") or "")
            own = tag.removeprefix(_TAG)
            if not tag.startswith(_TAG) or (handle.id, own) in self.known or (name is not None and own != name):
                continue
            pty = _Pty(info=PtyInfo(id=own, active=True), pid=int(process["pid"]))
            message = {"process": {"pid": pty.pid}}
            self._hold(handle, pty, self.envd.stream(handle, "process.Process/Connect", message, purpose))

    async def _resize(self, handle: Handle, pty: _Pty, arguments: Mapping[str, Any], purpose: Purpose) -> Outcome:
        try:
            cols, rows = _size(arguments)
        except ValueError as error:
            return refused(400, "BAD_REQUEST", f"bad request: {error}")
        message = {"process": {"pid": pty.pid}, "pty": {"size": {"cols": cols, "rows": rows}}}
        await self.envd.call(handle, "process.Process/Update", message, purpose)
        old = pty.info
        pty.info = PtyInfo(
            id=old.id, cwd=old.cwd, env=old.env, cols=cols, rows=rows, created_at=old.created_at, active=old.active
        )
        return done(pty.info)

    async def _delete(self, handle: Handle, pty: _Pty, purpose: Purpose) -> Outcome:
        message = {"process": {"pid": pty.pid}, "signal": "SIGNAL_SIGKILL"}
        try:
            await self.envd.call(handle, "process.Process/SendSignal", message, purpose)
        except ConnectError as error:
            if error.code != "not_found":
                raise
        await self.commands.shell(handle, kill_script(pty.pid), purpose)
        self.known.pop((handle.id, pty.info.id), None)
        return done(status=204)


def _size(arguments: Mapping[str, Any]) -> tuple[int, int]:
    """(cols, rows). Raises ValueError outside 1..1000."""
    sides = arguments.get("cols") or 80, arguments.get("rows") or 24
    for name, side in zip(("cols", "rows"), sides, strict=True):
        if isinstance(side, bool) or not isinstance(side, int) or not 1 <= side <= _MOST:
            raise ValueError(f"{name} must be 1 to {_MOST}, not {str(side)[:20]}")
    return sides


def _end_of(event: Mapping[str, Any]) -> StreamEnd:
    status = str(event.get("status") or "")
    if "signal" in status:
        number = _SIGNALS.get(status.removeprefix("signal: ").strip(), signal.SIGKILL)
        return StreamEnd(exit_code=128 + number, reason=number.name)
    code = exit_code(event)
    return StreamEnd(exit_code=code, reason="non-zero exit" if code else "")
