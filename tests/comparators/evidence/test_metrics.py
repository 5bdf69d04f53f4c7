"""Counts become metrics."""

import random

import pytest

from comparators.evidence.arms import Arms
from comparators.evidence.latency import Latency
from comparators.evidence.metrics import errors_of_pairs, latencies, mismatch, rate_of_arms
from comparators.evidence.parity import Parity
from comparators.evidence.share import Share


def latency(sandboxes: int, factor: float = 1.0) -> Latency:
    found, chance = Latency(), random.Random(3)
    for _ in range(sandboxes):
        found.add([factor * chance.lognormvariate(0, 0.1) for _ in range(5)])
    return found


def test_mismatch_says_how_many_sandboxes_are_missing() -> None:
    metric = mismatch(Share(units=50), harm=0.01, budget=0.03, least_units=30)

    assert (metric.estimate, metric.lower, str(metric.seen)) == (0.0, 0.0, "none differs so far")
    assert metric.upper > 0.03
    assert metric.more_units is not None
    assert mismatch(Share(units=50 + metric.more_units), harm=0.01, budget=0.03, least_units=30).upper <= 0.03


def test_noise_of_old_itself_is_no_harm() -> None:
    share = Share(units=400, total=24)

    assert mismatch(share, harm=0.01, budget=0.03, least_units=30).lower > 0.01
    assert mismatch(share, harm=0.01, budget=0.03, least_units=30, noise=0.05).lower == 0.0


def test_pairs_that_agree_prove_parity() -> None:
    parity = Parity()
    for _ in range(800):
        parity.add(0.0)

    metric = errors_of_pairs(parity, margin=0.01, least_units=30)
    assert (metric.estimate, metric.more_units) == (0.0, 0)
    assert metric.lower < 0 < metric.upper <= metric.budget


def test_a_rare_harm_shows_before_its_size_does() -> None:
    parity, arms = Parity(), Arms((0.5, 0.5))
    for number in range(200):
        parity.add(0.05 if number % 10 == 0 else 0.0)
        arms.add(0.05 if number % 10 == 0 else 0.0, on_new=number % 2 == 0, share=0.5)

    found = errors_of_pairs(parity, margin=0.01, least_units=30)
    unpaired = rate_of_arms("error rate", arms, margin=0.01, least_units=30)
    assert (found.surely_worse, found.lower < 0) == (True, True)
    assert (unpaired.surely_worse, unpaired.lower < 0) == (True, True)


def test_the_smaller_arm_has_to_have_enough() -> None:
    arms = Arms((0.1, 0.1))
    for number in range(100):
        arms.add(0.0, on_new=number % 10 == 0, share=0.1)

    metric = rate_of_arms("retries", arms, margin=0.02, least_units=30, critical=False)
    assert (metric.units, metric.least_units, metric.critical) == (100, 120, False)


def test_latency_has_a_metric_for_each_quantile_that_has_a_margin() -> None:
    found = latencies(latency(900), latency(900, 2.0), margins={"p50": 1.2, "p95": 3.0}, least_units=30)

    assert [metric.name for metric in found] == ["p50", "p95"]
    assert found[0].lower > 1.2
    assert found[0].more_units is None
    assert (found[1].upper < 3.0, found[1].more_units) == (True, 0)
    assert found[1].estimate == pytest.approx(2.0, rel=0.02)


def test_few_sandboxes_are_told_how_many_more_latency_needs() -> None:
    (metric,) = latencies(latency(20), latency(20), margins={"p95": 1.3}, least_units=30)

    assert metric.upper > 1.3
    assert metric.more_units is not None
    assert 20 <= metric.more_units <= 20 * 255
