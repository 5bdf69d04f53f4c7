"""Calls of sandboxes whose truth is known: how alike they are, how the rate drifts, and how much worse new is."""

import math
import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

OPEN_AT_ONCE = 5  # sandboxes under way together, so that calls interleave


class Call(NamedTuple):
    """One call, answered by new, by old and by a second old: what each arm and each pair would have seen."""

    sandbox: int
    on_new: bool  # where its bucket sends the sandbox
    new_failed: bool
    old_failed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """A truth. Rates are shares of calls; `icc` is how alike the calls of one sandbox are: 0 not at all, 1 entirely."""

    name: str
    base: float = 0.02
    icc: float = 0.0
    worse: float = 0.0  # new's rate less old's
    drifts: bool = False  # the base swings between half and three times itself, twice over the run
    calls: int = 2_000
    calls_per_sandbox: int = 20
    share: float = 0.5  # of sandboxes on new

    @property
    def sandboxes(self) -> int:
        return self.calls // self.calls_per_sandbox

    def rate_of(self, sandbox: int) -> float:
        """Old's true rate for a sandbox drawn at this point of the run."""
        if not self.drifts:
            return self.base
        return self.base * (1.75 - 1.25 * math.cos(4 * math.pi * sandbox / self.sandboxes))

    def drawn(self, sandbox: int, chance: random.Random) -> tuple[float, float]:
        """The rates of one sandbox, old's and new's: beta distributed with the icc, right on average."""
        rate = self.rate_of(sandbox)
        extra = self.worse / (1 - rate)
        if self.icc:
            weight = (1 - self.icc) / self.icc
            rate = chance.betavariate(rate * weight, (1 - rate) * weight)
        return rate, rate + extra * (1 - rate)

    def run(self, seed: str) -> Iterator[Call]:
        """The calls of one run; the same seed gives the same calls."""
        chance = random.Random(seed)
        uniform = chance.random
        born, under_way = 0, []
        for _ in range(min(OPEN_AT_ONCE, self.sandboxes)):
            under_way.append([born, uniform() < self.share, *self.drawn(born, chance), 0])
            born += 1
        while under_way:
            place = int(uniform() * len(under_way))
            sandbox = under_way[place]
            yield Call(int(sandbox[0]), bool(sandbox[1]), uniform() < sandbox[3], uniform() < sandbox[2])
            sandbox[4] += 1
            if sandbox[4] < self.calls_per_sandbox:
                continue
            if born < self.sandboxes:
                under_way[place] = [born, uniform() < self.share, *self.drawn(born, chance), 0]
                born += 1
            else:
                under_way.pop(place)


def failures(calls: int, rate: float, chance: random.Random) -> int:
    """How many of a sandbox's calls fail: a binomial draw by inversion, quick where failures are few."""
    left, count = chance.random(), 0
    if rate >= 1:
        return calls
    term = (1 - rate) ** calls
    while left > term and count < calls:
        left -= term
        term *= (calls - count) / (count + 1) * rate / (1 - rate)
        count += 1
    return count


WORLDS = (
    World(name="no difference, calls independent"),
    World(name="no difference, ICC 0.3", icc=0.3),
    World(name="no difference, rate drifts, ICC 0.3", icc=0.3, drifts=True),
    World(name="no difference, 10 % on new, ICC 0.3", icc=0.3, share=0.1),
    World(name="new 1 point worse, calls independent", worse=0.01),
    World(name="new 1 point worse, ICC 0.3", worse=0.01, icc=0.3),
    World(name="new 5 points worse, calls independent", worse=0.05),
    World(name="new 5 points worse, ICC 0.3", worse=0.05, icc=0.3),
    World(name="new 10 points worse, ICC 0.3", worse=0.10, icc=0.3),
)
