"""Split sandboxes whose follower hangs: file calls that new should answer, until the breaker gives them to the seat."""

import asyncio
import time
from collections.abc import Sequence

from bench import nginx
from bench.arithmetic import quantile
from bench.field import Field, Target
from bench.load import client
from bench.parts.shadow import sicken
from bench.programs import Broken, free_port
from bench.results import Found, Table, number
from bench.rounds import Tell
from bench.router import summed
from bench.work import SMALL

FILES = dict.fromkeys(("files", "upload", "vision", "image", "web"), "live")
PATIENCE_SECONDS = 2.0  # mirror.patience_seconds, its default
_BREAKER_SECONDS = 2.0  # from the first call
_LEEWAY_SECONDS = 0.5  # on a machine that does other things, too
_RATE, _SECONDS, _TWINS = 100.0, 8.0, 32


async def split(field: Field, *, quick: bool, count: int, tell: Tell) -> Found:
    """Healthy, then hung, at the same rate."""
    found = Found(
        part="split",
        title="Split sandboxes, follower hung",
        method=(
            "File tools `live`, process tools `shadow`: new answers file calls of sandboxes whose seat is old. "
            f"Open loop, {_RATE:g} calls a second for {_SECONDS:g} s, first with new healthy, then with new hung from "
            "the first call on."
        ),
    )
    tell("start")
    here = field.directory / "split"
    here.mkdir()
    healthy = await field.start(nginx.new_origin(here, free_port(), field.files))
    router = await field.router("split", "shadow", new=healthy.port, tools=FILES)
    target = Target("split", router.url, router.pid, await router.twins(_TWINS), router)
    tell("healthy")
    before = await _load(field, target)
    metrics = await router.metrics()
    from_new = sum(
        value for name, value in metrics.items()
        if name.startswith("crossfade_calls_total{") and 'answering="new"' in name and 'tool="files"' in name
    )  # fmt: skip
    found.check(f"healthy: new answered {from_new:,.0f} of {len(before):,} file calls", from_new > len(before) / 2)
    await sicken(field, "hung", healthy, here)
    tell("hung")
    started, opened = time.monotonic(), 0.0
    load = asyncio.create_task(_load(field, target))  # noqa: TID251 - awaited below
    while not load.done():
        if not opened and summed(await router.metrics(), "crossfade_breaker_open"):
            opened = time.monotonic() - started
        await asyncio.sleep(0.05)
    during = await load
    _take(found, before, during, opened)
    return found


def _take(
    found: Found, before: Sequence[tuple[float, float]], during: Sequence[tuple[float, float]], opened: float
) -> None:
    late = PATIENCE_SECONDS + _LEEWAY_SECONDS
    most = max(latency for _, latency in during)
    slow = [due for due, latency in during if latency > PATIENCE_SECONDS / 2]
    normal = quantile([latency for _, latency in before], 0.99)
    after = [latency for due, latency in during if due > late]
    rows = {
        "healthy": {"p50 ms": quantile([each for _, each in before], 0.5) * 1e3, "p99 ms": normal * 1e3},
        f"hung, calls of the first {late:g} s": {
            "p50 ms": quantile([each for due, each in during if due <= late], 0.5) * 1e3,
            "p99 ms": quantile([each for due, each in during if due <= late], 0.99) * 1e3,
        },
        "hung, calls after that": {"p50 ms": quantile(after, 0.5) * 1e3, "p99 ms": quantile(after, 0.99) * 1e3},
    }
    found.tables.append(Table(title="", columns=("p50 ms", "p99 ms"), rows=rows))
    found.ratios["split_hung_most_seconds"] = number(most)
    found.ratios["split_hung_breaker_seconds"] = number(opened or _SECONDS)
    found.ratios["split_hung_p99"] = number(quantile(after, 0.99) / normal)
    found.check(f"the slowest call took {most:.2f} s, the patience is {PATIENCE_SECONDS:g} s; {len(slow)} of "
                f"{len(during):,} waited for it", most <= late)  # fmt: skip
    found.check(f"the breaker opened {opened:.1f} s after the first call" if opened else "the breaker did not open",
                0 < opened <= _BREAKER_SECONDS + _LEEWAY_SECONDS)  # fmt: skip


async def _load(field: Field, target: Target) -> list[tuple[float, float]]:
    """When each call was due, and how long it took."""
    what = {
        "address": target.url.removeprefix("http://"),
        "requests": str(field.requests(target, SMALL)),
        "rate": _RATE,
        "seconds": _SECONDS,
        "seed": 7,
        "start": target.turn,
    }
    answer = await client.order("openloop", what, seconds=_SECONDS)
    if answer["failed"]:
        raise Broken(f"{target.name}: of {answer['sent']} calls failed {answer['failed']}")
    target.turn += answer["sent"]
    return list(zip(answer["dues"], answer["latencies"], strict=True))
