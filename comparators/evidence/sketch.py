"""Durations, or ratios of durations, in little room: every quantile within one percent of itself, and mergeable.

Masson, Rim and Lee, "DDSketch: a fast and fully-mergeable quantile sketch with relative-error guarantees", PVLDB 12
(2019). Weights let each sandbox count once, however many calls it makes.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

ACCURACY = 0.01
_GROWTH = (1 + ACCURACY) / (1 - ACCURACY)
_LOG_GROWTH = math.log(_GROWTH)
_SMALLEST = 1e-6  # a microsecond, or a millionth as a ratio: all below is one bin
MOST_BINS = 2048  # 1e-6 to 6e11: nothing real is left out, and a week's sketch stays under 2,048 numbers
_LOWEST = math.ceil(math.log(_SMALLEST) / _LOG_GROWTH)


@dataclass(slots=True)
class Sketch:
    """Positive numbers, binned so that a quantile is right to 1 % of itself. Masson, Rim and Lee 2019 (above).

    O(1) to add to; merging adds bins, so hours make a day and routers make a cluster, in any order, with one result.
    """

    weight: float = 0.0
    bins: dict[int, float] = field(default_factory=dict)

    def add(self, value: float, weight: float = 1.0) -> None:
        """Count a number. ValueError if it is negative or not a number, or the weight is not positive."""
        if not value >= 0 or not weight > 0:
            raise ValueError(f"a sketch takes numbers from 0 with a positive weight, not {value} with {weight}")
        place = _LOWEST if value <= _SMALLEST else math.ceil(math.log(value) / _LOG_GROWTH)
        place = min(place, _LOWEST + MOST_BINS - 1)
        self.bins[place] = self.bins.get(place, 0.0) + weight
        self.weight += weight

    def merge(self, other: "Sketch") -> None:
        """Add all that the other holds."""
        for place, weight in other.bins.items():
            self.bins[place] = self.bins.get(place, 0.0) + weight
        self.weight += other.weight

    def quantile(self, share: float) -> float:
        """The number that `share` of the weight does not exceed, within 1 %; 0 for less than nothing, inf for more."""
        if share < 0 or not self.bins:
            return 0.0
        if share > 1:
            return math.inf
        seen, needed = 0.0, share * self.weight
        for place in sorted(self.bins):
            seen += self.bins[place]
            if seen >= needed - 1e-9:
                return _middle(place)
        return _middle(max(self.bins))

    def plain(self) -> Mapping[int, float]:
        """Bins by place, to keep; `Sketch.of` takes them back."""
        return dict(self.bins)

    @staticmethod
    def of(bins: Mapping[int, float]) -> "Sketch":
        """A sketch from kept bins."""
        return Sketch(weight=sum(bins.values()), bins=dict(bins))


def _middle(place: int) -> float:
    """What stands for the bin (g^(i-1), g^i]: off by 1 % at either end."""
    return 2 * math.exp(place * _LOG_GROWTH) / (_GROWTH + 1)
