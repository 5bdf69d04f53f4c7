"""The bound of an average, the difference of arms, and parity."""

import math
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comparators.evidence.arms import Arms
from comparators.evidence.average import Average
from comparators.evidence.parity import Parity, parity
from comparators.evidence.sign import Leaning, Sign

values = st.lists(st.floats(-1, 1), max_size=60)


def average_of(units: list[float], *, near: tuple[float, float] | None = None) -> Average:
    average = Average(-1.0, 1.0, near=near)
    for unit in units:
        average.add(unit)
    return average


def test_without_units_everything_is_possible() -> None:
    average = average_of([])

    assert (average.lower(), average.estimate, average.upper()) == (-1.0, 0.0, 1.0)
    assert average.units_needed(0.5) is None


def test_units_that_are_alike_give_narrower_bounds_than_units_that_are_not() -> None:
    alike = average_of([0.0] * 400)
    apart = average_of([-1.0, 1.0] * 200)

    assert alike.upper() < apart.upper() / 5


def test_a_unit_out_of_range_is_refused() -> None:
    with pytest.raises(ValueError, match="not between"):
        average_of([1.5])


@given(values)
def test_bounds_lie_around_the_estimate(units: list[float]) -> None:
    average = average_of(units, near=(-0.1, 0.1))

    assert -1 <= average.lower() <= average.estimate + 1e-9
    assert average.estimate - 1e-9 <= average.upper() <= 1


@given(values)
def test_turning_every_unit_round_turns_the_bounds_round(units: list[float]) -> None:
    one, other = average_of(units), average_of([-unit for unit in units])

    assert one.upper() == pytest.approx(-other.lower(), abs=1e-6)


@given(st.lists(st.floats(-0.9, 0.9), min_size=1, max_size=6))
def test_the_evidence_against_a_true_mean_does_not_grow_on_average(means: list[float]) -> None:
    """Exactly: units that are -1 or 1, whose means drift."""
    middle = sum(means) / len(means)
    expected = 0.0
    for units in product((-1.0, 1.0), repeat=len(means)):
        chance = math.prod((1 + unit * mean) / 2 for unit, mean in zip(units, means, strict=True))
        expected += chance * math.exp(average_of(list(units), near=(-0.1, 0.1)).log_e_above(middle))

    assert expected <= 1 + 1e-9


def test_the_units_said_to_be_missing_are_enough() -> None:
    some = [0.05, -0.05, 0.0, 0.0] * 25
    average = average_of(some, near=(-0.1, 0.1))
    more = average.units_needed(0.01)
    assert more is not None

    after = average_of((some * (more // len(some) + 2))[: len(some) + more + 4], near=(-0.1, 0.1))

    assert average.upper() > 0.01 >= after.upper()


def test_an_average_that_is_a_hair_under_the_margin_is_not_waited_for() -> None:
    average = average_of([0.02, -0.0000000000001] * 50, near=(-0.1, 0.1))

    assert average.estimate < 0.01
    assert average.units_needed(0.01) is None


def test_the_sign_is_of_sandboxes_that_differ() -> None:
    sign = Sign()
    for difference in (0.0, 0.2, 1.0, -0.1):
        sign.add(difference)

    assert (sign.losses, sign.wins) == (2, 1)


def test_ten_losses_in_a_row_are_evidence_and_ten_wins_are_none() -> None:
    assert Sign(losses=10).log_e > math.log(20) > 0 > Sign(wins=10).log_e


@given(st.integers(1, 8))
def test_a_fair_sign_is_worth_one_on_average(count: int) -> None:
    chances = [math.comb(count, losses) / 2**count for losses in range(count + 1)]

    expected = sum(
        chance * math.exp(Sign(losses=losses, wins=count - losses).log_e) for losses, chance in enumerate(chances)
    )
    assert expected == pytest.approx(1)


@given(st.lists(st.floats(0.01, 0.99), min_size=1, max_size=6))
def test_failing_sandboxes_that_do_not_lean_are_worth_one_on_average(shares: list[float]) -> None:
    expected = 0.0
    for sides in product((False, True), repeat=len(shares)):
        leaning, chance = Leaning(), 1.0
        for side, share in zip(sides, shares, strict=True):
            chance *= share if side else 1 - share
            leaning.add(on_new=side, share=share)
        expected += chance * math.exp(leaning.log_e)

    assert expected == pytest.approx(1)


def test_failing_sandboxes_that_lean_to_new_are_evidence_and_to_old_none() -> None:
    new, old = Arms((0.1, 0.1)), Arms((0.1, 0.1))
    for _ in range(10):
        new.add(0.05, on_new=True, share=0.1)
        old.add(0.05, on_new=False, share=0.1)

    assert (new.leaning.on_new, old.leaning.on_old) == (10, 10)
    assert new.leaning.log_e > math.log(20) > 0 > old.leaning.log_e


def test_failures_that_both_share_cancel() -> None:
    both = Parity()
    for _ in range(50):
        both.add(parity(old_failed=True, new_failed=True))

    assert (both.difference.estimate, both.sign.losses, both.sign.wins) == (0.0, 0, 0)
    assert parity(old_failed=False, new_failed=True) == 1 == -parity(old_failed=True, new_failed=False)


def test_an_arm_that_fails_more_is_found_and_one_that_does_not_is_cleared() -> None:
    worse, same = Arms((0.5, 0.5)), Arms((0.5, 0.5))
    for number in range(4_000):
        on_new = number % 2 == 1
        worse.add(0.3 if on_new else 0.05, on_new=on_new, share=0.5)
        same.add(0.05, on_new=on_new, share=0.5)

    assert worse.lower() > 0.1
    assert same.upper() < 0.02
    assert (worse.estimate, same.estimate) == (pytest.approx(0.25), pytest.approx(0))


def test_a_share_that_rises_while_errors_rise_is_no_effect() -> None:
    """Simpson's paradox: new's sandboxes are mostly of the bad second week, in both arms alike."""
    arms = Arms((0.1, 0.5))
    for number in range(6_000):
        share, rate = (0.1, 0.01) if number < 3_000 else (0.5, 0.2)
        arms.add(rate, on_new=number % 10 < share * 10, share=share)

    assert arms.estimate > 0.05
    assert arms.lower() < 0 < arms.upper()


def test_arms_refuse_a_share_that_was_not_announced() -> None:
    with pytest.raises(ValueError, match="not announced"):
        Arms((0.1, 0.5)).add(0.0, on_new=True, share=0.9)
    with pytest.raises(ValueError, match="both arms need sandboxes"):
        Arms((0.5, 1.0))
    with pytest.raises(ValueError, match="between 0 and 1"):
        Arms().add(2.0, on_new=True, share=0.5)
