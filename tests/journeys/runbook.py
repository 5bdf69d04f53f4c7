"""The commands of docs/operations.md, read from the page and run as they stand there."""

import asyncio
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from demo.programs import CROSSFADE
from tests.journeys.stack import Stack
from tests.reading import ROOT, words

PAGE = ROOT / "docs" / "operations.md"


@dataclass(frozen=True, slots=True)
class Ran:
    """One command, as it is written there, and what came of it."""

    line: str
    code: int
    out: str
    err: str


def lines(heading: str) -> list[str]:
    """The `crossfade` commands of a section's code blocks, in their order. The heading must be there."""
    page = PAGE.read_text(encoding="utf-8").splitlines()
    return list(_commands(page[page.index(heading) + 1 :]))


def _commands(rest: list[str]) -> Iterator[str]:
    inside = False
    for line in rest:
        if line.startswith("```"):
            inside = not inside
        elif not inside and line.startswith("#"):
            return
        elif inside and line.startswith("crossfade "):
            yield line


async def follow(system: Stack, heading: str, names: Mapping[str, str] | None = None) -> list[Ran]:
    """Run a section from top to bottom, saying yes where a command asks; `names`: what stands for SANDBOX."""
    found = [await run(system, line, names) for line in lines(heading)]
    assert found, f"{heading} has no command"
    return found


async def run(system: Stack, line: str, names: Mapping[str, str] | None = None) -> Ran:
    """One command line of the page, or of a sentence there, on this stack's settings."""
    arguments = [(names or {}).get(word, word) for word in words(line)[1:]]
    process = await asyncio.create_subprocess_exec(
        *CROSSFADE,
        *arguments,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        cwd=system.directory,  # reports and exports go there
        env={**os.environ, "CROSSFADE_CONFIG": str(system.config), "CROSSFADE_AUTHOR": "runbook"},
    )
    async with asyncio.timeout(120):
        out, err = await process.communicate(b"y\n")
    return Ran(line, process.returncode or 0, out.decode(), err.decode())


def codes(ran: list[Ran]) -> dict[str, int]:
    """Command -> exit code."""
    return {each.line: each.code for each in ran}
