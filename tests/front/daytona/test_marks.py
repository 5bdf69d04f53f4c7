"""Marks of a session's streams."""

from hypothesis import given
from hypothesis import strategies as st

from crossfade.results import STDERR_MARK, STDOUT_MARK
from router.front.daytona.marks import Stripper, split, strip

lines = st.lists(
    st.tuples(st.sampled_from([STDOUT_MARK, STDERR_MARK]), st.text("ab\n", max_size=5).map(str.encode)), max_size=6
)


def test_what_stands_before_the_first_mark_belongs_to_no_stream() -> None:
    assert split(b"lost" + STDOUT_MARK + b"out\n" + STDERR_MARK + b"err\n") == (b"out\n", b"err\n")


@given(lines)
def test_splitting_keeps_every_stream_in_order(marked: list[tuple[bytes, bytes]]) -> None:
    stdout, stderr = split(b"".join(mark + text for mark, text in marked))

    assert stdout == b"".join(text for mark, text in marked if mark == STDOUT_MARK)
    assert stderr == b"".join(text for mark, text in marked if mark == STDERR_MARK)


@given(lines, st.integers(1, 7))
def test_a_stream_is_stripped_alike_wherever_it_is_cut(marked: list[tuple[bytes, bytes]], size: int) -> None:
    whole = b"".join(mark + text for mark, text in marked)
    stripper = Stripper()

    shown = [stripper.feed(whole[start : start + size]) for start in range(0, len(whole), size)]

    assert b"".join(shown) + stripper.end() == strip(whole)


@given(st.lists(st.sampled_from([b"\1", b"\2", b"\1\1", b"\2\2\2", b"a", b"\n", b"\xff"]), max_size=12).map(b"".join))
def test_bytes_that_look_like_marks_are_stripped_alike_wherever_they_are_cut(data: bytes) -> None:
    for cut in range(len(data) + 1):
        stripper = Stripper()
        assert stripper.feed(data[:cut]) + stripper.feed(data[cut:]) + stripper.end() == strip(data)


@given(lines)
def test_the_two_streams_and_the_marks_are_all_there_is(marked: list[tuple[bytes, bytes]]) -> None:
    whole = b"".join(mark + text for mark, text in marked)
    stdout, stderr = split(whole)

    assert sorted(stdout + stderr) == sorted(strip(whole))
