"""Calls become units: one number for each sandbox, because calls of one sandbox are alike.

Donner and Klar, "Design and Analysis of Cluster Randomization Trials in Health Research" (2000): what is randomised is
what is analysed.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

CALLS_PER_UNIT = 20  # a sandbox is complete once it has made so many, or is over


class Unit(NamedTuple):
    """A sandbox, and the mean over its calls."""

    sandbox: str
    mean: float


@dataclass(slots=True)
class _Open:
    sandbox: str
    calls: int = 0
    total: float = 0.0
    complete: bool = False


@dataclass(slots=True)
class Units:
    """Collects the calls of each sandbox and gives the complete ones, each once, in the order of their first call.

    Not half-way: how a sandbox goes on depends on how it began, so a bad start would weigh more than it should. Not in
    the order of completion either: where new is slower, its sandboxes complete later, and for a while old's alone would
    count. So a sandbox that never ends holds up those born after it: `close` it at an age fixed before (a day, say).
    O(1) per call; a sandbox that was given is remembered by its id until `forget`.
    """

    calls_per_unit: int = CALLS_PER_UNIT
    _open: dict[str, _Open] = field(default_factory=dict)
    _queue: deque[_Open] = field(default_factory=deque)

    def add(self, sandbox: str, value: float) -> Sequence[Unit]:
        """Count a call; gives the sandboxes that count from now on. Calls after a sandbox is complete do not count."""
        unit = self._open.get(sandbox)
        if unit is None:
            unit = self._open[sandbox] = _Open(sandbox)
            self._queue.append(unit)
        if unit.complete:
            return ()
        unit.calls += 1
        unit.total += value
        return self._completed(unit) if unit.calls >= self.calls_per_unit else ()

    def close(self, sandbox: str) -> Sequence[Unit]:
        """The sandbox is over, with the calls it has made; gives the sandboxes that count from now on."""
        unit = self._open.get(sandbox)
        return () if unit is None or unit.complete else self._completed(unit)

    def forget(self, sandbox: str) -> None:
        """Drop the id of a sandbox that is gone and has counted."""
        if (unit := self._open.get(sandbox)) and unit.complete:
            del self._open[sandbox]

    @property
    def waiting(self) -> int:
        """Sandboxes that have made a call and do not count yet."""
        return len(self._queue)

    def _completed(self, unit: _Open) -> Sequence[Unit]:
        unit.complete = True
        given = []
        while self._queue and self._queue[0].complete:
            first = self._queue.popleft()
            given.append(Unit(first.sandbox, first.total / first.calls))
        return given
