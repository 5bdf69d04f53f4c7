"""A breaker per origin: after failures in a row the follower there is left alone for a while, then tried once."""

from dataclasses import dataclass

from crossfade.outcome import Fate, Outcome
from crossfade.ports import Clock

TRIAL_SECONDS = 5.0


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
    trial: bool = False  # a call is finding out

    @property
    def open(self) -> bool:
        return self.failures >= self.threshold and self.clock.monotonic() < self.retry_at

    def trying(self) -> None:
        """A call goes there. After a pause it is the trial: others keep away until it is over, or forgotten."""
        if self.failures >= self.threshold and not self.open:
            self.trial = True
            self.retry_at = self.clock.monotonic() + TRIAL_SECONDS

    def note(self, outcome: Outcome) -> None:
        """Learn from what the origin did. A refusal (4xx) is an answer; silence and 5xx are failures."""
        if outcome.fate in (Fate.OK, Fate.UNSUPPORTED) or outcome.status < 500:
            self.failures = self.opened = 0
            self.trial = False
        else:
            self.failed()

    def failed(self) -> None:
        """It did not answer, or not in time."""
        self.failures += 1
        if self.failures >= self.threshold and (self.trial or not self.open):
            self.trial = False
            # The power is bounded: after a night of failures it would no longer be a float.
            pause = min(self.first_seconds * 2 ** min(self.opened, 16), self.longest_seconds)
            self.retry_at = self.clock.monotonic() + pause
            self.opened += 1

    def silent(self) -> None:
        """It kept a client's call waiting past its patience: once is enough, the next ones are not to wait too."""
        self.failures = max(self.failures, self.threshold - 1)
        self.failed()
