"""Commands on envd: one process to its end, both streams merged in order, its whole group ended in time."""

import asyncio
import base64
import posixpath
import re
import secrets
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any

from crossfade.operation import Operation
from crossfade.outcome import Outcome, done, refused, unknown
from crossfade.results import ExecResult
from crossfade.upstream import Purpose
from router.backends.e2b.envd import Envd, Handle
from router.backends.e2b.refusals import Failed, edge_error
from router.wire.connect import ConnectError

START = "process.Process/Start"
_INLINE_LIMIT = 90_000  # bytes of script in one argument; the kernel takes 128 KiB
_KILL_SECONDS = 10.0
_ENV_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_LANGUAGES: Mapping[str, tuple[str, ...]] = {
    "python": ("python3", "-u", "-c"),
    "javascript": ("node", "-e"),
    "typescript": ("npx", "ts-node", "-e"),
}

# The command's process leads a group of its own, so that all of it can be ended: envd kills the process alone.
# setsid forks when it is called by a leader; then the process would not be the one whose pid we were told.
LEAD = 'read -r s </proc/$$/stat; set -- ${s##*) }; if [ "$3" = $$ ]; then w=; else w=setsid; fi; '


def script(command: str, shell: str) -> str:
    """Shell text that runs the command as Daytona does: on standard input of a shell, output merged."""
    mark = f"CROSSFADE_{secrets.token_hex(8)}"
    return f"{LEAD}exec 2>&1; exec $w {shell} <<'{mark}'\n{command}\n{mark}\n"


def kill_script(pid: int) -> str:
    """Shell text that ends a process, its group and the groups of its children."""
    return (
        f"for c in $(cat /proc/{pid}/task/{pid}/children 2>/dev/null); do kill -KILL -- -$c $c 2>/dev/null; done; "
        f"kill -KILL -- -{pid} 2>/dev/null; kill -KILL {pid} 2>/dev/null; :"
    )


@dataclass(slots=True)
class Ended:
    """A process's end and what it wrote."""

    exit_code: int
    output: bytes
    pid: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Commands:
    """Runs processes in a sandbox."""

    envd: Envd
    work_dir: str

    async def perform(self, handle: Handle, operation: Operation, purpose: Purpose) -> Outcome:
        """process.exec and process.code."""
        arguments = operation.arguments
        timeout = arguments.get("timeout") or None
        if timeout is not None and (isinstance(timeout, bool) or not isinstance(timeout, int) or timeout < 0):
            return refused(400, "BAD_REQUEST", f"timeout must be a whole number of seconds, not {str(timeout)[:20]!r}")
        cwd = self.absolute(str(arguments.get("cwd") or ""))
        env = {str(name): str(value) for name, value in (arguments.get("env") or {}).items()}
        if bad := [name for name in env if not _ENV_NAME.fullmatch(name)]:
            return refused(400, "BAD_REQUEST", f"invalid environment variable name {bad[0][:40]!r}")
        if operation.name == "process.exec":
            command, shell = str(arguments["command"]), str(arguments.get("shell") or "bash")
            if not command.strip():
                return refused(400, "BAD_REQUEST", "command is required")
            args, file = await self._program(handle, command, shell, purpose)
        elif str(arguments.get("language") or "python") not in _LANGUAGES:
            return refused(400, "BAD_REQUEST", f"unsupported language; known: {', '.join(_LANGUAGES)}")
        else:
            args, file = self._code(arguments), ""
        try:
            ended = await self.run(handle, args, cwd=cwd, env=env, timeout=timeout, purpose=purpose)
        except ConnectError as error:
            if error.code != "invalid_argument" or "cwd" not in error.message:
                raise
            text = "fork/exec /usr/bin/bash: no such file or directory"
            return done(ExecResult(exit_code=-1, output=text.encode()))
        except TimeoutError:
            return refused(408, "REQUEST_TIMEOUT", "request timeout: command execution timeout")
        finally:
            if file:
                await self.shell(handle, f"rm -f {file}", purpose)
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
        process = {"cmd": "/bin/bash", "args": args, "envs": dict(env or {}), "cwd": cwd}
        events = self.envd.stream(handle, START, {"process": process, "stdin": False, "tag": "crossfade"}, purpose)
        ended = Ended(exit_code=0, output=b"", pid=0)
        try:
            async with asyncio.timeout(timeout):
                await _collect(events, ended)
        except TimeoutError:
            if ended.pid:
                await self._kill(handle, ended.pid, purpose)
            raise
        finally:
            await _close(events)
        return ended

    async def shell(self, handle: Handle, text: str, purpose: Purpose) -> Ended:
        """A short script of our own, as root where envd is."""
        return await self.run(handle, ["-c", text], purpose=purpose)

    def absolute(self, path: str) -> str:
        """A client's path as envd needs it: relative ones start at the work dir."""
        return posixpath.join(self.work_dir, path) if path else self.work_dir

    async def _program(self, handle: Handle, command: str, shell: str, purpose: Purpose) -> tuple[list[str], str]:
        if len(command.encode("utf-8", "surrogateescape")) < _INLINE_LIMIT:
            return ["-c", script(command, shell)], ""
        file = f"/tmp/.crossfade-command-{secrets.token_hex(8)}"
        await self._put(handle, file, command.encode("utf-8", "surrogateescape"), purpose)
        return ["-c", f"{LEAD}exec 2>&1; exec $w {shell} <{file}"], file

    async def _put(self, handle: Handle, path: str, data: bytes, purpose: Purpose) -> None:
        status, text = await self.envd.upload(handle, path, data, purpose)
        if status >= 300:
            raise Failed(edge_error(status, text))

    def _code(self, arguments: Mapping[str, Any]) -> list[str]:
        argv = [str(word) for word in arguments.get("argv") or ()]
        language = _LANGUAGES[str(arguments.get("language") or "python")]
        return [
            "-c",
            f'a=("$@"); {LEAD}exec 2>&1; exec $w "${{a[@]}}"',
            "bash",
            *language,
            str(arguments["code"]),
            *argv,
        ]

    async def _kill(self, handle: Handle, pid: int, purpose: Purpose) -> None:
        try:
            async with asyncio.timeout(_KILL_SECONDS):
                await self.shell(handle, kill_script(pid), purpose)
        except (TimeoutError, ConnectError, Failed):
            pass  # the client is told of the timeout either way


async def _collect(events: AsyncIterator[dict[str, Any]], ended: Ended) -> None:
    parts: list[bytes] = []
    async for message in events:
        event = message.get("event") or {}
        if "start" in event:
            ended.pid = int(event["start"].get("pid", 0))
        elif "data" in event:
            data = event["data"]
            parts.append(base64.b64decode(data.get("stdout") or data.get("stderr") or data.get("pty") or ""))
        elif "end" in event:
            ended.exit_code = exit_code(event["end"])
            ended.output = b"".join(parts)
            return
    raise Failed(unknown("process stream ended without an end event"))


def exit_code(end: Mapping[str, Any]) -> int:
    """The exit code of an end event; a zero is left out on the wire, a signal is -1 as in Daytona."""
    code = int(end.get("exitCode") or 0)
    return -1 if code < 0 or "signal" in str(end.get("status") or "") else code


async def _close(events: AsyncIterator[dict[str, Any]]) -> None:
    if close := getattr(events, "aclose", None):
        await close()
