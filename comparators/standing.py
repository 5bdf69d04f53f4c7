"""Where a kind of difference stands: open, accepted, ignored, fixed or regressed. Pure.

The word tells people where to look; only `accepted` and `ignored` keep a kind out of the numbers.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import pairwise

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
    hours: Mapping[int, int] = field(default_factory=dict)  # hour -> calls that showed it
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
    runs = list(_runs(seen))
    if not runs:
        return Standing()
    if _gone(seen, runs[-1], None):
        return Standing(state=State.FIXED, because="not seen any more, though as much was compared")
    if len(runs) > 1:
        return Standing(state=State.REGRESSED, because="seen again after it had been gone")
    return Standing()


def _runs(seen: Seen) -> Iterator[tuple[int, int]]:
    """(first hour, last hour) of sightings without a telling gap between them."""
    hours = sorted(seen.hours)
    if not hours:
        return
    start = hours[0]
    for last, following in pairwise(hours):
        if _gone(seen, (start, last), following):
            yield start, last
            start = following
    yield start, hours[-1]


def _gone(seen: Seen, run: tuple[int, int], until: int | None) -> bool:
    """Whether the quiet after a run is more than chance, had the kind gone on as in the run.

    Of k sightings at even pace over all comparisons, the first of them at the beginning, the other k - 1 all fall
    into the run with probability (run / all) ** (k - 1): the last order statistic of uniform draws. Hours are counted,
    not calls, because calls that show a kind come in bursts.
    """
    first, last = run
    sightings = sum(first <= hour <= last for hour in seen.hours)
    during = sum(count for hour, count in seen.compared.items() if first <= hour <= last)
    after = {hour: count for hour, count in seen.compared.items() if hour > last and (until is None or hour < until)}
    if not after or max(after) - last < QUIET_HOURS * HOUR or not during:
        return False
    chance: float = (during / (during + sum(after.values()))) ** (sightings - 1)
    return chance <= CHANCE
