"""Interpreter contexts of an embedded sandbox: a process each, whose output goes to the executions that wait for it."""

import asyncio
import signal
import uuid
from collections.abc import AsyncGenerator
from contextlib import suppress
from datetime import UTC, datetime

from crossfade.operation import Operation
from crossfade.outcome import Outcome, done
from crossfade.results import ContextInfo
from router import tasks
from router.backends.interpreter.execution import DEFAULT_CONTEXT, Worker, WorkerGone, program
from router.backends.local.process import Process
from router.backends.local.refusals import Refusal, bad_request, not_found
from router.backends.local.sandboxes import BadCwd, LocalSandbox, SandboxStopped

LANGUAGE = "python"


class LocalWorker:
    """One context's process."""

    def __init__(self, info: ContextInfo, process: Process) -> None:
        self.info = info
        self._process = process
        self._waiting: set[asyncio.Queue[bytes | None]] = set()
        self.ended = False  # its output is over: nothing comes of it any more
        tasks.spawn(self._pump(), name=f"interpreter {info.id or 'default'}")

    async def run(self, line: bytes) -> AsyncGenerator[bytes, None]:
        """Its output from now on, after it was given the line. Ends when it does. Raises WorkerGone."""
        queue: asyncio.Queue[bytes | None] = asyncio.Queue(64)
        if self.ended:
            raise WorkerGone("the interpreter has ended")
        self._waiting.add(queue)
        try:
            try:
                await self._process.write(line)
            except BrokenPipeError:
                raise WorkerGone("the interpreter has ended") from None
            while (data := await queue.get()) is not None:
                yield data
        finally:
            self._waiting.discard(queue)
            while not queue.empty():  # lets go of the pump
                queue.get_nowait()

    async def kill(self) -> None:
        """End it, and all that it started."""
        self._process.kill(signal.SIGKILL)
        await self._process.wait()

    async def _pump(self) -> None:
        try:
            async for _, data in self._process.output():
                for queue in tuple(self._waiting):
                    await queue.put(data)
        finally:
            self.ended = True
        for queue in tuple(self._waiting):
            await queue.put(None)


class Contexts:
    """The contexts of one sandbox, the default one among them once it was used."""

    def __init__(self) -> None:
        self._workers: dict[str, LocalWorker] = {}
        self._making = asyncio.Lock()

    async def perform(self, sandbox: LocalSandbox, operation: Operation) -> Outcome:
        """interpreter.create, list or delete. Raises Refusal."""
        match operation.name:
            case "interpreter.create":
                return await self._create(sandbox, operation)
            case "interpreter.list":
                found = [each.info for id, each in self._workers.items() if id != DEFAULT_CONTEXT and not each.ended]
                return done(tuple(found))
            case _:
                return await self._delete(str(operation.arguments.get("context") or ""))

    async def find(self, sandbox: LocalSandbox, id: str) -> Worker | None:
        """The worker of a context, made for the default one; None where there is no such context."""
        async with self._making:
            worker = self._workers.get(id)
            if worker is not None and not worker.ended:
                return worker
            self._workers.pop(id, None)
            if id != DEFAULT_CONTEXT:
                return None
            try:
                return await self._start(sandbox, id, None)
            except (Refusal, SandboxStopped, OSError) as error:
                raise WorkerGone(f"the interpreter cannot be started: {error}") from error

    async def _create(self, sandbox: LocalSandbox, operation: Operation) -> Outcome:
        language = operation.arguments.get("language") or LANGUAGE
        if language != LANGUAGE:
            raise bad_request(f"unsupported language {str(language)[:20]!r}; known: {LANGUAGE}")
        worker = await self._start(sandbox, str(uuid.uuid4()), operation.arguments.get("cwd") or None)
        return done(worker.info)

    async def _delete(self, id: str) -> Outcome:
        if id in (DEFAULT_CONTEXT, "default"):
            raise bad_request("the default context cannot be deleted")
        worker = self._workers.pop(id, None)
        if worker is None:
            raise not_found("context not found")
        await worker.kill()
        return done()

    async def _start(self, sandbox: LocalSandbox, id: str, cwd: str | None) -> LocalWorker:
        try:
            process = await sandbox.spawn(["python3", "-u", "-c", program()], cwd=cwd, env={}, stdin=True, merge=True)
        except BadCwd as error:
            raise bad_request(f"working directory {cwd}: {(error.strerror or 'bad directory').lower()}") from error
        except OSError as error:
            raise Refusal(500, f"failed to start python3: {(error.strerror or str(error)).lower()}") from error
        info = ContextInfo(id=id, cwd=process.cwd, created_at=datetime.now(UTC).isoformat())
        with suppress(KeyError):
            del self._workers[id]
        worker = self._workers[id] = LocalWorker(info, process)
        return worker
