"""comparators/compare.py: what holds for every pair."""

import hashlib
import json
from dataclasses import replace
from typing import Any

import pytest
from comparison_examples import COMPARED, outcomes, pair, pairs
from hypothesis import given, settings
from hypothesis import strategies as st

from comparators import UNCOMPARED, agree, compare, plain, sealed, signatures
from comparators.compare import LIMITS
from comparators.rules import RULES, rule
from comparators.structure import normalised
from crossfade import OPERATIONS, Change, Comparison, Difference, Pair, Severity, done, refused
from crossfade.results import ContentDigest, ExecResult, FileInfo, SessionExec

OPPOSITE = {Change.MISSING: Change.EXTRA, Change.EXTRA: Change.MISSING}


def mirrored(comparison: Comparison) -> set[Difference]:
    return {
        replace(each, change=OPPOSITE.get(each.change, each.change), old=each.new, new=each.old)
        for each in comparison.differences
    }


@given(pairs())
def test_every_outcome_matches_itself(pair: Pair) -> None:
    assert compare(replace(pair, new=pair.old)).matched


@given(pairs())
def test_swapping_the_sides_swaps_the_differences_and_nothing_else(pair: Pair) -> None:
    there = compare(pair)
    back = compare(Pair(operation=pair.operation, old=pair.new, new=pair.old))

    assert mirrored(there) == set(back.differences)
    assert there.matched == back.matched


@given(pairs())
def test_the_cheap_answer_and_the_detailed_one_are_the_same_answer(pair: Pair) -> None:
    assert agree(pair) == compare(pair).matched


@given(pairs())
def test_normalising_twice_is_normalising_once(pair: Pair) -> None:
    once = normalised(rule(pair.operation), pair.old)

    assert normalised(rule(pair.operation), once) == once


@given(pairs())
def test_sealing_both_sides_changes_no_verdict(pair: Pair) -> None:
    key = b"0" * 16
    hidden = Pair(operation=pair.operation, old=sealed(pair.old, key), new=sealed(pair.new, key))

    assert signatures(compare(hidden)) == signatures(compare(pair))


@given(pairs())
def test_a_comparison_is_small_and_ready_for_json(pair: Pair) -> None:
    comparison = compare(pair)

    assert len(comparison.differences) <= 40
    for difference in comparison.differences:
        assert max(len(difference.old), len(difference.new)) <= 200
        json.dumps([difference.path, difference.old, difference.new])


def _changed_fields() -> list[Any]:
    file = FileInfo(name="a", size=10, mode=0o644)
    ran = ExecResult(exit_code=0, output=b"one\ntwo\n")
    content = ContentDigest(size=3, sha256="a" * 64, sample=b"abc")
    return [
        ("fs.info", file, replace(file, size=11)),
        ("fs.info", file, replace(file, mode=0o755)),
        ("fs.info", file, replace(file, is_dir=True)),
        ("fs.info", file, replace(file, name="b")),
        ("fs.list", (file,), ()),
        ("fs.list", (file,), (replace(file, name="b"),)),
        ("fs.list", (file,), (file, file)),
        ("fs.download", content, replace(content, sha256="b" * 64)),
        ("fs.download", content, replace(content, size=4)),
        ("process.exec", ran, replace(ran, exit_code=1)),
        ("process.exec", ran, replace(ran, output=b"one\nTWO\n")),
        ("process.exec", ran, replace(ran, output=b"two\none\n")),
        ("process.exec", ran, replace(ran, output=b"one\ntwo\n\n")),
        ("process.exec", ran, replace(ran, output=b"one \ntwo\n")),
        (
            "session.exec",
            SessionExec(command_id="1", marked=b"\1\1\1x"),
            SessionExec(command_id="2", marked=b"\2\2\2x"),
        ),
        ("fs.search", ("a",), ("b",)),
        ("sandbox.labels", {"a": "1"}, {"a": "2"}),
        ("sandbox.work_dir", "/workspace", "/app"),
    ]


@pytest.mark.parametrize(("operation", "old", "new"), _changed_fields())
def test_a_changed_meaningful_field_is_never_matched(operation: str, old: Any, new: Any) -> None:
    assert not compare(pair(operation, done(old), done(new))).matched


@given(st.integers(-1, 255), st.integers(-1, 255))
def test_exit_codes_match_when_equal_or_both_of_a_signal(one: int, other: int) -> None:
    matched = compare(
        pair("process.exec", done(ExecResult(exit_code=one, output=b"")), done(ExecResult(exit_code=other, output=b"")))
    ).matched

    assert matched == (one == other or {one, other} <= {-1, 137, 143})


@given(st.binary(max_size=40), st.binary(max_size=40))
def test_contents_match_only_when_equal_to_the_byte(one: bytes, other: bytes) -> None:
    old, new = (
        done(ContentDigest(size=len(data), sha256=hashlib.sha256(data).hexdigest(), sample=data))
        for data in (one, other)
    )

    assert compare(pair("fs.download", old, new)).matched == (one == other)


@given(st.sampled_from(COMPARED).flatmap(lambda name: st.tuples(st.just(name), outcomes(name))))
def test_done_and_refused_are_a_broken_contract_and_nothing_else(case: tuple[str, Any]) -> None:
    operation, outcome = case
    new = done(None) if not outcome.ok else refused(500, "INTERNAL_SERVER_ERROR", "broken")
    comparison = compare(pair(operation, outcome, new))

    assert [(each.path, each.severity) for each in comparison.differences] == [("status", Severity.CONTRACT)]


def test_every_operation_has_a_rule_or_a_reason() -> None:
    assert set(RULES) | set(UNCOMPARED) == set(OPERATIONS)
    assert not set(RULES) & set(UNCOMPARED)


@pytest.mark.parametrize("operation", sorted(UNCOMPARED))
def test_what_is_not_compared_says_why_and_is_no_match(operation: str) -> None:
    comparison = compare(pair(operation, done(None), done(None)))

    assert comparison.limited == UNCOMPARED[operation]
    assert not comparison.matched


def test_too_much_of_anything_is_limited_not_matched() -> None:
    deep: Any = "x"
    for _ in range(900):
        deep = {"k": deep}
    for big, reason in (
        ({"fields": deep}, "nested"),
        ({"output": b"x" * (LIMITS.size_bytes + 1)}, "larger"),
        ({"entries": [0] * (LIMITS.nodes + 1)}, "more than"),
    ):
        comparison = compare(
            Pair(operation="process.exec", old={"status": 200, "value": big}, new={"status": 200, "value": {}})
        )

        assert comparison.limited.startswith(reason)


@settings(max_examples=30)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=4),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    )
)
def test_an_operation_nobody_wrote_a_rule_for_is_compared_as_it_is(value: Any) -> None:
    old = {"status": 200, "value": {"odd": value}}

    assert compare(Pair(operation="future.thing", old=old, new=old)).matched
    assert not compare(
        Pair(operation="future.thing", old=old, new={"status": 200, "value": {"odd": [value, 1]}})
    ).matched


def test_names_of_each_side_become_one_placeholder() -> None:
    old = plain(
        "process.exec",
        done(ExecResult(exit_code=0, output=b"box-17:/home/daytona/x /home/daytonax\n")),
        names={"box-17": "<host>", "/home/daytona": "<home>"},
    )
    new = plain(
        "process.exec",
        done(ExecResult(exit_code=0, output=b"e2b.local:/root/x /home/daytonax\n")),
        names={"e2b.local": "<host>", "/root": "<home>"},
    )

    assert compare(Pair(operation="process.exec", old=old, new=new)).matched
