"""What is promised: a limit for each named ratio, and whether it was kept. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

from bench.arithmetic import Spread

SICK = ("slow", "hung", "dead", "flood")
_P50_SHARE, _P50_MICROSECONDS = 1.10, 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """A limit on a named ratio: at most, or with `least` at least."""

    name: str
    text: str
    limit: float
    least: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A goal beside what was measured. `limit` in words."""

    name: str
    text: str
    measured: Spread
    limit: str
    kept: bool


GOALS = (
    Goal(name="relay_cpu_vs_envoy_weighted", text="Relay, CPU of a small call: × Envoy weighted clusters", limit=0.5),
    Goal(name="relay_cpu_vs_nginx_split", text="… × nginx split_clients", limit=2.7),
    Goal(name="mirror_cpu_vs_envoy_mirror", text="Mirrored and compared: × Envoy mirror", limit=0.6),
    Goal(name="mirror_cpu_vs_nginx_mirror", text="… × nginx mirror", limit=1.7),
    Goal(name="p99_128_vs_nginx", text="p99 with 128 connections: × nginx", limit=2.0),
    Goal(name="split_hung_most_seconds", text="Split, follower hung: slowest call, s (patience 2 s)", limit=2.5),
    Goal(name="split_hung_breaker_seconds", text="… the breaker opens after, s", limit=2.5),
    Goal(name="split_hung_p99", text="… then p99 × healthy", limit=1.5),
    Goal(name="body_10mb_vs_nginx", text="10 MB down: × nginx's throughput", limit=0.65, least=True),
    Goal(name="body_1gib_vs_nginx", text="1 GiB down: × nginx's throughput", limit=0.85, least=True),
    Goal(name="upload_vs_nginx", text="10 MB up: × nginx's throughput", limit=0.55, least=True),
    Goal(name="tls_10mb_vs_nginx", text="10 MB down, TLS to the origin: × nginx's", limit=0.55, least=True),
    Goal(name="websocket_added_ms", text="Websocket echo, added, ms", limit=0.3),
    Goal(name="exec_translated_us", text="Translated exec, CPU µs", limit=600),
    Goal(name="file_read_translated_us", text="Translated file read, CPU µs", limit=400),
    Goal(name="read_wall_vs_sdk", text="Translated read, wall time: × E2B's own SDK", limit=1.0),
    Goal(name="exec_wall_vs_sdk", text="Translated exec, wall time: × E2B's own SDK", limit=1.0),
    Goal(name="start_seconds", text="Start to ready, s", limit=1.5),
    Goal(name="idle_10k_rss_mb", text="10,000 idle connections, MB", limit=400),
    Goal(name="idle_1000_twins_mb", text="1,000 idle twins, MB", limit=100),
)


def judged(ratios: Mapping[str, Spread]) -> list[Kept]:
    """Every goal whose ratio was measured."""
    found = [
        Kept(
            name=goal.name,
            text=goal.text,
            measured=ratios[goal.name],
            limit=f"{'≥' if goal.least else '≤'} {goal.limit:g}",
            kept=ratios[goal.name].middle >= goal.limit if goal.least else ratios[goal.name].middle <= goal.limit,
        )
        for goal in GOALS
        if goal.name in ratios
    ]
    for mode in SICK:
        if f"shadow_{mode}_p50" in ratios:
            found += [_p50(mode, ratios), _p99(mode, ratios)]
    return found


def _p50(mode: str, ratios: Mapping[str, Spread]) -> Kept:
    share, added = ratios[f"shadow_{mode}_p50"], ratios[f"shadow_{mode}_p50_added_us"]
    return Kept(
        name=f"shadow_{mode}_p50",
        text=f"Shadow {mode}: p50 × off",
        measured=share,
        limit=f"≤ {_P50_SHARE:g}, or {_P50_MICROSECONDS:g} µs added",
        kept=share.middle <= _P50_SHARE or added.middle <= _P50_MICROSECONDS,
    )


def _p99(mode: str, ratios: Mapping[str, Spread]) -> Kept:
    """No worse than what two measurements of the same router differ by."""
    noise = ratios[f"noise_shadow_{mode}_p99"].high
    return Kept(
        name=f"shadow_{mode}_p99",
        text=f"Shadow {mode}: p99 × off",
        measured=ratios[f"shadow_{mode}_p99"],
        limit=f"≤ {noise:.2f}, the spread of off × off",
        kept=ratios[f"shadow_{mode}_p99"].middle <= noise,
    )
