"""TLS to the origin: the small call and a large download, against peers that do the same."""

from bench.arithmetic import column, noise, ratio, spread
from bench.field import Field
from bench.parts import bodies
from bench.parts.counts import counts
from bench.results import Found, Table
from bench.rounds import AGAIN, Tell, of, rounds, twice
from bench.work import SMALL, download

OURS = "crossfade relay tls"
NAMES = ("nginx split tls", "envoy weighted tls", OURS)
_DOWN = bodies.Body("10 MB down, TLS to the origin", "tls_10mb_vs_nginx", download("10m.bin"), 1.0)


async def tls(field: Field, *, quick: bool, count: int, tell: Tell) -> Found:
    """Clients speak plain HTTP; the origin speaks TLS with a certificate of a private authority, verified by all."""
    have = await field.need(*NAMES)
    found = Found(
        part="tls",
        title="TLS to the origin",
        method=f"16 connections in a closed loop of wrk, 1.5 s a target and round, {count} rounds. All verify it.",
    )
    found.skipped = {name: reason for name, reason in field.missing.items() if name in NAMES}
    slices = await rounds(field, twice(have, OURS), SMALL, count=count, seconds=1.5, connections=16, tell=tell)
    cpu, rate = of(slices, lambda one: one.cpu_per_call * 1e6), of(slices, lambda one: one.calls_per_second)
    p50, p99 = of(slices, lambda one: one.load.p50 * 1e6), of(slices, lambda one: one.load.p99 * 1e6)
    columns = ("CPU µs", "calls/s", "p50 µs", "p99 µs")
    rows = {
        name: dict(zip(columns, (spread(column(each, name)) for each in (cpu, rate, p50, p99)), strict=True))
        for name in slices[0]
    }
    found.tables.append(Table(title="small call", columns=columns, rows=rows))
    for peer, name in (("nginx split tls", "tls_cpu_vs_nginx"), ("envoy weighted tls", "tls_cpu_vs_envoy")):
        if peer in have:
            found.ratios[name] = ratio(cpu, OURS, peer)
    found.ratios["noise_tls_cpu"] = noise(cpu, OURS, OURS + AGAIN)
    await bodies.measure(field, found, _DOWN, have, ours=OURS, nginx="nginx split tls", count=count, tell=tell)
    router = field.targets[OURS].router
    assert router is not None
    await counts(found, router, compared=False)
    return found
