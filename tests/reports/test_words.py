"""Numbers in words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports.words import apart, duration, percent, stages, visible


@pytest.mark.parametrize(
    ("share", "words"),
    [(0, "0 %"), (1, "100 %"), (0.5, "50 %"), (0.073, "7.3 %"), (0.9996, "99.96 %"), (1e-6, "< 0.01 %")],
)
def test_a_share_in_per_cent(share: float, words: str) -> None:
    assert percent(share) == words


@given(st.floats(min_value=0, max_value=1, exclude_min=True, exclude_max=True))
def test_what_is_not_all_is_never_a_hundred_nor_what_is_something_nothing(share: float) -> None:
    assert percent(share) not in ("100 %", "100.0 %", "100.00 %", "0 %", "0.0 %", "0.00 %")


def test_durations_have_a_unit_that_suits_them() -> None:
    assert [duration(each) for each in (0.00012, 0.0234, 1.5, 480)] == ["120 µs", "23.4 ms", "1.5 s", "480 s"]


def test_stages_begin_with_what_answers_from_new() -> None:
    assert stages({"shadow": 0.9, "live": 0.1}) == "live 10 % · shadow 90 %"
    assert stages({"off": 1.0}) == "off"
    assert stages(None) == "no flag"


@given(st.text(), st.text())
def test_texts_taken_apart_are_whole_again(old: str, new: str) -> None:
    start, of_old, of_new, end = apart(old, new)

    assert (start + of_old + end, start + of_new + end) == (old, new)


@given(st.text())
def test_nothing_invisible_is_left(text: str) -> None:
    assert all(character in "\n\t" or character.isprintable() for character in visible(text))
