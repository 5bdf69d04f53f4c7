"""What the router takes when nothing happens: time to start, memory with idle connections and idle twins."""

import asyncio
import resource
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from bench.arithmetic import spread
from bench.cpu import cpu_seconds, open_files, rss_bytes
from bench.field import Field
from bench.parts.counts import counts
from bench.programs import Broken
from bench.results import Found, Table, Value, number
from bench.rounds import Tell
from bench.router import Router
from bench.work import INFO

CONNECTIONS, TWINS = 10_000, 1_000
_IDLE_SECONDS = 5.0
_MEGA = 1024**2


async def footprint(field: Field, *, quick: bool, count: int, tell: Tell) -> Found:
    """Starts, connections, twins; each on a router of its own."""
    found = Found(
        part="footprint",
        title="Footprint",
        method=(
            f"Start: from the command to the ready file, {count} times with an empty store. Connections: each made one "
            "call and stays open. Memory is resident, with all child processes; shared pages count in each."
        ),
    )
    seconds = []
    for turn in range(count):
        tell(f"start {turn + 1} of {count}")
        async with field.plain_router(f"start-{turn}", "off") as router:
            seconds.append(router.ready_seconds)
    found.ratios["start_seconds"] = spread(seconds)
    rows: dict[str, dict[str, Value]] = {}
    tell(f"{CONNECTIONS:,} idle connections")
    await _connections(field, found, rows)
    tell(f"{TWINS:,} idle twins")
    await _twins(field, found, rows)
    columns = ("before MB", "after MB", "each KB", "idle CPU %")
    found.tables.append(Table(title="memory", columns=columns, rows=rows))
    return found


async def _connections(field: Field, found: Found, rows: dict[str, dict[str, Value]]) -> None:
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < CONNECTIONS + 200:
        found.skipped[f"{CONNECTIONS:,} connections"] = f"at most {soft:,} open files; ulimit -n {CONNECTIONS + 1000}"
        return
    async with field.plain_router("idle", "off") as router:
        await _call_once(router, 16)  # warm
        before = rss_bytes(router.pid)
        async with _open(router) as opened:
            files = open_files(router.pid)
            after = rss_bytes(router.pid)
            idle = await _idle_share(router)
        found.check(f"{files:,} files open with {opened:,} connections", files >= opened)
        found.ratios["idle_10k_rss_mb"] = number(after / _MEGA)
        rows[f"{CONNECTIONS:,} idle connections"] = _row(before, after, opened, idle)
        await counts(found, router, compared=False)


async def _twins(field: Field, found: Found, rows: dict[str, dict[str, Value]]) -> None:
    async with field.plain_router("twins", "shadow") as router:
        await router.twins(16)
        await router.quiet()
        before = rss_bytes(router.pid)
        await router.twins(TWINS, already=16)
        await router.quiet()
        idle = await _idle_share(router)
        after = rss_bytes(router.pid)
        found.ratios["idle_1000_twins_mb"] = number((after - before) / _MEGA)
        rows[f"{TWINS:,} idle twins"] = _row(before, after, TWINS, idle)
        await counts(found, router, compared=False)


def _row(before: int, after: int, each: int, idle: float) -> dict[str, Value]:
    return {
        "before MB": before / _MEGA,
        "after MB": after / _MEGA,
        "each KB": (after - before) / each / 1024,
        "idle CPU %": idle * 100,
    }


async def _idle_share(router: Router) -> float:
    """Share of a processor used while nothing is asked."""
    before = cpu_seconds(router.pid)
    await asyncio.sleep(_IDLE_SECONDS)
    return (cpu_seconds(router.pid) - before) / _IDLE_SECONDS


@asynccontextmanager
async def _open(router: Router) -> AsyncIterator[int]:
    connections = await asyncio.to_thread(_connected, router, CONNECTIONS)
    try:
        yield len(connections)
    finally:
        for connection in connections:
            connection.close()


async def _call_once(router: Router, number_of: int) -> None:
    for connection in await asyncio.to_thread(_connected, router, number_of):
        connection.close()


def _connected(router: Router, number_of: int) -> list[socket.socket]:
    """Connections that made one call each and are kept. Raises Broken."""
    host, _, port = router.url.removeprefix("http://").rpartition(":")
    request = INFO.bytes("00000000-520d-48c8-ace7-01660457015b", f"{host}:{port}")
    opened = []
    for _ in range(number_of):
        connection = socket.create_connection((host, int(port)), timeout=30)
        connection.sendall(request)
        if not connection.recv(65_536).startswith(b"HTTP/1.1 200"):
            raise Broken("an idle connection's call was refused")
        opened.append(connection)
    router.counted(number_of, number_of)
    return opened
