"""What a stage makes of a call."""

import itertools
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossfade.operation import Effect
from crossfade.stage import PROCESS_GROUP, STAGES, TOOLS, Compared, Origin, Stage
from crossfade.twin import FollowerState
from policies.group import limiting
from policies.stages import Situation, asked, decide

JOINED = FollowerState.JOINED
COMING = (JOINED, FollowerState.CREATING)
tools, stages, effects = st.sampled_from(TOOLS), st.sampled_from(list(Stage)), st.sampled_from(list(Effect))
sides = st.sampled_from(list(Origin))
words = st.sampled_from(["", "follower is equal", "a write of it is under way"])
samples = st.sampled_from([0.0, 0.5, 1.0])
situations = st.builds(
    Situation,
    seat=sides,
    follower=st.sampled_from(list(FollowerState)),
    active=st.booleans(),
    held=st.sampled_from(["", "created before crossfade"]),
    limiting=st.sampled_from([(), ("shell",)]),
    bucket=st.integers(-1, 99_999),
)
calls = st.fixed_dictionaries(
    {"tool": tools, "stage": stages, "effect": effects, "now": situations, "side": sides, "why": words}
    | {"call_id": st.text(max_size=8), "sample": samples}
)


@given(calls)
def test_who_was_admitted_answers_and_only_the_other_side_is_a_shadow(call: dict[str, Any]) -> None:
    decision = decide(**call).decision

    assert decision.answering is call["side"]
    assert decision.shadow in (None, call["side"].other)
    assert decision.wish is STAGES[call["stage"]].wish


@given(calls)
def test_a_call_due_for_comparison_has_a_shadow_or_a_reason_and_no_other_has_either(call: dict[str, Any]) -> None:
    decided = decide(**call)
    compared = STAGES[call["stage"]].compared
    due = compared is Compared.ALL or (compared is Compared.MUTATIONS and call["effect"] is not Effect.READ)

    assert ((decided.decision.shadow is not None) + bool(decided.dropped)) == due


@given(calls)
def test_nothing_is_compared_with_a_follower_that_is_not_coming(call: dict[str, Any]) -> None:
    if decide(**call).decision.shadow is not None:
        assert call["now"].follower in COMING
        assert call["sample"] > 0


@given(calls)
def test_the_reason_says_held_exactly_when_the_wish_is_not_met(call: dict[str, Any]) -> None:
    decision = decide(**call).decision

    assert (f"; held on {decision.answering}: " in decision.reason) == (decision.answering is not decision.wish)
    assert decision.reason.startswith(f"{call['tool']} is {call['stage']}")


@given(calls, st.integers(0, 99_999))
def test_reasons_that_reports_count_name_no_bucket(call: dict[str, Any], bucket: int) -> None:
    if call["side"] is STAGES[call["stage"]].wish:
        return
    moved = replace(call["now"], bucket=bucket)

    assert decide(**call | {"now": moved}).decision.reason == decide(**call).decision.reason


@given(tools, stages, situations, st.booleans())
def test_a_follower_is_asked_only_for_one_path_file_calls_while_it_is_joined_and_active(
    tool: str, stage: Stage, now: Situation, bounded: bool
) -> None:
    side = asked(tool, stage, now, bounded=bounded)

    if side is not now.seat:
        assert bounded
        assert now.active
        assert now.follower is JOINED
        assert tool not in PROCESS_GROUP
        assert side is STAGES[stage].wish


@pytest.mark.parametrize(("tool", "stage"), list(itertools.product(PROCESS_GROUP, Stage)))
def test_no_stage_takes_a_process_tool_off_its_seat(tool: str, stage: Stage) -> None:
    for seat in Origin:
        now = Situation(seat=seat, follower=JOINED, active=True)

        assert asked(tool, stage, now, bounded=True) is seat


def reason(tool: str, stage: Stage, now: Situation, side: Origin, why: str = "") -> str:
    return decide(tool, stage, Effect.READ, now, side=side, why=why, call_id="c", sample=1.0).decision.reason


@pytest.mark.parametrize(
    ("tool", "now", "why", "said"),
    [
        ("files", Situation(), "", "follower is absent"),
        ("files", Situation(held="created before crossfade"), "", "created before crossfade"),
        ("files", Situation(follower=JOINED), "", "follower is not active yet"),
        ("files", Situation(follower=JOINED, active=True), "", "the call is not on one path"),
        ("files", Situation(follower=JOINED, active=True), "not on the follower yet", "not on the follower yet"),
        ("browser", Situation(follower=JOINED, limiting=("shell", "kb")), "",
         "limited by shell, kb: process tools move together"),
        ("browser", Situation(follower=JOINED), "",
         "process tools move together, and only at birth"),
        ("browser", Situation(follower=JOINED, held="seat did not move at birth: no room", limiting=("kb",)), "",
         "seat did not move at birth: no room"),
    ],
)  # fmt: skip
def test_a_call_held_on_old_says_by_what(tool: str, now: Situation, why: str, said: str) -> None:
    assert reason(tool, Stage.LIVE, now, Origin.OLD, why) == f"{tool} is live; held on old: {said}"


def test_a_call_that_goes_as_wished_says_stage_bucket_and_follower() -> None:
    now = Situation(follower=JOINED, active=True, bucket=95_412)

    assert reason("files", Stage.LIVE, now, Origin.NEW, "follower is equal") == (
        "files is live at bucket 95412; follower is equal"
    )
    assert reason("files", Stage.SHADOW, now, Origin.OLD) == "files is shadow at bucket 95412; the seat answers"


def test_a_tool_rolled_back_on_a_seat_that_moved_is_held_on_new() -> None:
    stages_now = dict.fromkeys(PROCESS_GROUP, Stage.SHADOW)
    now = Situation(seat=Origin.NEW, follower=JOINED, limiting=limiting(stages_now))

    assert reason("shell", Stage.SHADOW, now, Origin.NEW) == (
        "shell is shadow; held on new: process tools move together, and only at birth"
    )
