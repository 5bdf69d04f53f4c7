"""`make bench`: direct, relayed, mirrored and compared; in turns, so that a busy machine disturbs all alike."""

import argparse
import asyncio
import contextlib
import os
import socket
import sys
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx2

from bench.client import Broken, measure
from bench.cpu import cpu_seconds
from demo.programs import NotReady, Program, crossfade

KEY = "bench-key"
WAYS = ("direct", "relay", "shadow")


@dataclass
class Way:
    """What was measured of one way to the answer."""

    seconds: list[float] = field(default_factory=list)
    router_cpu: float = 0.0

    def quantile(self, share: float) -> float:
        return sorted(self.seconds)[min(len(self.seconds) - 1, int(share * len(self.seconds)))]


@dataclass(frozen=True)
class Bench:
    """The programs under measurement, and a sandbox for each way."""

    old: Program
    router: Program
    admin: str
    sandboxes: dict[str, str]

    def address(self, way: str) -> tuple[str, str]:
        url = self.old.url if way == "direct" else self.router.url
        return url, f"/toolbox/{self.sandboxes[way]}/files/info?path=/workspace/file.txt"

    async def one_round(self, way: str, found: Way, *, calls: int, connections: int) -> None:
        assert self.router.process is not None
        url, target = self.address(way)
        await measure(url, target, KEY, calls=10 * connections, connections=connections)  # warm
        await self.quiet()
        before = cpu_seconds(self.router.process.pid)
        found.seconds += await measure(url, target, KEY, calls=calls, connections=connections)
        await self.quiet()  # what is compared after the answer is the router's cost, too
        found.router_cpu += cpu_seconds(self.router.process.pid) - before

    async def quiet(self) -> None:
        """Wait until nothing waits to be compared."""
        for _ in range(240):
            if not await self.metric("crossfade_evidence_waiting") and not await self.metric(
                "crossfade_calls_in_flight"
            ):
                return
            await asyncio.sleep(0.25)
        raise Broken("comparisons did not end within a minute")

    async def metric(self, name: str) -> float:
        """The sum of a metric's series."""
        async with httpx2.AsyncClient(timeout=10, trust_env=False) as client:
            text = (await client.get(f"{self.admin}/metrics")).text
        lines = [line for line in text.splitlines() if line.startswith((f"{name} ", f"{name}{{"))]
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines)


@contextlib.asynccontextmanager
async def started(directory: Path) -> AsyncIterator[Bench]:
    """Two embedded backends and a router; one sandbox of old alone, one with a follower that is compared."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        admin = f"127.0.0.1:{probe.getsockname()[1]}"
    words = ["--port", "0", "--key", KEY]
    async with contextlib.AsyncExitStack() as stack:
        old = Program("old", ["sandbox", "--api", "daytona", *words, "--dir", str(directory / "old")], directory)
        new = Program("new", ["sandbox", "--api", "e2b", *words, "--dir", str(directory / "new")], directory)
        await asyncio.gather(stack.enter_async_context(old), stack.enter_async_context(new))
        config = directory / "crossfade.toml"
        config.write_text(
            f'[listen]\napi = "127.0.0.1:0"\nadmin = "{admin}"\n'
            f'[origins.old]\nurl = "{old.url}/api"\nkey = "{KEY}"\n'
            f'[origins.new]\nurl = "{new.url}"\nsandbox_url = "{new.url}"\nkey = "{KEY}"\n'
            f'templates = {{ "*" = "base" }}\n'
            f'[mirror]\neligible_orgs = ["*"]\nlane_calls = 100000\nlane_total = 100000\n'
            f'[store]\nurl = "sqlite:///{directory / "crossfade.db"}"\n'
        )
        router = await stack.enter_async_context(Program("router", ["serve", "--config", str(config)], directory))
        plain = await _sandbox(old.url)  # unknown to the router, as every sandbox older than it: relayed
        await crossfade("flags", "set", "files", "shadow", "--reason", "bench", "--yes", "--config", str(config))
        await asyncio.sleep(1)  # flags reach the router within a second
        sandboxes = {"direct": plain, "relay": plain, "shadow": await _sandbox(router.url)}
        yield Bench(old, router, f"http://{admin}", sandboxes)


async def _sandbox(url: str) -> str:
    """A new sandbox with a file of 1 KB in it."""
    headers = {"Authorization": f"Bearer {KEY}"}
    async with httpx2.AsyncClient(base_url=url, headers=headers, timeout=60, trust_env=False) as client:
        sandbox = (await client.post("/api/sandbox", json={"snapshot": "bench"})).raise_for_status().json()["id"]
        await asyncio.sleep(2)  # the follower is made in the background
        file = {"file": ("file.txt", b"x" * 1024)}
        path = f"/toolbox/{sandbox}/files/upload?path=/workspace/file.txt"
        (await client.post(path, files=file)).raise_for_status()
    return str(sandbox)


async def bench(options: argparse.Namespace) -> dict[str, Way]:
    """Measure every way in turns, and print."""
    found = {way: Way() for way in WAYS}
    with tempfile.TemporaryDirectory() as directory:
        async with started(Path(directory)) as running:
            for number in range(options.rounds):
                for way in WAYS:
                    print(f"round {number + 1} of {options.rounds}: {way}", file=sys.stderr)
                    await running.one_round(way, found[way], calls=options.calls, connections=options.connections)
            compared = await running.metric("crossfade_comparisons_total")
            dropped = await running.metric("crossfade_dropped_total")
    _show(found, options, compared, dropped)
    return found


def _show(found: dict[str, Way], options: argparse.Namespace, compared: float, dropped: float) -> None:
    direct = found["direct"]
    print(f"files/info of 1 KB, loopback, {options.connections} connections, {os.cpu_count()} processors,")
    print(f"n = {len(direct.seconds)} calls a way in {options.rounds} rounds; p50 direct {_ms(direct.quantile(0.5))}")
    print(f"{'way':<10}{'router CPU a call':>18}{'p50':>10}{'p99':>10}   (latency as a multiple of direct)")
    for way, each in found.items():
        cpu = "–" if way == "direct" else f"{each.router_cpu / len(each.seconds) * 1e6:.0f} µs"
        p50, p99 = (each.quantile(share) / direct.quantile(share) for share in (0.5, 0.99))
        print(f"{way:<10}{cpu:>18}{p50:>9.2f}x{p99:>9.2f}x")
    print(f"shadow: {compared:.0f} calls compared, {dropped:.0f} due and dropped (warming up included)")


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.2f} ms"


def main() -> None:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--calls", type=int, default=2000, help="calls a way and round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--connections", type=int, default=4)
    try:
        asyncio.run(bench(parser.parse_args()))
    except (Broken, NotReady) as error:
        print(f"bench: {error}", file=sys.stderr)
        sys.exit(3)


if __name__ == "__main__":
    main()
