"""Sessions that live in the sandbox: a shell, and its commands' logs and exit codes as files, so that they outlive us.

Layout below ROOT/<session>: `pid` of the shell's leader, `ended` once the shell has, and a directory per command with
`text`, `log` (lines with their stream's mark), `code` once it has ended, and `in` while it may be given input.
"""

import asyncio
import base64
import shlex
import time
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

from crossfade.operation import Operation
from crossfade.outcome import Outcome, done, refused, unknown
from crossfade.ports import Channel
from crossfade.results import CommandInfo, SessionExec, SessionInfo, SessionLogs, StreamEnd
from crossfade.upstream import Purpose
from router.backends.e2b.commands import LEAD, START, Commands
from router.backends.e2b.envd import Envd, Handle
from router.backends.e2b.refusals import Failed
from router.wire.connect import ConnectError

ROOT = "/tmp/.crossfade-sessions"
_EXISTS, _MISSING, _ENDED, _GONE = 44, 45, 46, 47
_LOG_LIMIT = 64 * 1024 * 1024

# Becomes the shell's parent, leads its group and keeps its exit code. Commands arrive on its standard input.
_BOOT = r"""d=$1
mkdir -p -m 700 {root} && mkdir "$d" 2>/dev/null || exit {exists}
printf %s $$ >"$d/pid"
echo ready
exec >/dev/null 2>&1
cd -- "$2" 2>/dev/null
bash <&0
printf %s $? >"$d/code.new" && mv "$d/code.new" "$d/ended"
for k in "$d"/*/k; do [ -p "$k" ] && echo 1<>"$k"; done
"""

# One per command: gives it pipes, marks its lines, and waits for its exit code. Its own exit code is the command's.
_RUN = r"""d=$1 c=$1/$2
[ -d "$d" ] || exit {missing}
[ ! -e "$d/ended" ] || exit {ended}
mkdir "$c" && printf %s "$3" | base64 -d >"$c/text"
printf %s $$ >"$c/runner"
: >"$c/log"
mkfifo "$c/o" "$c/e" "$c/k" || exit {missing}
[ "$4" = in ] && mkfifo "$c/in" && exec 3<>"$c/in"
exec 4<>"$c/o" 5<>"$c/e" 6<>"$c/k"
mark() {{ # marks lines as they come; sed would hold the last one back to see whether it is the last
  if command -v perl >/dev/null; then exec perl -ne 'BEGIN {{ $| = 1; $m = shift }} chomp; s/\0//g; print "$m$_\n"' "$1"
  else while IFS= read -r l || [ -n "$l" ]; do printf '%s%s\n' "$1" "$l"; done; fi
}}
mark $'\x01\x01\x01' <"$c/o" >>"$c/log" 4>&- 5>&- 3>&- 6>&- & a=$!
mark $'\x02\x02\x02' <"$c/e" >>"$c/log" 4>&- 5>&- 3>&- 6>&- & b=$!
echo ready
exec >/dev/null 2>&1
[ -e "$d/ended" ] || read -r -u 6 _
exec 4>&- 5>&- 3>&-
if [ -e "$c/code" ]; then wait $a $b; else sleep 0.05; kill $a $b; cp "$d/ended" "$c/code"; fi
rm -f "$c/o" "$c/e" "$c/k" "$c/in"
: >"$c/over"
exit $(cat "$c/code")
"""

_CLOSE = r"""d=$1
[ -d "$d" ] || exit {missing}
p=$(cat "$d/pid")
kill -TERM -- -$p 2>/dev/null
i=0
while [ $i -lt 50 ] && kill -0 -- -$p 2>/dev/null; do sleep 0.1; i=$((i+1)); done
kill -KILL -- -$p 2>/dev/null
for r in "$d"/*/runner; do [ -e "${{r%runner}}over" ] || kill -KILL "$(cat "$r")"; done 2>/dev/null
rm -rf "$d"
"""

_LIST = r"""cd {root} 2>/dev/null || exit 0
for s in {which}; do [ -d "$s" ] || continue
  [ -e "$s/ended" ] || kill -0 "$(cat "$s/pid")" 2>/dev/null || continue
  echo "s $s"
  for c in "$s"/*/; do [ -e "$c/text" ] || continue
    b=${{c%/}}; code=$([ -e "$c/over" ] && cat "$c/code" || echo -)
    printf 'c %s %s %s\n' "${{b##*/}}" "$code" "$(base64 -w0 "$c/text")"
  done
done
:
"""


def _name(session: str) -> str:
    """A session id as a directory's name."""
    return "s" + base64.urlsafe_b64encode(session.encode()).decode().rstrip("=")


def _session(name: str) -> str:
    return base64.urlsafe_b64decode(name[1:] + "=" * (-len(name[1:]) % 4)).decode()


@dataclass(slots=True, kw_only=True)
class Sessions:
    """Session operations."""

    envd: Envd
    commands: Commands
    pids: dict[tuple[str, str], int] = field(default_factory=dict)  # (sandbox, session) -> the leader's pid
    turns: dict[tuple[str, str], asyncio.Lock] = field(default_factory=dict)

    async def perform(self, handle: Handle, operation: Operation, purpose: Purpose) -> Outcome:
        """Carry out one session.* operation. Raises ConnectError, Failed."""
        method = getattr(self, "_" + operation.name.removeprefix("session."))
        outcome: Outcome = await method(handle, operation, purpose)
        return outcome

    async def _create(self, handle: Handle, operation: Operation, purpose: Purpose) -> Outcome:
        session = str(operation.arguments["session"])
        if session == "entrypoint":
            return refused(400, "BAD_REQUEST", "bad request: session id 'entrypoint' is taken")
        text = 'a=("$@"); ' + LEAD + 'exec $w bash -c "${a[0]}" "${a[@]:1}"'
        boot = _BOOT.format(root=ROOT, exists=_EXISTS)
        args = ["-c", text, "bash", boot, "session", f"{ROOT}/{_name(session)}", self.commands.work_dir]
        tag = f"crossfade-session:{session}"
        started = await self._start(handle, args, tag, purpose, stdin=True)
        if started.exit_code is not None:
            return refused(409, "CONFLICT", f"conflict: session with id '{session}' already exists")
        self.pids[handle.id, session] = started.pid
        return done(status=201)

    async def _exec(self, handle: Handle, operation: Operation, purpose: Purpose) -> Outcome:
        arguments = operation.arguments
        session, text = str(arguments["session"]), str(arguments["command"])
        run_async = bool(arguments.get("run_async"))
        command = f"{time.time_ns() // 1000:016x}-{uuid.uuid4()}"
        pid = await self._pid(handle, session, purpose)
        if pid is None:
            return refused(500, "INTERNAL_SERVER_ERROR", "failed to execute command: not found: session not found")
        script = _RUN.format(missing=_MISSING, ended=_ENDED)
        encoded = base64.b64encode(text.encode("utf-8", "surrogateescape")).decode()
        words = [f"{ROOT}/{_name(session)}", command, encoded, "in" if run_async else "none"]
        process = {"cmd": "/bin/bash", "args": ["-c", script, "runner", *words], "envs": {}, "cwd": "/"}
        events = self.envd.stream(handle, START, {"process": process, "stdin": False, "tag": "crossfade"}, purpose)
        try:
            code = await _until_ready(events)
            if code is not None:
                return _why_not(code, session)
            await self._type(handle, pid, self._line(session, command, text, run_async), purpose)
            if run_async:
                return done(SessionExec(command_id=command), status=202)
            code = await _end(events)
        finally:
            await _close(events)
        marked = await self._log(handle, session, command, purpose)
        return done(SessionExec(command_id=command, marked=marked, exit_code=code))

    def _line(self, session: str, command: str, text: str, run_async: bool) -> str:
        """The command as a line for the session's shell; the pipes are opened by the runner already."""
        d = f"{ROOT}/{_name(session)}/{command}"
        source = f"{d}/in" if run_async else "/dev/null"
        return (
            f"eval {shlex.quote(text)} <{source} >{d}/o 2>{d}/e; "
            f"builtin printf %s $? >{d}/code.new; command mv {d}/code.new {d}/code; builtin echo 1<>{d}/k\n"
        )

    async def _type(self, handle: Handle, pid: int, line: str, purpose: Purpose) -> None:
        data = base64.b64encode(line.encode("utf-8", "surrogateescape")).decode()
        message = {"process": {"pid": pid}, "input": {"stdin": data}}
        await self.envd.call(handle, "process.Process/SendInput", message, purpose)

    async def _delete(self, handle: Handle, operation: Operation, purpose: Purpose) -> Outcome:
        session = str(operation.arguments["session"])
        ended = await self._script(handle, _CLOSE, purpose, f"{ROOT}/{_name(session)}")
        self.pids.pop((handle.id, session), None)
        return _no_session() if ended.exit_code == _MISSING else done(status=204)

    async def _list(self, handle: Handle, operation: Operation, purpose: Purpose) -> Outcome:
        return done(await self._found(handle, "*", purpose))

    async def _get(self, handle: Handle, operation: Operation, purpose: Purpose) -> Outcome:
        found = await self._found(handle, _name(str(operation.arguments["session"])), purpose)
        return done(found[0]) if found else _no_session()

    async def _found(self, handle: Handle, which: str, purpose: Purpose) -> tuple[SessionInfo, ...]:
        text = _LIST.format(root=ROOT, which=which)
        ended = await self.commands.shell(handle, text, purpose)
        sessions: list[tuple[str, list[CommandInfo]]] = []
        for line in ended.output.decode("utf-8", "replace").splitlines():
            words = line.split(" ")
            if words[0] == "s":
                sessions.append((_session(words[1]), []))
            elif words[0] == "c" and sessions:
                command = base64.b64decode(words[3]).decode("utf-8", "surrogateescape")
                code = None if words[2] in ("-", "") else int(words[2])
                sessions[-1][1].append(CommandInfo(id=words[1], command=command, exit_code=code))
        return tuple(SessionInfo(id=name, commands=tuple(commands)) for name, commands in sessions)

    async def _command(self, handle: Handle, operation: Operation, purpose: Purpose) -> Outcome:
        wanted = str(operation.arguments["command_id"])
        found = await self._found(handle, _name(str(operation.arguments["session"])), purpose)
        if not found:
            return _no_session()
        command = next((each for each in found[0].commands if each.id == wanted), None)
        return done(command) if command else _no_command()

    async def _logs(self, handle: Handle, operation: Operation, purpose: Purpose) -> Outcome:
        session, command = str(operation.arguments["session"]), str(operation.arguments["command_id"])
        try:
            return done(SessionLogs(marked=await self._log(handle, session, command, purpose)))
        except Failed as error:
            return _no_command() if error.outcome.status == 404 else error.outcome

    async def _log(self, handle: Handle, session: str, command: str, purpose: Purpose) -> bytes:
        path = f"{ROOT}/{_name(session)}/{_safe(command)}/log"
        response = await self.envd.download(handle, path, purpose)
        body = await response.read(_LOG_LIMIT)
        if response.status == 404:
            raise Failed(_no_command())
        if response.status != 200:
            raise Failed(unknown(f"log answered {response.status}"))
        return body

    async def _input(self, handle: Handle, operation: Operation, purpose: Purpose) -> Outcome:
        arguments = operation.arguments
        d = f"{ROOT}/{_name(str(arguments['session']))}/{_safe(str(arguments['command_id']))}"
        line = str(arguments["data"]).removesuffix("\n")
        text = (
            f"[ -d {d} ] || exit {_MISSING}; [ ! -e {d}/code ] || exit {_GONE}; "
            f"[ -p {d}/in ] && printf '%s\\n' {shlex.quote(line)} >{d}/in; "
            f"printf '\\001\\001\\001%s\\n' {shlex.quote(line)} >>{d}/log"
        )
        ended = await self.commands.shell(handle, text, purpose)
        if ended.exit_code == _MISSING:
            return _no_command()
        if ended.exit_code == _GONE:
            return refused(410, "GONE", "gone: command has already completed")
        return done(status=204)

    async def clear(self, handle: Handle, purpose: Purpose) -> None:
        """After a stop and start: end what a pause with memory brought back; Daytona's sessions are gone then."""
        for key in [key for key in self.pids if key[0] == handle.id]:
            del self.pids[key]
        end_all = "for p in */pid; do kill -KILL -- -$(cat $p); done 2>/dev/null"
        await self.commands.shell(handle, f"cd {ROOT} 2>/dev/null || exit 0; {end_all}; rm -rf {ROOT}", purpose)

    async def follow(self, handle: Handle, operation: Operation, purpose: Purpose) -> Channel | Outcome:
        """The log from its start, until the command has ended."""
        d = f"{ROOT}/{_name(str(operation.arguments['session']))}/{_safe(str(operation.arguments['command_id']))}"
        test = await self.commands.shell(handle, f"[ -e {d}/log ]", purpose)
        if test.exit_code:
            return _no_command()
        # The runner ends with its command, so tail ends with the runner.
        text = f"exec tail -c +1 -s 0.1 --pid=$(cat {d}/runner) -f {d}/log"
        process = {"cmd": "/bin/bash", "args": ["-c", text], "envs": {}, "cwd": "/"}
        message = {"process": process, "stdin": False, "tag": "crossfade"}
        return _Following(self.envd.stream(handle, START, message, purpose))

    # The shell...

    async def _pid(self, handle: Handle, session: str, purpose: Purpose) -> int | None:
        key = (handle.id, session)
        if key not in self.pids:
            # Made by another process of ours, or before a restart: its directory remembers.
            ended = await self.commands.shell(handle, f"cat {ROOT}/{_name(session)}/pid 2>/dev/null", purpose)
            text = ended.output.decode("ascii", "replace").strip()
            if not text.isdigit():
                return None
            self.pids[key] = int(text)
        return self.pids[key]

    async def _script(self, handle: Handle, text: str, purpose: Purpose, *words: str) -> Any:
        script = text.format(missing=_MISSING, ended=_ENDED, root=ROOT)
        return await self.commands.run(handle, ["-c", script, "session", *words], purpose=purpose)

    async def _start(self, handle: Handle, args: list[str], tag: str, purpose: Purpose, *, stdin: bool) -> "_Started":
        process = {"cmd": "/bin/bash", "args": args, "envs": {}, "cwd": "/"}
        events = self.envd.stream(handle, START, {"process": process, "stdin": stdin, "tag": tag}, purpose)
        started = _Started()
        try:
            started.exit_code = await _until_ready(events, started)
        finally:
            # Closing the stream does not end the process.
            await _close(events)
        return started


@dataclass(slots=True)
class _Started:
    pid: int = 0
    exit_code: int | None = None


class _Following:
    """A followed log as a channel."""

    def __init__(self, events: AsyncIterator[dict[str, Any]]) -> None:
        self._events = events
        self._end = StreamEnd()

    async def output(self) -> AsyncIterator[bytes]:
        try:
            async for message in self._events:
                data = (message.get("event") or {}).get("data") or {}
                if text := data.get("stdout"):
                    yield base64.b64decode(text)
        except (ConnectError, Failed):
            self._end = StreamEnd(reason="log stream broke off")

    async def send(self, data: bytes) -> None:
        """A log takes no input."""

    async def close(self) -> None:
        await _close(self._events)

    @property
    def end(self) -> StreamEnd:
        return self._end


async def _until_ready(events: AsyncIterator[dict[str, Any]], started: _Started | None = None) -> int | None:
    """Wait for the script's own word. Returns its exit code when it ended instead."""
    said = b""
    async for message in events:
        event = message.get("event") or {}
        if "start" in event and started is not None:
            started.pid = int(event["start"].get("pid", 0))
        elif "data" in event:
            said += base64.b64decode(event["data"].get("stdout") or "")
            if said.endswith(b"ready\n"):
                return None
        elif "end" in event:
            return int(event["end"].get("exitCode") or 0)
    raise Failed(unknown("process stream ended without an end event"))


async def _end(events: AsyncIterator[dict[str, Any]]) -> int:
    async for message in events:
        event = message.get("event") or {}
        if "end" in event:
            return int(event["end"].get("exitCode") or 0)
    raise Failed(unknown("process stream ended without an end event"))


async def _close(events: AsyncIterator[dict[str, Any]]) -> None:
    if close := getattr(events, "aclose", None):
        await close()


def _safe(command: str) -> str:
    """A command id as a path's part: ours have hexadecimal digits and dashes only."""
    return "".join(letter for letter in command if letter.isalnum() or letter == "-") or "none"


def _why_not(code: int, session: str) -> Outcome:
    if code == _MISSING:
        return refused(500, "INTERNAL_SERVER_ERROR", "failed to execute command: not found: session not found")
    if code == _ENDED:
        text = f"failed to execute command: the shell of session '{session}' has ended; create a new session"
        return refused(500, "INTERNAL_SERVER_ERROR", text)
    return unknown(f"command runner ended with {code}")


def _no_session() -> Outcome:
    return refused(404, "NOT_FOUND", "not found: session not found")


def _no_command() -> Outcome:
    return refused(404, "NOT_FOUND", "not found: command not found")
