"""The share of calls that differ: a beta-binomial mixture bound.

Robbins, "Statistical methods related to the law of the iterated logarithm", Annals of Mathematical Statistics 41
(1970), in the form of Howard, Ramdas, McAuliffe and Sekhon, "Time-uniform, nonparametric, nonasymptotic confidence
sequences", Annals of Statistics 49 (2021).

Units are numbers between 0 and 1, not only 0 or 1: for any such x with mean p, e^(lx) lies under the chord, so
E e^(lx) <= 1 - p + p e^l, and the martingale of a coin is a supermartingale for x (Hoeffding 1963). Because
log(1 - p + p e^l) is concave in p, the same holds for the average of rates that drift: the bound is then one of the
running average of the units' rates.
"""

import math
from dataclasses import dataclass

ALPHA = 0.05
# Weight on rates of a few percent, where budgets lie. Any prior is valid; this one halves the units that are needed
# for "none differs" against an even one.
PRIOR = (0.5, 25.0)
FURTHEST = 10**9  # units: a share that is a hair under its budget takes as good as for ever
_HALVINGS = 50


@dataclass(slots=True)
class Share:
    """A share of units that grows by one unit at a time. Howard et al. 2021 (above). O(1) per unit."""

    units: float = 0.0
    total: float = 0.0

    def add(self, value: float) -> None:
        """Count a unit: a number from 0 (nothing differed) to 1 (all did). ValueError outside."""
        if not 0.0 <= value <= 1.0:
            raise ValueError(f"a share lies between 0 and 1, not at {value}")
        self.units += 1
        self.total += value

    @property
    def estimate(self) -> float:
        return self.total / self.units if self.units else 0.0

    def log_e(self, rate: float) -> float:
        """The logarithm of the evidence against this rate; its chance of ever reaching log(1/alpha) is alpha."""
        a, b = PRIOR
        rest = self.units - self.total
        mixture = _log_beta(a + self.total, b + rest) - _log_beta(a, b)
        return mixture - _times_log(self.total, rate) - _times_log(rest, 1.0 - rate)

    def upper(self, alpha: float = ALPHA) -> float:
        """No higher, at every look, with confidence 1 - alpha; 1 without units."""
        return self._edge(1.0, alpha) if self.total < self.units else 1.0

    def lower(self, alpha: float = ALPHA) -> float:
        """No lower, at every look, with confidence 1 - alpha; 0 without units."""
        return self._edge(0.0, alpha) if self.total else 0.0

    def units_needed(self, budget: float, alpha: float = ALPHA) -> int | None:
        """How many more units like those seen bring the upper bound to the budget; None if no likely number does."""
        if self.upper(alpha) <= budget:
            return 0
        if self.estimate >= budget:
            return None
        low, high = 0, 1
        while self._after(high).upper(alpha) > budget:
            if high > FURTHEST:
                return None
            low, high = high, high * 2
        while high - low > max(1, low // 100):  # to 1 %: it is a forecast
            middle = (low + high) // 2
            low, high = (middle, high) if self._after(middle).upper(alpha) > budget else (low, middle)
        return high

    def _after(self, more: int) -> "Share":
        return Share(units=self.units + more, total=self.total + more * self.estimate)

    def _edge(self, outside: float, alpha: float) -> float:
        inside, limit = self.estimate, -math.log(alpha)
        for _ in range(_HALVINGS):
            middle = (outside + inside) / 2
            if self.log_e(middle) >= limit:
                outside = middle
            else:
                inside = middle
        return outside


def _log_beta(a: float, b: float) -> float:
    return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)


def _times_log(count: float, share: float) -> float:
    if count <= 0:
        return 0.0
    return count * math.log(share) if share > 0 else -math.inf
