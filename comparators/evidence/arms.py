"""Calls that cannot have a pair: sandboxes that their bucket sent to new, against those it left on old.

Horvitz and Thompson, "A generalization of sampling without replacement from a finite universe", Journal of the American
Statistical Association 47 (1952), weighs each sandbox by the chance of its arm; Ham, Bojinov, Lindon and Tingley,
"Design-based confidence sequences: a general approach to risk mitigation in online experimentation" (arXiv 2210.08639)
make it sequential; the bound is Howard et al. 2021 (average.py), which needs no approximation.

A weighted sandbox has the difference between the arms as its mean whatever the day, so a rate that drifts, or a share
that was raised from 10 to 50 % half-way, does not look like an effect.
"""

from comparators.evidence.average import Average
from comparators.evidence.share import ALPHA
from comparators.evidence.sign import Leaning

_NEAR = 0.1  # rates of errors, retries and abandoned sessions are under this; bounded all the same if they are not


class Arms:
    """New's rate less old's, over sandboxes randomised by bucket. O(1) per sandbox.

    Errors, retries and abandoned sessions are all rates of a sandbox between 0 and 1. `shares` are the smallest and the
    largest share of new that a sandbox was ever born under; the nearer to 0 or 1, the more sandboxes are needed.
    Sandboxes are added in the order of their birth (units.py gives it).
    """

    __slots__ = ("_difference", "_shares", "_sums", "counts", "leaning")

    def __init__(self, shares: tuple[float, float] = (0.1, 0.5)) -> None:
        least, most = shares
        if not 0.0 < least <= most < 1.0:
            raise ValueError(f"both arms need sandboxes, which shares of new from {least} to {most} do not give them")
        # What one sandbox can weigh: 1/share if it is on new, -1/(1-share) if it is on old.
        low = -max(1 / (1 - most), _NEAR / least)
        high = max(1 / least, _NEAR / (1 - most))
        self._shares = shares
        self._difference = Average(low, high, near=(-_NEAR, _NEAR))
        self._sums = [0.0, 0.0]
        self.counts = [0, 0]  # sandboxes on old, on new
        self.leaning = Leaning()

    def add(self, rate: float, *, on_new: bool, share: float) -> None:
        """Count a sandbox by what the flag *wished* for it; `share` is new's share when it was born.

        By the wish: sandboxes that are held on old are the busy ones, and would make new look good.
        """
        if not 0.0 <= rate <= 1.0:
            raise ValueError(f"a rate lies between 0 and 1, not at {rate}")
        if not self._shares[0] - 1e-9 <= share <= self._shares[1] + 1e-9:
            raise ValueError(f"a share of {share} was not announced: {self._shares}")
        # What both arms have in common is taken off first, from sandboxes before this one.
        common = min(sum(self._sums) / (sum(self.counts) + 1), _NEAR)
        weight = 1 / share if on_new else -1 / (1 - share)
        self._difference.add(weight * (rate - common))
        if rate:
            self.leaning.add(on_new=on_new, share=share)
        self._sums[on_new] += rate
        self.counts[on_new] += 1

    @property
    def units(self) -> int:
        return self._difference.units

    @property
    def estimate(self) -> float:
        """The difference, by the means of the arms."""
        old, new = (total / max(1, count) for total, count in zip(self._sums, self.counts, strict=True))
        return new - old

    def log_e_above(self, margin: float) -> float:
        """The logarithm of the evidence that new is worse by more than the margin."""
        return self._difference.log_e_above(margin)

    def log_e_below(self, margin: float) -> float:
        """The logarithm of the evidence that new is not worse by as much as the margin."""
        return self._difference.log_e_below(margin)

    def lower(self, alpha: float = ALPHA) -> float:
        """New is worse by at least this, at every look, with confidence 1 - alpha; negative: better."""
        return max(-1.0, self._difference.lower(alpha))

    def upper(self, alpha: float = ALPHA) -> float:
        """New is worse by at most this, at every look, with confidence 1 - alpha."""
        return min(1.0, self._difference.upper(alpha))

    def units_needed(self, margin: float, alpha: float = ALPHA) -> int | None:
        """How many more sandboxes, as spread as those seen, exclude the margin; None if no number does."""
        return self._difference.units_needed(margin, alpha)
