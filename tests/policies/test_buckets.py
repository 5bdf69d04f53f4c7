"""Shares of sandboxes: exact, sticky and nested."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.buckets import BUCKETS, bucket, on_new

SEED = 20_260_101
KEYS = 100_000
keys, percents = st.text(min_size=1), st.floats(0, 100)


@pytest.fixture(scope="module")
def places() -> list[int]:
    return [bucket(f"sandbox-{number}", SEED) for number in range(KEYS)]


@pytest.mark.parametrize("percent", [10, 50, 100])
def test_a_share_of_100_000_keys_is_met_within_half_a_point(places: list[int], percent: int) -> None:
    share = 100 * sum(on_new(place, percent) for place in places) / KEYS

    assert share == pytest.approx(percent, abs=0.5)


def test_10_percent_lies_inside_50_inside_100(places: list[int]) -> None:
    at_10, at_50, at_100 = (
        {number for number, place in enumerate(places) if on_new(place, percent)} for percent in (10, 50, 100)
    )

    assert at_10 < at_50 < at_100
    assert len(at_100) == KEYS


def test_nobody_is_on_new_at_0_percent(places: list[int]) -> None:
    assert not any(on_new(place, 0) for place in places)


@given(keys, st.integers())
def test_a_key_keeps_its_place(key: str, seed: int) -> None:
    assert bucket(key, seed) == bucket(key, seed)
    assert 0 <= bucket(key, seed) < BUCKETS


@given(st.integers(0, BUCKETS - 1), percents, percents)
def test_raising_the_percentage_never_sends_a_subject_back(place: int, one: float, other: float) -> None:
    assert on_new(place, min(one, other)) <= on_new(place, max(one, other))


def test_the_place_does_not_change_with_a_new_release() -> None:
    # Written down once: another value here moves every running sandbox.
    assert [bucket(f"sandbox-{number}", SEED) for number in range(3)] == PINNED


PINNED = [27262, 23911, 71453]
