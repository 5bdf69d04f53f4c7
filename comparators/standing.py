"""Where a kind of difference stands: open, accepted, ignored, fixed or regressed. Pure.

The word tells people where to look; only `accepted` and `ignored` keep a kind out of the numbers.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import accumulate, pairwise

from comparators.judging import Judged, worse
from crossfade.judgement import Judgement, Saying

HOUR = 3600
QUIET_HOURS = 24  # at least: a day has hours in which nobody does this
CHANCE = 0.01  # of the quiet, had nothing changed


class State(StrEnum):
    """The order in which people look."""

    REGRESSED = "regressed"  # it was fixed, or accepted as less severe
    OPEN = "open"
    FIXED = "fixed"
    IGNORED = "ignored"
    ACCEPTED = "accepted"


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A kind's sightings. Hours are Unix seconds at which they began."""

    name: str
    severity: str
    last_seen: float
    hours: Set[int] = frozenset()  # in which a call showed it
    compared: Mapping[int, int] = field(default_factory=dict)  # hour -> compared calls of the tools that showed it


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """A state with its reason. `judgement` is what was said, where that decides."""

    state: State = State.OPEN
    because: str = ""
    judgement: Judgement | None = None

    @property
    def explained(self) -> bool:
        """Whether the kind is kept out of the numbers."""
        return self.state in (State.ACCEPTED, State.IGNORED)


def standing(seen: Seen, judged: Judged, now: float) -> Standing:
    """Where a kind stands now."""
    if said := judged.explains(seen.name, seen.severity, now):
        state = State.ACCEPTED if said.saying is Saying.ACCEPT else State.IGNORED
        return Standing(state=state, because=said.reason, judgement=said)
    named = judged.named(seen.name)
    if named is not None and named.saying is Saying.ACCEPT and worse(seen.severity, named.severity):
        why = f"accepted as {named.severity}, now {seen.severity}"
        return Standing(state=State.REGRESSED, because=why, judgement=named)
    if named is not None and named.saying is Saying.FIXED:
        if seen.last_seen > named.at:
            return Standing(state=State.REGRESSED, because="seen again after it was said to be fixed", judgement=named)
        return Standing(state=State.FIXED, because=named.reason, judgement=named)
    return _by_sightings(seen)


def _by_sightings(seen: Seen) -> Standing:
    history = _History(seen)
    runs = list(history.runs())
    if not runs:
        return Standing()
    if history.gone(runs[-1], None):
        return Standing(state=State.FIXED, because="not seen any more, though as much was compared")
    if len(runs) > 1:
        return Standing(state=State.REGRESSED, because="seen again after it had been gone")
    return Standing()


class _History:
    """A kind's hours in order, with running sums: years of hours are asked about many times."""

    def __init__(self, seen: Seen) -> None:
        self._sightings = sorted(seen.hours)
        self._hours = sorted(seen.compared)
        self._sums = [0, *accumulate(seen.compared[hour] for hour in self._hours)]

    def runs(self) -> Iterator[tuple[int, int]]:
        """(first hour, last hour) of sightings without a telling gap between them."""
        hours = self._sightings
        if not hours:
            return
        start = hours[0]
        for last, following in pairwise(hours):
            if self.gone((start, last), following):
                yield start, last
                start = following
        yield start, hours[-1]

    def gone(self, run: tuple[int, int], until: int | None) -> bool:
        """Whether the quiet after a run is more than chance, had the kind gone on as in the run.

        Of k sightings at even pace over all comparisons, the first of them at the beginning, the other k - 1 all fall
        into the run with probability (run / all) ** (k - 1): the last order statistic of uniform draws. Hours are
        counted, not calls, because calls that show a kind come in bursts.
        """
        first, last = run
        begin, quiet = bisect_left(self._hours, first), bisect_right(self._hours, last)
        end = len(self._hours) if until is None else bisect_left(self._hours, until)
        if end <= quiet or self._hours[end - 1] - last < QUIET_HOURS * HOUR:
            return False
        during, after = self._sums[quiet] - self._sums[begin], self._sums[end] - self._sums[quiet]
        if not during:
            return False
        sightings = bisect_right(self._sightings, last) - bisect_left(self._sightings, first)
        chance: float = (during / (during + after)) ** (sightings - 1)
        return chance <= CHANCE
