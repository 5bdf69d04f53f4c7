"""Ranges of files."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.wire.ranges import BadRange, chosen, content_range, holds, http_date, is_single

SIZES = st.integers(1, 50)
DAY = 1_700_000_000


@given(SIZES, st.data())
def test_what_is_asked_from_and_to_is_given(size: int, data: st.DataObject) -> None:
    first = data.draw(st.integers(0, size - 1))
    last = data.draw(st.integers(first, 2 * size))

    assert chosen(f"bytes={first}-{last}", size) == (first, min(last + 1, size))
    assert chosen(f"bytes= {first} - {last} ", size) == (first, min(last + 1, size))
    assert chosen(f"bytes={first}-", size) == (first, size)


@given(SIZES, st.integers(1, 100))
def test_a_suffix_is_the_end_and_at_most_the_whole(size: int, length: int) -> None:
    start, end = chosen(f"bytes=-{length}", size) or (-1, -1)

    assert (end, end - start) == (size, min(length, size))


@given(SIZES, st.integers(0, 100))
def test_what_begins_behind_the_end_is_refused_with_the_size(size: int, beyond: int) -> None:
    with pytest.raises(BadRange, match="failed to overlap") as refused:
        chosen(f"bytes={size + beyond}-", size)

    assert refused.value.size == size


@given(st.text(max_size=8), st.integers(0, 20))
def test_whatever_is_asked_is_a_part_of_the_file_the_whole_or_refused(text: str, size: int) -> None:
    for wanted in (text, f"bytes={text}"):
        try:
            span = chosen(wanted, size)
        except BadRange:
            continue
        assert span is None or 0 <= span[0] < span[1] <= size


NONE = (
    "lines=0-1",
    "0-1",
    "bytes",
    "bytes=a-b",
    "bytes=-",
    "bytes=3-2",
    "bytes=--1",
    "Bytes=0-1",
    f"bytes={'9' * 5000}-",
)


@pytest.mark.parametrize("text", NONE, ids=[text[:12] for text in NONE])
def test_what_is_no_range_is_refused_without_a_size(text: str) -> None:
    with pytest.raises(BadRange) as refused:
        chosen(text, 10)

    assert refused.value.size is None


@pytest.mark.parametrize("text", ["", "bytes=0-1,3-4", "bytes=,", "bytes=-20, 0-1"])
def test_no_range_and_several_are_the_whole(text: str) -> None:
    assert chosen(text, 10) is None


def test_several_of_which_one_is_there_are_that_one() -> None:
    assert chosen("bytes=2-3,90-", 10) == (2, 4)
    assert chosen("bytes=0-0", 0) is None


def test_a_part_is_given_only_of_the_file_that_is_meant() -> None:
    date = http_date(DAY * 1_000_000_000 + 5)

    assert date == "Tue, 14 Nov 2023 22:13:20 GMT"
    assert holds(date, DAY * 1_000_000_000 + 999)
    assert not holds(date, (DAY + 1) * 1_000_000_000)
    assert holds("", 0)
    assert not holds('"a-tag"', 0)


def test_headers_say_which_bytes() -> None:
    assert content_range(2, 4, 10) == "bytes 2-3/10"
    assert is_single("bytes=2-3") and not is_single("bytes=2-3,5-6")
