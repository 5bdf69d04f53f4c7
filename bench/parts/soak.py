"""A million calls: what is left of them in memory and descriptors."""

from bench.arithmetic import spread
from bench.cpu import open_files, rss_bytes
from bench.field import Field, Target
from bench.parts.counts import counts
from bench.results import Found, Table, Value, number
from bench.rounds import Tell, one
from bench.work import SMALL

CALLS = 1_000_000
_WARM = 0.2  # share of the calls after which memory should stand still
_GROWTH_MB = 16.0
_SECONDS, _CONNECTIONS = 5.0, 64
_MEGA = 1024**2


async def soak(field: Field, *, quick: bool, count: int, tell: Tell) -> Found:
    """Relayed, and mirrored and compared; a tenth as many of the latter."""
    found = Found(
        part="soak",
        title="A million calls",
        method=f"{_CONNECTIONS} connections in a closed loop of wrk. Growth: from a fifth of the calls to the last.",
    )
    plain = await field.router("soak-relay", "off")
    both = await field.router("soak-mirror", "shadow")
    await field.need("direct")
    targets = {
        "relay": (Target("relay", plain.url, plain.pid, field.targets["direct"].sandboxes, plain), CALLS),
        "mirror": (Target("mirror", both.url, both.pid, await both.twins(256), both), CALLS // 10),
    }
    rows: dict[str, dict[str, Value]] = {}
    for name, (target, calls) in targets.items():
        rows[name] = await _many(field, target, calls, found, tell)
        assert target.router is not None
        await counts(found, target.router, compared=name == "mirror")
    columns = ("calls", "RSS MB at a fifth", "RSS MB at the end", "most MB", "files before", "files after")
    found.tables.append(Table(title="", columns=columns, rows=rows))
    return found


async def _many(field: Field, target: Target, calls: int, found: Found, tell: Tell) -> dict[str, Value]:
    done, early, most = 0, 0.0, 0.0
    files = open_files(target.pid)
    rates = []
    while done < calls:
        tell(f"{target.name}: {done:,} of {calls:,} calls")
        each = await one(field, target, SMALL, seconds=_SECONDS, connections=_CONNECTIONS)
        done += each.load.completed
        rates.append(each.calls_per_second)
        memory = rss_bytes(target.pid) / _MEGA
        most = max(most, memory)
        if not early and done >= _WARM * calls:
            early = memory
    after = open_files(target.pid)
    found.ratios[f"soak_{target.name}_grown_mb"] = number(memory - early)
    found.ratios[f"soak_{target.name}_calls_per_second"] = spread(rates)
    found.check(
        f"{target.name}: memory grew by {memory - early:.1f} MB in the last {1 - _WARM:.0%} of {done:,} calls; "
        f"{files} files open before, {after} after",
        memory - early < _GROWTH_MB and after <= files + 2 * _CONNECTIONS,
    )
    return {
        "calls": float(done), "RSS MB at a fifth": early, "RSS MB at the end": memory, "most MB": most,
        "files before": float(files), "files after": float(after),
    }  # fmt: skip
