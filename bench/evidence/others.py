"""Latency bands, pairs in both directions, the sample ratio and noise: truths known, looked at as they show."""

import math
import random
from collections.abc import Callable, Mapping
from statistics import NormalDist

from bench.evidence.rivals import diffy_differs
from bench.evidence.worlds import failures
from comparators.evidence.latency import QUANTILES, BothWays, Latency, slower
from comparators.evidence.noise import Noise
from comparators.evidence.randomised import SampleRatio
from comparators.evidence.share import ALPHA

SANDBOXES, CALLS = 100, 20
LOOKS = (10, 20, 40, 60, 80, 100)  # sandboxes
ALIKE = 0.3  # of the spread of log durations is between sandboxes
SPREAD = 0.6
SECOND = 0.7  # what goes second takes so much of its time
FIELDS, DIFFERENT, NOISE, EXTRA, FEW = 20, 5, 0.01, 0.10, 25

Outcome = Mapping[str, float]  # what happened in a run: 0 or 1, or a share


def latency_bands(chance: random.Random) -> Outcome:
    """Two arms that are equal: is the true quantile ever outside of its band, or 1 outside of the ratio's?"""
    old, new = Latency(), Latency()
    missed = {f"{kind} p{quantile:.0%}"[:-1]: 0.0 for kind in ("band of", "ratio of") for quantile in QUANTILES}
    for sandbox in range(1, SANDBOXES + 1):
        for arm in (old, new):
            arm.add(_durations(chance))
        if sandbox not in LOOKS:
            continue
        for quantile in QUANTILES:
            truth = math.exp(NormalDist(0, SPREAD).inv_cdf(quantile))
            band, ratio = old.band(quantile), slower(old, new, quantile)
            missed[f"band of p{quantile:.0%}"[:-1]] += not band.lower <= truth <= band.upper
            missed[f"ratio of p{quantile:.0%}"[:-1]] += not ratio.lower <= 1 <= ratio.upper
    return {name: float(count > 0) for name, count in missed.items()}


def both_directions(chance: random.Random) -> Outcome:
    """New is 10 % slower and what goes second 30 % faster: is 1.1 ever outside of the band, is 1.0 excluded?"""
    pairs, missed, found, one_way = BothWays(), False, False, False
    for sandbox in range(1, 4 * SANDBOXES + 1):
        old_first = sandbox % 2 == 0
        factor = 1.1 * (SECOND if old_first else 1 / SECOND)
        pairs.add([factor * each for each in _durations(chance)[:5]], old_first=old_first)
        if sandbox % 40 == 0:
            band, naive = pairs.typical(), pairs.old_first.band(0.5)
            missed |= not band.lower <= 1.1 <= band.upper
            found |= band.lower > 1
            one_way |= naive.upper < 1
    return {"truth outside": missed, "found slower": found, "one direction alone says faster": one_way}


def sample_ratio(chance: random.Random) -> Outcome:
    """2,000 sandboxes, 10 % and then 50 % on new: is a right split called wrong; is one 10 % short in odds found?"""
    right, short = SampleRatio(), SampleRatio()
    alarmed = found = False
    for sandbox in range(2_000):
        share = 0.1 if sandbox < 1_000 else 0.5
        odds = 0.8 * share / (1 - share)
        right.add(wished_new=chance.random() < share, share=share)
        short.add(wished_new=chance.random() < odds / (1 + odds), share=share)
        alarmed |= right.log_e >= -math.log(ALPHA)
        found |= short.log_e >= -math.log(ALPHA)
    return {"right split called wrong": alarmed, "a fifth fewer found": found}


def noise(chance: random.Random) -> Outcome:
    """20 fields with 1 % noise, in 5 of which new differs by 10 points: what is false of that found in 500 calls?"""
    ours, raw, control = Noise(), [0] * FIELDS, [0] * FIELDS
    weight = (1 - ALIKE) / ALIKE
    for _ in range(FEW):
        for field in range(FIELDS):
            rate = chance.betavariate(NOISE * weight, (1 - NOISE) * weight)
            extra = EXTRA * (1 - rate) if field < DIFFERENT else 0.0
            differs, itself = failures(CALLS, rate + extra, chance), failures(CALLS, rate, chance)
            ours.add(str(field), new=differs / CALLS, control=itself / CALLS)
            raw[field] += differs
            control[field] += itself
    found = {int(name) for name in ours.beyond(family=FIELDS)}
    flagged = {f for f in range(FIELDS) if diffy_differs(raw[f], control[f], FEW * CALLS)}
    return {
        "false among found": _false(found),
        "found of 5": len([field for field in found if field < DIFFERENT]) / DIFFERENT,
        "Diffy: false among found": _false(flagged),
        "Diffy: found of 5": len([field for field in flagged if field < DIFFERENT]) / DIFFERENT,
    }


OTHERS: Mapping[str, Callable[[random.Random], Outcome]] = {
    "latency": latency_bands,
    "both directions": both_directions,
    "sample ratio": sample_ratio,
    "noise": noise,
}


def means(name: str, runs: int, *, seed: int) -> Outcome:
    """What happened on average over runs with seeds of their own."""
    sums: dict[str, float] = {}
    for run in range(runs):
        for what, value in OTHERS[name](random.Random(f"{seed} {name} {run}")).items():
            sums[what] = sums.get(what, 0.0) + value
    return {what: total / runs for what, total in sums.items()}


def _durations(chance: random.Random) -> list[float]:
    middle = chance.gauss(0, SPREAD * math.sqrt(ALIKE))
    rest = SPREAD * math.sqrt(1 - ALIKE)
    return [math.exp(chance.gauss(middle, rest)) for _ in range(CALLS)]


def _false(found: set[int]) -> float:
    return len([field for field in found if field >= DIFFERENT]) / max(1, len(found))
