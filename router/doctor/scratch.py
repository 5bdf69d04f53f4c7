"""A sandbox of our own on one side, always removed."""

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from crossfade.operation import Operation
from crossfade.outcome import Outcome
from crossfade.ports import Backend
from crossfade.results import Content, ExecResult, SandboxInfo
from crossfade.upstream import Purpose
from router import tasks

LABEL = "crossfade-doctor"
_START_SECONDS = 120.0
_CALL_SECONDS = 60.0


class NotMade(Exception):
    """The side made no sandbox; the text says why."""


@dataclass(frozen=True, slots=True)
class Scratch:
    """The sandbox, and short ways to ask for things in it."""

    backend: Backend
    id: str

    async def ask(self, name: str, body: bytes | None = None, /, **arguments: Any) -> Outcome:
        """Carry it out. Raises TimeoutError after a minute."""
        operation = Operation(name=name, sandbox=self.id, arguments=arguments, body=body)
        async with asyncio.timeout(_CALL_SECONDS):
            return await self.backend.perform(operation)  # as a client's call: it is what clients will get

    async def sh(self, command: str, **arguments: Any) -> tuple[int, bytes]:
        """Exit code and output. Raises NotMade where commands cannot be run."""
        outcome = await self.ask("process.exec", command=command, **arguments)
        if not outcome.ok or not isinstance(outcome.value, ExecResult):
            raise NotMade(f"process.exec: {outcome.status} {outcome.message}"[:200])
        return outcome.value.exit_code, outcome.value.output

    async def get(self, path: str) -> bytes | Outcome:
        """A file's bytes, or why not."""
        outcome = await self.ask("fs.download", path=path)
        if not outcome.ok or not isinstance(outcome.value, Content):
            return outcome
        return b"".join([chunk async for chunk in outcome.value.stream])


@contextlib.asynccontextmanager
async def scratch(backend: Backend, snapshot: str) -> AsyncIterator[Scratch]:
    """Make it, wait until it runs, remove it whatever happens. Raises NotMade."""
    marks = {LABEL: "scratch", "crossfade_nonce": uuid.uuid4().hex}
    arguments: dict[str, Any] = {
        "labels": marks,
        "metadata": marks,
        "auto_stop_minutes": 15,
        "auto_delete_minutes": 60,
    }
    if snapshot:
        arguments["snapshot"] = snapshot
    create = Operation(name="sandbox.create", arguments=arguments)
    making = tasks.spawn(backend.perform(create, Purpose.KEEPER), name="make a scratch sandbox", awaited=True)
    try:
        # Called off while it is made: it is made all the same, and must be known to be removed.
        outcome = await asyncio.shield(making)
    except asyncio.CancelledError:
        with contextlib.suppress(Exception):
            async with asyncio.timeout(_CALL_SECONDS):
                await _remove(backend, await making)
        raise
    if not outcome.ok or not isinstance(outcome.value, SandboxInfo):
        raise NotMade(f"sandbox.create: {outcome.status} {outcome.message}"[:300])
    made = Scratch(backend, outcome.value.id)
    try:
        await _started(made, outcome.value.state)
        yield made
    finally:
        await asyncio.shield(_remove(backend, outcome))


async def _started(made: Scratch, state: str) -> None:
    try:
        async with asyncio.timeout(_START_SECONDS):
            while state != "started":
                await asyncio.sleep(0.2)
                outcome = await made.ask("sandbox.get")
                state = outcome.value.state if outcome.ok and isinstance(outcome.value, SandboxInfo) else ""
                if state in ("error", "build_failed"):
                    raise NotMade(f"it ended as {state}: {outcome.value.error_reason}"[:200])
    except TimeoutError:
        raise NotMade(f"it did not start within {_START_SECONDS:g} s") from None


async def _remove(backend: Backend, outcome: Outcome) -> None:
    if not outcome.ok or not isinstance(outcome.value, SandboxInfo):
        return
    delete = Operation(name="sandbox.delete", sandbox=outcome.value.id)
    for _ in range(3):
        gone = await backend.perform(delete, Purpose.KEEPER)
        if gone.ok or gone.status == 404:
            return
        await asyncio.sleep(1)
