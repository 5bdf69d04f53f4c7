"""The average of something bounded: an empirical-Bernstein mixture, as narrow as the units are alike.

Howard, Ramdas, McAuliffe and Sekhon, "Time-uniform, nonparametric, nonasymptotic confidence sequences", Annals of
Statistics 49 (2021), theorem 4, on Fan, Grama and Liu, "Exponential inequalities for martingales with applications",
Electronic Journal of Probability 20 (2015): for x - m >= -1 and 0 <= l < 1,
exp(l (x - m) - (-log(1 - l) - l) (x - m)^2) <= 1 + l (x - m), where m is a prediction made before x. The product over
units, averaged over a grid of l, is a supermartingale that starts at 1 (Ville 1939). It bounds the running average of
the units' means, so a drifting rate does not break it.
"""

import math
from dataclasses import dataclass

from comparators.evidence.share import ALPHA, FURTHEST

# Large for few units that are alike, small for many that are not. The large ones have more weight: few units are what
# people wait with.
_LAMBDAS = tuple(0.9 * 0.6**step for step in range(12))
_WEIGHTS = tuple(-math.log((place + 1) * sum(1 / (k + 1) for k in range(12))) for place in range(12))
_PRICES = tuple(-math.log1p(-size) - size for size in _LAMBDAS)
_HALVINGS = 50


@dataclass(slots=True)
class _Side:
    """Evidence that a mean is higher than thought, from units that undershoot their prediction by `reach` at most."""

    reach: float
    units: int = 0
    total: float = 0.0
    spread: float = 0.0  # sum of squared errors of prediction

    def add(self, value: float, predicted: float) -> None:
        error = value - predicted
        if error < -self.reach - 1e-9:
            raise ValueError(f"{value} lies more than {self.reach} under its prediction {predicted}")
        self.units += 1
        self.total += value
        self.spread += error * error

    def log_e(self, mean: float) -> float:
        gain, cost = (self.total - self.units * mean) / self.reach, self.spread / self.reach**2
        terms = [
            weight + size * gain - price * cost for weight, size, price in zip(_WEIGHTS, _LAMBDAS, _PRICES, strict=True)
        ]
        most = max(terms)
        return most + math.log(sum(math.exp(term - most) for term in terms))

    def lower(self, alpha: float) -> float:
        """The largest mean that is excluded from below; -inf without units."""
        if not self.units:
            return -math.inf
        limit, inside = -math.log(alpha), self.total / self.units
        step = self.reach
        while self.log_e(inside - step) < limit:
            step *= 2
        outside = inside - step
        for _ in range(_HALVINGS):
            middle = (outside + inside) / 2
            outside, inside = (middle, inside) if self.log_e(middle) >= limit else (outside, middle)
        return outside


class Average:
    """An average of units between `low` and `high`. Howard et al. 2021 (above). O(1) per unit.

    `near` holds the predictions: an average known to be near 0 gets narrower bounds, and is bounded all the same if it
    is elsewhere.
    """

    __slots__ = ("_down", "_high", "_low", "_near", "_up")

    def __init__(self, low: float, high: float, *, near: tuple[float, float] | None = None) -> None:
        self._low, self._high = low, high
        self._near = near or (low, high)
        self._up = _Side(reach=self._near[1] - low)
        self._down = _Side(reach=high - self._near[0])

    def add(self, value: float) -> None:
        """Count a unit. ValueError outside of low and high."""
        if not self._low - 1e-9 <= value <= self._high + 1e-9:
            raise ValueError(f"{value} is not between {self._low} and {self._high}")
        predicted = min(max(self._up.total / (self._up.units + 1), self._near[0]), self._near[1])
        self._up.add(value, predicted)
        self._down.add(-value, -predicted)

    @property
    def units(self) -> int:
        return self._up.units

    @property
    def estimate(self) -> float:
        return self._up.total / self._up.units if self._up.units else 0.0

    def log_e_above(self, mean: float) -> float:
        """The logarithm of the evidence that the average is higher than this."""
        return self._up.log_e(mean)

    def log_e_below(self, mean: float) -> float:
        """The logarithm of the evidence that the average is lower than this."""
        return self._down.log_e(-mean)

    def lower(self, alpha: float = ALPHA) -> float:
        """No lower, at every look, with confidence 1 - alpha."""
        return max(self._low, self._up.lower(alpha))

    def upper(self, alpha: float = ALPHA) -> float:
        """No higher, at every look, with confidence 1 - alpha."""
        return min(self._high, -self._down.lower(alpha))

    def units_needed(self, margin: float, alpha: float = ALPHA) -> int | None:
        """How many more units, as spread as those seen, bring the upper bound to the margin; None if none does."""
        if self.upper(alpha) <= margin:
            return 0
        if not self.units or self.estimate >= margin:
            return None
        low, high = 1.0, 2.0
        while self._grown(high).lower(alpha) < -margin:
            if high * self.units > FURTHEST:
                return None
            low, high = high, high * 2
        while high - low > 0.01 * low:  # to 1 %: it is a forecast
            middle = (low + high) / 2
            low, high = (middle, high) if self._grown(middle).lower(alpha) < -margin else (low, middle)
        return math.ceil(self.units * (high - 1))

    def _grown(self, times: float) -> _Side:
        side = self._down
        return _Side(
            reach=side.reach,
            units=round(side.units * times),
            total=side.total * round(side.units * times) / side.units,
            spread=side.spread * times,
        )
