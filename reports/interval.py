"""An interval for a share of calls that stays true however often one looks.

A fixed-size interval is right 95 % of the time only if it is looked at once; who looks every day and stops when it
pleases is fooled a third of the time. The beta-binomial mixture of Robbins ("Statistical methods related to the law
of the iterated logarithm", Annals of Mathematical Statistics 41, 1970), in the form of Howard, Ramdas, McAuliffe and
Sekhon ("Time-uniform, nonparametric, nonasymptotic confidence sequences", Annals of Statistics 49, 2021), holds at all
sizes at once.

From first principles: after k events in n trials, the likelihood of a true share p is p^k (1-p)^(n-k). Averaged over
all shares with equal weight it is B(k+1, n-k+1), the beta function. The ratio of the two, M(p), is a martingale that
starts at 1 if p is true, for the average is itself a forecast made before each trial. By Ville's inequality it ever
reaches 1/alpha with a chance of alpha at most. So the shares with M(p) < 1/alpha contain the true one, at every n,
with a confidence of 1 - alpha.

What it assumes: trials like independent draws. Calls of one sandbox are alike, so where a few sandboxes make most
calls the interval of calls is too narrow; the report shows the interval of sandboxes beside it.
"""

import math
from dataclasses import dataclass

ALPHA = 0.05
_HALVINGS = 60  # of the unit interval: beyond the precision of a float


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """A share of trials, and the bounds between which the true one lies, at every look."""

    events: int
    trials: int
    lower: float
    upper: float

    @property
    def share(self) -> float:
        """The share seen; 0 when there was no trial."""
        return self.events / self.trials if self.trials else 0.0


def interval(events: int, trials: int, *, alpha: float = ALPHA) -> Interval:
    """The always-valid interval of a share. Without trials it is everything: 0 to 1."""
    if not 0 <= events <= trials:
        raise ValueError(f"{events} events in {trials} trials cannot be")
    if trials == 0:
        return Interval(events=0, trials=0, lower=0.0, upper=1.0)
    seen = events / trials
    return Interval(
        events=events,
        trials=trials,
        lower=_edge(events, trials, alpha, outside=0.0, inside=seen) if events else 0.0,
        upper=_edge(events, trials, alpha, outside=1.0, inside=seen) if events < trials else 1.0,
    )


def trials_needed(events: int, trials: int, target: float, *, alpha: float = ALPHA) -> int:
    """How many more trials, all without event, bring the upper bound down to the target."""
    if target <= 0:
        raise ValueError("no number of trials shows that nothing ever happens")
    low, high = 0, 1
    while interval(events, trials + high, alpha=alpha).upper > target:
        low, high = high, high * 2
    if interval(events, trials, alpha=alpha).upper <= target:
        return 0
    while high - low > 1:
        middle = (low + high) // 2
        if interval(events, trials + middle, alpha=alpha).upper > target:
            low = middle
        else:
            high = middle
    return high


def _edge(events: int, trials: int, alpha: float, *, outside: float, inside: float) -> float:
    """Where the ratio passes 1/alpha between a share that is excluded and one that is not."""
    limit = -math.log(alpha)
    for _ in range(_HALVINGS):
        middle = (outside + inside) / 2
        if _log_ratio(events, trials, middle) >= limit:
            outside = middle
        else:
            inside = middle
    return outside


def _log_ratio(events: int, trials: int, share: float) -> float:
    average = math.lgamma(events + 1) + math.lgamma(trials - events + 1) - math.lgamma(trials + 2)
    return average - _times_log(events, share) - _times_log(trials - events, 1 - share)


def _times_log(count: int, share: float) -> float:
    if count == 0:
        return 0.0
    return count * math.log(share) if share > 0 else -math.inf
