"""comparators/text.py: which lines changed."""

import pytest
from comparison_examples import outputs
from hypothesis import given
from hypothesis import strategies as st

from comparators.text import compare_text, without_volatile
from crossfade import Change, Severity

lines = st.lists(st.sampled_from([b"a", b"b", b"c", b"", b"long line"]), min_size=1, max_size=8)


def joined(parts: list[bytes]) -> bytes:
    return b"".join(part + b"\n" for part in parts)


def kinds(old: bytes, new: bytes) -> list[tuple[Change, Severity]]:
    return [(change.change, change.severity) for change in compare_text(old, new)]


@given(lines, st.data())
def test_one_changed_line_is_one_value_wherever_it_is(parts: list[bytes], data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(parts) - 1))
    changed = [*parts[:at], parts[at] + b" changed", *parts[at + 1 :]]

    assert kinds(joined(parts), joined(changed)) == [(Change.VALUE, Severity.CONTENT)]


@given(lines, st.data())
def test_one_line_less_is_missing_and_one_more_is_extra(parts: list[bytes], data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(parts) - 1))
    fewer = [*parts[:at], *parts[at + 1 :]]

    assert kinds(joined(parts), joined(fewer)) == [(Change.MISSING, Severity.CONTENT)]
    assert kinds(joined(fewer), joined(parts)) == [(Change.EXTRA, Severity.CONTENT)]


@given(outputs, outputs)
def test_unequal_texts_always_differ(old: bytes, new: bytes) -> None:
    assert bool(compare_text(old, new)) == (old != new)


def test_a_changed_line_and_a_lost_one_are_both_told() -> None:
    assert {change for change, _ in kinds(b"a\nb\nc\n", b"A\nb\n")} == {Change.VALUE, Change.MISSING}


def test_another_order_is_cosmetic() -> None:
    assert kinds(b"a\nb\nc\n", b"c\na\nb\n") == [(Change.ORDER, Severity.COSMETIC)]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"Sun Nov 23 03:54:01 UTC 2025\n", b"Sun Nov 23 03:55:12 UTC 2025\n"),
        (b"2025-11-23T03:54:01.123Z done\n", b"2025-11-23T03:54:02.001Z done\n"),
        (b"Date: Sun, 23 Nov 2025 03:54:01 GMT\n", b"Date: Sun, 23 Nov 2025 03:59:01 GMT\n"),
        (b'127.0.0.1 - - [23/Nov/2025 03:54:01] "GET /"\n', b'127.0.0.1 - - [23/Nov/2025 03:54:09] "GET /"\n'),
        (b"real\t0m0.012s\n", b"real\t0m1.512s\n"),
        (b"finished in 12 ms\n", b"finished in 31.5 ms\n"),
        (b"id 6ba7b810-9dad-11d1-80b4-00c04fd430c8\n", b"id 6ba7b811-9dad-11d1-80b4-00c04fd430c8\n"),
        (b"<object at 0x7f2a00aa10>\n", b"<object at 0x7f2b00aa99>\n"),
        (b"/tmp/tmp.Ab3dE6f7\n", b"/tmp/tmp.Zz3dE6f7\n"),
        (b"started, pid 812\n", b"started, pid 977\n"),
        (b"tcp 0 0 0.0.0.0:8004 LISTEN 812/python3 \n", b"tcp 0 0 0.0.0.0:8004 LISTEN 99/python3 \n"),
        (b"root@5f1c:/workspace# ls\n", b"root@e2b:/workspace# ls\n"),
        (
            b"total 8\ndrwxr-xr-x 2 root root 4096 Nov 23 03:54 src\n",
            b"total 4\ndrwxr-xr-x 3 user user 60 Nov 23 03:55 src\n",
        ),
        (b'{"screenshot_base64": "aGVsbG8=", "ok": 1}\n', b'{"screenshot_base64": "d29ybGQ=", "ok": 1}\n'),
        (b"at 1763870041 it began\n", b"at 1763870077 it began\n"),
    ],
)
def test_what_two_runs_cannot_agree_on_is_cosmetic(old: bytes, new: bytes) -> None:
    assert kinds(old, new) == [(Change.VALUE, Severity.COSMETIC)]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"-rw-r--r-- 1 root root 10 Nov 23 03:54 a\n", b"-rw-r--r-- 1 root root 11 Nov 23 03:54 a\n"),
        (b"-rw-r--r-- 1 root root 10 Nov 23 03:54 a\n", b"-rwxr--r-- 1 root root 10 Nov 23 03:54 a\n"),
        (b"-rw-r--r-- 1 root root 10 Nov 23 03:54 a\n", b"-rw-r--r-- 1 root root 10 Nov 23 03:54 b\n"),
        (b"listening on 127.0.0.1:8004\n", b"listening on 127.0.0.1:8005\n"),
        (b"3 tests passed in 12 ms\n", b"4 tests passed in 12 ms\n"),
        (b'{"screenshot_base64": "aGVsbG8=", "ok": 1}\n', b'{"screenshot_base64": "d29ybGQ=", "ok": 0}\n'),
        (b"12\n", b"13\n"),
        (b"v1.2.3\n", b"v1.2.4\n"),
    ],
)
def test_what_two_runs_must_agree_on_is_content(old: bytes, new: bytes) -> None:
    assert kinds(old, new) == [(Change.VALUE, Severity.CONTENT)]


def test_noise_beside_a_lost_line_does_not_hide_it() -> None:
    assert kinds(b"took 3 ms\na\nb\n", b"took 9 ms\na\n") == [(Change.MISSING, Severity.CONTENT)]


def test_texts_of_many_lines_are_compared_in_time_that_grows_with_their_size() -> None:
    old = b"".join(b"%d\n" % at for at in range(60_000))
    new = b"".join(b"%d\n" % (at * 7 % 60_001) for at in range(59_000))

    assert {change for change, _ in kinds(old, new)} >= {Change.VALUE, Change.MISSING}


@given(outputs)
def test_words_for_noise_are_not_noise_themselves(output: bytes) -> None:
    assert without_volatile(without_volatile(output)) == without_volatile(output)
