"""Sketches and quantiles with bands."""

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comparators.evidence.latency import QUANTILES, BothWays, Latency, slower
from comparators.evidence.sketch import ACCURACY, Sketch

durations = st.lists(st.floats(1e-5, 1e4), min_size=1, max_size=80)


def sketch_of(numbers: list[float]) -> Sketch:
    sketch = Sketch()
    for number in numbers:
        sketch.add(number)
    return sketch


def latency_of(seed: int, sandboxes: int, *, factor: float = 1.0) -> Latency:
    chance, latency = random.Random(seed), Latency()
    for _ in range(sandboxes):
        latency.add([factor * chance.lognormvariate(-2.0, 0.5) for _ in range(20)])
    return latency


@given(durations, st.floats(0, 1))
def test_a_quantile_is_within_the_stated_accuracy(numbers: list[float], share: float) -> None:
    exact = sorted(numbers)[max(0, math.ceil(share * len(numbers) - 1e-9) - 1)]

    assert sketch_of(numbers).quantile(share) == pytest.approx(exact, rel=ACCURACY * 1.001)


@given(durations, durations)
def test_merging_is_as_if_all_had_been_added_to_one(one: list[float], other: list[float]) -> None:
    merged = sketch_of(one)
    merged.merge(sketch_of(other))

    assert merged == sketch_of(one + other)
    assert Sketch.of(merged.plain()) == merged


def test_extremes_have_a_bin_and_nonsense_is_refused() -> None:
    sketch = sketch_of([0.0, 1e300])

    assert len(sketch.bins) == 2
    assert (sketch.quantile(-0.1), sketch.quantile(1.1), Sketch().quantile(0.5)) == (0.0, math.inf, 0.0)
    for value, weight in ((-1.0, 1.0), (math.nan, 1.0), (1.0, 0.0)):
        with pytest.raises(ValueError, match="positive weight"):
            sketch.add(value, weight)


def test_a_sandbox_counts_once_however_many_calls_it_makes() -> None:
    latency = Latency()
    latency.add([9.0] * 1_000)
    latency.add([1.0])
    latency.add([1.0])
    latency.add([])

    assert latency.sandboxes == 3
    assert latency.sketch.quantile(0.5) == pytest.approx(1.0, rel=ACCURACY)


@pytest.mark.parametrize("quantile", QUANTILES)
def test_a_band_holds_its_estimate_and_few_sandboxes_leave_it_open(quantile: float) -> None:
    many, few = latency_of(1, 2_000).band(quantile), latency_of(1, 3).band(quantile)

    assert 0 < many.lower < many.estimate < many.upper < math.inf
    assert (few.lower, few.upper) == (0.0, math.inf) or few.upper == math.inf
    assert Latency().band(quantile) == (0.0, 0.0, math.inf)


def test_arms_show_how_much_slower_new_is() -> None:
    band = slower(latency_of(1, 1_000), latency_of(2, 1_000, factor=1.5), 0.5)

    assert 1.2 < band.lower < 1.5 < band.upper < 1.9
    assert slower(Latency(), latency_of(1, 10), 0.5) == (math.inf, 0.0, math.inf)


def test_arms_of_two_routers_merge() -> None:
    both, second = latency_of(1, 40), latency_of(2, 60)
    both.merge(second)

    assert both.sandboxes == 100
    assert both.sketch.weight == pytest.approx(100)


def test_who_goes_second_cancels_from_pairs_in_both_directions() -> None:
    pairs, chance = BothWays(), random.Random(7)
    for number in range(2_000):
        second = 0.6 if number % 2 else 1 / 0.6  # whatever goes second finds warm caches: 0.6 of its time
        pairs.add([1.1 * second * chance.lognormvariate(0, 0.2)], old_first=bool(number % 2))

    band = pairs.typical()
    assert band.lower < 1.1 < band.upper
    assert band.upper / band.lower < 1.12


def test_one_direction_alone_says_nothing() -> None:
    pairs = BothWays()
    for _ in range(500):
        pairs.add([0.5], old_first=True)

    assert (pairs.typical().lower, pairs.typical().upper) == (0.0, math.inf)
