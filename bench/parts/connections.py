"""Few and many connections: one, sixteen and 128, in a closed loop."""

from bench.arithmetic import column, noise, ratio, spread
from bench.field import Field
from bench.parts.counts import counts
from bench.parts.small import added
from bench.results import Found, Table, Value
from bench.rounds import AGAIN, Tell, of, rounds, twice
from bench.work import SMALL

OURS = "crossfade relay"
NAMES = ("direct", "nginx split", "envoy weighted", OURS)
COUNTS = (1, 16, 128)
_SECONDS = 1.5


async def connections(field: Field, *, quick: bool, count: int, tell: Tell) -> Found:
    """The small call with each number of connections."""
    have = await field.need(*NAMES)
    found = Found(
        part="connections",
        title="Connections",
        method=f"The small call relayed, in a closed loop of wrk, {_SECONDS:g} s a target and round, {count} rounds.",
    )
    found.skipped = {name: reason for name, reason in field.missing.items() if name in NAMES}
    for each in COUNTS:
        slices = await rounds(
            field, twice(have, OURS), SMALL, count=count, seconds=_SECONDS, connections=each, tell=tell
        )
        cpu = of(slices, lambda one: one.cpu_per_call * 1e6)
        rate = of(slices, lambda one: one.calls_per_second)
        p50, p99 = of(slices, lambda one: one.load.p50 * 1e6), of(slices, lambda one: one.load.p99 * 1e6)
        rows: dict[str, dict[str, Value]] = {}
        for name in slices[0]:
            rows[name] = {
                "calls/s": spread(column(rate, name)),
                "p50 µs": spread(column(p50, name)),
                "p99 µs": spread(column(p99, name)),
            }
            if name != "direct":
                rows[name] |= {
                    "CPU µs": spread(column(cpu, name)), "p50 added µs": added(p50, name),
                    "p99 added µs": added(p99, name),
                }  # fmt: skip
        columns = ("CPU µs", "calls/s", "p50 µs", "p50 added µs", "p99 µs", "p99 added µs")
        found.tables.append(Table(title=f"{each} connections", columns=columns, rows=rows))
        if "nginx split" in have:
            found.ratios[f"relay_cpu_{each}_vs_nginx"] = ratio(cpu, OURS, "nginx split")
            found.ratios[f"p99_{each}_vs_nginx"] = ratio(p99, OURS, "nginx split")
            found.ratios[f"noise_p99_{each}"] = noise(p99, OURS, OURS + AGAIN)
    router = field.targets[OURS].router
    assert router is not None
    await counts(found, router, compared=False)
    return found
