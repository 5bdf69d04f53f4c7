"""From what the store counted to what a verdict rests on: the one place where sums become bounds."""

import math
from collections.abc import Mapping, Sequence

from comparators.evidence.arms import Arms
from comparators.evidence.hours import births_in_order
from comparators.evidence.latency import Latency
from comparators.evidence.metrics import errors_of_pairs, latencies, mismatch, rate_of_arms
from comparators.evidence.parity import Parity
from comparators.evidence.randomised import SampleRatio
from comparators.evidence.share import Share
from crossfade.evidence import Evidence, Metric, Quality
from crossfade.stage import TOOLS
from policies.margins import MARGINS, Margins
from policies.promotion import budget_after, quality_of
from reports.model import GrowthPoint
from router.store.queries import ToolSums
from router.store.sandboxes import SandboxUnits
from router.store.wishes import FlagPast, ToolFlag

_DAY = 86_400.0
# Of the quantiles: p99 of sandboxes needs more of them than anybody has.
_QUANTILES = ("p50", "p95")
_LOOKS = 60  # of growth
# Harm may be found in any metric of any tool, so they share alpha: mismatch, errors of pairs, of arms, two quantiles.
_FAMILY = 5 * len(TOOLS)


def evidence_of(
    sums: ToolSums,
    flag: ToolFlag | None,
    past: FlagPast | None,
    *,
    lost: int,
    now: float,
    drifted: int = 0,
    margins: Margins = MARGINS,
) -> Evidence:
    """One tool's evidence. `lost`: records of all tools; `drifted`: twins, of all; `now`: Unix seconds."""
    stages = dict(flag.shares) if flag else {}
    versions = past.versions if past else {}
    pairs = sorted((each for each in sums.units if each.pairs.complete(now)), key=lambda each: each.pairs.first)
    ratio = sample_ratio(sums.units, versions)
    quality = Quality(
        calls=sums.counts["calls"],
        lost_records=lost,
        compared=sums.counts["compared"],
        sample_ratio_log_e=ratio.log_e,
        moved=sum(each.moved for each in sums.units),
        drifted=drifted,
    )
    since = past.share_since if past else None
    return Evidence(
        tool=sums.tool,
        stages=stages,
        quality=quality_of(quality, sums.dropped),
        metrics=(
            *_of_pairs(pairs, budget_after(stages), margins),
            *_of_arms(sums.units, versions, now, margins, has_pairs=bool(pairs)),
        ),
        broken=max(sums.contract, sums.new_failed),
        days_at_step=None if since is None else max(0.0, now - since) / _DAY,
        units_per_day=_pace(pairs, now),
    )


def sample_ratio(units: Sequence[SandboxUnits], versions: Mapping[int, ToolFlag]) -> SampleRatio:
    """Whether sandboxes are split as their flag said when they were first seen."""
    ratio = SampleRatio()
    for each in sorted(units, key=lambda one: (one.arm.first, one.sandbox)):
        flag = versions.get(each.version)
        if each.arm.calls and flag is not None and flag.splits_all:
            ratio.add(wished_new=each.wished_new, share=min(1.0, max(0.0, flag.on_new)))
    return ratio


def growth(sums: ToolSums, now: float) -> Sequence[GrowthPoint]:
    """The bound of mismatch as it narrowed, sandbox by sandbox, at some of its looks: oldest first."""
    done = sorted((each for each in sums.units if each.pairs.complete(now)), key=lambda each: each.pairs.known_at)
    share, points = Share(), []
    shown = {len(done) * step // _LOOKS for step in range(1, _LOOKS + 1)}
    for number, each in enumerate(done, start=1):
        share.add(min(1.0, each.pairs.sums[0] / each.pairs.calls))
        if number in shown:
            bounds = {"estimate": share.estimate, "lower": share.lower(), "upper": share.upper()}
            points.append(GrowthPoint(at=each.pairs.known_at, units=number, **bounds))
    return points


def _of_pairs(pairs: Sequence[SandboxUnits], budget: float, margins: Margins) -> Sequence[Metric]:
    share, parity = Share(), Parity()
    for each in pairs:
        differing, compared_pairs, new_failed, old_failed = each.pairs.sums
        share.add(min(1.0, differing / each.pairs.calls))
        parity.add((new_failed - old_failed) / max(1.0, compared_pairs))
    least = margins.least_sandboxes
    excluded = max(budget, margins.errors)  # a failure on one side is a mismatch, too
    return (
        # Of two that harm alike, the failures say more.
        errors_of_pairs(parity, margin=margins.errors, budget=excluded, least_units=least, family=_FAMILY),
        mismatch(share, harm=margins.mismatch_harm, budget=budget, least_units=least, family=_FAMILY),
    )


def _of_arms(
    units: Sequence[SandboxUnits],
    versions: Mapping[int, ToolFlag],
    now: float,
    margins: Margins,
    *,
    has_pairs: bool,
) -> Sequence[Metric]:
    """Sandboxes on either side of a split. Where calls have pairs, these prove, and the arms only warn."""
    split = {version: flag.on_new for version, flag in versions.items() if flag.splits_all and 0.0 < flag.on_new < 1.0}
    randomised = {id(each.arm): each for each in units if each.version in split and each.arm.calls}
    if not randomised:
        return ()
    shares = [split[each.version] for each in randomised.values()]
    arms, times = Arms((min(shares), max(shares))), {False: Latency(), True: Latency()}
    for arm in births_in_order([(each.sandbox, each.arm) for each in randomised.values()], now):
        each = randomised[id(arm)]
        failed, timed, logs = arm.sums
        arms.add(failed / arm.calls, on_new=each.wished_new, share=split[each.version])
        if timed:
            times[each.wished_new].add([math.exp(logs / timed)])
    if not all(arms.counts):
        return ()
    least = margins.least_sandboxes
    slower = {name: margin for name, margin in margins.slower.items() if name in _QUANTILES}
    return (
        rate_of_arms(
            "error rate of arms", arms, margin=margins.errors, least_units=least, critical=not has_pairs, family=_FAMILY
        ),
        # Each sandbox by its typical call: the geometric mean.
        *latencies(
            *(times[False], times[True]),
            margins=slower,
            least_units=least,
            floor_seconds=margins.slower_seconds,
            critical=False,
            family=_FAMILY,
        ),
    )


def _pace(pairs: Sequence[SandboxUnits], now: float) -> float:
    """Sandboxes a day, of those that count; 0 where an hour of them is all there is."""
    days = (now - pairs[0].pairs.first) / _DAY if pairs else 0.0
    return len(pairs) / days if days > 1 / 24 else 0.0
