"""Ramps on simulated traffic with a known truth: calls, likeness and rates as docs/ramp.md states them."""

import pytest

from bench.evidence.power import Case
from bench.evidence.ramps import BASE, SEED, WORSE, Truth, run_many
from crossfade.evidence import Evidence
from policies.ramp import Act, Plan, Standing, State, step, weights

PAIRS = 2_000  # sandboxes of 20 calls within which a regression of 2 points is stepped back: docs/ramp.md
ICC = pytest.mark.parametrize("icc", [0.0, 0.3], ids=["ICC 0", "ICC 0.3"])


def truth(icc: float, **more: float | bool) -> Truth:
    return Truth(case=Case(calls=20, icc=icc, base=BASE), **{"share": 0.1, **more})  # type: ignore[arg-type]


@pytest.mark.full
@ICC
def test_a_healthy_tool_at_98_percent_success_is_stepped_back_in_less_than_1_percent_of_the_runs(icc: float) -> None:
    runs = run_many(truth(icc, most=PAIRS), 600, seed=SEED)

    assert sum(each.back is not None for each in runs) < 0.01 * len(runs)
    assert sum(each.on is not None for each in runs) > 0.9 * len(runs), "it must also be let on"


@pytest.mark.full
@ICC
def test_a_regression_of_2_points_is_stepped_back_within_the_stated_evidence(icc: float) -> None:
    runs = run_many(truth(icc, worse=WORSE, most=PAIRS), 200, seed=SEED)

    assert sum(each.back is not None for each in runs) >= 0.95 * len(runs)
    assert all(each.on is None for each in runs), "not one of them went on"


@pytest.mark.full
@pytest.mark.parametrize(("icc", "most"), [(0.0, 8_000), (0.3, 24_000)], ids=["ICC 0", "ICC 0.3"])
def test_a_regression_that_only_the_arms_show_is_stepped_back_too_on_more_of_them(icc: float, most: int) -> None:
    runs = run_many(truth(icc, worse=WORSE, share=0.5, pairs=False, most=most), 200, seed=SEED)

    assert sum(each.back is not None for each in runs) >= 0.95 * len(runs)
    assert all(each.on is None for each in runs)


@ICC
def test_of_some_runs_the_healthy_go_on_and_the_worse_are_stepped_back(icc: float) -> None:
    healthy = run_many(truth(icc, most=700), 5, seed=SEED)
    worse = run_many(truth(icc, worse=WORSE, most=PAIRS), 5, seed=SEED)

    assert [each.back for each in healthy] == [None] * 5
    assert sum(each.on is not None for each in healthy) >= 4
    assert all(each.back is not None and each.on is None for each in worse)


def test_without_traffic_it_halts_however_long_it_waits() -> None:
    plan = Plan(tool="files")
    stages = {str(stage): part / 100_000 for stage, part in weights(0.1).items()}
    for days in range(0, 400, 7):
        standing = Standing(state=State.RUNNING, seconds_at_step=days * 86_400.0, quiet_seconds=days * 86_400.0)
        assert step(plan, standing, Evidence(tool="files", stages=stages)).act is Act.HALT
