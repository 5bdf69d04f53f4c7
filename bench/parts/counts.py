"""Facts that are counted: every call is in the store, every pair was compared, nothing was left lying."""

from collections import Counter
from collections.abc import Mapping

from bench.results import Found
from bench.router import Router, summed

DROPS = 0.001  # the share of pairs that may be dropped
_CUT_OFF = "not answered in full"


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
    # The calls that are under way when a slice of load ends lose their client; nobody could compare those.
    cut_off = min(dropped_for(metrics)[_CUT_OFF], router.sent - router.completed)
    due = all_compared + dropped
    found.check(
        f"{router.name}: {due:,.0f} pairs due, {all_compared:,.0f} compared, {matched:,.0f} of them equal, "
        f"{dropped:,.0f} dropped{why(metrics)}",
        bool(due) and dropped - cut_off <= DROPS * due and matched == all_compared,
    )
    awaited = summed(metrics, "crossfade_awaited_shadow_calls_total")
    found.check(f"{router.name}: {awaited:g} client calls waited for shadow work", not awaited)


def dropped_for(metrics: Mapping[str, float]) -> Counter[str]:
    """Pairs that were dropped, by reason, over all tools."""
    reasons: Counter[str] = Counter()
    for name, value in metrics.items():
        if name.startswith("crossfade_dropped_total{"):
            reasons[name.partition('reason="')[2].partition('"')[0]] += int(value)
    return reasons


def why(metrics: Mapping[str, float]) -> str:
    """The reasons in words, with a colon before them; empty when no pair was dropped."""
    reasons = [f"{count:,} {reason}" for reason, count in dropped_for(metrics).most_common() if count]
    return f": {', '.join(reasons)}" if reasons else ""
