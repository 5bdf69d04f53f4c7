"""comparators/text.py: which lines changed."""

import time
from collections.abc import Callable

import pytest
from comparison_examples import outputs
from hypothesis import given
from hypothesis import strategies as st

from comparators.text import PAIRED_LINES, compare_text, without_volatile
from crossfade import Change, Severity

lines = st.lists(st.sampled_from([b"a", b"b", b"c", b"", b"long line"]), min_size=1, max_size=8)


LOST = (Change.MISSING, Severity.CONTENT)
OPPOSITE = {Change.MISSING: Change.EXTRA, Change.EXTRA: Change.MISSING}


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
        (b" 10%\r 60%\r100%\nok\n", b" 35%\r100%\nok\n"),
        (b'HTTP/1.1 200 OK\r\nETag: "5f-1"\r\n\r\n', b'HTTP/1.1 200 OK\r\nETag: "60-2"\r\n\r\n'),
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
        (b" 10%\r100%\n", b" 10%\r 99%\n"),
        (b"one\r\ntwo\n", b"one\ntwo\n"),
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


def numbered(count: int, word: str = "done") -> list[bytes]:
    return [b"2025-11-23T03:54:%02d.123Z %s %d" % (at % 60, word.encode(), at) for at in range(count)]


def later(parts: list[bytes]) -> list[bytes]:
    return [part.replace(b"2025-11-23T03:54", b"2025-11-24T11:07") for part in parts]


@pytest.mark.parametrize(
    ("change", "found"),
    {
        "noise in every line": (later, {(Change.VALUE, Severity.COSMETIC)}),
        "another order": (lambda parts: parts[::-1], {(Change.ORDER, Severity.COSMETIC)}),
        "another order, and noise": (lambda parts: later(parts[::-1]), {(Change.ORDER, Severity.COSMETIC)}),
        "one real difference in noise": (
            lambda parts: [*later(parts[:-2]), b"broken", parts[-1] + b"!"],
            {(Change.VALUE, Severity.CONTENT)},
        ),
        "lines lost at the end": (lambda parts: [*parts[:-3], b"x"], {(Change.VALUE, Severity.CONTENT), LOST}),
        "lines lost in noise": (lambda parts: later(parts[:-2]), {LOST}),
        "a line less at the beginning": (lambda parts: parts[1:], {LOST}),
        "everything else": (lambda parts: numbered(len(parts), "failed"), {(Change.VALUE, Severity.CONTENT)}),
    }.values(),
)
def test_texts_too_long_to_pair_lines_up_are_told_apart_as_short_ones_are(
    change: Callable[[list[bytes]], list[bytes]], found: set[tuple[Change, Severity]]
) -> None:
    parts = numbered(PAIRED_LINES + 1500)
    old, new = joined(parts), joined(change(parts))

    assert set(kinds(old, new)) == found
    assert set(kinds(new, old)) == {(OPPOSITE.get(kind, kind), severity) for kind, severity in found}


def test_the_difference_shown_of_a_long_text_is_the_one_that_counts() -> None:
    parts = numbered(PAIRED_LINES + 1500)
    change = compare_text(joined(parts), joined([*later(parts[:3000]), b"broken", *later(parts[3001:])]))

    assert [(each.old, each.new) for each in change] == [("<time> done 3000", "broken")]


def test_lines_that_repeat_without_end_are_compared_side_by_side() -> None:
    old, new = joined([b"a"] * 1999 + [b"b"]), joined([b"b"] + [b"a"] * 1990)

    assert (Change.MISSING, Severity.CONTENT) in kinds(old, new)


@pytest.mark.parametrize(
    "sides",
    [
        [joined([b"line %d of run %d, which says something" % (at, run) for at in range(50_000)]) for run in (0, 1)],
        [
            joined([b"2025-11-23T03:5%d:%02d.123Z done %d" % (run, at % 60, at) for at in range(50_000)])
            for run in (0, 1)
        ],
        [b"%d" % run + b"-7 abc" * 330_000 for run in (0, 1)],
        [joined([b"%d" % (at * (7 if run else 1) % 290_001) for at in range(290_000)]) for run in (0, 1)],
    ],
    ids=["all lines", "noise in all lines", "one line", "short lines"],
)
def test_two_megabytes_that_differ_everywhere_cost_a_part_of_the_deadline(sides: list[bytes]) -> None:
    started = time.process_time()
    found = compare_text(*sides)

    assert found
    # The deadline is 2 s of a process that runs with low priority, and normalising comes before this.
    assert time.process_time() - started < 1.0


@given(outputs)
def test_words_for_noise_are_not_noise_themselves(output: bytes) -> None:
    assert without_volatile(without_volatile(output)) == without_volatile(output)
