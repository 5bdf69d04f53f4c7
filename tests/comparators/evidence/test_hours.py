"""Units from hourly sums."""

from hypothesis import given
from hypothesis import strategies as st

from comparators.evidence.hours import HOUR, Hours, births_in_order

DAY = 24 * HOUR


def unit(*hours: tuple[int, int]) -> Hours:
    found = Hours()
    for hour, calls in hours:
        found.add(hour * HOUR, calls, 1.0)
    return found


def test_twenty_calls_complete_a_sandbox_with_the_hour_they_end_in() -> None:
    found = unit((0, 12), (1, 9), (2, 50))

    assert (found.calls, found.sums, found.complete(2 * HOUR)) == (21, [2.0], True)


def test_a_sandbox_at_rest_for_an_hour_is_complete_and_what_it_does_later_does_not_count() -> None:
    found = unit((0, 3))

    assert not found.complete(2 * HOUR - 1)
    assert found.complete(2 * HOUR)
    found.add(2 * HOUR, 5, 1.0)
    assert (found.calls, found.complete(2 * HOUR)) == (3, True)


def test_a_sandbox_that_never_rests_is_complete_after_a_day() -> None:
    found = unit(*((hour, 1) for hour in range(19)))

    assert not found.complete(19 * HOUR)
    late = unit(*((hour, 1) for hour in range(5, 24)))
    late.add(29 * HOUR, 1, 1.0)
    assert late.calls == 19
    assert late.complete(29 * HOUR)


def test_hours_without_a_call_are_no_hours() -> None:
    found = unit((0, 0), (3, 2))

    assert (found.first, found.calls) == (3 * HOUR, 2)
    assert not Hours().complete(DAY)


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(0, 15)), unique_by=lambda each: each[0]), st.integers(0, 60))
def test_a_unit_that_was_given_once_is_never_given_differently(hours: list[tuple[int, int]], looked_at: int) -> None:
    hours = sorted(hours)
    then = unit(*(each for each in hours if each[0] < looked_at))
    later = unit(*hours)

    if then.complete(looked_at * HOUR):
        assert (then.calls, then.sums, then.known_at) == (later.calls, later.sums, later.known_at)
        assert then.known_at <= looked_at * HOUR


def test_births_wait_for_those_before_them() -> None:
    first, busy, last = unit((0, 20)), unit((1, 1), (2, 1)), unit((2, 30))
    units = [("c", last), ("b", busy), ("a", first)]

    assert births_in_order(units, 3 * HOUR) == [first]
    assert births_in_order(units, 4 * HOUR) == [first, busy, last]
