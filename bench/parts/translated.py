"""Translated calls: a sandbox that is on new alone, asked in Daytona's words."""

import asyncio
import json
import os

import httpx2

from bench.arithmetic import Round, column, differences, quantile, ratio, spread
from bench.field import Field, Target
from bench.load import client
from bench.parts.counts import counts
from bench.programs import ROOT, Broken, Missing, in_environment
from bench.results import Found, Table, Value
from bench.rounds import Tell, of, rounds
from bench.router import Router
from bench.work import EXEC, HEADERS, INFO, KEY, LIST, PATH, READ, TEXT, Ask
from demo.programs import Program

CALLS = {
    "exec": (EXEC, "exec_translated_us"),
    "file read": (READ, "file_read_translated_us"),
    "file info": (INFO, "file_info_translated_us"),
    "list of 3 files": (LIST, "list_translated_us"),
}
OURS = "translated"
_SECONDS = 1.0
_SDK = "e2b-newest"


async def translated(field: Field, *, quick: bool, count: int, tell: Tell) -> Found:
    """Processor time of each kind of call; wall time of two beside E2B's own SDK."""
    found = Found(
        part="translated",
        title="Translated calls",
        method=(
            "Every flag `complete`, sandboxes on new alone; 16 connections in a closed loop of wrk, an nginx behind "
            f"that answers as E2B, {_SECONDS:g} s a call and round, {count} rounds. Wall time: one call at a time, "
            "`crossfade sandbox --api e2b` behind; ours by a client that costs next to nothing, E2B's by its own SDK."
        ),
    )
    tell("start")
    router = await field.router("translated", "complete")
    field.targets[OURS] = Target(OURS, router.url, router.pid, await router.twins(64), router)
    rows: dict[str, dict[str, Value]] = {}
    for title, (ask, name) in CALLS.items():
        tell(title)
        slices = await rounds(field, [OURS], (ask,), count=count, seconds=_SECONDS, connections=16, tell=tell)
        cpu = column(of(slices, lambda each: each.cpu_per_call * 1e6), OURS)
        rate = column(of(slices, lambda each: each.calls_per_second), OURS)
        found.ratios[name] = spread(cpu)
        rows[title] = {"CPU µs": spread(cpu), "calls/s": spread(rate)}
    found.tables.append(Table(title="processor time", columns=("CPU µs", "calls/s"), rows=rows))
    await counts(found, router, compared=False)
    try:
        await _beside_sdk(field, found, count=count, tell=tell)
    except Missing as missing:
        found.skipped["E2B's own SDK"] = str(missing)
    return found


async def _beside_sdk(field: Field, found: Found, *, count: int, tell: Tell) -> None:
    python = in_environment(_SDK, "bin/python")
    here = field.directory / "sdk"
    here.mkdir()
    words = ["sandbox", "--api", "e2b", "--port", "0", "--key", KEY, "--dir", str(here / "e2b")]
    e2b = await field.enter(Program("sandbox-sdk", words, here))
    router = await field.router("beside-sdk", "complete", new=int(e2b.url.rpartition(":")[2]))
    sandbox = await _sandbox(router)
    p50: list[dict[str, float]] = []
    for number in range(count):
        tell(f"wall time: round {number + 1} of {count}")
        sdk = await _sdk(python, e2b.url)
        measured = {f"{what} by SDK": quantile(seconds, 0.5) * 1e3 for what, seconds in sdk.items()}
        for what, ask in (("read", READ), ("exec", EXEC)):
            measured[f"{what} by us"] = await _ours(router, sandbox, ask)
        p50.append(measured)
    measured_rounds: list[Round] = list(p50)
    rows: dict[str, dict[str, Value]] = {}
    for what in ("read", "exec"):
        rows[what] = {
            "E2B's SDK p50 ms": spread(column(measured_rounds, f"{what} by SDK")),
            "through crossfade p50 ms": spread(column(measured_rounds, f"{what} by us")),
            "ms less": spread(differences(measured_rounds, f"{what} by SDK", f"{what} by us")),
        }
        found.ratios[f"{what}_wall_vs_sdk"] = ratio(measured_rounds, f"{what} by us", f"{what} by SDK")
    columns = ("E2B's SDK p50 ms", "through crossfade p50 ms", "ms less")
    found.tables.append(Table(title="wall time of one call", columns=columns, rows=rows))


async def _sandbox(router: Router) -> str:
    """A sandbox with the file in it, on new alone."""
    (sandbox,) = await router.twins(1)
    headers = {name: text for name, text in HEADERS.items() if name != "Content-Type"}
    async with httpx2.AsyncClient(base_url=router.url, headers=headers, timeout=60, trust_env=False) as calls:
        target, file = f"/toolbox/{sandbox}/files/upload?path={PATH}", {"file": ("a.py", TEXT.encode())}
        (await calls.post(target, files=file)).raise_for_status()
    router.counted(1, 1)
    return sandbox


async def _ours(router: Router, sandbox: str, ask: Ask) -> float:
    address = router.url.removeprefix("http://")
    what = {"address": address, "request": ask.bytes(sandbox, address).decode(), "seconds": _SECONDS}
    latencies: list[float] = (await client.order("calls", what, seconds=_SECONDS))["latencies"]
    return quantile(latencies, 0.5) * 1e3


async def _sdk(python: str, url: str) -> dict[str, list[float]]:
    environment = {**os.environ, "E2B_API_KEY": KEY, "E2B_API_URL": url, "E2B_SANDBOX_URL": url}
    script = ROOT / "bench" / "load" / "e2b_sdk.py"
    process = await asyncio.create_subprocess_exec(
        python, str(script), str(_SECONDS), env=environment,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, err = await process.communicate()
    if process.returncode:
        raise Broken(f"E2B's SDK failed: {err.decode(errors='replace')[-600:]}")
    found: dict[str, list[float]] = json.loads(out)
    return found
