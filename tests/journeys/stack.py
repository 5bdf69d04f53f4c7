"""A whole stack for tests: two embedded backends, a tap before each, one router; all real processes on loopback."""

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2

from demo.programs import Agents, Program, crossfade, make_sdk_environment
from tests import services
from tests.journeys.tap import Tap

KEY = "stack-key"
ADMIN_TOKEN = "stack-admin-token"
SDK = ("daytona-0.115.0", "daytona-sdk==0.115.0")
FILE_TOOLS = ("files", "upload", "vision", "image", "web")
PROCESS_TOOLS = ("shell", "browser", "expose", "presentation", "kb", "other")
ALL_TOOLS = (*FILE_TOOLS, *PROCESS_TOOLS)


@dataclass(eq=False)
class Stack:
    """The programs and taps of one test."""

    directory: Path
    old: Program
    new: Program
    old_tap: Tap
    new_tap: Tap
    router: Program
    config: Path
    python: Path
    front_tap: Tap
    admin: str
    reasons: int = field(default=0)

    @property
    def store(self) -> str:
        return f"sqlite:///{self.directory / 'crossfade.db'}"

    async def set_flags(self, values: Mapping[str, str]) -> None:
        """Set flags by the command line and wait until the router has them."""
        for tool, value in values.items():
            await self.command("flags", "set", tool, value, "--reason", f"test {self.reasons}", "--yes")
            self.reasons += 1
        await asyncio.sleep(0.8)  # the promise under test elsewhere: less than a second

    async def command(self, *arguments: str) -> str:
        """Run a `crossfade` command on this stack; its stdout. Fails the test on another exit code than 0 or 1."""
        code, out, err = await crossfade(*arguments, "--config", str(self.config))
        assert code in (0, 1), f"crossfade {' '.join(arguments)} ended with {code}: {err}"
        return out

    @contextlib.asynccontextmanager
    async def agents(self) -> AsyncIterator[Agents]:
        """Agents that talk to the router through the tap before it."""
        async with Agents(self.python, f"{self.front_tap.url}/api", KEY, self.directory) as agents:
            yield agents

    async def wave(self, agents: Agents, name: str, sandboxes: int, **order: Any) -> dict[str, Any]:
        """One wave of agents: its summary, with every failed call in it."""
        failed: list[dict[str, Any]] = []
        async for event in agents.wave(wave=name, sandboxes=sandboxes, **order):
            if event["event"] in ("failed", "agent ended"):
                failed.append(event)
            elif event["event"] == "wave":
                return {**event, "failures": failed}
        raise AssertionError("the wave did not end")

    async def client(self) -> httpx2.AsyncClient:
        """A plain HTTP client on the router."""
        return httpx2.AsyncClient(
            base_url=self.router.url, headers={"Authorization": f"Bearer {KEY}"}, timeout=30, trust_env=False
        )

    async def inject(self, **order: Any) -> None:
        """Make the new side differ or fail, or stop doing so."""
        async with httpx2.AsyncClient(timeout=10, trust_env=False) as client:
            answer = await client.post(f"{self.new.url}/_crossfade/inject", json=order)
            assert answer.status_code < 300, answer.text

    async def metrics(self) -> dict[str, float]:
        """The router's metrics: name with labels -> value."""
        async with httpx2.AsyncClient(timeout=10, trust_env=False) as client:
            text = (await client.get(f"{self.admin}/metrics")).text
        lines = [line.rsplit(" ", 1) for line in text.splitlines() if line and not line.startswith("#")]
        return {name: float(value) for name, value in lines}

    async def report(self) -> dict[str, Any]:
        """The report's JSON over everything recorded."""
        out = self.directory / "report"
        await self.command("report", "--since", "all", "--out", str(out))
        found: dict[str, Any] = json.loads(next(out.glob("*.json")).read_text())
        return found


def settings(
    directory: Path,
    old: str,
    new: str,
    admin: int,
    extra: str = "",
    mirror: Mapping[str, float] | None = None,
    settle: float = 0.2,
    account: services.Daytona | None = None,
) -> str:
    """The router's settings file. `account`: a real one, in place of the embedded old side."""
    numbers = {"settle_seconds": settle, "lane_calls": 1000, "lane_total": 50000, "orphan_grace_seconds": 1}
    numbers["move_idle_seconds"] = 0  # seats stay where a test put them, unless it says otherwise
    numbers |= mirror or {}
    tools = "".join(f'[tools.{tool}]\nmirror_execute = "always"\n' for tool in (*PROCESS_TOOLS, "lifecycle"))
    return f"""\
[listen]
api = "127.0.0.1:0"
admin = "127.0.0.1:{admin}"
admin_token = "{ADMIN_TOKEN}"
[origins.old]
url = "{account.url if account else f"{old}/api"}"
key = "{account.key if account else KEY}"
[origins.new]
url = "{new}"
sandbox_url = "{new}"
key = "{KEY}"
templates = {{ "*" = "base" }}
[mirror]
system_roots = []
eligible_orgs = ["*"]
shadow_egress = "open"
{"".join(f"{name} = {value}{chr(10)}" for name, value in numbers.items())}
{tools}
[store]
url = "sqlite:///{directory / "crossfade.db"}"
{extra}
"""


@contextlib.asynccontextmanager
async def stack(
    directory: Path,
    *,
    extra: str = "",
    mirror: Mapping[str, float] | None = None,
    settle: float = 0.2,
    account: services.Daytona | None = None,
) -> AsyncIterator[Stack]:
    """Start everything; end everything."""
    python = await make_sdk_environment(*SDK)
    async with contextlib.AsyncExitStack() as started:
        words = ["--port", "0", "--key", KEY]
        old = Program("old", ["sandbox", "--api", "daytona", *words, "--dir", str(directory / "old")], directory)
        new = Program("new", ["sandbox", "--api", "e2b", *words, "--dir", str(directory / "new")], directory)
        await asyncio.gather(started.enter_async_context(old), started.enter_async_context(new))
        old_tap = await started.enter_async_context(Tap(old.url.removeprefix("http://")))
        new_tap = await started.enter_async_context(Tap(new.url.removeprefix("http://")))
        config = directory / "crossfade.toml"
        admin = free_port()
        config.write_text(settings(directory, old_tap.url, new_tap.url, admin, extra, mirror, settle, account))
        router = await started.enter_async_context(Program("router", ["serve", "--config", str(config)], directory))
        front_tap = await started.enter_async_context(Tap(router.url.removeprefix("http://")))
        url = f"http://127.0.0.1:{admin}"
        yield Stack(directory, old, new, old_tap, new_tap, router, config, python, front_tap, url)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
