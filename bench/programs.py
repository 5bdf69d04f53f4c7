"""Programs under measurement: started on a port of loopback, waited for, ended by pid."""

import asyncio
import contextlib
import os
import shutil
import signal
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

ROOT = Path(__file__).resolve().parent.parent
ENVS = ROOT / ".envs"


class Broken(Exception):
    """Something that makes the measurement worthless, in words."""


class Missing(Exception):
    """A program is not installed; the message says how to get it."""


def free_port() -> int:
    """A port of loopback that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def tool(name: str) -> str:
    """The path of a program that Debian packages. Raises Missing."""
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/bin:/sbin:/bin")
    if found is None:
        raise Missing(f"{name} is not installed; sh scripts/bench_env.sh installs it (Debian: apt-get install {name})")
    return found


def in_environment(environment: str, pattern: str) -> str:
    """The path of a program inside .envs/NAME. Raises Missing."""
    for found in sorted((ENVS / environment).glob(pattern)):
        return str(found)
    raise Missing(f"{environment} is not in .envs; sh scripts/bench_env.sh installs it")


@dataclass(eq=False)
class Server:
    """A program that serves on a port until it is told to stop."""

    name: str
    arguments: Sequence[str]
    directory: Path
    port: int
    environment: Mapping[str, str] = field(default_factory=dict)
    process: asyncio.subprocess.Process | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    @property
    def log(self) -> Path:
        return self.directory / f"{self.name}.log"

    async def __aenter__(self) -> Self:
        with self.log.open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                *self.arguments,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.directory,
                env={**os.environ, **self.environment},
                start_new_session=True,
            )
        try:
            await self._listening(30)
        except BaseException:  # cancelled, too: nothing may be left running
            await self.stop()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def stop(self, seconds: float = 5.0) -> None:
        """SIGTERM, then SIGKILL after `seconds`; what it started itself goes with it."""
        process = self.process
        if process is None or process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(seconds):
                await process.wait()
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # a session of its own: nobody else is in it
            await process.wait()

    async def _listening(self, seconds: float) -> None:
        assert self.process is not None
        deadline = asyncio.get_running_loop().time() + seconds
        while True:
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", self.port)
                writer.close()
                return
            if self.process.returncode is not None:
                raise Broken(f"{self.name} ended with {self.process.returncode}: {self.tail()}")
            if asyncio.get_running_loop().time() > deadline:
                raise Broken(f"{self.name} did not listen within {seconds:g} s: {self.tail()}")
            await asyncio.sleep(0.02)

    def tail(self, lines: int = 12) -> str:
        """The last lines of its log."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])
