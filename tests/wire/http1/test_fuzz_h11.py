"""Generated answers, valid and broken: read alike however they are cut, and as h11 reads them but for named rules."""

import pytest

from tests.wire.http1.answer_cases import Case, make, pieces
from tests.wire.http1.oracle import BLANK_BEFORE, SOONER, by_h11, in_small_letters, stricter
from tests.wire.http1.reading import Told, bytewise, read

BLOCKS = 10


def ours(case: Case, cut: list[bytes]) -> Told:
    return read(cut, head_only=case.head_only, upgrade=case.upgrade, eof=case.eof)


def content(told: Told) -> tuple[object, ...]:
    return told.interim, told.head, told.framing, told.body, told.verdict, told.keep_alive


def check_cuts(seed: int, case: Case, told: Told) -> None:
    blank = told.complete and not told.surplus
    for cut in (bytewise(case.data), pieces(seed, case.data)):
        other = ours(case, cut)
        if told.refused:
            # How much of a broken answer was told before depends on the cut; that it is refused does not.
            assert other.refused and told.body.startswith(other.body)
            continue
        assert content(other) == content(told)
        # Blank lines behind an answer are only seen where they come by themselves: llhttp skips them.
        assert other.surplus == told.surplus or (blank and case.data.endswith((b"\n", b"\r")))


def check_h11(case: Case, told: Told) -> None:
    theirs = by_h11(case)
    if told.refused and not theirs.refused:
        assert stricter(told.refused, case.data) or (theirs.verdict == "more" and SOONER.match(told.refused))
    elif theirs.refused and not told.refused:
        assert not case.data or BLANK_BEFORE.search(case.data)
    elif not told.refused:
        assert told.verdict == theirs.verdict
        assert [in_small_letters(head) for head in told.interim] == [in_small_letters(head) for head in theirs.interim]
        assert in_small_letters(told.head) == in_small_letters(theirs.head)
        assert told.body == theirs.body
        assert told.surplus == theirs.surplus or (theirs.surplus and case.data.endswith((b"\n", b"\r")))
        # h11 keeps no connection of HTTP/1.0, whatever its headers say; we keep none where "close" is said in any way.
        why = b"http/1.0" if told.keep_alive else b"close"
        assert told.keep_alive == theirs.keep_alive or why in case.data.lower()


def check(seeds: range) -> None:
    for seed in seeds:
        case = make(seed)
        told = ours(case, [case.data] if case.data else [])
        try:
            check_cuts(seed, case, told)
            check_h11(case, told)
        except AssertionError as error:
            raise AssertionError(f"seed {seed}: {case} was read as {told}, by h11 as {by_h11(case)}") from error


@pytest.mark.parametrize("block", range(BLOCKS))
def test_answers_are_read_alike_however_cut_and_as_h11_does(block: int) -> None:
    check(range(block * 1000, (block + 1) * 1000))


@pytest.mark.full
@pytest.mark.parametrize("block", range(BLOCKS))
def test_very_many_answers_are_read_alike_however_cut_and_as_h11_does(block: int) -> None:
    check(range(1_000_000 + block * 10_000, 1_000_000 + (block + 1) * 10_000))


def test_the_cases_are_worth_reading() -> None:
    verdicts = [ours(case, [case.data]).verdict for case in map(make, range(2000)) if case.data]

    assert verdicts.count("complete") > 600 and verdicts.count("refused") > 400 and verdicts.count("more") > 100
