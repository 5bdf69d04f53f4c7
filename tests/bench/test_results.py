"""Results of the benchmark: into JSON and back, into words, and held against what was promised."""

import json

import pytest

from bench.arithmetic import Spread, spread
from bench.document import BEGIN, END, between, rendered
from bench.goals import GOALS, SICK, judged
from bench.parts.counts import why
from bench.profile import frames
from bench.results import Found, Table, as_json, digits, from_json, number, shown

SOME = spread([40.0, 48.0, 50.0, 52.0, 60.0])


def found() -> Found:
    result = Found(part="relay", title="Relay, small call", method="In turns.")
    rows = {
        "direct": {"calls/s": number(190_000.4)},
        "crossfade relay": {"CPU µs": SOME, "calls/s": 15_000.0, "note": "ours"},
    }
    result.tables.append(Table(title="", columns=("CPU µs", "calls/s", "note"), rows=rows))
    result.ratios = {"relay_cpu_vs_nginx_split": spread([2.4, 2.5, 2.6]), "noise_relay_cpu": spread([1.0, 1.1, 1.0])}
    result.check("5 calls sent, 5 in the store", True)
    result.check("0 records lost", False)
    result.skipped["envoy weighted"] = "envoy is not in .envs"
    return result


def latest(*parts: Found) -> dict[str, object]:
    return {
        "commit": "0123456789", "at": "2026-11-23T08:00:00Z", "seconds": 300.0, "versions": ["nginx 1.22.1"],
        "machine": {"processors": 2, "model": "some", "kernel": "6.1.0-x", "python": "3.11.7", "load": [0.5, 0, 0],
                    "load_after": [2.5, 0, 0]},
        "parts": {part.part: as_json(part) for part in parts},
    }  # fmt: skip


def test_json_loses_nothing() -> None:
    there = json.loads(json.dumps(as_json(found())))

    assert from_json("relay", there) == found()


@pytest.mark.parametrize(
    ("value", "text"),
    [(190_000.4, "190,000"), (48.0, "48.0"), (2.456, "2.46"), (0.0374, "0.037"), (-3.5, "-3.50")],
)
def test_numbers_have_three_digits_that_count(value: float, text: str) -> None:
    assert digits(value) == text


def test_quartiles_are_shown_where_there_are_values_enough_to_have_them() -> None:
    assert shown(SOME) == "50.0 (48.0–52.0)"
    assert shown(spread([1.0, 3.0])) == "2.00"
    assert (shown("ours"), shown(None)) == ("ours", "–")


def test_the_page_says_what_was_measured_what_must_not_be_and_what_was_left_out() -> None:
    text = rendered(latest(found()))

    assert "| crossfade relay | 50.0 (48.0–52.0) | 15,000 | ours |" in text
    assert "- 5 calls sent, 5 in the store\n" in text
    assert "- 0 records lost **– which must not be**" in text
    assert "- not measured: envoy weighted (envoy is not in .envs)" in text
    assert "| … × nginx split_clients | 2.50 (2.45–2.55) | ≤ 2.7 | yes |" in text


def test_only_what_stands_between_the_marks_is_replaced() -> None:
    page = f"before\n{BEGIN}\nold numbers\n{END}\nafter\n"

    assert between(page, "new") == f"before\n{BEGIN}\nnew\n{END}\nafter\n"
    with pytest.raises(ValueError, match="lost its marks"):
        between("a page without marks", "new")


def one(value: float) -> Spread:
    return spread([value])


def test_a_limit_is_kept_up_to_itself_and_a_floor_from_itself_on() -> None:
    kept = judged({"relay_cpu_vs_nginx_split": one(2.7), "body_10mb_vs_nginx": one(0.65)})
    missed = judged({"relay_cpu_vs_nginx_split": one(2.71), "body_10mb_vs_nginx": one(0.649)})

    assert [goal.kept for goal in kept] == [True, True]
    assert [goal.kept for goal in missed] == [False, False]


@pytest.mark.parametrize(
    ("share", "added", "kept"), [(1.10, 500.0, True), (1.5, 60.0, True), (1.11, 61.0, False)], ids=str
)
def test_a_sick_shadow_may_cost_a_tenth_or_sixty_microseconds(share: float, added: float, kept: bool) -> None:
    ratios = {"shadow_hung_p50": one(share), "shadow_hung_p50_added_us": one(added), "shadow_hung_p99": one(1.0),
              "noise_shadow_hung_p99": one(1.2)}  # fmt: skip

    assert judged(ratios)[0].kept is kept


def test_the_tail_is_held_against_the_noise_of_the_same_run() -> None:
    ratios = {"shadow_dead_p50": one(1.0), "shadow_dead_p50_added_us": one(0.0), "shadow_dead_p99": one(1.3)}

    quiet, noisy = ratios | {"noise_shadow_dead_p99": one(1.2)}, ratios | {"noise_shadow_dead_p99": one(1.4)}
    assert [judged(each)[1].kept for each in (quiet, noisy)] == [False, True]


def test_what_was_not_measured_is_not_judged() -> None:
    assert judged({}) == []
    assert len({goal.name for goal in GOALS}) == len(GOALS)
    assert "healthy" not in SICK


def test_reasons_for_drops_are_added_up_over_tools() -> None:
    metrics = {
        'crossfade_dropped_total{reason="lane full",tool="files"}': 3.0,
        'crossfade_dropped_total{reason="lane full",tool="upload"}': 2.0,
        'crossfade_dropped_total{reason="router stopped",tool="files"}': 1.0,
        'crossfade_calls_total{tool="files"}': 9.0,
    }

    assert why(metrics) == ": 5 lane full, 1 router stopped"
    assert why({}) == ""


def test_a_frame_that_calls_itself_counts_once_a_sample() -> None:
    own, below = frames(["main;walk;walk 3", "main;walk 2", "main 1", "", "no count"])

    assert own == {"walk": 5, "main": 1}
    assert below == {"main": 6, "walk": 5}
