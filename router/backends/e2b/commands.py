"""Commands on envd: one process to its end, both streams merged in order, its whole group ended in time."""

import asyncio
import base64
import posixpath
import re
import secrets
import shlex
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any

from crossfade.operation import Operation
from crossfade.outcome import Outcome, done, refused, unknown
from crossfade.results import OUTPUT_LIMIT, OUTPUT_TOO_LARGE, ExecResult
from crossfade.upstream import Purpose
from router import tasks
from router.backends.e2b.envd import Envd, Handle
from router.backends.e2b.refusals import Failed, edge_error
from router.backends.languages import LANGUAGES
from router.wire.connect import ConnectError

START = "process.Process/Start"
_INLINE_LIMIT = 90_000  # bytes of script in one argument; the kernel takes 128 KiB
_KILL_SECONDS = 10.0
_MISSES = 3
_ENV_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_SHELLS = ("bash", "sh")

# The command's process leads a group of its own, so that all of it can be ended: envd kills the process alone.
# setsid forks when it is called by a leader; then the process would not be the one whose pid we were told.
LEAD = 'read -r s </proc/$$/stat; set -- ${s##*) }; if [ "$3" = $$ ]; then w=; else w=setsid; fi; '


def script(command: str, shell: str) -> str:
    """Shell text that runs the command as Daytona does: on standard input of a shell, output merged."""
    # No here-document: that ends with a line end of its own, which a command that reads its script would see.
    lead = f"{LEAD}exec 2>&1 < <(exec 2>/dev/null; printf %s {shlex.quote(command)})"
    return f"{lead}; exec $w {shell}"


def kill_script(pid: int) -> str:
    """Shell text that ends a process, its group and the groups of its children."""
    return (
        f"for c in $(cat /proc/{pid}/task/{pid}/children 2>/dev/null); do kill -KILL -- -$c $c 2>/dev/null; done; "
        f"kill -KILL -- -{pid} 2>/dev/null; kill -KILL {pid} 2>/dev/null; :"
    )


@dataclass(slots=True)
class Ended:
    """A process's end and what it wrote: both streams in order, and each alone."""

    exit_code: int = 0
    output: bytes = b""
    stdout: bytes = b""
    stderr: bytes = b""
    pid: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Program:
    """What to run: bash's arguments, and the file they read, if there is one."""

    args: list[str]
    file: str = ""
    content: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Commands:
    """Runs processes in a sandbox."""

    envd: Envd
    work_dir: str
    look_seconds: float = 60.0  # how often it is seen whether a command that nobody waits for still runs

    async def perform(self, handle: Handle, operation: Operation, purpose: Purpose) -> Outcome:
        """process.exec and process.code. Raises ConnectError, Failed."""
        arguments = operation.arguments
        try:
            program = _command(arguments) if operation.name == "process.exec" else _code(arguments)
            timeout, env = _seconds(arguments.get("timeout")), environment(arguments.get("env"))
        except ValueError as error:
            return refused(400, "BAD_REQUEST", f"bad request: {error}")
        cwd = self.absolute(str(arguments.get("cwd") or ""))
        if program.file:
            status, text = await self.envd.upload(handle, program.file, program.content, purpose)
            if status >= 300:
                raise Failed(edge_error(status, text))
        try:
            ended = await self.run(handle, program.args, cwd=cwd, env=env, timeout=timeout, purpose=purpose)
        except ConnectError as error:
            if error.code != "invalid_argument" or "cwd" not in error.message:
                raise
            name = str(arguments.get("shell") or "bash")
            said = f"fork/exec /usr/bin/{name}: no such file or directory"
            return done(ExecResult(exit_code=-1, output=said.encode()))
        except TimeoutError:
            return refused(408, "REQUEST_TIMEOUT", "request timeout: command execution timeout")
        finally:
            if program.file:
                await self.shell(handle, f"rm -f {program.file}", purpose)
        return done(ExecResult(exit_code=ended.exit_code, output=ended.output))

    async def run(
        self,
        handle: Handle,
        args: list[str],
        *,
        purpose: Purpose,
        cwd: str = "/",
        env: Mapping[str, str] | None = None,
        timeout: float | None = None,
    ) -> Ended:
        """A bash to its end. Raises TimeoutError once its group is killed, ConnectError, Failed."""
        tag = f"crossfade:{secrets.token_hex(8)}"
        message = {"process": process(args, cwd=cwd, env=env), "stdin": False, "tag": tag}
        events = self.envd.stream(handle, START, message, purpose)
        started, ended = time.monotonic(), Ended()
        try:
            async with asyncio.timeout(timeout):
                await _collect(events, ended)
        except _OutputTooLarge:
            await self._kill(handle, ended.pid, purpose)
            raise Failed(refused(500, "INTERNAL_SERVER_ERROR", OUTPUT_TOO_LARGE)) from None
        except TimeoutError:
            if ended.pid:
                await self._kill(handle, ended.pid, purpose)
            else:
                tasks.spawn(self._kill_later(handle, tag, 0, purpose), name=f"end of {tag}")
            raise
        except asyncio.CancelledError:
            # Who asked went away, the command goes on: but not past its time.
            if timeout is not None:
                left = max(0.0, started + timeout - time.monotonic())
                tasks.spawn(self._kill_later(handle, tag, left, purpose), name=f"end of {tag}")
            raise
        finally:
            await close(events)
        return ended

    async def shell(self, handle: Handle, text: str, purpose: Purpose) -> Ended:
        """A short script of our own, as root where envd is."""
        return await self.run(handle, ["-c", text], purpose=purpose)

    def absolute(self, path: str) -> str:
        """A client's path as envd needs it: relative ones start at the work dir."""
        return posixpath.join(self.work_dir, path) if path else self.work_dir

    async def _kill(self, handle: Handle, pid: int, purpose: Purpose) -> None:
        try:
            async with asyncio.timeout(_KILL_SECONDS):
                await self.shell(handle, kill_script(pid), purpose)
        except (TimeoutError, ConnectError, Failed):
            pass  # the client is told of the timeout either way

    async def _kill_later(self, handle: Handle, tag: str, seconds: float, purpose: Purpose) -> None:
        """Kill what carries the tag, if it still runs: by then its pid may be another's. Over once that has ended."""
        missed = 0
        while True:
            pause = min(seconds, self.look_seconds)
            seconds -= pause
            await asyncio.sleep(pause)
            try:
                answer = await self.envd.call(handle, "process.Process/List", {}, purpose)
            except (ConnectError, Failed):
                missed += 1
                if seconds <= 0 or missed == _MISSES:
                    return  # gone with its sandbox
                continue
            missed = 0
            pid = next((int(each["pid"]) for each in answer.get("processes") or () if each.get("tag") == tag), None)
            if pid is None:
                return
            if seconds <= 0:
                await self._kill(handle, pid, purpose)
                return


def process(args: list[str], *, cwd: str = "/", env: Mapping[str, str] | None = None) -> dict[str, Any]:
    """A bash as Start takes it."""
    return {"cmd": "/bin/bash", "args": args, "envs": dict(env or {}), "cwd": cwd}


def environment(env: Mapping[str, Any] | None) -> dict[str, str]:
    """Variables for a process. Raises ValueError for a name that no shell could read."""
    for name in env or {}:
        if not _ENV_NAME.fullmatch(str(name)):
            raise ValueError(f"invalid environment variable name {str(name)[:40]!r}")
    return {str(name): str(value).replace("\0", "") for name, value in (env or {}).items()}


def _seconds(timeout: object) -> float | None:
    if timeout is None:
        return None
    if isinstance(timeout, bool) or not isinstance(timeout, int) or timeout < 0:
        raise ValueError(f"timeout must be a whole number of seconds, not {str(timeout)[:20]!r}")
    return float(timeout) or None


def _command(arguments: Mapping[str, Any]) -> _Program:
    command, shell = str(arguments.get("command") or ""), str(arguments.get("shell") or "bash")
    if not command.strip():
        raise ValueError("command is required")
    if shell not in _SHELLS:
        raise ValueError(f"unknown shell {shell[:20]!r}; known: {', '.join(_SHELLS)}")
    command = command.replace("\0", "")
    content = command.encode("utf-8", "surrogateescape")
    # Quoting may make it five times as long.
    if len(content) < _INLINE_LIMIT and len(text := script(command, shell)) < _INLINE_LIMIT:
        return _Program(args=["-c", text])
    file = _new_file()
    return _Program(args=["-c", f"{LEAD}exec 2>&1; exec $w {shell} <{file}"], file=file, content=content)


def _code(arguments: Mapping[str, Any]) -> _Program:
    code, language = str(arguments.get("code") or ""), str(arguments.get("language") or "python")
    if not code.strip():
        raise ValueError("code is required")
    if language not in LANGUAGES:
        raise ValueError(f"unsupported language {language[:20]!r}; known: {', '.join(LANGUAGES)}")
    before, reads = LANGUAGES[language]
    argv = [str(word) for word in arguments.get("argv") or ()]
    content = code.encode("utf-8", "surrogateescape")
    lead = f'a=("$@"); {LEAD}exec 2>&1; exec $w "${{a[@]}}"'
    if len(content) < _INLINE_LIMIT:
        return _Program(args=["-c", f"{lead} </dev/null", "bash", *before, code, *argv])
    file = _new_file()
    return _Program(args=["-c", f"{lead} <{file}", "bash", *reads, *argv], file=file, content=content)


def _new_file() -> str:
    return f"/tmp/.crossfade-command-{secrets.token_hex(8)}"


class _OutputTooLarge(Exception):
    pass


async def _collect(events: AsyncIterator[dict[str, Any]], ended: Ended) -> None:
    parts: list[tuple[str, bytes]] = []
    size = 0
    async for message in events:
        event = message.get("event") or {}
        if "start" in event:
            ended.pid = int(event["start"].get("pid", 0))
        elif "data" in event:
            parts += [(stream, base64.b64decode(data)) for stream, data in event["data"].items()]
            size += len(parts[-1][1]) if event["data"] else 0
            if size > OUTPUT_LIMIT:
                raise _OutputTooLarge
        elif "end" in event:
            ended.exit_code = exit_code(event["end"])
            ended.output = b"".join(data for _, data in parts)
            ended.stdout, ended.stderr = (
                b"".join(data for stream, data in parts if stream == name) for name in ("stdout", "stderr")
            )
            return
    raise Failed(unknown("process stream ended without an end event"))


def exit_code(end: Mapping[str, Any]) -> int:
    """The exit code of an end event; a zero is left out on the wire, a signal is -1 as in Daytona."""
    code = int(end.get("exitCode") or 0)
    return -1 if code < 0 or "signal" in str(end.get("status") or "") else code


async def close(events: AsyncIterator[dict[str, Any]]) -> None:
    """Let go of a stream; the process goes on."""
    if aclose := getattr(events, "aclose", None):
        await aclose()
