"""How many sandboxes until a decision: by calls of each, their likeness, the rate, and how many questions are asked."""

import math
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from bench.evidence.judges import MARGIN
from bench.evidence.worlds import failures
from comparators.evidence.arms import Arms
from comparators.evidence.parity import Parity
from comparators.evidence.share import ALPHA, Share

FAMILIES = (1, 12, 60)  # one question; twelve tools; twelve tools with five metrics
SHARED = 0.8  # of old's failures are the command's own: new, asked the same, fails too
MOST = 40_000  # sandboxes; a run that needs more counts as so many
BUDGET = 0.05  # of mismatch, before a tenth is on new
LONG = {"arms 50 %": 4, "arms 10 %": 4}  # decisions that take thousands of sandboxes: one run for four of the others
HARM = 0.02  # points that new is worse, where harm is to be found


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One line of the table."""

    calls: int  # of each sandbox
    icc: float
    base: float

    def rate(self, chance: random.Random) -> float:
        if not self.icc:
            return self.base
        weight = (1 - self.icc) / self.icc
        return chance.betavariate(self.base * weight, (1 - self.base) * weight)


CASES = tuple(Case(calls=c, icc=i, base=b) for c in (5, 20) for i in (0.0, 0.3) for b in (0.005, 0.02))

# After each sandbox: how many there are, and the evidence. Looks are 2 % apart: what they miss is a few sandboxes.
Grown = Iterator[tuple[int, float]]


def mismatch_proven(case: Case, chance: random.Random) -> Grown:
    """That fewer than 5 % differ, when `base` do."""
    share = Share()
    for count in _looks():
        while share.units < count:
            share.add(failures(case.calls, case.rate(chance), chance) / case.calls)
        yield count, share.log_e(BUDGET) if share.estimate < BUDGET else -math.inf


def parity_proven(case: Case, chance: random.Random) -> Grown:
    """From pairs, that new fails less than a point more often, when it does not at all."""
    parity = Parity()
    for count in _looks():
        _pairs(parity, count, case, chance, worse=0.0)
        yield count, parity.difference.log_e_below(MARGIN)


def harm_in_pairs(case: Case, chance: random.Random) -> Grown:
    """From pairs, that new fails more often, when it does by 2 points."""
    parity = Parity()
    for count in _looks():
        _pairs(parity, count, case, chance, worse=HARM)
        yield count, parity.sign.log_e


def arms_proven(case: Case, chance: random.Random, *, share: float) -> Grown:
    """From arms, that new fails less than a point more often, when it does not at all."""
    arms = Arms((share, share))
    for count in _looks():
        _arms(arms, count, case, chance, share=share, worse=0.0)
        yield count, arms.log_e_below(MARGIN)


def harm_in_arms(case: Case, chance: random.Random, *, share: float) -> Grown:
    """From arms, that new fails more often, when it does by 2 points."""
    arms = Arms((share, share))
    for count in _looks():
        _arms(arms, count, case, chance, share=share, worse=HARM)
        yield count, arms.leaning.log_e


def needed(
    grown: Callable[[random.Random], Grown], runs: int, *, seed: str, families: Sequence[int] = (1,)
) -> Sequence[tuple[int, int]]:
    """The sandboxes that half and nine tenths of the runs needed, for each size of family."""
    counts: list[list[int]] = [[] for _ in families]
    for run in range(runs):
        open_ = dict(enumerate(families))
        for count, log_e in grown(random.Random(f"{seed} {run}")):
            for place, family in tuple(open_.items()):
                if log_e >= math.log(family / ALPHA):
                    counts[place].append(count)
                    del open_[place]
            if not open_:
                break
        for place in open_:
            counts[place].append(MOST)
    return [(sorted(each)[len(each) // 2], sorted(each)[int(0.9 * len(each))]) for each in counts]


def _looks() -> Iterator[int]:
    count = 10
    while count < MOST:
        yield count
        count = max(count + 1, int(count * 1.02))


def _pairs(parity: Parity, count: int, case: Case, chance: random.Random, *, worse: float) -> None:
    while parity.difference.units < count:
        own = case.rate(chance) * (1 - SHARED)
        new = failures(case.calls, own + worse * (1 - own), chance)
        parity.add((new - failures(case.calls, own, chance)) / case.calls)


def _arms(arms: Arms, count: int, case: Case, chance: random.Random, *, share: float, worse: float) -> None:
    while arms.units < count:
        on_new, rate = chance.random() < share, case.rate(chance)
        failed = failures(case.calls, rate + (worse * (1 - rate) if on_new else 0.0), chance)
        arms.add(failed / case.calls, on_new=on_new, share=share)
