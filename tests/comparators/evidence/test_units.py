"""Sandboxes as units."""

from hypothesis import given
from hypothesis import strategies as st

from comparators.evidence.units import Unit, Units

calls = st.lists(st.tuples(st.sampled_from("abcdef"), st.floats(0, 1)), max_size=80)


def test_a_sandbox_counts_once_with_the_mean_of_its_first_calls() -> None:
    units = Units(calls_per_unit=2)

    given_ = [units.add("a", value) for value in (1.0, 0.0, 1.0, 1.0)]

    assert given_ == [(), [Unit("a", 0.5)], (), ()]


def test_a_fast_sandbox_waits_for_those_born_before_it() -> None:
    units = Units(calls_per_unit=2)
    units.add("slow", 1.0)
    units.add("fast", 0.0)

    assert units.add("fast", 0.0) == []
    assert units.waiting == 2
    assert units.close("slow") == [Unit("slow", 1.0), Unit("fast", 0.0)]


def test_a_sandbox_that_is_over_counts_with_what_it_has() -> None:
    units = Units()
    units.add("a", 1.0)
    units.add("a", 0.0)

    assert units.close("a") == [Unit("a", 0.5)]
    assert units.close("a") == ()
    assert units.close("never seen") == ()


def test_an_open_sandbox_is_not_forgotten() -> None:
    units = Units(calls_per_unit=2)
    units.add("a", 1.0)
    units.forget("a")

    assert units.add("a", 0.0) == [Unit("a", 0.5)]


@given(calls)
def test_units_come_in_the_order_of_birth_and_each_once(made: list[tuple[str, float]]) -> None:
    units = Units(calls_per_unit=3)
    given_ = [unit.sandbox for sandbox, value in made for unit in units.add(sandbox, value)]
    given_ += [unit.sandbox for sandbox in "abcdef" for unit in units.close(sandbox)]

    assert given_ == list(dict.fromkeys(sandbox for sandbox, _ in made))
