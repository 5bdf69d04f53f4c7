"""crossfade under measurement: started by its command, all flags set, twins made by its own create, its counts read."""

import asyncio
import contextlib
import sqlite3
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import httpx2

from bench.programs import ROOT, Broken, free_port
from bench.work import HEADERS, KEY
from demo.programs import Program

_QUIET = ("crossfade_evidence_waiting", "crossfade_calls_in_flight", "crossfade_records_waiting")


@dataclass(eq=False)
class Router:
    """One `crossfade serve` with records, metrics, key check and twelve flags at `stage`."""

    name: str
    directory: Path
    old: str
    new: str
    stage: str
    tools: Mapping[str, str] = field(default_factory=dict)  # stages of their own
    environment: Mapping[str, str] = field(default_factory=dict)
    program_kind: type[Program] = Program
    admin: int = field(default_factory=free_port)
    completed: int = 0  # calls that this benchmark saw answered
    sent: int = 0  # and those that it sent: a closed loop that ends cuts a few off
    ready_seconds: float = 0.0

    def __post_init__(self) -> None:
        self.here = self.directory / self.name
        self.here.mkdir(exist_ok=True)
        self.config = self.here / "crossfade.toml"
        self.store = self.here / "crossfade.db"
        self.program = self.program_kind(
            self.name, ["serve", "--config", str(self.config)], self.here, self.environment
        )
        self.config.write_text(
            f'[listen]\napi = "127.0.0.1:0"\nadmin = "127.0.0.1:{self.admin}"\n'
            f'[origins.old]\nurl = "{self.old}/api"\nkey = "{KEY}"\n'
            f'[origins.new]\nurl = "{self.new}"\nsandbox_url = "{self.new}"\nkey = "{KEY}"\n'
            f'templates = {{ "*" = "base" }}\n[store]\nurl = "sqlite:///{self.store}"\n'
            f'[mirror]\neligible_orgs = ["*"]\n'
        )

    @property
    def url(self) -> str:
        return self.program.url

    @property
    def pid(self) -> int:
        assert self.program.process is not None
        return self.program.process.pid

    async def __aenter__(self) -> Self:
        await self._flags()
        started = time.perf_counter()
        try:
            await self.program.start()
        except BaseException:  # cancelled, too: nothing may be left running
            await self.program.stop()
            raise
        self.ready_seconds = time.perf_counter() - started
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.program.stop()

    async def _flags(self) -> None:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "bench.flags", str(self.config), self.stage,
            *(f"{tool}={stage}" for tool, stage in self.tools.items()),
            cwd=ROOT, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        out, _ = await process.communicate()
        if process.returncode:
            raise Broken(f"flags of {self.name} could not be set: {out.decode()[-600:]}")

    async def twins(self, count: int, *, already: int = 0) -> list[str]:
        """That many sandboxes made through it, their followers joined and settled. Raises Broken.

        `already`: how many there are before.
        """
        turns = asyncio.Semaphore(8)

        async def make(client: httpx2.AsyncClient) -> str:
            async with turns:
                answer = await client.post("/api/sandbox", json={"snapshot": "bench"})
                return str(answer.raise_for_status().json()["id"])

        headers = {name: text for name, text in HEADERS.items() if name != "Content-Type"}
        async with httpx2.AsyncClient(base_url=self.url, headers=headers, timeout=60, trust_env=False) as client:
            made = await asyncio.gather(*(make(client) for _ in range(count)))
        self.counted(count, count)
        if self.stage not in (
            "off",
            "complete",
        ):  # with the one nobody is followed, with the other there is no old side
            await self._joined(already + count)
        return made

    async def _joined(self, count: int) -> None:
        deadline = time.monotonic() + 10 + count * 0.2
        while time.monotonic() < deadline:
            found = await self.metrics()
            joined = sum(value for name, value in found.items() if "crossfade_twins{" in name and "joined" in name)
            if joined >= count and not found.get("crossfade_twins_dirty"):
                return
            await asyncio.sleep(0.2)
        raise Broken(f"{self.name}: {joined:g} of {count} followers joined: {self.program.tail()}")

    def counted(self, completed: int, sent: int) -> None:
        """Add to the calls that its store must hold in the end."""
        self.completed += completed
        self.sent += sent

    async def quiet(self, seconds: float = 60.0, pause: float = 0.1) -> float:
        """Wait until nothing is under way, to be compared or to be written; how long that took. Raises Broken."""
        started = time.monotonic()
        while time.monotonic() - started < seconds:
            found = await self.metrics()
            if not any(found.get(name) for name in _QUIET):
                return time.monotonic() - started
            await asyncio.sleep(pause)
        waiting = {name: found.get(name) for name in _QUIET}
        raise Broken(f"{self.name} was not quiet within {seconds:g} s: {waiting}")

    async def metrics(self) -> dict[str, float]:
        """Name with labels -> value."""
        async with httpx2.AsyncClient(timeout=30, trust_env=False) as client:
            text = (await client.get(f"http://127.0.0.1:{self.admin}/metrics")).text
        lines = [line.rsplit(" ", 1) for line in text.splitlines() if line and not line.startswith("#")]
        return {name: float(value) for name, value in lines}

    async def total(self, name: str) -> float:
        """The sum of a metric's series."""
        return summed(await self.metrics(), name)

    def stored(self) -> tuple[int, int]:
        """Calls in the store: as records, and as sums."""
        with contextlib.closing(sqlite3.connect(f"file:{self.store}?mode=ro", uri=True)) as connection:
            (records,) = connection.execute("select coalesce(sum(records), 0) from segments").fetchone()
            (sums,) = connection.execute("select coalesce(sum(calls), 0) from rollups").fetchone()
        return int(records or 0), int(sums)


def summed(found: Mapping[str, float], name: str) -> float:
    """The sum of a metric's series."""
    return sum(value for key, value in found.items() if key == name or key.startswith(name + "{"))
