"""Short ways to ask a backend for things in one sandbox."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from crossfade.operation import Operation
from crossfade.outcome import Outcome
from crossfade.ports import Backend, Channel

PATIENCE = 20.0  # a deadline for what is awaited, never a pause


@dataclass(frozen=True)
class Asking:
    """One sandbox of one backend."""

    backend: Backend
    id: str

    async def ask(self, name: str, body: Any = None, /, **arguments: Any) -> Outcome:
        operation = Operation(name=name, sandbox=self.id, arguments=arguments, body=body)
        async with asyncio.timeout(PATIENCE):
            return await self.backend.perform(operation)

    async def sh(self, command: str, **arguments: Any) -> tuple[int, str]:
        """Exit code and output of a command that must have run."""
        outcome = await self.ask("process.exec", command=command, **arguments)
        assert outcome.ok, outcome
        return outcome.value.exit_code, outcome.value.output.decode()

    async def put(self, path: str, data: bytes) -> None:
        assert (await self.ask("fs.upload", data, path=path)).ok

    async def get(self, path: str) -> bytes:
        outcome = await self.ask("fs.download", path=path)
        assert outcome.ok, outcome
        return b"".join([chunk async for chunk in outcome.value.stream])

    async def names(self, path: str) -> list[str]:
        outcome = await self.ask("fs.list", path=path)
        assert outcome.ok, outcome
        return [entry.name for entry in outcome.value]

    async def session(self, id: str = "work") -> str:
        assert (await self.ask("session.create", session=id)).status == 201
        return id

    async def channel(self, name: str, **arguments: Any) -> Channel:
        opened = await self.backend.open(Operation(name=name, sandbox=self.id, arguments=arguments))
        assert not isinstance(opened, Outcome), opened
        return opened


async def until(output: AsyncIterator[bytes], wanted: bytes) -> bytes:
    """Output up to and with the bytes wanted."""
    seen = b""
    async with asyncio.timeout(PATIENCE):
        async for data in output:
            seen += data
            if wanted in seen:
                return seen
    raise AssertionError(f"{wanted!r} never came; output was {seen!r}")


async def everything(output: AsyncIterator[bytes]) -> bytes:
    async with asyncio.timeout(PATIENCE):
        return b"".join([data async for data in output])


def refusal(outcome: Outcome) -> tuple[int, str]:
    assert not outcome.ok, outcome
    assert outcome.message
    return outcome.status, outcome.code
