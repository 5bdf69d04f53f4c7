"""Sick shadows: what clients feel of a new side that is slow, hung, dead or floods, while old answers everything."""

import asyncio
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench import nginx
from bench.arithmetic import Round, column, differences, noise, quantile, ratio, spread
from bench.cpu import cpu_seconds, rss_bytes
from bench.field import Field, Target
from bench.load.client import order
from bench.load.wrk import wrk
from bench.parts.counts import why
from bench.programs import ROOT, Broken, Server, free_port
from bench.results import Found, Table, Value, number
from bench.rounds import AGAIN, Tell
from bench.router import Router, summed
from bench.work import SMALL

MODES = ("healthy", "slow", "hung", "dead", "flood")
SHARE = 0.4  # of what the router can do with a healthy shadow
_MOST_RATE = 2_500.0  # calls a second that our own client can send without being late itself
_SECONDS, _SETTLING_SECONDS, _REST_SECONDS = 2.0, 4.0, 5.0
_TWINS = 64
_GROWTH = 64 * 1024**2  # of memory, with everything that may wait held in it
_FLOOD_BYTES = 6 * 1024**2  # of an answer of 10 MB that can be sent until it is let go: the kernel holds most of it


async def shadow(field: Field, *, quick: bool, count: int, tell: Tell) -> Found:
    """Every mode in turn, each on a router and twins of its own."""
    found = Found(
        part="shadow",
        title="Sick shadows",
        method=(
            "Open loop (our own client: calls leave at Poisson moments, latency counted from when a call was due) at "
            f"{SHARE:.0%} of what the router does with a healthy shadow, at most {_MOST_RATE:g} a second; {count} "
            f"rounds of off, on and off again, {_SECONDS:g} s each. Off: a router with every flag off. "
            "Slow: 100 ms. Flood: 10 MB for every answer."
        ),
    )
    await field.need("direct")
    off = await field.router("shadow-off", "off")
    plain = Target("shadow off", off.url, off.pid, field.targets["direct"].sandboxes[:_TWINS], off)
    rows: dict[str, dict[str, Value]] = {}
    for mode in MODES:
        await _mode(field, mode, plain, found, rows, count=count, tell=tell)
    columns = ("calls/s", "p50 µs", "p50 × off", "p50 added µs", "p99 µs", "p99 × off", "p99 off × off", "CPU × off")
    found.tables.append(Table(title="", columns=columns, rows=rows))
    return found


async def _mode(
    field: Field, mode: str, plain: Target, found: Found, rows: dict[str, dict[str, Value]], *, count: int, tell: Tell
) -> None:
    tell(f"{mode}: start")
    port, here = free_port(), field.directory / f"shadow-{mode}"
    here.mkdir()
    healthy = await field.start(nginx.new_origin(here, port, field.files))
    router = await field.router(f"shadow-{mode}", "shadow", new=port)
    twins = Target(f"shadow {mode}", router.url, router.pid, await router.twins(_TWINS), router)
    rate = await _rate(field, twins)
    sick = await sicken(field, mode, healthy, here)
    memory = rss_bytes(router.pid)
    tell(f"{mode}: {_SETTLING_SECONDS:g} s to find out")
    breaker = await _settling(field, router, twins, rate)
    rounds = []
    for turn in range(count):
        measured: dict[str, dict[str, float]] = {}
        names = ["off", "on", "off" + AGAIN]
        for name in names if turn % 2 == 0 else names[::-1]:
            tell(f"{mode}: round {turn + 1} of {count}, {name}")
            target = twins if name == "on" else plain
            measured[name] = await _slice(field, target, rate, seed=turn)
            if name == "on":
                await _rest(router)
        rounds.append(measured)
    _ratios(found, rows, mode, rate, rounds)
    await _facts(found, mode, router, sick, breaker=breaker, grown=rss_bytes(router.pid) - memory)
    await router.program.stop()
    await healthy.stop()


async def _rate(field: Field, twins: Target) -> float:
    """Calls a second: a share of what it does in a closed loop, in the best of three tries."""
    assert twins.router is not None
    most = 0.0
    for _ in range(3):
        load = await wrk(twins.url, field.requests(twins, SMALL), connections=16, seconds=0.7)
        twins.router.counted(load.completed, load.sent)
        await twins.router.quiet()
        most = max(most, load.completed / load.seconds)
    return min(_MOST_RATE, SHARE * most)


async def sicken(field: Field, mode: str, healthy: Server, here: Path) -> Server | None:
    """Put a sick program in the healthy one's place; None where there is none."""
    if mode == "healthy":
        return None
    await healthy.stop()
    if mode == "dead":
        return None
    command = (sys.executable, "-m", "bench.sick", mode, str(healthy.port))
    return await field.start(Server("sick", command, here, healthy.port, {"PYTHONPATH": str(ROOT)}))


async def _slice(
    field: Field, target: Target, rate: float, *, seed: int, seconds: float = _SECONDS
) -> dict[str, float]:
    what = {
        "address": target.url.removeprefix("http://"),
        "requests": str(field.requests(target, SMALL)),
        "rate": rate,
        "seconds": seconds,
        "seed": seed,
        "start": target.turn,
    }
    before = cpu_seconds(target.pid)
    answer: dict[str, Any] = await order("openloop", what, seconds=seconds)
    used = cpu_seconds(target.pid) - before
    if answer["failed"]:
        raise Broken(f"{target.name}: of {answer['sent']} calls failed {answer['failed']}")
    target.turn += answer["sent"]
    assert target.router is not None
    target.router.counted(answer["sent"], answer["sent"])
    latencies: Sequence[float] = answer["latencies"]
    return {
        "p50": quantile(latencies, 0.5) * 1e6,
        "p99": quantile(latencies, 0.99) * 1e6,
        "cpu": used / len(latencies) * 1e6,
    }


async def _settling(field: Field, router: Router, twins: Target, rate: float) -> float:
    """Load that is not measured, so that the router can find out; seconds until its breaker opened, 0 if it did not."""
    started, opened = time.monotonic(), 0.0
    load = asyncio.create_task(  # noqa: TID251 - awaited below
        _slice(field, twins, rate, seed=99, seconds=_SETTLING_SECONDS)
    )
    while not load.done():
        if not opened and summed(await router.metrics(), "crossfade_breaker_open"):
            opened = time.monotonic() - started
        await asyncio.sleep(0.1)
    await load
    return opened


async def _rest(router: Router) -> None:
    """What an on-slice left to do must not weigh on the off-slice after it; what hangs does not weigh."""
    end = time.monotonic() + _REST_SECONDS
    while time.monotonic() < end and await router.total("crossfade_evidence_waiting"):  # noqa: ASYNC110
        await asyncio.sleep(0.2)


def _ratios(
    found: Found,
    rows: dict[str, dict[str, Value]],
    mode: str,
    rate: float,
    rounds: Sequence[dict[str, dict[str, float]]],
) -> None:
    def of(measure: str) -> list[Round]:
        return [{name: each[measure] for name, each in measured.items()} for measured in rounds]

    p50, p99, cpu = of("p50"), of("p99"), of("cpu")
    found.ratios[f"shadow_{mode}_p50"] = ratio(p50, "on", "off")
    found.ratios[f"shadow_{mode}_p50_added_us"] = spread(differences(p50, "on", "off"))
    found.ratios[f"shadow_{mode}_p99"] = ratio(p99, "on", "off")
    found.ratios[f"noise_shadow_{mode}_p50"] = noise(p50, "off", "off" + AGAIN)
    found.ratios[f"noise_shadow_{mode}_p99"] = noise(p99, "off", "off" + AGAIN)
    rows[mode] = {
        "calls/s": number(rate),
        "p50 µs": spread(column(p50, "on")),
        "p50 × off": found.ratios[f"shadow_{mode}_p50"],
        "p50 added µs": found.ratios[f"shadow_{mode}_p50_added_us"],
        "p99 µs": spread(column(p99, "on")),
        "p99 × off": found.ratios[f"shadow_{mode}_p99"],
        "p99 off × off": found.ratios[f"noise_shadow_{mode}_p99"],
        "CPU × off": ratio(cpu, "on", "off"),
    }


async def _facts(found: Found, mode: str, router: Router, sick: Server | None, *, breaker: float, grown: int) -> None:
    metrics = await router.metrics()
    awaited = summed(metrics, "crossfade_awaited_shadow_calls_total")
    from_old = sum(
        value for name, value in metrics.items()
        if name.startswith("crossfade_calls_total{") and 'answering="old"' in name
    )  # fmt: skip
    total = summed(metrics, "crossfade_calls_total")
    found.check(
        f"{mode}: {total:,.0f} calls, {from_old:,.0f} answered by old, {awaited:g} waited for shadow work",
        not awaited and total == from_old,
    )
    compared, dropped = summed(metrics, "crossfade_comparisons_total"), summed(metrics, "crossfade_dropped_total")
    found.check(
        f"{mode}: {compared:,.0f} compared, {dropped:,.0f} dropped{why(metrics)}; memory grew {grown / 1024**2:.0f} MB",
        grown < _GROWTH and (mode != "healthy" or dropped <= 0.001 * compared),
    )
    if mode == "dead":
        found.check(f"dead: the breaker opened after {breaker:.1f} s", bool(breaker))
    if sick is not None:
        await sick.stop()
        counted = json.loads(sick.tail(1) or "{}")
        each = counted["bytes_sent"] / max(1, counted["asked"])
        found.check(f"{mode}: it was asked {counted['asked']:,} times and could send {each / 1024:,.0f} KB an answer",
                    bool(counted["asked"]) and each < _FLOOD_BYTES)  # fmt: skip
