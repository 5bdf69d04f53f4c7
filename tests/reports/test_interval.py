"""The always-valid interval."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports.interval import ALPHA, interval, trials_needed


@pytest.mark.parametrize(("trials", "upper"), [(100, 0.0733), (300, 0.0286), (1_000, 0.00986), (10_000, 0.00122)])
def test_no_event_in_n_trials_is_bounded_as_published(trials: int, upper: float) -> None:
    assert interval(0, trials).upper == pytest.approx(upper, rel=0.005)


def test_without_trials_everything_is_possible() -> None:
    nothing = interval(0, 0)

    assert (nothing.lower, nothing.share, nothing.upper) == (0.0, 0.0, 1.0)


@given(st.integers(0, 500), st.integers(0, 5_000))
def test_the_interval_holds_what_was_seen_and_is_symmetric(events: int, others: int) -> None:
    found, mirrored = interval(events, events + others), interval(others, events + others)

    assert 0 <= found.lower <= found.share <= found.upper <= 1
    assert found.lower == pytest.approx(1 - mirrored.upper, abs=1e-9)


@given(st.integers(0, 20), st.integers(0, 500), st.sampled_from([0.01, 0.02, 0.05, 0.5]))
def test_so_many_clean_trials_are_needed_and_one_less_is_too_few(events: int, others: int, target: float) -> None:
    needed = trials_needed(events, events + others, target)

    assert interval(events, events + others + needed).upper <= target
    assert needed == 0 or interval(events, events + others + needed - 1).upper > target


def test_looking_after_every_call_the_truth_is_missed_at_most_as_often_as_promised() -> None:
    chance = random.Random(20_260_101)
    truth, runs, looks = 0.03, 300, 400
    missed = 0
    for _ in range(runs):
        events = 0
        for trial in range(1, looks + 1):
            events += chance.random() < truth
            if trial % 10 == 0:
                found = interval(events, trial)
                if not found.lower <= truth <= found.upper:
                    missed += 1
                    break

    assert missed / runs <= ALPHA


def test_impossible_counts_are_refused() -> None:
    with pytest.raises(ValueError, match="cannot be"):
        interval(3, 2)
