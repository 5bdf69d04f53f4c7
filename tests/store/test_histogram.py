"""Latency histograms."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from router.store.histogram import buckets_of, curve, merged, middle_of, quantile

durations = st.lists(st.floats(min_value=1e-5, max_value=3600), min_size=1, max_size=200)


@given(st.floats(min_value=2e-6, max_value=1e5))
def test_a_bucket_stands_for_its_durations_within_two_percent(seconds: float) -> None:
    assert abs(middle_of(*buckets_of([seconds])) - seconds) <= 0.02 * seconds


@given(durations, st.sampled_from([0.5, 0.95, 0.99, 1.0]))
def test_a_quantile_is_within_two_percent_of_the_exact_one(seconds: list[float], share: float) -> None:
    exact = sorted(seconds)[max(0, -int(-share * len(seconds) // 1) - 1)]

    found = quantile(Counter(buckets_of(seconds)), share)

    assert abs(found - exact) <= 0.02 * exact


@given(durations, durations)
def test_merging_is_counting_together(one: list[float], other: list[float]) -> None:
    apart = merged(Counter(buckets_of(one)), Counter(buckets_of(other)))

    assert apart == Counter(buckets_of(one + other))


@given(durations)
def test_the_curve_rises_to_one(seconds: list[float]) -> None:
    points = curve(Counter(buckets_of(seconds)))

    assert list(points) == sorted(points)
    assert points[-1][1] == 1.0


def test_no_durations_have_no_quantile() -> None:
    assert quantile({}, 0.5) == 0.0
