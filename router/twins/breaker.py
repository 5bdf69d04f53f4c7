"""A breaker per origin: after failures in a row the follower there is left alone for a while, then tried once."""

from dataclasses import dataclass

from crossfade.outcome import Fate, Outcome
from crossfade.ports import Clock


@dataclass(slots=True, eq=False)
class Breaker:
    """Closed: use it. Open: do not, until `retry_at`; then one trial decides. Only followers are broken off."""

    clock: Clock
    threshold: int = 3
    first_seconds: float = 2.0
    longest_seconds: float = 60.0
    failures: int = 0
    opened: int = 0  # times in a row, sets the pause
    retry_at: float = 0.0

    @property
    def open(self) -> bool:
        return self.failures >= self.threshold and self.clock.monotonic() < self.retry_at

    def note(self, outcome: Outcome) -> None:
        """Learn from what the origin did. A refusal (4xx) is an answer; silence and 5xx are failures."""
        if outcome.fate in (Fate.OK, Fate.UNSUPPORTED) or outcome.status < 500:
            self.failures = self.opened = 0
        else:
            self.failed()

    def failed(self) -> None:
        """It did not answer, or not in time."""
        self.failures += 1
        if self.failures >= self.threshold and self.clock.monotonic() >= self.retry_at:
            pause = min(self.first_seconds * 2**self.opened, self.longest_seconds)
            self.opened += 1
            self.retry_at = self.clock.monotonic() + pause
