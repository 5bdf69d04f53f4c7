"""Pace: how many mirrored calls may be under way at once, so that answering keeps its latency when the core is full.

The measure is how late the event loop runs a timer: on a loop with time to spare it is microseconds, on a full one it
is what every client's call waits too. Late: half as many; in time: some more (additive increase, multiplicative
decrease, as in Jacobson's congestion avoidance, 1988). At one at a time, shadow work still goes on, slowly; what waits
too long behind it falls out of its lane, counted.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

SAMPLE_SECONDS = 0.05
LATE_SECONDS = 0.025
IN_TIME_SECONDS = 0.008


def next_limit(limit: int, late: float, *, most: int) -> int:
    """The limit after a timer that fired `late` seconds after its time."""
    if late > LATE_SECONDS:
        return max(1, limit // 2)
    if late < IN_TIME_SECONDS:
        return min(most, limit + max(1, limit // 8))
    return limit


@dataclass(slots=True, eq=False)
class Pace:
    """A number of turns that follows the loop's lateness. Turns are given in the order they were asked for."""

    most: int = 64
    limit: int = 0  # 0: as many as `most`, until the first sample
    running: int = 0
    held: int = 0  # turns that had to wait, since the start
    _waiting: deque[Callable[[], bool]] = field(default_factory=deque)
    _timer: asyncio.TimerHandle | None = None
    _stopped: bool = False

    def __post_init__(self) -> None:
        self.limit = self.limit or self.most

    def take(self, later: Callable[[], bool]) -> bool:
        """A turn now; `give` it back. False: `later` is called once it comes, and says whether it is used."""
        self._watch()
        if self.running < self.limit and not self._waiting:
            self.running += 1
            return True
        self.held += 1
        self._waiting.append(later)
        return False

    def give(self) -> None:
        """A turn is over."""
        self.running -= 1
        self._give()

    async def __aenter__(self) -> None:
        turn = asyncio.get_running_loop().create_future()
        if self.take(partial(_set, turn)):
            return
        try:
            await turn
        except asyncio.CancelledError:
            if not turn.cancel() and not turn.cancelled():
                self.give()  # it came in the moment it was given up
            raise

    async def __aexit__(self, *_: object) -> None:
        self.give()

    def stop(self) -> None:
        """No more samples."""
        self._stopped = True
        if self._timer is not None:
            self._timer.cancel()

    def _give(self) -> None:
        while self._waiting and self.running < self.limit:
            self.running += 1
            if not self._waiting.popleft()():
                self.running -= 1

    def _watch(self) -> None:
        """Sample while there is shadow work, and only then: an idle router sets no timers."""
        if self._timer is None and not self._stopped:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(SAMPLE_SECONDS, self._sample, loop.time, loop.time() + SAMPLE_SECONDS)

    def _sample(self, now: Callable[[], float], due: float) -> None:
        self._timer = None
        self.limit = next_limit(self.limit, now() - due, most=self.most)
        self._give()
        if self.running or self._waiting:
            self._watch()


def _set(turn: "asyncio.Future[None]") -> bool:
    if turn.done():
        return False
    turn.set_result(None)
    return True
