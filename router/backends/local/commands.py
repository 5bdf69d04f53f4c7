"""Commands in embedded sandboxes: run, collect, cut off in time."""

import asyncio
import re
import signal
from collections.abc import Mapping
from contextlib import aclosing
from typing import Any

from crossfade.operation import Operation
from crossfade.outcome import Outcome, done
from crossfade.results import OUTPUT_LIMIT, OUTPUT_TOO_LARGE, ExecResult
from router import tasks
from router.backends.languages import LANGUAGES
from router.backends.local.process import Process
from router.backends.local.refusals import Refusal, bad_request
from router.backends.local.sandboxes import BadCwd, LocalSandbox

SHELLS = ("bash", "sh")
ENV_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
ARGUMENT_LIMIT = 100_000  # the kernel takes 128 KiB in one argument


async def perform(sandbox: LocalSandbox, operation: Operation) -> Outcome:
    """process.exec or process.code. Raises Refusal."""
    arguments = operation.arguments
    timeout = seconds(arguments.get("timeout"))
    argv, stdin = program(arguments) if operation.name == "process.exec" else interpreter(arguments)
    env = environment(arguments.get("env"))
    try:
        # Not as an argument: a command may be of any size, and what reads standard input reads the rest of the script.
        process = await sandbox.spawn(argv, cwd=arguments.get("cwd") or None, env=env, stdin=stdin, merge=True)
    except BadCwd as error:
        text = f"fork/exec /usr/bin/{argv[0]}: {(error.strerror or 'bad directory').lower()}"
        return done(ExecResult(exit_code=-1, output=text.encode()))
    except OSError as error:
        text = f"fork/exec {argv[0]}: {(error.strerror or str(error)).lower()}"
        return done(ExecResult(exit_code=-1, output=text.encode()))
    # Of its own: a caller that goes away does not stop the command.
    running = tasks.spawn(finish(process, timeout), name=f"command {process.pid} in {sandbox.id}")
    result = await asyncio.shield(running)
    if result is None:
        raise Refusal(408, "request timeout: command execution timeout")
    return done(result)


async def finish(process: Process, timeout: float | None) -> ExecResult | None:
    """The result, once the command and everything that holds its output has ended. None: cut off, the group killed."""
    try:
        async with asyncio.timeout(timeout):
            output = bytearray()
            async with aclosing(process.output()) as chunks:
                async for _, data in chunks:
                    output += data
                    if len(output) > OUTPUT_LIMIT:
                        process.kill(signal.SIGKILL)
                        raise Refusal(500, OUTPUT_TOO_LARGE)
            ended = await process.wait()
            return ExecResult(exit_code=ended.code, output=bytes(output))
    except TimeoutError:
        process.kill(signal.SIGKILL)
        await process.wait()
        return None
    finally:
        process.discard()


def program(arguments: Mapping[str, Any]) -> tuple[list[str], bytes]:
    command, shell = arguments.get("command"), arguments.get("shell") or "bash"
    if not isinstance(command, str) or not command.strip():
        raise bad_request("command is required")
    if shell not in SHELLS:
        raise bad_request(f"unknown shell {str(shell)[:20]!r}; known: {', '.join(SHELLS)}")
    return [shell], command.encode("utf-8", "surrogateescape")


def interpreter(arguments: Mapping[str, Any]) -> tuple[list[str], bytes]:
    code, language = arguments.get("code"), arguments.get("language") or "python"
    if not isinstance(code, str) or not code.strip():
        raise bad_request("code is required")
    if language not in LANGUAGES:
        raise bad_request(f"unsupported language {str(language)[:20]!r}; known: {', '.join(LANGUAGES)}")
    argv = [str(argument) for argument in arguments.get("argv") or ()]
    before, reads = LANGUAGES[language]
    if len(code.encode()) < ARGUMENT_LIMIT:
        return [*before, code, *argv], b""
    return [*reads, *argv], code.encode()


def seconds(timeout: object) -> float | None:
    """A time limit; None and 0 are none."""
    if timeout is None:
        return None
    if isinstance(timeout, bool) or not isinstance(timeout, int) or timeout < 0:
        raise bad_request(f"timeout must be a whole number of seconds, not {str(timeout)[:20]!r}")
    return float(timeout) or None


def environment(env: Mapping[str, Any] | None) -> dict[str, str]:
    """Variables for a process. Raises Refusal for a name that no shell could read."""
    for name in env or {}:
        if not ENV_NAME.fullmatch(str(name)):
            raise bad_request(f"invalid environment variable name {str(name)[:40]!r}")
    return {str(name): str(value).replace("\0", "") for name, value in (env or {}).items()}
