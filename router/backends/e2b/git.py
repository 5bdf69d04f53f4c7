"""Git on E2B: the template's own program, run in the sandbox."""

import base64
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from crossfade.operation import Operation
from crossfade.outcome import Outcome
from crossfade.upstream import Purpose
from router.backends.e2b.commands import LEAD, Commands
from router.backends.e2b.envd import Handle
from router.backends.e2b.refusals import Failed, edge_error
from router.backends.git import operations
from router.backends.git.running import Ran

_INPUT = "CROSSFADE_GIT_INPUT"
_INLINE_LIMIT = 90_000  # bytes of base64 in one variable; the kernel takes 128 KiB


async def perform(commands: Commands, handle: Handle, operation: Operation, purpose: Purpose) -> Outcome:
    """One git.* operation. Raises ConnectError, Failed."""
    return await operations.perform(_Program(commands=commands, handle=handle, purpose=purpose), operation)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Program:
    """The git of one sandbox."""

    commands: Commands
    handle: Handle
    purpose: Purpose

    def place(self, path: str) -> str:
        return self.commands.absolute(path)

    async def run(self, arguments: Sequence[str], *, env: Mapping[str, str], stdin: bytes) -> Ran:
        encoded = base64.b64encode(stdin).decode()
        if len(encoded) < _INLINE_LIMIT:
            source = f'< <(printf %s "${_INPUT}" | base64 -d)' if stdin else "</dev/null"
            return await self._run(arguments, {**env, **({_INPUT: encoded} if stdin else {})}, source)
        file = f"/tmp/.crossfade-git-{secrets.token_hex(8)}"
        status, text = await self.commands.envd.upload(self.handle, file, stdin, self.purpose)
        if status >= 300:
            raise Failed(edge_error(status, text))
        try:
            return await self._run(arguments, env, f"<{file}")
        finally:
            await self.commands.shell(self.handle, f"rm -f {file}", self.purpose)

    async def _run(self, arguments: Sequence[str], env: Mapping[str, str], source: str) -> Ran:
        text = f'a=("$@"); {LEAD}exec $w git "${{a[@]}}" {source}'
        ended = await self.commands.run(self.handle, ["-c", text, "git", *arguments], env=env, purpose=self.purpose)
        return Ran(code=ended.exit_code, output=ended.stdout, errors=ended.stderr)
