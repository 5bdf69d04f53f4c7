"""comparators/quick.py: it never says that two outcomes agree which do not."""

from dataclasses import replace

import pytest
from comparison_examples import COMPARED, VALUES, digests, files, outcomes, pair
from hypothesis import given
from hypothesis import strategies as st

from comparators import UNCOMPARED, agree, surely_agree
from crossfade import Outcome, done, refused
from crossfade.results import ContentDigest, ExecResult, FileInfo

SETTLED = ("fs.info", "fs.list", "fs.download", "process.exec", "fs.upload", "sandbox.work_dir")


@given(st.data())
def test_what_surely_agrees_agrees(data: st.DataObject) -> None:
    operation = data.draw(st.sampled_from(COMPARED))
    old = data.draw(outcomes(operation))
    new = data.draw(st.just(old) | outcomes(operation))

    assert agree(pair(operation, old, new)) or not surely_agree(operation, old, new)


@given(st.sampled_from(SETTLED), st.data())
def test_what_is_the_same_surely_agrees(operation: str, data: st.DataObject) -> None:
    value = data.draw(VALUES.get(operation, st.none()))

    assert surely_agree(operation, done(value), done(value))


@given(files, files)
def test_files_agree_exactly_when_their_rule_says_so(one: FileInfo, other: FileInfo) -> None:
    other = replace(other, name=one.name, is_dir=one.is_dir)
    old, new = done(one), done(other)

    assert surely_agree("fs.info", old, new) == agree(pair("fs.info", old, new))
    assert surely_agree("fs.list", done((one,)), done((other,))) == agree(pair("fs.list", done((one,)), done((other,))))


@given(
    st.lists(st.tuples(files, st.sampled_from(["", "/w/", "/w/d/"]), st.sampled_from(["", "./", "./d/"])), max_size=4)
)
def test_listings_that_surely_agree_hold_the_same_files_in_the_same_places(
    rows: list[tuple[FileInfo, str, str]],
) -> None:
    old = done(tuple(replace(file, path=f"{above}{file.name}" if above else "") for file, above, _ in rows))
    new = done(tuple(replace(file, path=f"{above}{file.name}" if above else "") for file, _, above in rows))

    assert agree(pair("fs.list", old, new)) or not surely_agree("fs.list", old, new)


@given(digests, digests)
def test_contents_agree_exactly_when_their_rule_says_so(one: ContentDigest, other: ContentDigest) -> None:
    old, new = done(one), done(other)

    assert surely_agree("fs.download", old, new) == agree(pair("fs.download", old, new))


@pytest.mark.parametrize(
    ("operation", "old", "new"),
    [
        ("fs.info", refused(404, "NOT_FOUND", "x"), refused(404, "NOT_FOUND", "x")),
        ("fs.mkdir", done(status=201), done(status=200)),
        ("fs.list", done((FileInfo(name="a"), FileInfo(name="b"))), done((FileInfo(name="b"), FileInfo(name="a")))),
        ("fs.search", done(("a",)), done(("a",))),
        ("process.exec", done(ExecResult(exit_code=0, output=b"a")), done(ExecResult(exit_code=0, output=b"a\n"))),
        ("fs.info", done(FileInfo(name="a")), done(None)),
    ],
)
def test_what_takes_a_closer_look_is_left_to_it(operation: str, old: Outcome, new: Outcome) -> None:
    assert not surely_agree(operation, old, new)


@pytest.mark.parametrize("operation", sorted(UNCOMPARED))
def test_what_is_not_compared_never_agrees(operation: str) -> None:
    assert not surely_agree(operation, done(), done())
