"""comparators/judging.py: what people's words excuse, and what no word may."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comparators.judging import MOST_KINDS, Judged, covers, too_broad
from crossfade.judgement import Judgement, Saying

NOW = 1_000_000.0
MODE = "fs.info mode value"
severities = st.sampled_from(["contract", "content", "cosmetic"])
names = st.sampled_from(
    [MODE, "fs.info size value", "fs.list entry.mode value", "fs.list entry missing", "fs.mkdir status new 500"]
)


def said(saying: Saying, subject: str, **fields: object) -> Judgement:
    values: dict[str, object] = {"at": NOW, "author": "ada", "reason": "known", "severity": "content"}
    if saying is Saying.IGNORE:
        values |= {"until": NOW + 60, "owner": "team"}
    return Judgement(saying=saying, subject=subject, **(values | fields))  # type: ignore[arg-type]


def test_an_accepted_kind_is_explained_and_no_other() -> None:
    judged = Judged([said(Saying.ACCEPT, MODE)])

    assert judged.explains(MODE, "content", NOW) == said(Saying.ACCEPT, MODE)
    assert judged.explains("fs.info size value", "content", NOW) is None


def test_an_accepted_kind_that_got_worse_counts_again() -> None:
    judged = Judged([said(Saying.ACCEPT, MODE, severity="content")])

    assert judged.explains(MODE, "contract", NOW) is None
    assert judged.explains(MODE, "cosmetic", NOW) is not None


def test_what_is_reopened_counts_until_it_is_accepted_anew() -> None:
    accepted, reopened = said(Saying.ACCEPT, MODE), said(Saying.REOPEN, MODE)

    assert Judged([accepted, reopened]).explains(MODE, "content", NOW) is None
    assert Judged([accepted, reopened, accepted]).explains(MODE, "content", NOW) is not None


def test_a_rule_ends_at_its_time() -> None:
    judged = Judged([said(Saying.IGNORE, "fs.list entry.* value")])

    assert judged.explains("fs.list entry.mode value", "content", NOW + 59) is not None
    assert judged.explains("fs.list entry.mode value", "content", NOW + 60) is None
    assert judged.rules(NOW + 60) == []


def test_a_reopened_rule_is_none() -> None:
    rule = said(Saying.IGNORE, "fs.list entry.* value")

    assert Judged([rule, said(Saying.REOPEN, rule.subject)]).rules(NOW) == []


def test_a_broken_contract_is_never_ignored_by_a_rule() -> None:
    judged = Judged([said(Saying.IGNORE, "fs.list entry.* value")])

    assert judged.explains("fs.list entry.is_dir value", "contract", NOW) is None


@pytest.mark.parametrize(
    "name", ["fs.download without detail: more than 8 MiB", "fs.download differs, not detailed"], ids=("now", "before")
)
def test_a_comparison_that_was_cut_short_is_never_explained(name: str) -> None:
    assert Judged([said(Saying.ACCEPT, name)]).explains(name, "content", NOW) is None


def test_a_kind_said_to_be_fixed_counts() -> None:
    assert Judged([said(Saying.FIXED, MODE)]).explains(MODE, "content", NOW) is None


def test_words_that_excuse_nothing_say_so() -> None:
    accepted = said(Saying.ACCEPT, MODE)

    assert Judged([]).excuses_nothing
    assert Judged([said(Saying.FIXED, MODE), accepted, said(Saying.REOPEN, MODE)]).excuses_nothing
    assert not Judged([accepted]).excuses_nothing
    assert not Judged([said(Saying.IGNORE, MODE)]).excuses_nothing


@given(st.lists(st.builds(said, st.sampled_from(Saying), names), max_size=6), names, severities)
def test_only_words_on_a_kind_itself_explain_it(spoken: list[Judgement], name: str, severity: str) -> None:
    found = Judged(spoken).explains(name, severity, NOW)

    assert found is None or covers(found.subject, name)
    assert found is None or found.saying in (Saying.ACCEPT, Saying.IGNORE)


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        ("*", "begin with one operation"),
        ("fs.* mode value", "begin with one operation"),
        ("fs.info *", "end with what changed"),
        ("fs.list entry.*", "end with what changed"),
        ("fs.info * value", "name the place"),
        ("fs.info m* value", "name the place"),
        ("fs.info value", "name the place"),
        ("fs.mkdir status new 500", "accept each such kind by its name"),
        ("fs.mkdir status *", "accept each such kind by its name"),
        ("process.exec exit_code value", "accept each such kind by its name"),
    ],
)
def test_a_rule_that_hides_too_much_is_refused(pattern: str, reason: str) -> None:
    assert reason in too_broad(pattern, [])


@pytest.mark.parametrize("pattern", [MODE, "fs.list entry.* value", "process.exec output line missing"])
def test_a_rule_that_says_what_it_is_about_is_taken(pattern: str) -> None:
    assert too_broad(pattern, [(MODE, "content"), ("fs.mkdir status new 500", "contract")]) == ""


def test_a_rule_over_a_broken_contract_that_was_seen_is_refused() -> None:
    seen = [("fs.list entry.kind value", "contract")]

    assert "breaks the contract" in too_broad("fs.list entry.* value", seen)


def test_a_rule_over_many_kinds_that_were_seen_is_refused() -> None:
    seen = [(f"fs.list entry.field{number} value", "content") for number in range(MOST_KINDS + 1)]

    assert too_broad("fs.list entry.* value", seen[:-1]) == ""
    assert "at most" in too_broad("fs.list entry.* value", seen)


@given(st.text(max_size=12), st.text(max_size=12), st.text(max_size=12))
def test_a_star_stands_for_anything_and_nothing_else_does(start: str, middle: str, end: str) -> None:
    start, end = start.replace("*", ""), end.replace("*", "")

    assert covers(f"{start}*{end}", start + middle + end)
    assert not covers(f"{start}x{end}", f"{start}y{end}")
