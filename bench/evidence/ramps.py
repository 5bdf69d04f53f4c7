"""Ramps on traffic whose truth is known: how often a healthy tool is stepped back, and how soon a worse one is.

The whole chain decides: simulated calls, the statistics of comparators/evidence, and policies/ramp.py's step.
"""

import math
import random
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial

from bench.evidence.chance import clopper_pearson
from bench.evidence.power import SHARED, Case
from bench.evidence.worlds import failures
from comparators.evidence.arms import Arms
from comparators.evidence.metrics import errors_of_pairs, mismatch, rate_of_arms
from comparators.evidence.parity import Parity
from comparators.evidence.share import Share
from crossfade.evidence import Evidence, Quality
from policies.margins import BUDGETS, MARGINS
from policies.ramp import Act, Plan, Standing, State, step, weights

BASE = 0.02  # of calls fail: 98 % success
WORSE = 0.02  # points, where there is a regression
FAMILY = 60  # questions that share alpha: five of each of twelve tools, as in router/admin/evidence.py
SEED = 20_261_123
PLAN = Plan(tool="files")
_DAY = 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """A tool at one step of its ramp. `pairs`: calls are repeated on the other side; without, only the arms tell."""

    case: Case
    share: float  # of sandboxes on new
    worse: float = 0.0
    pairs: bool = True
    most: int = 2_000  # sandboxes until the run ends

    @property
    def name(self) -> str:
        """As a table says it."""
        kind = "pairs and arms" if self.pairs else "arms alone"
        truth = f"+{100 * self.worse:g} points" if self.worse else "healthy"
        return f"{truth}, {kind}, {100 * self.share:g} % on new, {self.case.calls} calls each, ICC {self.case.icc:g}"


@dataclass(slots=True)
class Counted:
    """What the store would have counted since the step began."""

    truth: Truth
    parity: Parity
    differing: Share
    arms: Arms
    calls: int = 0

    def add(self, chance: random.Random) -> None:
        """One more sandbox, with all of its calls."""
        case, truth = self.truth.case, self.truth
        rate = case.rate(chance)
        on_new = chance.random() < truth.share
        # The command's own failures are met by both sides; the rest each side has for itself.
        shared, own = rate * SHARED, rate * (1 - SHARED)
        both = failures(case.calls, shared, chance)
        left = case.calls - both
        old, new = failures(left, own, chance), failures(left, own + truth.worse * (1 - own), chance)
        if truth.pairs:
            self.parity.add((new - old) / case.calls)
            # At most: that both fail by themselves in one call is rare.
            self.differing.add(min(1.0, (old + new) / case.calls))
        self.arms.add((both + (new if on_new else old)) / case.calls, on_new=on_new, share=truth.share)
        self.calls += case.calls

    def evidence(self) -> Evidence:
        """As the verdict takes it."""
        truth, least = self.truth, MARGINS.least_sandboxes
        metrics = [
            rate_of_arms("error rate of arms", self.arms, margin=MARGINS.errors, least_units=least, family=FAMILY)
        ]
        if truth.pairs:
            budget = BUDGETS[0.5 if truth.share < 0.5 else 1.0]
            excluded = max(budget, MARGINS.errors)
            metrics = [
                replace(metrics[0], critical=False),
                errors_of_pairs(self.parity, margin=MARGINS.errors, budget=excluded, least_units=least, family=FAMILY),
                mismatch(self.differing, harm=MARGINS.mismatch_harm, budget=budget, least_units=least, family=FAMILY),
            ]
        stages = {str(stage): part / 100_000 for stage, part in weights(truth.share).items()}
        compared = self.calls if truth.pairs else 0
        quality = Quality(calls=self.calls, compared=compared)
        return Evidence(tool=PLAN.tool, stages=stages, metrics=tuple(metrics), quality=quality)


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """After how many sandboxes the ramp first would go on, and stepped back; None: not until the end."""

    on: int | None
    back: int | None


def run(truth: Truth, seed: str) -> Run:
    """Watched to the end, also after it could have gone on: sandboxes go on coming for as long as a step lasts."""
    chance = random.Random(seed)
    counted = Counted(truth, Parity(), Share(), Arms((truth.share, truth.share)))
    standing = Standing(state=State.RUNNING, seconds_at_step=PLAN.least_days * _DAY, quiet_seconds=0.0)
    count, on = 0, None
    for look in _looks(truth.most):
        while count < look:
            counted.add(chance)
            count += 1
        found = step(PLAN, standing, counted.evidence())
        if found.act is Act.BACK:
            return Run(on=on, back=count)
        if found.act in (Act.ADVANCE, Act.DONE):
            on = on or count
    return Run(on=on, back=None)


def run_many(truth: Truth, runs: int, *, seed: int) -> Sequence[Run]:
    """Of many runs what became of each; the same seed gives the same."""
    return [run(truth, f"{seed} {truth.name} {each}") for each in range(runs)]


def _looks(most: int) -> Iterator[int]:
    """10 % apart: what they miss is a few sandboxes."""
    count = 10
    while count < most:
        yield count
        count = max(count + 1, math.floor(count * 1.1))
    yield most


TRUTHS = (
    *(Truth(case=Case(calls=20, icc=icc, base=BASE), share=0.1) for icc in (0.0, 0.3)),
    *(Truth(case=Case(calls=20, icc=icc, base=BASE), share=0.1, worse=WORSE) for icc in (0.0, 0.3)),
    Truth(case=Case(calls=5, icc=0.3, base=BASE), share=0.1, worse=WORSE),
    *(Truth(case=Case(calls=20, icc=icc, base=BASE), share=0.5, pairs=False, most=5_000) for icc in (0.0, 0.3)),
    Truth(case=Case(calls=20, icc=0.0, base=BASE), share=0.5, pairs=False, worse=WORSE, most=8_000),
    Truth(case=Case(calls=20, icc=0.3, base=BASE), share=0.5, pairs=False, worse=WORSE, most=24_000),
)


def line(truth: Truth, runs: int, *, seed: int) -> str:
    """A row of docs/ramp.md."""
    found = run_many(truth, runs, seed=seed)
    back = sorted(each.back for each in found if each.back is not None)
    on = sorted(each.on for each in found if each.on is not None)
    cells = (_share(len(back), runs), _until(back, runs), _share(len(on), runs), _until(on, runs))
    return f"| {truth.name} | {truth.most:,} | {' | '.join(cells)} |"


def _share(count: int, runs: int) -> str:
    low, high = clopper_pearson(count, runs)
    return f"{100 * count / runs:.1f} [{100 * low:.1f}, {100 * high:.1f}]"


def _until(counts: Sequence[int], runs: int) -> str:
    """What half of the runs needed, and 95 of 100; as far as so many came to it."""
    half, most = (counts[int(part * runs)] if len(counts) > part * runs else None for part in (0.5, 0.95))
    return "–" if half is None else f"{half:,} ({'–' if most is None else f'{most:,}'})"


def main() -> None:
    """Print the table of docs/ramp.md: python -m bench.evidence.ramps [RUNS]."""
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000
    names = ("truth", "sandboxes", "stepped back, %", "after", "could go on, %", "after")
    print(f"| {' | '.join(names)} |\n| --- |{' ---: |' * 5}")
    with ProcessPoolExecutor(2) as pool:
        for row in pool.map(partial(line, runs=runs, seed=SEED), TRUTHS):
            print(row, flush=True)


if __name__ == "__main__":
    main()
