"""Which side loses more often: an e-process on the sandboxes where the two differ.

Robbins 1970 (see share.py) for the mixture; Ramdas, Grünwald, Vovk and Shafer, "Game-theoretic statistics and safe
anytime-valid inference", Statistical Science 38 (2023) for reading it as a bet. McNemar (1947) for looking at
discordant pairs only.
"""

import math
from dataclasses import dataclass, field

# Bets on how often new loses when the two differ. A grid, so that a unit costs the same however many there were.
_CHANCES = tuple(0.5 + 0.5 * (step + 0.5) / 12 for step in range(12))
_LOSS = tuple(math.log(2 * chance) for chance in _CHANCES)
_WIN = tuple(math.log(2 * (1 - chance)) for chance in _CHANCES)


@dataclass(slots=True)
class Sign:
    """Evidence that new loses in more than half of the sandboxes in which one side loses. Valid at every look.

    By sandbox, not by call: a sandbox with twenty bad calls is one loss, so likeness within sandboxes cannot mislead.
    """

    losses: int = 0
    wins: int = 0

    def add(self, difference: float) -> None:
        """Count a sandbox by the sign of new minus old; zero tells nothing."""
        if difference > 0:
            self.losses += 1
        elif difference < 0:
            self.wins += 1

    @property
    def log_e(self) -> float:
        """The logarithm of the evidence; its chance of ever reaching log(1/alpha) is alpha if neither side is worse."""
        terms = [self.losses * loss + self.wins * win for loss, win in zip(_LOSS, _WIN, strict=True)]
        most = max(terms)
        return most + math.log(sum(math.exp(term - most) for term in terms) / len(terms))


# How much likelier a sandbox with a failure is to be on new, in odds.
_TILTS = tuple(0.15 * 1.6**step for step in range(8))
_GAINS = tuple(math.exp(tilt) for tilt in _TILTS)


@dataclass(slots=True)
class Leaning:
    """Evidence that sandboxes with a failure lean to new. Lindon and Malek, "Anytime-valid inference for multinomial
    count data", NeurIPS 35 (2022).

    If new is no worse, a sandbox that has a failure is on new with the chance that the bucket gave it, whatever the day
    and however alike its calls. Quick to find harm, and silent about its size: Arms bounds that.
    """

    on_old: int = 0
    on_new: int = 0
    _logs: list[float] = field(default_factory=lambda: [0.0] * len(_TILTS))

    def add(self, *, on_new: bool, share: float) -> None:
        """Count a sandbox with at least one failure; `share` is new's share when it was born, between 0 and 1."""
        self.on_new += on_new
        self.on_old += not on_new
        for place, gain in enumerate(_GAINS):
            self._logs[place] += (_TILTS[place] if on_new else 0.0) - math.log(1 - share + share * gain)

    @property
    def log_e(self) -> float:
        """The logarithm of the evidence; its chance of ever reaching log(1/alpha) is alpha if new is no worse."""
        most = max(self._logs)
        return most + math.log(sum(math.exp(each - most) for each in self._logs) / len(self._logs))
