"""How often something may be asked of an origin: what it allows us is shared by clients, by us, and by strangers."""

import asyncio
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
        self._fill()
        if self.left < 1:
            return False
        self.left -= 1
        return True

    def _fill(self) -> None:
        now = self.clock.monotonic()
        self.left = min(self.most, self.left + (now - self.at) * self.per_second)
        self.at = now

    def spend(self) -> None:
        """Take one whether there is one or not: who has to go on makes others wait longer."""
        if not self.take():
            self.left -= 1

    async def wait(self, *, leave: float = 0.0) -> None:
        """Take one when there is one, with `leave` beside it for who may not wait."""
        while True:
            self._fill()
            if self.left >= 1 + leave:
                self.left -= 1
                return
            await asyncio.sleep(max(0.01, (1 + leave - self.left) / self.per_second))
