"""The bound of a share."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comparators.evidence.share import Share

units = st.lists(st.floats(0, 1), max_size=60)


def share_of(values: list[float]) -> Share:
    share = Share()
    for value in values:
        share.add(value)
    return share


def test_without_units_everything_is_possible() -> None:
    assert (Share().lower(), Share().upper(), Share().estimate) == (0.0, 1.0, 0.0)


@pytest.mark.parametrize(("count", "most"), [(100, 0.04), (300, 0.015), (1_000, 0.005), (3_000, 0.002)])
def test_none_that_differs_still_leaves_a_bound(count: int, most: float) -> None:
    assert 3 / count < Share(units=count).upper() < most


def test_a_unit_outside_of_zero_and_one_is_refused() -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        Share().add(1.1)


@given(units)
def test_bounds_lie_around_the_estimate_and_where_the_evidence_says(values: list[float]) -> None:
    share = share_of(values)

    assert 0 <= share.lower() <= share.estimate + 1e-9
    assert share.estimate - 1e-9 <= share.upper() <= 1
    assert share.upper() > 0.999 or share.log_e(share.upper()) == pytest.approx(-math.log(0.05), abs=1e-4)


@given(units, st.floats(0.001, 0.2), st.floats(0.001, 0.2))
def test_less_confidence_is_a_narrower_bound(values: list[float], one: float, other: float) -> None:
    share = share_of(values)

    assert share.upper(max(one, other)) <= share.upper(min(one, other)) + 1e-9


@given(st.integers(0, 300), st.floats(0, 0.04), st.floats(0.05, 0.3))
def test_the_units_said_to_be_missing_are_enough_and_fewer_are_not(count: int, rate: float, budget: float) -> None:
    share = Share(units=count, total=count * rate)
    more = share.units_needed(budget)
    assert more is not None

    after = Share(units=count + more, total=share.total + more * share.estimate)
    short = Share(units=count + more // 2, total=share.total + more // 2 * share.estimate)

    assert after.upper() <= budget
    assert more < 4 or short.upper() > budget


def test_a_rate_over_the_budget_is_not_cured_by_more_units() -> None:
    assert Share(units=100, total=6).units_needed(0.05) is None


@pytest.mark.parametrize("short", [1e-17, 1e-12, 1e-9, 1e-6])
def test_a_rate_that_is_a_hair_under_the_budget_is_not_waited_for(short: float) -> None:
    assert Share(units=100, total=2 * (1 - 1e-15) - short).units_needed(0.02) is None


@given(st.lists(st.floats(0.01, 0.99), min_size=1, max_size=6))
def test_the_evidence_against_a_true_rate_does_not_grow_on_average(rates: list[float]) -> None:
    """Exactly: over all outcomes of units that are 0 or 1 with drifting rates, against their average."""
    average = sum(rates) / len(rates)
    expected = 0.0
    for pattern in range(2 ** len(rates)):
        ones = [bool(pattern >> place & 1) for place in range(len(rates))]
        chance = math.prod(rate if one else 1 - rate for rate, one in zip(rates, ones, strict=True))
        expected += chance * math.exp(share_of([float(one) for one in ones]).log_e(average))

    assert expected <= 1 + 1e-9
