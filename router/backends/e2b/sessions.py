"""Sessions that live in the sandbox: a shell, and its commands' logs and exit codes as files; they outlive us."""

import asyncio
import base64
import time
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakValueDictionary

from crossfade.operation import Operation
from crossfade.outcome import Outcome, done, refused, unknown, unsupported
from crossfade.ports import Channel
from crossfade.results import CommandInfo, SessionExec, SessionInfo, SessionLogs, StreamEnd
from crossfade.upstream import Purpose
from router.backends.e2b import shells
from router.backends.e2b.commands import LEAD, START, Commands, Ended, close, exit_code, process
from router.backends.e2b.envd import Envd, Handle
from router.backends.e2b.refusals import Failed, edge_error
from router.wire.connect import ConnectError

_LOG_LIMIT = 64 * 1024 * 1024
_INLINE_LIMIT = 90_000  # bytes of base64 in one argument; the kernel takes 128 KiB
_INPUT_SECONDS = 10.0
_BROKEN_OFF = "process stream ended without an end event"


@dataclass(slots=True, kw_only=True)
class Sessions:
    """Session operations."""

    envd: Envd
    commands: Commands
    pids: dict[tuple[str, str], int] = field(default_factory=dict)  # (sandbox, session) -> the leader's pid
    # One line at a time into each shell; a lock goes with the last call that uses it.
    turns: WeakValueDictionary[tuple[str, str], asyncio.Lock] = field(default_factory=WeakValueDictionary)

    async def perform(self, handle: Handle, operation: Operation, purpose: Purpose) -> Outcome:
        """Carry out one session.* operation. Raises ConnectError, Failed."""
        match operation.name:
            case "session.create":
                return await self._create(handle, operation, purpose)
            case "session.list":
                return done(await self._found(handle, "*", purpose))
            case "session.get":
                return await self._get(handle, operation, purpose)
            case "session.delete":
                return await self._delete(handle, operation, purpose)
            case "session.exec":
                return await self._exec(handle, operation, purpose)
            case "session.command":
                return await self._command(handle, operation, purpose)
            case "session.logs":
                return await self._logs(handle, operation, purpose)
            case "session.input":
                return await self._input(handle, operation, purpose)
            case name:
                return unsupported(name, "e2b")

    async def _create(self, handle: Handle, operation: Operation, purpose: Purpose) -> Outcome:
        session = str(operation.arguments["session"])
        if session == "entrypoint":
            return refused(400, "BAD_REQUEST", "bad request: session id 'entrypoint' is taken")
        if len(session.encode("utf-8", "surrogateescape")) > shells.LONGEST_ID:
            return refused(400, "BAD_REQUEST", f"bad request: session id is longer than {shells.LONGEST_ID} bytes")
        words = [shells.BOOT, "session", shells.directory_of(session), self.commands.work_dir]
        args = ["-c", 'a=("$@"); ' + LEAD + 'exec $w bash -c "${a[0]}" "${a[@]:1}"', "bash", *words]
        message = {"process": process(args), "stdin": True, "tag": f"crossfade-session:{session}"}
        events = self.envd.stream(handle, START, message, purpose)
        started = Ended()
        try:
            code = await _until_ready(events, started)
        finally:
            # Letting go of the stream does not end the process.
            await close(events)
        if code == shells.EXISTS:
            return refused(409, "CONFLICT", f"conflict: session with id '{session}' already exists")
        if code is not None:
            return refused(500, "INTERNAL_SERVER_ERROR", f"the session's shell ended at once, with {code}")
        self.pids[handle.id, session] = started.pid
        return done(status=201)

    async def _exec(self, handle: Handle, operation: Operation, purpose: Purpose) -> Outcome:
        arguments = operation.arguments
        session, text = str(arguments["session"]), str(arguments.get("command") or "")
        if not text.strip():
            return refused(400, "BAD_REQUEST", "bad request: command is required")
        run_async = bool(arguments.get("run_async"))
        # Ids begin with the time, so that directories are listed in the order of commands.
        command = f"{time.time_ns() // 1000:016x}-{uuid.uuid4()}"
        pid = await self._pid(handle, session, purpose)
        if pid is None:
            return _why_not(shells.MISSING, session)
        source = ("quiet" if arguments.get("quiet_input") else "in") if run_async else "none"
        events = self._runner(handle, session, command, text, source, purpose)
        try:
            code = await _until_ready(events, Ended())
            if code is not None:
                return _why_not(code, session)
            await self._type(handle, session, pid, command, text, run_async, purpose)
            if run_async:
                return done(SessionExec(command_id=command), status=202)
            code = await _end(events)
        finally:
            await close(events)
        marked = await self._log(handle, session, command, purpose)
        return done(SessionExec(command_id=command, marked=marked, exit_code=code))

    def _runner(
        self, handle: Handle, session: str, command: str, text: str, source: str, purpose: Purpose
    ) -> AsyncIterator[dict[str, Any]]:
        encoded = base64.b64encode(text.encode("utf-8", "surrogateescape")).decode()
        kept = encoded if len(encoded) < _INLINE_LIMIT else ""
        words = [shells.directory_of(session), command, kept, source]
        message = {"process": process(["-c", shells.RUN, "runner", *words]), "stdin": False, "tag": "crossfade"}
        return self.envd.stream(handle, START, message, purpose)

    async def _type(
        self, handle: Handle, session: str, pid: int, command: str, text: str, run_async: bool, purpose: Purpose
    ) -> None:
        directory = shells.directory_of(session, command)
        raw = text.encode("utf-8", "surrogateescape")
        if len(raw) * 4 // 3 >= _INLINE_LIMIT - 4:
            status, answer = await self.envd.upload(handle, f"{directory}/text", raw, purpose)
            if status >= 300:
                raise Failed(edge_error(status, answer))
        line = shells.line(directory, text, reads_input=run_async).encode("utf-8", "surrogateescape")
        message = {"process": {"pid": pid}, "input": {"stdin": base64.b64encode(line).decode()}}
        try:
            async with self.turns.setdefault((handle.id, session), asyncio.Lock()):
                await self.envd.call(handle, "process.Process/SendInput", message, purpose)
        except ConnectError as error:
            if error.code != "not_found":
                raise
            raise Failed(_why_not(shells.ENDED, session)) from error

    async def _delete(self, handle: Handle, operation: Operation, purpose: Purpose) -> Outcome:
        session = str(operation.arguments["session"])
        ended = await self._script(handle, shells.CLOSE, purpose, shells.directory_of(session))
        self.pids.pop((handle.id, session), None)
        return _no_session() if ended.exit_code == shells.MISSING else done(status=204)

    async def _get(self, handle: Handle, operation: Operation, purpose: Purpose) -> Outcome:
        found = await self._found(handle, shells.name_of(str(operation.arguments["session"])), purpose)
        return done(found[0]) if found else _no_session()

    async def _found(self, handle: Handle, which: str, purpose: Purpose) -> tuple[SessionInfo, ...]:
        ended = await self._script(handle, shells.LIST, purpose, which)
        sessions: list[tuple[str, list[CommandInfo]]] = []
        for line in ended.output.decode("utf-8", "replace").splitlines():
            words = line.split(" ")
            if words[0] == "s":
                sessions.append((shells.session_of(words[1]), []))
            elif words[0] == "c" and sessions:
                command = base64.b64decode(words[3]).decode("utf-8", "surrogateescape")
                code = None if words[2] in ("-", "") else int(words[2])
                sessions[-1][1].append(CommandInfo(id=words[1], command=command, exit_code=code))
        return tuple(SessionInfo(id=name, commands=tuple(commands)) for name, commands in sessions)

    async def _command(self, handle: Handle, operation: Operation, purpose: Purpose) -> Outcome:
        wanted = str(operation.arguments["command_id"])
        found = await self._found(handle, shells.name_of(str(operation.arguments["session"])), purpose)
        if not found:
            return _no_session()
        command = next((each for each in found[0].commands if each.id == wanted), None)
        return done(command) if command else _no_command()

    async def _logs(self, handle: Handle, operation: Operation, purpose: Purpose) -> Outcome:
        session, command = str(operation.arguments["session"]), str(operation.arguments["command_id"])
        return done(SessionLogs(marked=await self._log(handle, session, command, purpose)))

    async def _log(self, handle: Handle, session: str, command: str, purpose: Purpose) -> bytes:
        response = await self.envd.download(handle, f"{shells.directory_of(session, command)}/log", purpose)
        body = await response.read(_LOG_LIMIT)
        if response.status == 404:
            raise Failed(_no_command())
        if response.status != 200:
            raise Failed(edge_error(response.status, body))
        return body

    async def _input(self, handle: Handle, operation: Operation, purpose: Purpose) -> Outcome:
        arguments = operation.arguments
        directory = shells.directory_of(str(arguments["session"]), str(arguments["command_id"]))
        words = [directory, str(arguments.get("data") or "").removesuffix("\n")]
        args = ["-c", shells.INPUT, "session", *words]
        try:
            ended = await self.commands.run(handle, args, purpose=purpose, timeout=_INPUT_SECONDS)
        except TimeoutError:
            return refused(408, "REQUEST_TIMEOUT", "request timeout: the command does not read its input")
        if ended.exit_code == shells.MISSING:
            return _no_command()
        if ended.exit_code == shells.GONE:
            return refused(410, "GONE", "gone: command has already completed")
        return done(status=204)

    async def clear(self, handle: Handle, purpose: Purpose) -> None:
        """After a stop and start: end what a pause with memory brought back; Daytona's sessions are gone then."""
        for key in [key for key in self.pids if key[0] == handle.id]:
            del self.pids[key]
        await self._script(handle, shells.CLEAR, purpose)

    async def follow(self, handle: Handle, operation: Operation, purpose: Purpose) -> Channel | Outcome:
        """The log from its start, until the command has ended."""
        directory = shells.directory_of(str(operation.arguments["session"]), str(operation.arguments["command_id"]))
        test = await self._script(handle, '[ -e "$1/log" ]', purpose, directory)
        if test.exit_code:
            return _no_command()
        # The runner ends with its command, so tail ends with the runner.
        text = f"exec tail -c +1 -s 0.1 --pid=$(cat {directory}/runner) -f {directory}/log"
        message = {"process": process(["-c", text]), "stdin": False, "tag": "crossfade"}
        return _Following(self.envd, handle, self.envd.stream(handle, START, message, purpose), purpose)

    async def _pid(self, handle: Handle, session: str, purpose: Purpose) -> int | None:
        key = (handle.id, session)
        if key not in self.pids:
            # Made by another process of ours, or before a restart: its directory remembers.
            ended = await self._script(handle, 'cat "$1/pid" 2>/dev/null', purpose, shells.directory_of(session))
            text = ended.output.decode("ascii", "replace").strip()
            if not text.isdigit():
                return None
            self.pids[key] = int(text)
        return self.pids[key]

    async def _script(self, handle: Handle, text: str, purpose: Purpose, *words: str) -> Ended:
        return await self.commands.run(handle, ["-c", text, "session", *words], purpose=purpose)


class _Following:
    """A followed log as a channel."""

    def __init__(self, envd: Envd, handle: Handle, events: AsyncIterator[dict[str, Any]], purpose: Purpose) -> None:
        self._envd, self._handle, self._events, self._purpose = envd, handle, events, purpose
        self._pid = 0  # of the process that reads the log
        self._end = StreamEnd(reason="not ended")

    async def output(self) -> AsyncIterator[bytes]:
        """The log's bytes as they come."""
        try:
            async for message in self._events:
                event = message.get("event") or {}
                if "start" in event:
                    self._pid = int(event["start"].get("pid", 0))
                elif text := (event.get("data") or {}).get("stdout"):
                    yield base64.b64decode(text)
                elif "end" in event:
                    ended = exit_code(event["end"])
                    self._end = StreamEnd(reason=f"log reader ended with {ended}" if ended else "")
        except (ConnectError, Failed):
            self._end = StreamEnd(reason="log stream broke off")
        finally:
            self._pid = 0

    async def send(self, data: bytes) -> None:
        """A log takes no input."""

    async def close(self) -> None:
        """Stop following; the command goes on."""
        pid, self._pid = self._pid, 0
        if pid:
            # Letting go of the stream would leave the reader behind, as long as the command runs.
            message = {"process": {"pid": pid}, "signal": "SIGNAL_SIGKILL"}
            try:
                await self._envd.call(self._handle, "process.Process/SendSignal", message, self._purpose)
            except (ConnectError, Failed):
                pass  # ended already, or with its sandbox
        else:
            await close(self._events)

    @property
    def end(self) -> StreamEnd:
        """How it ended, once output() has."""
        return self._end


async def _until_ready(events: AsyncIterator[dict[str, Any]], started: Ended) -> int | None:
    """Wait for the script's own word. Returns its exit code when it ended instead."""
    said = b""
    async for message in events:
        event = message.get("event") or {}
        if "start" in event:
            started.pid = int(event["start"].get("pid", 0))
        elif "data" in event:
            said += base64.b64decode(event["data"].get("stdout") or "")
            if said.endswith(b"ready\n"):
                return None
        elif "end" in event:
            return int(event["end"].get("exitCode") or 0)
    raise Failed(unknown(_BROKEN_OFF))


async def _end(events: AsyncIterator[dict[str, Any]]) -> int:
    async for message in events:
        event = message.get("event") or {}
        if "end" in event:
            return int(event["end"].get("exitCode") or 0)
    raise Failed(unknown(_BROKEN_OFF))


def _why_not(code: int, session: str) -> Outcome:
    if code == shells.MISSING:
        return refused(500, "INTERNAL_SERVER_ERROR", "failed to execute command: not found: session not found")
    if code == shells.ENDED:
        text = f"failed to execute command: the shell of session '{session}' has ended; create a new session"
        return refused(500, "INTERNAL_SERVER_ERROR", text)
    return unknown(f"command runner ended with {code}")


def _no_session() -> Outcome:
    return refused(404, "NOT_FOUND", "not found: session not found")


def _no_command() -> Outcome:
    return refused(404, "NOT_FOUND", "not found: command not found")
