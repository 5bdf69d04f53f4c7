"""Programs under valgrind's callgrind: instructions in user space, which a busy machine does not change."""

import asyncio
import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from bench.programs import Broken, tool
from demo.programs import ROOT, NotReady, Program

_START_SECONDS = 300.0


def under(directory: Path, command: Sequence[str]) -> list[str]:
    """The command under callgrind, its numbers in `directory`. Raises Missing."""
    return [
        tool("valgrind"), "--tool=callgrind", f"--callgrind-out-file={directory}/callgrind.%p", "--trace-children=no",
        "--quiet", *command,
    ]  # fmt: skip


class Counted(Program):
    """A `crossfade` command under callgrind; its children run as they are, uncounted."""

    async def start(self, seconds: float = _START_SECONDS) -> None:
        """As Program.start, but forty times as slow. Raises NotReady."""
        ready = self.directory / f"{self.name}.ready"
        code = "from router.cli import main; main()"
        command = under(self.directory, [sys.executable, "-c", code, *self.arguments, "--ready-file", str(ready)])
        with self.log.open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                *command, stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log, cwd=ROOT,
                env={**os.environ, **self.environment}, start_new_session=True,
            )  # fmt: skip
        try:
            async with asyncio.timeout(seconds):
                while not (ready.exists() and (text := ready.read_text().strip())):
                    if self.process.returncode is not None:
                        raise NotReady(f"{self.name} ended with {self.process.returncode}: {self.tail()}")
                    await asyncio.sleep(0.2)
        except TimeoutError:
            raise NotReady(f"{self.name} was not ready under valgrind in {seconds:g} s: {self.tail()}") from None
        self.url = text


async def zero(pid: int) -> None:
    """Start counting anew."""
    await _monitor(pid, "zero")


async def count(pid: int, directory: Path) -> int:
    """Instructions since `zero`."""
    before = _totals(directory, pid)
    await _monitor(pid, "dump")
    for _ in range(600):
        if new := _totals(directory, pid).keys() - before.keys():
            return _totals(directory, pid)[new.pop()]
        await asyncio.sleep(0.1)
    raise Broken(f"callgrind wrote no numbers of process {pid}")


def _totals(directory: Path, pid: int) -> dict[str, int]:
    """Of every file that callgrind has finished, its total."""
    read = {file.name: file.read_text() for file in directory.glob(f"callgrind.{pid}*")}
    found = {name: re.search(r"^(?:totals|summary): (\d+)", text, flags=re.MULTILINE) for name, text in read.items()}
    return {name: int(total[1]) for name, total in found.items() if total}


async def _monitor(pid: int, word: str) -> None:
    process = await asyncio.create_subprocess_exec(
        tool("vgdb"), f"--pid={pid}", "--wait=60", word,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    out, _ = await process.communicate()
    if process.returncode:
        raise Broken(f"vgdb {word} failed: {out.decode(errors='replace')[-300:]}")
