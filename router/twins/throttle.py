"""The throttle of fills: copies of sandboxes older than the router share it, and nobody else waits for it."""

import asyncio
from dataclasses import dataclass

from crossfade.ports import Clock

BURST_SECONDS = 0.5  # of its pace, that may pass at once


@dataclass(slots=True, eq=False)
class Throttle:
    """Bytes a second, of all copies together; 0: as fast as they go."""

    clock: Clock
    bytes_per_second: float = 0.0
    taken_until: float = 0.0  # monotonic: when what was let through so far would have passed

    def reserve(self, count: int) -> float:
        """Let so many bytes through; the seconds for which to wait before the next."""
        if self.bytes_per_second <= 0:
            return 0.0
        now = self.clock.monotonic()
        self.taken_until = max(self.taken_until, now - BURST_SECONDS) + count / self.bytes_per_second
        return max(0.0, self.taken_until - now)

    async def take(self, count: int) -> None:
        """Let so many bytes through, and wait as long as they take."""
        if (seconds := self.reserve(count)) > 0:
            await asyncio.sleep(seconds)
