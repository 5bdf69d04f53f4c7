"""The next step of every tool, and what tools owe each other."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossfade.evidence import Evidence, Metric, Quality, Verdict, Word
from crossfade.stage import TOOLS, Stage
from policies.margins import BUDGETS, COMPLETE_BUDGET, HARM_MARGIN
from policies.promotion import budget_after, next_steps, quality_of

MISMATCH = Metric(name="mismatch", upper=0.005, harm=HARM_MARGIN, budget=0.03, equal=None, units=400, least_units=30)
GOOD = Evidence(
    tool="files",
    stages={"shadow": 0.9, "live": 0.1},
    quality=Quality(calls=2_500, compared=2_000, left_out={"superseded by a later change": 400}),
    metrics=(MISMATCH,),
)


def step(evidence: Evidence) -> Verdict:
    return next_steps([evidence])[evidence.tool]


def dropping(evidence: Evidence, compared: int, **dropped: int) -> Evidence:
    reasons = {name.replace("_", " "): count for name, count in dropped.items()}
    return replace(evidence, quality=quality_of(Quality(calls=9_000, compared=compared), reasons))


@pytest.mark.parametrize(
    ("stages", "words"),
    [
        ({"shadow": 1.0}, "Start with 10 % live"),
        ({"shadow": 0.9, "live": 0.1}, "Go to 50 % live"),
        ({"shadow": 0.5, "live": 0.5}, "Go to 100 % live"),
        ({"live": 1.0}, "Set it to complete"),
    ],
    ids=["shadow", "ten", "fifty", "all"],
)
def test_good_numbers_advance_by_one_step(stages: dict[str, float], words: str) -> None:
    found = step(replace(GOOD, stages=stages))

    assert (found.word, found.text.startswith(words)) == (Word.ADVANCE, True)


def test_too_little_evidence_holds_and_says_how_much_is_missing() -> None:
    few = replace(MISMATCH, units=40, upper=0.16, more_units=89)
    found = step(replace(GOOD, metrics=(few,), units_per_day=20.0))

    assert found.word is Word.HOLD_DATA
    assert "89 more sandboxes (4.5 days)" in found.text
    assert "50 % needs 3 % or less" in found.text


def test_nothing_compared_says_why() -> None:
    nothing = replace(MISMATCH, units=0, upper=1.0)
    found = step(dropping(replace(GOOD, metrics=(nothing,)), 0, execute_not_repeated=9))

    assert "no call was compared (execute not repeated)" in found.text


def test_calls_whose_sandboxes_are_still_at_work_are_no_evidence_yet_and_that_is_said() -> None:
    found = step(dropping(replace(GOOD, metrics=(replace(MISMATCH, units=0, upper=1.0),)), 12))

    assert (found.word, "12 calls were compared" in found.text) == (Word.HOLD_DATA, True)


def test_a_tool_that_is_off_is_to_be_shadowed() -> None:
    found = step(Evidence(tool="web", stages={"off": 1.0}))

    assert (found.word, "Set the flag to shadow" in found.text) == (Word.HOLD_DATA, True)


def test_comparing_that_cannot_keep_up_blocks() -> None:
    found = step(dropping(GOOD, 900, lane_full=100, superseded_by_a_later_change=5_000))

    assert (found.word, "lane full" in found.text) == (Word.BLOCKED, True)


def test_calls_left_out_by_rule_do_not_block() -> None:
    assert step(dropping(GOOD, 900, superseded_by_a_later_change=50_000)).word is Word.ADVANCE


def test_a_process_tool_that_harms_holds_the_others_and_no_file_tool() -> None:
    steps = next_steps([replace(GOOD, tool="shell"), replace(GOOD, tool="browser", broken=2), GOOD])

    assert {tool: each.word for tool, each in steps.items()} == {
        "shell": Word.HOLD_HARM,
        "browser": Word.HOLD_HARM,
        "files": Word.ADVANCE,
    }
    assert "limited by browser" in steps["shell"].text


def test_lifecycle_has_nothing_to_decide() -> None:
    assert step(Evidence(tool="lifecycle")).word is Word.FOLLOWS


def test_a_complete_tool_waits_for_the_others() -> None:
    assert "Retire old" in step(Evidence(tool="files", stages={"complete": 1.0})).text


def test_the_budget_never_grows_with_the_share() -> None:
    ramp = [{"live": share, "shadow": 1 - share} for share in (0.0, 0.1, 0.5, 1.0)]

    assert [budget_after(stages) for stages in ramp] == [*BUDGETS.values(), COMPLETE_BUDGET]
    assert list(BUDGETS.values()) == sorted(BUDGETS.values(), reverse=True)


SEVERITY = list(Word)
evidences = st.builds(
    Evidence,
    tool=st.sampled_from([tool for tool in TOOLS if tool != "lifecycle"]),
    stages=st.sampled_from([{"shadow": 1.0}, {"live": 1.0}, {"shadow": 0.5, "live": 0.5}, {"off": 1.0}, {}]),
    quality=st.builds(
        quality_of,
        st.builds(Quality, calls=st.just(10_000), compared=st.integers(0, 10_000), lost_records=st.integers(0, 20)),
        st.dictionaries(st.sampled_from(["lane full", "superseded by a later change"]), st.integers(1, 9_000)),
    ),
    metrics=st.builds(
        lambda units, upper, more: (replace(MISMATCH, units=units, upper=upper, more_units=more),),
        *(st.integers(0, 500), st.floats(0, 1), st.none() | st.integers(0, 900)),
    ),
    broken=st.integers(0, 3),
    units_per_day=st.sampled_from([0.0, 12.5]),
    days_at_step=st.none() | st.floats(0, 20),
)


@given(evidences)
def test_worse_numbers_never_give_a_better_word(given_: Evidence) -> None:
    before = SEVERITY.index(step(given_).word)
    lost = replace(given_.quality, lost_records=given_.quality.lost_records + 1_000)
    for worse in (
        replace(given_, metrics=(replace(given_.metrics[0], upper=1.0),)),
        replace(given_, metrics=(replace(given_.metrics[0], lower=2 * HARM_MARGIN),)),
        replace(given_, broken=given_.broken + 1),
        replace(given_, quality=lost),
    ):
        assert SEVERITY.index(step(worse).word) <= before


@given(evidences)
def test_every_step_is_one_sentence_or_two_a_person_can_act_on(given_: Evidence) -> None:
    text = step(given_).text

    assert text.endswith((".", ")."))
    assert 20 < len(text) < 260
    assert all(Stage(stage) for stage in given_.stages)
