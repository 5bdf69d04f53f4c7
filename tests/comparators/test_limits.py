"""comparators/limits.py: how big a pair is, found without walking it by recursion."""

from typing import Any

import pytest

from comparators.limits import Limits, measure


@pytest.mark.parametrize(
    ("value", "size_bytes", "depth"),
    [(b"abc", 3, 0), ("abc", 3, 0), (7, 8, 0), ([], 0, 1), ([b"ab"], 2, 1), ({"key": [1, "x"]}, 12, 2), ({}, 0, 1)],
)
def test_bytes_are_counted_and_levels_too(value: Any, size_bytes: int, depth: int) -> None:
    found = measure(value, Limits())

    assert (found.size_bytes, found.depth) == (size_bytes, depth)


def test_counting_stops_soon_after_a_cap() -> None:
    found = measure([[b"x"] * 100] * 1000, Limits(nodes=500))

    assert 500 < found.nodes < 2000
    assert found.over(Limits(nodes=500)) == "more than 500 values"


def test_a_tower_of_any_height_is_measured() -> None:
    tower: Any = []
    for _ in range(100_000):
        tower = [tower]

    assert measure(tower, Limits()).over(Limits()) == "nested deeper than 64 levels"


def test_what_is_within_every_cap_is_not_over() -> None:
    assert measure({"a": [1, 2, {"b": b"c"}]}, Limits()).over(Limits()) == ""
