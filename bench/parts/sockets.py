"""Websockets: an echo through each proxy, and a keystroke in a real terminal."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx2

from bench.arithmetic import Round, column, differences, order, quantile, spread
from bench.field import Field
from bench.load import client
from bench.parts.counts import counts
from bench.programs import ROOT, Server
from bench.results import Found, Table, Value
from bench.rounds import Tell
from bench.router import Router
from bench.work import HEADERS, KEY
from demo.programs import Program

OURS = "crossfade relay"
NAMES = ("direct", "nginx split", "envoy weighted", "haproxy", OURS)
_SECONDS = 1.5


@dataclass(frozen=True, slots=True)
class End:
    """Where a websocket is opened."""

    address: str
    path: str
    router: Router | None = None


async def sockets(field: Field, *, quick: bool, count: int, tell: Tell) -> Found:
    """Both in rounds."""
    found = Found(
        part="sockets",
        title="Websockets",
        method=(
            f"One socket, a message of 32 bytes (or one key) at a time, {_SECONDS:g} s a target and round, "
            f"{count} rounds. Direct is the origin's nginx, with the echo behind it. "
            "Terminals are those of `crossfade sandbox`, which forks a shell; on new they are translated to E2B's wire."
        ),
    )
    await _echo(field, found, count=count, tell=tell)
    await _keys(field, found, count=count, tell=tell)
    return found


async def _echo(field: Field, found: Found, *, count: int, tell: Tell) -> None:
    await field.start(Server("echo", (sys.executable, "-m", "bench.load.echo", str(field.echo)), field.directory,
                             field.echo, {"PYTHONPATH": str(ROOT)}))  # fmt: skip
    have = await field.need(*NAMES)
    found.skipped = {name: reason for name, reason in field.missing.items() if name in NAMES}
    path = f"/toolbox/{field.targets['direct'].sandboxes[0]}/process/pty/bench/connect"
    ends = {
        name: End(field.targets[name].url.removeprefix("http://"), path, field.targets[name].router) for name in have
    }
    p50, p99 = await _rounds(ends, "echo", keys=False, count=count, tell=tell)
    found.tables.append(_table("echo", have, p50, p99))
    found.ratios["websocket_added_ms"] = spread(differences(p50, OURS, "direct"))
    if "nginx split" in have:
        found.ratios["websocket_added_ms_nginx"] = spread(differences(p50, "nginx split", "direct"))
    await _counts(found, ends)


async def _keys(field: Field, found: Found, *, count: int, tell: Tell) -> None:
    tell("start sandboxes with real terminals")
    here = field.directory / "terminals"
    here.mkdir()
    old, new = await _backend(field, "daytona", here), await _backend(field, "e2b", here)
    routers = {
        "relayed": await field.router("terminals-old", "off", old=old.url, new=_port(new)),
        "translated": await field.router("terminals-new", "complete", old=old.url, new=_port(new)),
    }
    ends = {"direct": await _terminal(old.url, None)}
    for name, router in routers.items():
        ends[name] = await _terminal(router.url, router)
    p50, p99 = await _rounds(ends, "key", keys=True, count=count, tell=tell)
    found.tables.append(_table("keystroke in a terminal", tuple(ends), p50, p99))
    found.ratios["keystroke_added_ms"] = spread(differences(p50, "relayed", "direct"))
    found.ratios["keystroke_translated_added_ms"] = spread(differences(p50, "translated", "direct"))
    await _counts(found, ends)


async def _counts(found: Found, ends: dict[str, End]) -> None:
    for end in ends.values():
        if end.router is not None:
            await counts(found, end.router, compared=False)


async def _backend(field: Field, api: str, here: Path) -> Program:
    words = ["sandbox", "--api", api, "--port", "0", "--key", KEY, "--dir", str(here / api)]
    return await field.enter(Program(f"sandbox-{api}", words, here))


def _port(program: Program) -> int:
    return int(program.url.rpartition(":")[2])


async def _terminal(url: str, router: Router | None) -> End:
    """A sandbox made there with a terminal in it."""
    async with httpx2.AsyncClient(base_url=url, headers=HEADERS, timeout=60, trust_env=False) as calls:
        made = await calls.post("/api/sandbox", json={"snapshot": "bench"})
        sandbox = made.raise_for_status().json()["id"]
        path = f"/toolbox/{sandbox}/process/pty"
        size = {"id": "bench", "cols": 80, "rows": 24, "cwd": "/", "envs": {}}
        (await calls.post(path, json=size)).raise_for_status()
    if router is not None:
        router.counted(2, 2)
    return End(url.removeprefix("http://"), f"{path}/bench/connect", router)


async def _rounds(
    ends: dict[str, End], what: str, *, keys: bool, count: int, tell: Tell
) -> tuple[list[Round], list[Round]]:
    """p50 and p99 in milliseconds."""
    p50: list[dict[str, float]] = [{} for _ in range(count)]
    p99: list[dict[str, float]] = [{} for _ in range(count)]
    headers = {"Authorization": HEADERS["Authorization"], "X-Daytona-SDK-Version": HEADERS["X-Daytona-SDK-Version"]}
    for number in range(count):
        for name in order(tuple(ends), number):
            tell(f"{what}: round {number + 1} of {count}, {name}")
            end = ends[name]
            asked = {"address": end.address, "path": end.path, "headers": headers, "keys": keys, "seconds": _SECONDS}
            latencies: list[float] = (await client.order("sockets", asked, seconds=_SECONDS))["latencies"]
            p50[number][name], p99[number][name] = quantile(latencies, 0.5) * 1e3, quantile(latencies, 0.99) * 1e3
            if end.router is not None:
                end.router.counted(1, 1)
    return list(p50), list(p99)


def _table(title: str, names: Sequence[str], p50: Sequence[Round], p99: Sequence[Round]) -> Table:
    rows: dict[str, dict[str, Value]] = {}
    for name in names:
        rows[name] = {"p50 ms": spread(column(p50, name)), "p99 ms": spread(column(p99, name))}
        if name != "direct":
            rows[name]["p50 added ms"] = spread(differences(p50, name, "direct"))
            rows[name]["p99 added ms"] = spread(differences(p99, name, "direct"))
    return Table(title=title, columns=("p50 ms", "p50 added ms", "p99 ms", "p99 added ms"), rows=rows)
