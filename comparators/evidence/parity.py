"""Errors of calls that have a pair: does new fail where old succeeds more often than the other way round?

McNemar, "Note on the sampling error of the difference between correlated proportions or percentages", Psychometrika
12 (1947), made sequential: the difference by Howard et al. 2021 (average.py), its sign by a bet (sign.py).
"""

from dataclasses import dataclass, field

from comparators.evidence.average import Average
from comparators.evidence.sign import Sign


@dataclass(slots=True)
class Parity:
    """The share of calls that fail on new only, less the share that fail on old only, by sandbox. O(1) per unit.

    Failures that both share cancel: that is why a pair is worth several unpaired calls. McNemar 1947 (above).
    """

    difference: Average = field(default_factory=lambda: Average(-1.0, 1.0, near=(-0.1, 0.1)))
    sign: Sign = field(default_factory=Sign)

    def add(self, difference: float) -> None:
        """Count a sandbox: the mean over its calls of `parity(...)`."""
        self.difference.add(difference)
        self.sign.add(difference)


def parity(*, old_failed: bool, new_failed: bool) -> float:
    """What one pair says: 1 when new alone failed, -1 when old alone did, 0 when they agree. McNemar 1947 (above)."""
    return float(new_failed) - float(old_failed)
