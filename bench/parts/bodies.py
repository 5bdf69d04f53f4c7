"""Large bodies: throughput against nginx, and what memory they take."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from bench.arithmetic import Round, column, order, ratio, spread
from bench.cpu import cpu_seconds, rss_bytes
from bench.field import Field, Target
from bench.load import client
from bench.parts.counts import counts
from bench.results import Found, Table, Value
from bench.rounds import Tell
from bench.work import HEADERS, Ask, download

OURS = "crossfade relay"
NAMES = ("direct", "nginx split", "envoy weighted", "haproxy", OURS)
GROWTH = 8 * 1024**2
_UP = 10 * 1024**2
_BOUNDARY = "bench-boundary"


@dataclass(frozen=True, slots=True)
class Body:
    """One kind of transfer. `up` bytes go with the request."""

    title: str
    ratio: str
    ask: Ask
    seconds: float
    up: int = 0


BODIES = (
    Body("64 KB down", "body_64kb_vs_nginx", download("64k.bin"), 1.0),
    Body("10 MB down", "body_10mb_vs_nginx", download("10m.bin"), 1.0),
    Body("1 GiB down", "body_1gib_vs_nginx", download("1g.bin"), 1.0),
    Body("10 MB up", "upload_vs_nginx", Ask("POST", "/toolbox/{id}/files/bulk-upload"), 1.0, _UP),
)


@dataclass(frozen=True, slots=True)
class Moved:
    """One target's share of one round."""

    megabytes_per_second: float
    cpu_us_per_megabyte: float
    grown_bytes: int


async def bodies(field: Field, *, quick: bool, count: int, tell: Tell) -> Found:
    """Every size in rounds."""
    have = await field.need(*NAMES)
    found = Found(
        part="bodies",
        title="Large bodies",
        method=(
            "One after another on one connection (our own client, a blocking socket), at least 1 s a target and "
            f"round, {count} rounds. The origin reads an upload to its end before it answers. "
            "nginx spools nothing to disk."
        ),
    )
    found.skipped = {name: reason for name, reason in field.missing.items() if name in NAMES}
    for body in BODIES:
        await measure(field, found, body, have, ours=OURS, nginx="nginx split", count=count, tell=tell)
    router = field.targets[OURS].router
    assert router is not None
    await counts(found, router, compared=False)
    return found


async def measure(
    field: Field, found: Found, body: Body, have: Sequence[str], *, ours: str, nginx: str, count: int, tell: Tell
) -> None:
    """One kind of transfer in rounds: a table, a ratio and a fact in `found`."""
    rounds: list[dict[str, Moved]] = [{} for _ in range(count)]
    for name in have:
        await _one(field.targets[name], body, seconds=0.1)
    for number, results in enumerate(rounds):
        for name in order(have, number):
            tell(f"{body.title}: round {number + 1} of {count}, {name}")
            results[name] = await _one(field.targets[name], body, seconds=body.seconds)
    rate: list[Round] = [{name: each.megabytes_per_second for name, each in results.items()} for results in rounds]
    cpu: list[Round] = [{name: each.cpu_us_per_megabyte for name, each in results.items()} for results in rounds]
    rows: dict[str, dict[str, Value]] = {}
    for name in have:
        rows[name] = {"MB/s": spread(column(rate, name))}
        if nginx in have:
            rows[name]["× nginx"] = ratio(rate, name, nginx)
        if name != "direct":
            rows[name]["CPU µs a MB"] = spread(column(cpu, name))
            rows[name]["memory grew MB"] = max(results[name].grown_bytes for results in rounds) / 1024**2
    columns = ("MB/s", "× nginx", "CPU µs a MB", "memory grew MB")
    found.tables.append(Table(title=body.title, columns=columns, rows=rows))
    if nginx in have:
        found.ratios[body.ratio] = ratio(rate, ours, nginx)
    grown = max(results[ours].grown_bytes for results in rounds)
    found.check(f"{body.title}: memory grew by {grown / 1024**2:.1f} MB at most", grown < GROWTH)


async def _one(target: Target, body: Body, *, seconds: float) -> Moved:
    sandbox = target.sandboxes[target.turn % len(target.sandboxes)]
    target.turn += 1
    request, tail = _request(body, sandbox, target.url.removeprefix("http://"))
    what = {"address": target.url.removeprefix("http://"), "request": request, "tail": tail, "up": body.up,
            "seconds": seconds}  # fmt: skip
    before, memory = (cpu_seconds(target.pid), rss_bytes(target.pid)) if target.pid else (0.0, 0)
    async with _most_memory(target.pid) as most:
        answer = await client.order("transfer", what, seconds=60 + seconds)
    if target.router is not None:
        target.router.counted(answer["calls"], answer["calls"])
        await target.router.quiet()
    used = cpu_seconds(target.pid) - before if target.pid else 0.0
    megabytes = answer["bytes"] / 1024**2
    return Moved(megabytes / answer["seconds"], used / megabytes * 1e6, max(0, most[0] - memory))


def _request(body: Body, sandbox: str, host: str) -> tuple[str, str]:
    """What goes before the body, and what after it."""
    if not body.up:
        return body.ask.bytes(sandbox, host).decode(), ""
    head = (
        f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="files[0].path"\r\n\r\n/workspace/up.bin\r\n'
        f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="files[0].file"; filename="up.bin"\r\n'
        "Content-Type: application/octet-stream\r\n\r\n"
    )
    tail = f"\r\n--{_BOUNDARY}--\r\n"
    headers = {**HEADERS, "Content-Type": f"multipart/form-data; boundary={_BOUNDARY}", "Host": host,
               "Content-Length": str(len(head) + body.up + len(tail))}  # fmt: skip
    lines = [f"{body.ask.method} {body.ask.path.replace('{id}', sandbox)} HTTP/1.1"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines) + "\r\n\r\n" + head, tail


@contextlib.asynccontextmanager
async def _most_memory(pid: int) -> AsyncIterator[list[int]]:
    """Watches; the list holds the most that was seen."""
    most = [rss_bytes(pid) if pid else 0]

    async def watch() -> None:
        while pid:
            most[0] = max(most[0], rss_bytes(pid))
            await asyncio.sleep(0.05)

    watching = asyncio.create_task(watch())  # noqa: TID251 - ended below
    try:
        yield most
    finally:
        watching.cancel()
