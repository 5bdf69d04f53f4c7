"""Facts that are counted: every call is in the store, every pair was compared, nothing was left lying."""

from collections import Counter
from collections.abc import Mapping

from bench.results import Found
from bench.router import Router, summed

DROPS = 0.001  # the share of pairs that may be dropped


async def counts(found: Found, router: Router, *, compared: bool) -> None:
    """Hold the router's own counts against what was sent."""
    await router.quiet()
    metrics = await router.metrics()
    records, sums = router.stored()
    told = int(summed(metrics, "crossfade_calls_total"))
    found.check(
        f"{router.name}: {router.completed:,} calls answered, {router.sent:,} sent; "
        f"in the store {records:,} records and {sums:,} in sums, metrics {told:,}",
        router.completed <= records == sums == told <= router.sent,
    )
    lost = summed(metrics, "crossfade_records_lost")
    waiting = summed(metrics, "crossfade_evidence_waiting") + summed(metrics, "crossfade_records_waiting")
    found.check(f"{router.name}: {lost:g} records lost, {waiting:g} calls left to compare or to write",
                not lost and not waiting)  # fmt: skip
    if not compared:
        return
    results = {
        name.partition('result="')[2].partition('"')[0]: value
        for name, value in metrics.items()
        if name.startswith("crossfade_comparisons_total{") and value
    }
    matched, all_compared = results.get("match", 0.0), summed(metrics, "crossfade_comparisons_total")
    dropped = summed(metrics, "crossfade_dropped_total")
    due = all_compared + dropped
    found.check(
        f"{router.name}: {due:,.0f} pairs due, {all_compared:,.0f} compared, {matched:,.0f} of them equal, "
        f"{dropped:,.0f} dropped{why(metrics)}",
        bool(due) and dropped <= DROPS * due and matched == all_compared,
    )
    awaited = summed(metrics, "crossfade_awaited_shadow_calls_total")
    found.check(f"{router.name}: {awaited:g} client calls waited for shadow work", not awaited)


def why(metrics: Mapping[str, float]) -> str:
    """The reasons for which pairs were dropped, with a colon before them; empty when none was."""
    reasons: Counter[str] = Counter()
    for name, value in metrics.items():
        if name.startswith("crossfade_dropped_total{"):
            reasons[name.partition('reason="')[2].partition('"')[0]] += int(value)
    return "".join(f"{', ' if number else ': '}{count:,} {reason}" for number, (reason, count) in
                   enumerate(reasons.most_common()) if count)  # fmt: skip
