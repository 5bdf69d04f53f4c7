"""Units from hourly sums: what a sandbox did in its first hours, once these are over for sure.

As units.py, for counts that are kept by the hour: a sandbox is complete with the hour in which it has made twenty
calls, or when it has made none for an hour, or a day after its first. None of it depends on when one looks, so a unit
that was given once is never given differently (Donner and Klar 2000, see units.py).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from comparators.evidence.units import CALLS_PER_UNIT

HOUR = 3600
_DAY = 24 * HOUR


@dataclass(slots=True)
class Hours:
    """A sandbox's hours, in their order. `sums` are of what is counted beside the calls. O(1) per hour."""

    first: int = 0  # the Unix second at which its first hour began
    last: int = 0
    calls: int = 0
    sums: list[float] = field(default_factory=list)
    closed: bool = False

    def add(self, hour: int, calls: int, *values: float) -> None:
        """Count an hour, later than all before; one without calls, or after the unit is complete, does not count."""
        if self.closed or not calls:
            return
        if not self.calls:
            self.first, self.sums = hour, [0.0] * len(values)
        elif hour > self.last + HOUR or hour >= self.first + _DAY:
            self.closed = True
            return
        self.last = hour
        self.calls += calls
        for place, value in enumerate(values):
            self.sums[place] += value
        self.closed = self.calls >= CALLS_PER_UNIT

    @property
    def known_at(self) -> float:
        """When it was complete, at the latest, in Unix seconds."""
        return self.last + HOUR if self.calls >= CALLS_PER_UNIT else min(self.last + 2 * HOUR, self.first + _DAY)

    def complete(self, now: float) -> bool:
        """Whether no later call can belong to the unit. `now` in Unix seconds."""
        return bool(self.calls) and (self.closed or now >= self.last + 2 * HOUR or now >= self.first + _DAY)


def births_in_order(units: Sequence[tuple[str, Hours]], now: float) -> Sequence[Hours]:
    """Units in the order of their sandboxes' first hours, up to the first that is not complete.

    Where new is slower its sandboxes are complete later: to take them as they come would favour old.
    """
    given = []
    for _, unit in sorted(units, key=lambda each: (each[1].first, each[0])):
        if not unit.calls:
            continue
        if not unit.complete(now):
            break
        given.append(unit)
    return given
