"""comparators/forms.py: forms of one text, and that none hides anything else."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comparators.forms import FORMS, composed, only_form, single_spaces, unix_lines, without_byte_order_mark

texts = st.text(st.sampled_from("aé e\u0301\t\r\n\ufeffb"), max_size=12)


@pytest.mark.parametrize("form", [form for _, form in FORMS], ids=[name for name, _ in FORMS])
@given(text=texts)
def test_doing_it_twice_is_doing_it_once_but_for_stacked_marks(form: Callable[[str], str], text: str) -> None:
    text = "a" + text if form is without_byte_order_mark else text.replace("\r\r", "\r")

    assert form(form(text)) == form(text)


@given(texts, texts)
def test_texts_of_one_form_differ_in_nothing_that_can_be_read(old: str, new: str) -> None:
    if old != new and only_form(old, new):
        assert "".join(composed(old).split()).strip("\ufeff") == "".join(composed(new).split()).strip("\ufeff")


@pytest.mark.parametrize(
    ("form", "before", "after"),
    [
        (without_byte_order_mark, "\ufeffa\ufeff", "a\ufeff"),
        (unix_lines, "a\r\nb\rc\n", "a\nb\rc\n"),
        (single_spaces, "\ta  b \n", " a b\n"),
        (composed, "e\u0301", "é"),
    ],
)
def test_a_form_changes_what_it_says(form: Callable[[str], str], before: str, after: str) -> None:
    assert form(before) == after


@pytest.mark.parametrize(("old", "new"), [("a b", "ab"), ("a\n", "a"), ("\n\n", "\n"), ("a", "A"), ("a\rb", "a\nb")])
def test_more_than_a_form_is_no_form(old: str, new: str) -> None:
    assert only_form(old, new) == ""
