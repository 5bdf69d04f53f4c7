"""Git in embedded sandboxes: the machine's own program."""

import asyncio
import errno
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from crossfade.operation import Operation
from crossfade.outcome import Outcome
from router import tasks
from router.backends.git import operations
from router.backends.git.running import MISSING, Ran
from router.backends.local.process import Process
from router.backends.local.sandboxes import LocalSandbox


async def perform(sandbox: LocalSandbox, operation: Operation) -> Outcome:
    """One git.* operation."""
    return await operations.perform(Program(sandbox), operation)


@dataclass(frozen=True, slots=True)
class Program:
    """The git that a sandbox sees."""

    sandbox: LocalSandbox

    def place(self, path: str) -> str:
        """Where a client's path is for processes: its own place without a view."""
        inside = path if path.startswith("/") else f"{self.sandbox.work_dir}/{path}"
        return inside if self.sandbox.has_view else f"{self.sandbox.tree.root}{inside}"

    async def run(self, arguments: Sequence[str], *, env: Mapping[str, str], stdin: bytes) -> Ran:
        """Run it to its end; a caller that goes away does not stop it."""
        try:
            process = await self.sandbox.spawn(["git", *arguments], cwd="/", env=env, stdin=stdin)
        except OSError as error:
            if error.errno == errno.ENOENT:
                return Ran(code=MISSING, output=b"", errors=b"")
            return Ran(code=1, output=b"", errors=(error.strerror or str(error)).encode())
        return await asyncio.shield(tasks.spawn(_ended(process), name=f"git in {self.sandbox.id}"))


async def _ended(process: Process) -> Ran:
    output, errors = bytearray(), bytearray()
    try:
        async for stream, data in process.output():
            (errors if stream == "stderr" else output).extend(data)
        return Ran(code=(await process.wait()).code, output=bytes(output), errors=bytes(errors))
    finally:
        process.discard()
