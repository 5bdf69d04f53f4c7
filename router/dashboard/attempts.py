"""Wrong passwords, counted: who guesses is refused before the password is looked at."""

import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

WINDOW_SECONDS = 300.0
_MOST = 10_000  # names and addresses that are remembered


@dataclass(slots=True)
class Attempts:
    """Failures of the last minutes, of each name or of each address."""

    most: int
    now: Callable[[], float]  # monotonic
    _failures: dict[str, deque[float]] = field(default_factory=dict)

    def wait_seconds(self, key: str) -> int:
        """How long this one has to wait before it may try; 0: it may."""
        found = self._failures.get(key)
        if found is None or len(found) < self.most:
            return 0
        return max(0, math.ceil(found[0] + WINDOW_SECONDS - self.now()))

    def begin(self, key: str) -> None:
        """Count one try as failed, before it is looked at: tries side by side must not all be let through."""
        self._failures.setdefault(key, deque(maxlen=max(1, self.most))).append(self.now())
        while len(self._failures) > _MOST:
            del self._failures[next(iter(self._failures))]

    def forget(self, key: str) -> None:
        """It was the right password: forget the failures."""
        self._failures.pop(key, None)

    def take_back(self, key: str) -> None:
        """It was the right password: forget this try, and none of those before, which others may have made."""
        if found := self._failures.get(key):
            found.pop()
