"""How often strangers may make us ask an origin: guessed names and keys must not use up what the origin allows us."""

from dataclasses import dataclass, field

from crossfade.ports import Clock


@dataclass(slots=True, eq=False)
class Bucket:
    """A token bucket: so many at once, and so many a second after that."""

    clock: Clock
    most: float = 200.0
    per_second: float = 20.0
    left: float = field(init=False)
    at: float = field(init=False)  # monotonic

    def __post_init__(self) -> None:
        self.left, self.at = self.most, self.clock.monotonic()

    def take(self) -> bool:
        """Take one, if there is one."""
        now = self.clock.monotonic()
        self.left = min(self.most, self.left + (now - self.at) * self.per_second)
        self.at = now
        if self.left < 1:
            return False
        self.left -= 1
        return True
