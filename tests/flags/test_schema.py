"""Flags as text, as shares and as LaunchDarkly JSON."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossfade.errors import SettingsError
from crossfade.stage import TOOLS, Stage
from router.flags import schema

stages = st.sampled_from(list(Stage))
cuts = st.lists(st.integers(0, schema.WHOLE), min_size=5, max_size=5).map(sorted)
weights = cuts.map(
    lambda at: {stage: high - low for stage, low, high in zip(Stage, [0, *at], [*at, schema.WHOLE], strict=True)}
)
targets = st.dictionaries(st.text(min_size=1), stages)


@given(st.sampled_from(TOOLS), weights, targets, st.integers(1), st.integers())
def test_what_is_built_passes_and_reads_back(
    tool: str, shares: dict[Stage, int], named: dict[str, Stage], version: int, seed: int
) -> None:
    flag = schema.build(tool, shares, version=version, seed=seed, targets=named)

    schema.check(flag)
    assert schema.weights_of(flag) == {stage: weight for stage, weight in shares.items() if weight}
    assert schema.targets_of(flag) == named
    assert schema.tool_of(schema.key_of(tool)) == tool
    assert json.loads(json.dumps(flag)) == flag


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)
GOOD = schema.build("files", schema.shares("live=10,shadow=90"), version=1, seed=1)


@given(st.dictionaries(st.sampled_from(sorted(GOOD)), json_values))
def test_checking_a_flag_with_any_part_replaced_never_fails_otherwise(parts: dict[str, object]) -> None:
    try:
        schema.check(GOOD | parts)
    except SettingsError as error:
        assert str(error)


def test_a_switched_off_flag_is_off() -> None:
    flag = GOOD | {"on": False}

    schema.check(flag)
    assert schema.weights_of(flag) == {Stage.OFF: schema.WHOLE}


@pytest.mark.parametrize(
    ("text", "shares"),
    [
        ("live", {"live": 100_000}),
        (" shadow ", {"shadow": 100_000}),
        ("live=10,shadow=90", {"live": 10_000, "shadow": 90_000}),
        ("live = 0.5%, off = 99.5 %", {"live": 500, "off": 99_500}),
        ("live=100", {"live": 100_000}),
    ],
)
def test_shares_are_read(text: str, shares: dict[str, int]) -> None:
    assert {str(stage): weight for stage, weight in schema.shares(text).items()} == shares


@pytest.mark.parametrize(
    ("text", "thing", "fix"),
    [
        ("alive", "no stage 'alive'", "known: off, dualwrite"),
        ("alive=10,shadow=90", "no stage 'alive'", "known: off, dualwrite"),
        ("live=10", "adds up to 10 %", "make it 100 %"),
        ("live=60,shadow=60", "adds up to 120 %", "make it 100 %"),
        ("live=50,live=50", "'live' stands twice", "name each once"),
        ("live=ten,shadow=90", "'live=ten'", "write for example"),
        ("live=nan,shadow=90", "'live=nan'", "write for example"),
        ("live=inf,shadow=90", "'live=inf'", "write for example"),
        ("live=-10,shadow=110", "'live=-10'", "from 0 to 100"),
        ("live=10,,shadow=90", "no stage ''", "known:"),
        ("", "no stage ''", "known:"),
    ],
)
def test_shares_that_cannot_be_meant_name_the_part_and_the_fix(text: str, thing: str, fix: str) -> None:
    with pytest.raises(SettingsError) as caught:
        schema.shares(text)

    assert thing in str(caught.value)
    assert fix in str(caught.value)


@pytest.mark.parametrize("on", [True, False])
def test_a_kill_flag_reads_back(on: bool) -> None:
    assert schema.killed(json.loads(json.dumps(schema.kill(on, version=3)))) is on


@given(st.dictionaries(st.sampled_from(sorted(schema.kill(True, version=1))), json_values) | json_values)
def test_a_kill_flag_is_on_off_or_refused(parts: object) -> None:
    flag = schema.kill(True, version=1) | parts if isinstance(parts, dict) else parts
    try:
        assert schema.killed(flag) in (True, False)
    except SettingsError as error:
        assert "sandbox-migration-kill" in str(error)
