"""How much slower is new? Quantiles with bands, from the arms or from pairs in both directions.

Howard and Ramdas, "Sequential estimation of quantiles with applications to A/B testing and best-arm identification",
Bernoulli 28 (2022): x is a plausible p-quantile if the share of calls not over x is plausibly p. That share is one of
sandboxes (share.py), so calls of one sandbox may be as alike as they like. Bands of a quantile assume that sandboxes
are drawn alike; where the load drifts, compare arms of the same days.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from comparators.evidence.share import ALPHA
from comparators.evidence.sketch import ACCURACY, Sketch

QUANTILES = (0.50, 0.95, 0.99)
_HALVINGS = 40


class Band(NamedTuple):
    """A number with the bounds between which the true one lies, at every look. inf: not bounded yet."""

    estimate: float
    lower: float
    upper: float


@dataclass(slots=True)
class Latency:
    """Durations of one origin, each sandbox with weight 1. Howard and Ramdas 2022 (above). O(1) per call.

    Keep cold starts (the first call after a birth or a resume) in one of their own: they are another distribution, and
    few enough to be the whole p99.
    """

    sandboxes: int = 0
    sketch: Sketch = field(default_factory=Sketch)

    def add(self, seconds: Sequence[float]) -> None:
        """Count a sandbox by the durations of its calls; none: not at all."""
        if seconds:
            self.sandboxes += 1
            for each in seconds:
                self.sketch.add(each, 1 / len(seconds))

    def merge(self, other: "Latency") -> None:
        """Add the other's sandboxes, which are not among these."""
        self.sandboxes += other.sandboxes
        self.sketch.merge(other.sketch)

    def times(self, factor: int) -> "Latency":
        """As if `factor` times as many sandboxes had been seen, all like these: for forecasts only."""
        bins = {place: weight * factor for place, weight in self.sketch.bins.items()}
        return Latency(sandboxes=self.sandboxes * factor, sketch=Sketch(weight=self.sketch.weight * factor, bins=bins))

    def band(self, quantile: float, alpha: float = ALPHA) -> Band:
        """The quantile, with its band at confidence 1 - alpha."""
        low, high = _ranks(quantile, self.sandboxes, alpha)
        sketch = self.sketch
        # Out to the edges of the sketch's bins, so that its accuracy costs width and no confidence.
        lower = sketch.quantile(low) * (1 - ACCURACY) if low > 0 else 0.0
        upper = sketch.quantile(high) * (1 + ACCURACY) if high < 1 else math.inf
        return Band(sketch.quantile(quantile), lower, upper)


def slower(old: Latency, new: Latency, quantile: float, alpha: float = ALPHA) -> Band:
    """New's quantile over old's, from the arms: 1.2 is 20 % slower. Howard and Ramdas 2022 (above).

    Each side's band takes half of alpha. Only between arms that were randomised, or all that differs is in it.
    """
    one, other = old.band(quantile, alpha / 2), new.band(quantile, alpha / 2)
    estimate = other.estimate / one.estimate if one.estimate else math.inf
    return Band(
        estimate,
        other.lower / one.upper if one.upper else 0.0,
        other.upper / one.lower if one.lower else math.inf,
    )


@dataclass(slots=True)
class BothWays:
    """Ratios new/old of pairs, half of which began on old and half on new, so that who goes second cancels.

    What goes second is slower or faster by a factor, whoever it is; it multiplies one direction and divides the other,
    so it is gone from the geometric mean: a crossover trial (Jones and Kenward, "Design and Analysis of Cross-Over
    Trials", 2014) with bands of Howard and Ramdas 2022. One direction alone says nothing.
    """

    old_first: Latency = field(default_factory=Latency)
    new_first: Latency = field(default_factory=Latency)

    def add(self, ratios: Sequence[float], *, old_first: bool) -> None:
        """Count a sandbox by the ratios new/old of its pairs in one direction."""
        (self.old_first if old_first else self.new_first).add(ratios)

    def typical(self, alpha: float = ALPHA) -> Band:
        """How much slower new is on the typical pair, position cancelled."""
        one, other = self.old_first.band(0.5, alpha / 2), self.new_first.band(0.5, alpha / 2)
        return Band(*(math.sqrt(a * b) if a > 0 and b > 0 else 0.0 for a, b in zip(one, other, strict=True)))


def _ranks(quantile: float, units: int, alpha: float) -> tuple[float, float]:
    """Between which shares of the weight seen the quantile may lie."""
    if not units:
        return 0.0, 1.0
    limit = -math.log(alpha)

    def edge(outside: float) -> float:
        if _log_e(quantile, outside * units, units) < limit:
            return outside
        inside = quantile
        for _ in range(_HALVINGS):
            middle = (outside + inside) / 2
            outside, inside = (
                (middle, inside) if _log_e(quantile, middle * units, units) >= limit else (outside, middle)
            )
        return outside

    return edge(0.0), edge(1.0)


def _log_e(quantile: float, total: float, units: int) -> float:
    """The evidence against `quantile` as the mean of units in [0, 1]: as in share.py, its prior around the quantile."""
    a, b = 25 * quantile, 25 * (1 - quantile)
    mixture = math.lgamma(a + total) + math.lgamma(b + units - total) - math.lgamma(a + b + units)
    prior = math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)
    return mixture - prior - total * math.log(quantile) - (units - total) * math.log(1 - quantile)
