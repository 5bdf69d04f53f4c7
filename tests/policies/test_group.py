"""Tools that share processes move together."""

from hypothesis import given
from hypothesis import strategies as st

from crossfade.stage import PROCESS_GROUP, STAGES, TOOLS, Origin, Stage
from policies.group import limiting, seat_wish

all_stages = st.dictionaries(st.sampled_from(TOOLS), st.sampled_from(list(Stage)))
whole_groups = st.fixed_dictionaries({tool: st.sampled_from(list(Stage)) for tool in PROCESS_GROUP})


@given(all_stages)
def test_the_seat_is_new_only_if_no_tool_of_the_group_asks_for_old(stages: dict[str, Stage]) -> None:
    wishes = {STAGES[stages[tool]].wish if tool in stages else Origin.OLD for tool in PROCESS_GROUP}

    assert (seat_wish(stages) is Origin.NEW) == (wishes == {Origin.NEW})


@given(all_stages)
def test_who_limits_is_named_whenever_the_seat_stays_on_old(stages: dict[str, Stage]) -> None:
    assert bool(limiting(stages)) == (seat_wish(stages) is Origin.OLD)
    assert set(limiting(stages)) <= set(PROCESS_GROUP)


@given(whole_groups, st.sampled_from(PROCESS_GROUP), st.sampled_from(list(Stage)))
def test_one_tool_that_asks_for_old_holds_the_seat(stages: dict[str, Stage], tool: str, stage: Stage) -> None:
    changed = stages | {tool: stage}

    assert (tool in limiting(changed)) == (STAGES[stage].wish is Origin.OLD)


@given(whole_groups, st.sampled_from([tool for tool in TOOLS if tool not in PROCESS_GROUP]))
def test_tools_outside_the_group_have_no_say(stages: dict[str, Stage], tool: str) -> None:
    for stage in Stage:
        assert seat_wish(stages | {tool: stage}) is seat_wish(stages)


def test_all_live_moves_the_seat() -> None:
    assert seat_wish(dict.fromkeys(PROCESS_GROUP, Stage.LIVE)) is Origin.NEW
