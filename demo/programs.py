"""Programs of a demo or test: started for real, waited for, ended by pid."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

ROOT = Path(__file__).resolve().parent.parent
CROSSFADE = (sys.executable, "-c", "from router.cli import main; main()")


class NotReady(Exception):
    """A program ended or stayed silent before it was ready; its log's last lines say why."""


@dataclass(eq=False)
class Program:
    """A `crossfade` command that serves until it is told to stop. Ready when its ready file holds its URL."""

    name: str
    arguments: Sequence[str]
    directory: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    url: str = ""
    process: asyncio.subprocess.Process | None = None

    @property
    def log(self) -> Path:
        return self.directory / f"{self.name}.log"

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self, seconds: float = 30.0) -> None:
        """Start it and wait for its URL. Raises NotReady."""
        ready = self.directory / f"{self.name}.ready"
        ready.unlink(missing_ok=True)
        with self.log.open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                *CROSSFADE,
                *self.arguments,
                "--ready-file",
                str(ready),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=ROOT,
                env={**os.environ, **self.environment},
                start_new_session=True,
            )
        try:
            async with asyncio.timeout(seconds):
                while not (ready.exists() and (text := ready.read_text().strip())):
                    if self.process.returncode is not None:
                        raise NotReady(f"{self.name} ended with {self.process.returncode}: {self.tail()}")
                    await asyncio.sleep(0.02)
        except TimeoutError:
            await self.stop()
            raise NotReady(f"{self.name} was not ready in {seconds:g} s: {self.tail()}") from None
        self.url = text

    async def stop(self, seconds: float = 30.0) -> int:
        """SIGTERM, then SIGKILL after `seconds`. Returns the exit code."""
        process = self.process
        if process is None:
            return 0
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
            try:
                async with asyncio.timeout(seconds):
                    await process.wait()
            except TimeoutError:
                process.kill()
        return await process.wait()

    async def kill(self) -> None:
        """SIGKILL: a crash."""
        if self.process is not None and self.process.returncode is None:
            self.process.kill()
            await self.process.wait()

    def tail(self, lines: int = 12) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])


async def crossfade(*arguments: str) -> tuple[int, str, str]:
    """Run a `crossfade` command to its end: exit code, stdout, stderr."""
    process = await asyncio.create_subprocess_exec(
        *CROSSFADE, *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, cwd=ROOT
    )
    out, err = await process.communicate()
    return process.returncode or 0, out.decode(), err.decode()


def sdk_environment(name: str, *requirements: str) -> Path:
    """The Python of an isolated SDK environment; scripts/sdk_env.sh makes it where it is missing."""
    return ROOT / ".envs" / name / "bin" / "python"


async def make_sdk_environment(name: str, *requirements: str) -> Path:
    """Make the environment if need be. Raises NotReady with the installer's last words."""
    process = await asyncio.create_subprocess_exec(
        "sh",
        str(ROOT / "scripts" / "sdk_env.sh"),
        name,
        *requirements,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    out, _ = await process.communicate()
    if process.returncode:
        raise NotReady(f"SDK environment {name} cannot be made: {out.decode()[-600:]}")
    return sdk_environment(name)


@dataclass(eq=False)
class Agents:
    """The agents' process: takes waves, gives events."""

    python: Path
    url: str
    key: str
    directory: Path
    shim: bool = True
    process: asyncio.subprocess.Process | None = None

    async def __aenter__(self) -> Self:
        environment = dict(os.environ)
        if self.shim:
            environment["PYTHONPATH"] = str(ROOT / "shim")
        with (self.directory / "agents.log").open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                str(self.python),
                str(ROOT / "demo" / "agents.py"),
                self.url,
                self.key,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                env=environment,
                limit=1_048_576,
            )
        return self

    async def __aexit__(self, *_: object) -> None:
        if self.process is not None and self.process.returncode is None:
            assert self.process.stdin is not None
            self.process.stdin.close()
            try:
                async with asyncio.timeout(5):
                    await self.process.wait()
            except TimeoutError:
                self.process.kill()
                await self.process.wait()

    async def wave(self, **order: Any) -> AsyncIterator[dict[str, Any]]:
        """Send a wave of agents out; events until the wave is over, the last being the wave's own."""
        assert self.process is not None and self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.write(json.dumps(order).encode() + b"\n")
        await self.process.stdin.drain()
        while line := await self.process.stdout.readline():
            event = json.loads(line)
            yield event
            if event["event"] == "wave":
                return
        raise NotReady("the agents' process ended; see agents.log")
