"""Interpreter contexts on envd: a tagged process each, so that they are found again by whoever asks next."""

import asyncio
import base64
import posixpath
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any
from weakref import WeakValueDictionary

from crossfade.operation import Operation
from crossfade.outcome import Outcome, done, refused, unknown
from crossfade.results import ContextInfo
from crossfade.upstream import Purpose
from router.backends.e2b.commands import LEAD, START, Commands, close, kill_script, process
from router.backends.e2b.envd import Envd, Handle
from router.backends.e2b.refusals import Failed
from router.backends.interpreter.execution import DEFAULT_CONTEXT, Execution, Worker, WorkerGone, program
from router.wire.connect import ConnectError

_TAG = "crossfade-context:"
_LANGUAGE = "python"
_START_SECONDS = 15.0
_END_SECONDS, _POLL_SECONDS = 10.0, 0.02
# The last argument of a worker's shell says when it was made: envd tells the arguments, and nothing of its own.
_START_WORKER = f'a=$1; {LEAD}exec $w python3 -u -c "$a"'


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    """A context that runs there."""

    info: ContextInfo
    pid: int


@dataclass(slots=True, kw_only=True)
class Contexts:
    """Interpreter operations. Nothing of a context is kept here: envd's list of processes is the truth."""

    envd: Envd
    commands: Commands
    # By sandbox: one default context, not two. A lock goes with the last call that uses it.
    making: WeakValueDictionary[str, asyncio.Lock] = field(default_factory=WeakValueDictionary)

    async def perform(self, handle: Handle, operation: Operation, purpose: Purpose) -> Outcome:
        """interpreter.create, list or delete. Raises ConnectError, Failed."""
        match operation.name:
            case "interpreter.create":
                return await self._create(handle, operation, purpose)
            case "interpreter.list":
                found = await self._found(handle, purpose)
                return done(tuple(each.info for id, each in found.items() if id != DEFAULT_CONTEXT))
            case _:
                return await self._delete(handle, str(operation.arguments.get("context") or ""), purpose)

    async def execute(self, handle: Handle, purpose: Purpose) -> Execution:
        """A channel for one execution. Raises ConnectError, Failed where the sandbox does not run."""
        await self._found(handle, purpose)
        return Execution(lambda id: self._worker(handle, id, purpose))

    async def clear(self, handle: Handle, purpose: Purpose) -> None:
        """End what a pause with memory brought back; Daytona's contexts are gone then."""
        for each in (await self._found(handle, purpose)).values():
            await self._end(handle, each.pid, purpose)

    async def _create(self, handle: Handle, operation: Operation, purpose: Purpose) -> Outcome:
        language = operation.arguments.get("language") or _LANGUAGE
        if language != _LANGUAGE:
            return refused(400, "BAD_REQUEST", f"bad request: unsupported language {str(language)[:20]!r}")
        cwd = posixpath.normpath(self.commands.absolute(str(operation.arguments.get("cwd") or "")))
        try:
            found = await self._start(handle, str(uuid.uuid4()), cwd, purpose)
        except ConnectError as error:
            if error.code != "invalid_argument" or "cwd" not in error.message:
                raise
            return refused(400, "BAD_REQUEST", f"bad request: working directory {cwd}: no such file or directory")
        return done(found.info)

    async def _delete(self, handle: Handle, id: str, purpose: Purpose) -> Outcome:
        if id in (DEFAULT_CONTEXT, "default"):
            return refused(400, "BAD_REQUEST", "bad request: the default context cannot be deleted")
        found = (await self._found(handle, purpose)).get(id)
        if found is None:
            return refused(404, "NOT_FOUND", "not found: context not found")
        await self._end(handle, found.pid, purpose)
        return done()

    async def _worker(self, handle: Handle, id: str, purpose: Purpose) -> Worker | None:
        try:
            async with self.making.setdefault(handle.id, asyncio.Lock()):
                found = (await self._found(handle, purpose)).get(id)
                if found is None and id != DEFAULT_CONTEXT:
                    return None
                found = found or await self._start(handle, id, self.commands.work_dir, purpose)
        except (ConnectError, Failed) as error:
            raise WorkerGone(f"the interpreter cannot be reached: {error}") from error
        end = partial(self._end, handle, found.pid, purpose)
        return _Worker(envd=self.envd, handle=handle, pid=found.pid, purpose=purpose, end=end)

    async def _start(self, handle: Handle, id: str, cwd: str, purpose: Purpose) -> _Found:
        made = datetime.now(UTC).isoformat()
        started = process(["-c", _START_WORKER, "bash", program(), made], cwd=cwd)
        message = {"process": started, "stdin": True, "tag": _TAG + id}
        events = self.envd.stream(handle, START, message, purpose)
        try:
            async with asyncio.timeout(_START_SECONDS):
                async for each in events:
                    if start := (each.get("event") or {}).get("start"):
                        return _Found(info=ContextInfo(id=id, cwd=cwd, created_at=made), pid=int(start["pid"]))
        except TimeoutError:
            pass
        finally:
            # Letting go of the stream does not end the process.
            await close(events)
        raise Failed(refused(504, "GATEWAY_TIMEOUT", "E2B did not start the interpreter"))

    async def _end(self, handle: Handle, pid: int, purpose: Purpose) -> None:
        """Kill it with all that it started; back once envd lists it no more. Raises Failed when it still does."""
        await self.commands.shell(handle, kill_script(pid), purpose)
        try:
            async with asyncio.timeout(_END_SECONDS):
                while any(  # noqa: ASYNC110 (another machine's process: there is nothing to be woken by)
                    each.pid == pid for each in (await self._found(handle, purpose)).values()
                ):
                    await asyncio.sleep(_POLL_SECONDS)
        except TimeoutError:
            raise Failed(unknown("the interpreter was killed, and yet E2B lists it")) from None

    async def _found(self, handle: Handle, purpose: Purpose) -> dict[str, _Found]:
        answer = await self.envd.call(handle, "process.Process/List", {}, purpose)
        found = {}
        for each in answer.get("processes") or ():
            tag = str(each.get("tag") or "")
            if tag.startswith(_TAG):
                config = each.get("config") or {}
                id, made = tag.removeprefix(_TAG), str((config.get("args") or [""])[-1])
                info = ContextInfo(id=id, cwd=str(config.get("cwd") or ""), created_at=made)
                found[id] = _Found(info=info, pid=int(each["pid"]))
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class _Worker:
    """One context's process, by pid."""

    envd: Envd
    handle: Handle
    pid: int
    purpose: Purpose
    end: Callable[[], Awaitable[None]]

    async def run(self, line: bytes) -> AsyncGenerator[bytes, None]:
        """Its output from now on, after it was given the line. Ends when it does. Raises WorkerGone."""
        selector = {"process": {"pid": self.pid}}
        events: AsyncIterator[dict[str, Any]] = self.envd.stream(
            self.handle, "process.Process/Connect", selector, self.purpose
        )
        try:
            async for message in events:
                event = message.get("event") or {}
                if "start" in event:
                    # Attached: what it says from now on comes here.
                    text = {"stdin": base64.b64encode(line).decode()}
                    await self.envd.call(
                        self.handle, "process.Process/SendInput", {**selector, "input": text}, self.purpose
                    )
                elif "data" in event:
                    yield base64.b64decode(event["data"].get("stdout") or "")
                elif "end" in event:
                    return
        except (ConnectError, Failed) as error:
            raise WorkerGone(f"the interpreter was lost: {error}") from error
        finally:
            await close(events)

    async def kill(self) -> None:
        """End it, and all that it started."""
        try:
            await self.end()
        except (ConnectError, Failed):
            pass  # gone with its sandbox, or it will be: who asked is told of the timeout either way
