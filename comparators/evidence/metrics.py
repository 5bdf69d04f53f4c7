"""From what was counted to the metrics that a verdict looks at. Margins come from outside: they were set before.

Where two tests look for harm, each has half of alpha.
"""

import math
from collections.abc import Mapping, Sequence

from comparators.evidence.arms import Arms
from comparators.evidence.families import each_of
from comparators.evidence.latency import Latency, slower
from comparators.evidence.parity import Parity
from comparators.evidence.share import ALPHA, Share
from crossfade.evidence import Metric
from crossfade.said import Said


def mismatch(
    share: Share,
    *,
    harm: float,
    budget: float,
    least_units: int,
    noise: float = 0.0,
    alpha: float = ALPHA,
    family: int = 1,
) -> Metric:
    """Mismatches by sandbox. Robbins 1970, Howard et al. 2021 (share.py).

    `noise`: an upper bound of old's mismatch with itself; only what goes beyond it is harm.
    """
    return Metric(
        name="mismatch",
        estimate=share.estimate,
        lower=max(0.0, share.lower(each_of(family, alpha=alpha)) - noise),
        upper=share.upper(alpha),
        harm=harm,
        budget=budget,
        equal=None,
        units=int(share.units),
        least_units=least_units,
        more_units=share.units_needed(budget, alpha),
        worse=Said("differs ({share} over {units} sandboxes)", share=float(share.estimate), units=int(share.units)),
        seen=Said("{share} differ", share=float(share.estimate)) if share.total else Said("none differs so far"),
    )


def errors_of_pairs(
    parity: Parity,
    *,
    margin: float,
    least_units: int,
    budget: float | None = None,
    alpha: float = ALPHA,
    family: int = 1,
) -> Metric:
    """Failures on new less failures on old, of the same calls. McNemar 1947, Howard et al. 2021 (parity.py).

    `budget`: what must be excluded, where that is not the margin.
    """
    difference = parity.difference
    budget = margin if budget is None else budget
    harm_alpha = each_of(family, alpha=alpha) / 2
    return Metric(
        name="error rate",
        estimate=difference.estimate,
        lower=difference.lower(harm_alpha),
        surely_worse=parity.sign.log_e >= -math.log(harm_alpha),
        upper=difference.upper(alpha),
        harm=margin,
        budget=budget,
        units=difference.units,
        least_units=least_units,
        more_units=difference.units_needed(budget, alpha),
    )


def rate_of_arms(
    name: str,
    arms: Arms,
    *,
    margin: float,
    least_units: int,
    critical: bool = True,
    alpha: float = ALPHA,
    family: int = 1,
) -> Metric:
    """A rate (errors, retries, abandoned) of randomised sandboxes. Ham et al. 2022, Howard et al. 2021 (arms.py).

    `least_units` is asked of the smaller arm.
    """
    harm_alpha = each_of(family, alpha=alpha) / 2
    lacking = max(0, least_units - min(arms.counts))
    return Metric(
        name=name,
        estimate=arms.estimate,
        lower=arms.lower(harm_alpha),
        surely_worse=arms.leaning.log_e >= -math.log(harm_alpha),
        upper=arms.upper(alpha),
        harm=margin,
        budget=margin,
        units=arms.units,
        least_units=arms.units + lacking,
        more_units=arms.units_needed(margin, alpha),
        critical=critical,
    )


def latencies(
    old: Latency,
    new: Latency,
    *,
    margins: Mapping[str, float],
    least_units: int,
    floor_seconds: float = 0.0,
    critical: bool = True,
    alpha: float = ALPHA,
    family: int = 1,
) -> Sequence[Metric]:
    """How much slower new is at each quantile named in the margins ("p95": 1.3). Howard and Ramdas 2022 (latency.py).

    The tail is as critical as the middle: each is proven or held by itself. `floor_seconds`: nobody minds less than
    this, whatever multiple of old it is.
    """
    found = []
    for name, margin in margins.items():
        quantile = int(name.removeprefix("p")) / 100
        band = slower(old, new, quantile, alpha)
        if (typical := old.band(quantile).estimate) > 0:
            margin = max(margin, 1 + floor_seconds / typical)
        found.append(
            Metric(
                name=name,
                estimate=band.estimate,
                lower=slower(old, new, quantile, each_of(family, alpha=alpha)).lower,
                upper=band.upper,
                harm=margin,
                budget=margin,
                equal=None if floor_seconds else 1.0,
                ratio=True,
                units=min(old.sandboxes, new.sandboxes),
                least_units=least_units,
                more_units=_more_for_band(old, new, quantile, margin, alpha),
                critical=critical,
            )
        )
    return found


_FURTHEST = 256  # times what is there: beyond, a forecast is a guess


def _more_for_band(old: Latency, new: Latency, quantile: float, margin: float, alpha: float) -> int | None:
    """How many more sandboxes of the smaller arm, to a factor of 2, if both go on as they are."""
    least = min(old.sandboxes, new.sandboxes)
    times = 1
    while least and times <= _FURTHEST:
        if slower(old.times(times), new.times(times), quantile, alpha).upper <= margin:
            return least * (times - 1)
        times *= 2
    return None
