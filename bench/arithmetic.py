"""The arithmetic of a benchmark: medians, spreads, ratios that are paired inside each round. Pure."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

Round = Mapping[str, float]  # target -> what was measured of it in this round


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """A median with its quartiles, and of how many values."""

    middle: float
    low: float
    high: float
    n: int

    @property
    def width(self) -> float:
        """The distance between the quartiles as a share of the median; 0 for a median of 0."""
        return (self.high - self.low) / self.middle if self.middle else 0.0


def quantile(values: Sequence[float], share: float) -> float:
    """The value below which that share of the values lies, interpolated. Raises ValueError for no values."""
    if not values:
        raise ValueError("no values: nothing was measured")
    ordered = sorted(values)
    at = share * (len(ordered) - 1)
    below = int(at)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (at - below)


def spread(values: Sequence[float]) -> Spread:
    """Median and quartiles. Raises ValueError for no values."""
    if not values:
        raise ValueError("no values: nothing was measured")
    return Spread(
        middle=statistics.median(values), low=quantile(values, 0.25), high=quantile(values, 0.75), n=len(values)
    )


def paired(rounds: Sequence[Round], over: str, under: str) -> list[float]:
    """`over` divided by `under` in each round that has both: what disturbs a round disturbs both alike."""
    return [each[over] / each[under] for each in rounds if over in each and each.get(under)]


def differences(rounds: Sequence[Round], one: str, other: str) -> list[float]:
    """`one` less `other` in each round that has both."""
    return [each[one] - each[other] for each in rounds if one in each and other in each]


def ratio(rounds: Sequence[Round], over: str, under: str) -> Spread:
    """Median and quartiles of the paired ratios. Raises ValueError when no round has both."""
    return spread(paired(rounds, over, under))


def column(rounds: Sequence[Round], target: str) -> list[float]:
    """One target's values, round by round."""
    return [each[target] for each in rounds if target in each]


def noise(rounds: Sequence[Round], one: str, again: str) -> Spread:
    """How far two measurements of the same thing lie apart: the larger over the smaller, so never below 1."""
    return spread([max(each, 1 / each) for each in paired(rounds, one, again) if each])


def order(targets: Sequence[str], number: int) -> list[str]:
    """The targets' order in a round: another one first each time, and every second round backwards.

    So none is always first, and none always comes after the same other one.
    """
    step = 1 if number % 2 == 0 else -1
    return [targets[(number + step * place) % len(targets)] for place in range(len(targets))]
