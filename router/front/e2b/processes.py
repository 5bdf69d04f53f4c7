"""envd's process.Process: start, attach, feed, signal."""

import asyncio
import signal
from collections.abc import AsyncIterator, Mapping
from typing import Any

from router.backends.local.sandboxes import BadCwd, DiskFull, LocalSandbox, SandboxStopped
from router.front.e2b.messages import Request
from router.front.e2b.paths import check_user, resolve
from router.front.e2b.rpc import Message, decode_bytes, timeout_seconds
from router.front.e2b.running import ProcessTable, Running, events
from router.wire.connect import ConnectError

KEEPALIVE_SECONDS = 90.0
_SIGNALS = {
    "SIGNAL_SIGTERM": signal.SIGTERM,
    "SIGNAL_SIGKILL": signal.SIGKILL,
    15: signal.SIGTERM,
    9: signal.SIGKILL,
}


class Processes:
    """The calls of process.Process for one sandbox."""

    def __init__(self, sandbox: LocalSandbox, table: ProcessTable) -> None:
        self._sandbox, self._table = sandbox, table

    async def start(self, request: Request, message: dict[str, Any]) -> AsyncIterator[Message]:
        """Connect-Timeout-Ms is how long the process may live, not only how long the client looks on."""
        check_user(request)
        config = _config(message.get("process"))
        size = _size(message)
        stdin = size is None and message.get("stdin") is not False  # absent means true
        tag = message.get("tag")
        seconds = timeout_seconds(request)
        cwd = resolve(self._sandbox, config.get("cwd") or "")
        # As envd does: a shell that becomes the command. So a command that does not exist is an exit code of 127.
        argv = ["/bin/sh", "-c", 'exec "$@"', config["cmd"], config["cmd"], *config["args"]]
        try:
            process = await self._sandbox.spawn(argv, cwd=cwd, env=config["envs"], stdin=stdin, pty=size)
        except SandboxStopped as error:
            raise ConnectError("unavailable", "the sandbox is being paused or killed") from error
        except BadCwd as error:
            raise ConnectError("invalid_argument", f"cwd '{cwd}' does not exist") from error
        except DiskFull as error:
            raise ConnectError("internal", "error starting process: no space left on device") from error
        except OSError as error:
            raise ConnectError("invalid_argument", f"error starting process '{config['cmd']}': {error}") from error
        process.tag = tag
        running = Running(process, _sent(config), tag=tag, pty=size is not None, stdin=stdin)
        watching = running.attach()
        if seconds:
            running.end_after(seconds)
        self._table.add(running)
        return events(running, watching, keepalive=_keepalive(request), deadline=seconds or None)

    async def connect(self, request: Request, message: dict[str, Any]) -> AsyncIterator[Message]:
        """Output from now on; of one that ended less than 30 s ago, its exit."""
        running = self._table.find(message.get("process"), ended=True)
        watching = running.attach()
        if running.exit is not None:
            await watching.put(running.exit)
        seconds = timeout_seconds(request)
        return events(running, watching, keepalive=_keepalive(request), deadline=seconds or None)

    async def list(self, request: Request, message: dict[str, Any]) -> Message:
        """The processes that run."""
        found = [_info(running) for running in self._table.all()]
        return {"processes": found} if found else {}

    async def update(self, request: Request, message: dict[str, Any]) -> Message:
        """Resize a terminal."""
        running = self._table.find(message.get("process"))
        size = _size(message)
        if size is not None:
            if not running.pty:
                raise ConnectError("internal", "error resizing tty: tty not assigned to process")
            running.process.resize(*size)
        return {}

    async def send_input(self, request: Request, message: dict[str, Any]) -> Message:
        """Write to standard input or to the terminal."""
        running = self._table.find(message.get("process"))
        await _write(running, message.get("input"))
        return {}

    async def stream_input(self, request: Request, messages: AsyncIterator[dict[str, Any]]) -> Message:
        """Many inputs in one call; the first message says to which process."""
        running: Running | None = None
        async for message in messages:
            if "start" in message:
                running = self._table.find((message["start"] or {}).get("process"))
            elif "data" in message:
                if running is None:
                    raise ConnectError("invalid_argument", "the first message of StreamInput must be start")
                await _write(running, (message["data"] or {}).get("input"))
        return {}

    async def send_signal(self, request: Request, message: dict[str, Any]) -> Message:
        """SIGTERM or SIGKILL, to the process itself and not to its children."""
        running = self._table.find(message.get("process"))
        name = message.get("signal")
        number = _SIGNALS.get(name) if isinstance(name, str | int) else None
        if number is None:
            raise ConnectError(
                "unimplemented", f"unsupported signal: {name}; SIGNAL_SIGTERM and SIGNAL_SIGKILL are known"
            )
        running.process.kill(number, group=False)
        return {}

    async def close_stdin(self, request: Request, message: dict[str, Any]) -> Message:
        """End of input."""
        running = self._table.find(message.get("process"))
        if running.pty:
            raise ConnectError(
                "internal", "error closing stdin: cannot close stdin for PTY process - send Ctrl+D instead"
            )
        if not running.stdin:
            raise ConnectError("internal", "error closing stdin: stdin not enabled or closed")
        await running.process.close_stdin()
        return {}


def _config(value: object) -> dict[str, Any]:
    if not isinstance(value, dict) or not isinstance(value.get("cmd"), str) or not value["cmd"]:
        raise ConnectError("invalid_argument", "process.cmd is missing: name the program to start")
    arguments, envs = value.get("args") or [], value.get("envs") or {}
    if not isinstance(arguments, list) or not all(isinstance(one, str) for one in arguments):
        raise ConnectError("invalid_argument", "process.args must be a list of strings")
    if not isinstance(envs, dict) or not all(isinstance(one, str) for one in envs.values()):
        raise ConnectError("invalid_argument", "process.envs must map names to strings")
    return {"cmd": value["cmd"], "args": arguments, "envs": envs, "cwd": value.get("cwd")}


def _sent(config: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in config.items() if value}


def _size(message: Mapping[str, Any]) -> tuple[int, int] | None:
    if message.get("pty") is None:
        return None
    size = message["pty"].get("size") or {}
    return int(size.get("cols", 0)) or 80, int(size.get("rows", 0)) or 24


def _info(running: Running) -> dict[str, Any]:
    info: dict[str, Any] = {"config": running.config, "pid": running.process.pid}
    return info if running.tag is None else {**info, "tag": running.tag}


def _keepalive(request: Request) -> float:
    text = request.headers.get("keepalive-ping-interval", "")
    return float(text) if text.isdecimal() and int(text) > 0 else KEEPALIVE_SECONDS


async def _write(running: Running, value: object) -> None:
    data = value if isinstance(value, dict) else {}
    if "pty" in data:
        if not running.pty:
            raise ConnectError("internal", "error writing to tty: tty not assigned to process")
        await _feed(running, decode_bytes(data["pty"]))
    elif "stdin" in data:
        if running.pty:
            raise ConnectError("internal", "error writing to stdin: tty assigned to process, input goes to the pty")
        if not running.stdin:
            raise ConnectError("internal", "error writing to stdin: stdin not enabled or closed")
        await _feed(running, decode_bytes(data["stdin"]))
    else:
        raise ConnectError("unimplemented", "input takes stdin or pty")


async def _feed(running: Running, data: bytes) -> None:
    try:
        await running.process.write(data)
    except (OSError, asyncio.IncompleteReadError) as error:
        raise ConnectError("internal", f"error writing to stdin: {error}") from error
