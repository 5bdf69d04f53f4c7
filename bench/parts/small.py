"""Small calls: reading, looking at and listing files. Processor time a call, what is added to latency, throughput."""

from collections.abc import Mapping, Sequence

from bench.arithmetic import Round, Spread, column, noise, ratio, spread
from bench.field import MIRRORS, RELAYS, Field
from bench.parts.counts import counts
from bench.results import Found, Table, Value
from bench.rounds import AGAIN, Slice, Tell, of, rounds, twice
from bench.work import SMALL

METHOD = (
    "Reads of a 922 byte file, looks at it and lists of three files in turn, as SUNA's SDK sends them; "
    "{connections} connections in a closed loop of wrk, {seconds:g} s a target and round, {count} rounds."
)
_MICROSECONDS = 1e6


async def relay(field: Field, *, quick: bool, count: int, tell: Tell) -> Found:
    """Proxies that pass a call to one of two origins."""
    names = ("direct", "nginx split", "envoy weighted", "crossfade relay") if quick else RELAYS
    return await _measured(field, "relay", "Relay, small call", names, "crossfade relay", count=count, tell=tell,
                           quick=quick)  # fmt: skip


async def mirror(field: Field, *, quick: bool, count: int, tell: Tell) -> Found:
    """Proxies that send a call to both; crossfade translates and compares what it mirrors, the others do not."""
    return await _measured(field, "mirror", "Mirrored, small call", ("direct", *MIRRORS), "crossfade mirror",
                           count=count, tell=tell, quick=quick)  # fmt: skip


_RATIOS = {
    "relay_cpu_vs_envoy_weighted": ("crossfade relay", "envoy weighted"),
    "relay_cpu_vs_nginx_split": ("crossfade relay", "nginx split"),
    "mirror_cpu_vs_envoy_mirror": ("crossfade mirror", "envoy mirror"),
    "mirror_cpu_vs_nginx_mirror": ("crossfade mirror", "nginx mirror"),
}


async def _measured(
    field: Field, part: str, title: str, names: Sequence[str], ours: str, *, quick: bool, count: int, tell: Tell
) -> Found:
    tell("start " + ", ".join(names))
    have = await field.need(*names)
    seconds, connections = (0.5, 16) if quick else (1.5, 16)
    slices = await rounds(
        field, twice(have, ours), SMALL, count=count, seconds=seconds, connections=connections, tell=tell
    )
    found = Found(part=part, title=title,
                  method=METHOD.format(connections=connections, seconds=seconds, count=count))  # fmt: skip
    found.skipped = {name: reason for name, reason in field.missing.items() if name in names}
    cpu = of(slices, lambda each: each.cpu_per_call * _MICROSECONDS)
    found.tables.append(_table(slices, cpu, ours))
    found.ratios = {
        name: ratio(cpu, over, under) for name, (over, under) in _RATIOS.items() if over == ours and under in have
    }
    found.ratios[f"noise_{part}_cpu"] = noise(cpu, ours, ours + AGAIN)
    router = field.targets[ours].router
    assert router is not None
    await counts(found, router, compared=ours == "crossfade mirror")
    return found


def _table(slices: Sequence[Mapping[str, Slice]], cpu: Sequence[Round], ours: str) -> Table:
    rate = of(slices, lambda each: each.calls_per_second)
    p50 = of(slices, lambda each: each.load.p50 * _MICROSECONDS)
    p99 = of(slices, lambda each: each.load.p99 * _MICROSECONDS)
    rss = of(slices, lambda each: each.rss_bytes / 1024**2)
    rows: dict[str, dict[str, Value]] = {}
    for name in slices[0]:
        row: dict[str, Value] = {
            "calls/s": spread(column(rate, name)),
            "p50 µs": spread(column(p50, name)),
            "p99 µs": spread(column(p99, name)),
        }
        if name != "direct":
            row |= {
                "CPU µs": spread(column(cpu, name)),
                "× " + ours: ratio(cpu, name, ours),
                "p50 added µs": added(p50, name),
                "p99 added µs": added(p99, name),
                "RSS MB": max(column(rss, name)),
            }
        rows[name] = row
    columns = ("CPU µs", "× " + ours, "calls/s", "p50 µs", "p50 added µs", "p99 µs", "p99 added µs", "RSS MB")
    return Table(title="", columns=columns, rows=rows)


def added(measured: Sequence[Round], name: str) -> Spread:
    """What a target adds to going direct, paired inside each round."""
    return spread([each[name] - each["direct"] for each in measured])
