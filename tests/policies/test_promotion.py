"""The next step of a tool."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossfade.stage import TOOLS, Stage
from policies.margins import BUDGETS, COMPLETE_BUDGET, HARM_MARGIN
from policies.promotion import ToolNumbers, Word, budget_after, next_step, next_steps

GOOD = ToolNumbers(
    tool="files",
    stages={"shadow": 0.9, "live": 0.1},
    compared=2_000,
    mismatch_upper=0.005,
    calls=2_500,
    dropped={"superseded by a later change": 400},
)


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
    step = next_step(replace(GOOD, stages=stages))

    assert (step.word, step.text.startswith(words)) == (Word.ADVANCE, True)


def test_too_little_evidence_holds_and_says_how_much_is_missing() -> None:
    step = next_step(replace(GOOD, compared=40, mismatch_upper=0.16, more_needed={0.03: 251}))

    assert step.word is Word.HOLD_DATA
    assert "251 more compared calls" in step.text
    assert "50 % needs 3 % or less" in step.text


def test_thousands_of_calls_of_a_few_sandboxes_do_not_advance() -> None:
    step = next_step(replace(GOOD, sandboxes=3))

    assert (step.word, "27 more compared sandboxes" in step.text) == (Word.HOLD_DATA, True)
    assert next_step(replace(GOOD, sandboxes=30)).text == next_step(GOOD).text


def test_nothing_compared_says_why() -> None:
    numbers = replace(
        GOOD, compared=0, mismatch_upper=1.0, dropped={"execute not repeated (mirror_execute = never)": 9}
    )

    assert "execute not repeated" in next_step(numbers).text


def test_a_tool_that_is_off_is_to_be_shadowed() -> None:
    step = next_step(ToolNumbers(tool="web", stages={"off": 1.0}))

    assert (step.word, "Set the flag to shadow" in step.text) == (Word.HOLD_DATA, True)


def test_comparing_that_cannot_keep_up_blocks() -> None:
    step = next_step(replace(GOOD, compared=900, dropped={"lane full": 100, "superseded by a later change": 5_000}))

    assert (step.word, "lane full" in step.text) == (Word.BLOCKED, True)


def test_calls_left_out_by_rule_do_not_block() -> None:
    assert next_step(replace(GOOD, dropped={"superseded by a later change": 50_000})).word is Word.ADVANCE


def test_lost_records_block() -> None:
    assert next_step(replace(GOOD, lost_records=10)).word is Word.BLOCKED


def test_certain_harm_goes_back_where_there_is_something_to_take_back() -> None:
    harmed = replace(GOOD, differing=100, mismatch_lower=0.03, mismatch_upper=0.07)

    assert next_step(harmed).word is Word.ROLLBACK
    assert next_step(replace(harmed, stages={"shadow": 1.0})).word is Word.HOLD_HARM


def test_one_broken_contract_is_looked_at_before_going_on() -> None:
    assert next_step(replace(GOOD, contract=1, differing=1)).word is Word.HOLD_HARM
    assert next_step(replace(GOOD, new_failed=1)).word is Word.HOLD_HARM


def test_a_process_tool_that_harms_holds_the_others_and_no_file_tool() -> None:
    steps = next_steps([replace(GOOD, tool="shell"), replace(GOOD, tool="browser", contract=2), GOOD])

    assert {tool: step.word for tool, step in steps.items()} == {
        "shell": Word.HOLD_HARM,
        "browser": Word.HOLD_HARM,
        "files": Word.ADVANCE,
    }
    assert "limited by browser" in steps["shell"].text


def test_lifecycle_has_nothing_to_decide() -> None:
    assert next_step(ToolNumbers(tool="lifecycle")).word is Word.FOLLOWS


def test_a_complete_tool_waits_for_the_others() -> None:
    assert "Retire old" in next_step(ToolNumbers(tool="files", stages={"complete": 1.0})).text


def test_the_budget_never_grows_with_the_share() -> None:
    ramp = [{"live": share, "shadow": 1 - share} for share in (0.0, 0.1, 0.5, 1.0)]

    assert [budget_after(stages) for stages in ramp] == [*BUDGETS.values(), COMPLETE_BUDGET]
    assert list(BUDGETS.values()) == sorted(BUDGETS.values(), reverse=True)


SEVERITY = list(Word)
numbers = st.builds(
    ToolNumbers,
    tool=st.sampled_from([tool for tool in TOOLS if tool != "lifecycle"]),
    stages=st.sampled_from([{"shadow": 1.0}, {"live": 1.0}, {"shadow": 0.5, "live": 0.5}, {"off": 1.0}, {}]),
    compared=st.integers(0, 10_000),
    calls=st.just(10_000),
    mismatch_upper=st.floats(0, 1),
    new_failed_lower=st.floats(0, 0.1),
    contract=st.integers(0, 3),
    lost_records=st.integers(0, 20),
    dropped=st.dictionaries(st.sampled_from(["lane full", "superseded by a later change"]), st.integers(1, 9_000)),
)


@given(numbers)
def test_worse_numbers_never_give_a_better_word(given_: ToolNumbers) -> None:
    before = SEVERITY.index(next_step(given_).word)
    for worse in (
        replace(given_, mismatch_upper=1.0),
        replace(given_, contract=given_.contract + 1),
        replace(given_, new_failed_lower=min(1.0, given_.new_failed_lower + 2 * HARM_MARGIN)),
        replace(given_, lost_records=given_.lost_records + 1_000),
    ):
        assert SEVERITY.index(next_step(worse).word) <= before


@given(numbers)
def test_every_step_is_one_sentence_or_two_a_person_can_act_on(given_: ToolNumbers) -> None:
    text = next_step(given_).text

    assert text.endswith((".", ")."))
    assert 20 < len(text) < 260
    assert all(Stage(stage) for stage in given_.stages)
