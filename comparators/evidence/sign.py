"""Which side loses more often: an e-process on the sandboxes where the two differ.

Robbins 1970 (see share.py) for the mixture; Ramdas, Grünwald, Vovk and Shafer, "Game-theoretic statistics and safe
anytime-valid inference", Statistical Science 38 (2023) for reading it as a bet. McNemar (1947) for looking at
discordant pairs only.
"""

import math
from dataclasses import dataclass

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
