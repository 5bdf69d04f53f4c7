"""The arithmetic of the benchmark."""

import itertools
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.arithmetic import column, differences, noise, order, paired, quantile, ratio, spread
from bench.rounds import AGAIN, twice

NUMBERS = st.lists(st.floats(min_value=0.001, max_value=1e6), min_size=1, max_size=30)


def test_a_ratio_is_formed_inside_each_round_before_the_median() -> None:
    # The second round was disturbed: both took ten times as long. Medians of each, then divided, would say 3.
    rounds = [{"us": 2.0, "peer": 1.0}, {"us": 30.0, "peer": 10.0}, {"us": 3.0, "peer": 1.5}]

    assert paired(rounds, "us", "peer") == [2.0, 3.0, 2.0]
    assert ratio(rounds, "us", "peer").middle == 2.0


def test_a_round_without_one_of_the_two_is_left_out() -> None:
    rounds = [{"us": 2.0}, {"peer": 1.0}, {"us": 6.0, "peer": 2.0}, {"us": 6.0, "peer": 0.0}]

    assert paired(rounds, "us", "peer") == [3.0]


def test_no_round_with_both_is_an_error_and_no_number() -> None:
    with pytest.raises(ValueError, match="nothing was measured"):
        ratio([{"us": 2.0}], "us", "peer")


def test_differences_are_paired_too() -> None:
    assert differences([{"a": 5.0, "b": 3.0}, {"a": 1.0}, {"a": 1.0, "b": 4.0}], "a", "b") == [2.0, -3.0]


def test_column_follows_the_rounds() -> None:
    assert column([{"a": 1.0}, {"b": 9.0}, {"a": 2.0}], "a") == [1.0, 2.0]


@given(NUMBERS)
def test_the_middle_is_the_median_and_lies_between_the_quartiles(values: list[float]) -> None:
    found = spread(values)

    assert found.middle == statistics.median(values)
    assert min(values) <= found.low <= found.middle <= found.high <= max(values)
    assert found.n == len(values)


@given(NUMBERS, st.floats(min_value=0, max_value=1), st.floats(min_value=0, max_value=1))
def test_a_larger_share_has_no_smaller_quantile(values: list[float], one: float, other: float) -> None:
    assert quantile(values, min(one, other)) <= quantile(values, max(one, other)) + 1e-6


def test_quantiles_at_the_ends_are_the_extremes() -> None:
    values = [4.0, 1.0, 3.0, 2.0]

    assert (quantile(values, 0), quantile(values, 0.5), quantile(values, 1)) == (1.0, 2.5, 4.0)


@given(st.lists(st.tuples(st.floats(0.1, 1e4), st.floats(0.1, 1e4)), min_size=1, max_size=9))
def test_noise_does_not_depend_on_which_came_first(pairs: list[tuple[float, float]]) -> None:
    rounds = [{"a": one, "b": other} for one, other in pairs]

    assert noise(rounds, "a", "b").middle >= 1
    assert noise(rounds, "a", "b").middle == pytest.approx(noise(rounds, "b", "a").middle)


@given(st.lists(st.text(max_size=3), min_size=1, max_size=7, unique=True), st.integers(0, 50))
def test_every_round_has_every_target_once(targets: list[str], number: int) -> None:
    assert sorted(order(targets, number)) == sorted(targets)


def test_no_target_is_first_in_two_rounds_running() -> None:
    targets = ["a", "b", "c", "d"]

    firsts = [order(targets, number)[0] for number in range(4)]
    assert all(one != other for one, other in itertools.pairwise(firsts))


@given(st.integers(3, 9), st.integers(0, 20))
def test_what_is_measured_twice_in_a_round_is_not_measured_twice_running(count: int, number: int) -> None:
    names = [str(each) for each in range(count - 1)] + ["us"]

    turns = order(twice(names, "us"), number)
    assert abs(turns.index("us") - turns.index("us" + AGAIN)) > 1
