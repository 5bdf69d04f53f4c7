"""A histogram cheap enough to be fed by every call."""

from bisect import bisect_left
from collections.abc import Sequence

from router.telemetry.families import Distribution

# Seconds. The first is what OpenTelemetry advises for http.server.request.duration; the second also tells fast tools
# (a stat takes one millisecond) and long commands apart.
HTTP_BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
CALL_BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 120.0)


class Histogram:
    """Whole numbers in a list. One thread adds; any thread reads."""

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def add(self, value: float) -> None:
        """Count one value; a value equal to a bound belongs below it."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value

    def read(self) -> Distribution:
        return Distribution(self.bounds, tuple(self.counts), self.total)
