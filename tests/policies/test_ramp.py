"""Ramps: what one step of a plan is, and what it can never be."""

import math
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossfade.evidence import Evidence, Metric, Quality
from crossfade.stage import Stage
from policies.margins import MARGINS
from policies.ramp import Act, Plan, Standing, State, after, harm, step, weights
from policies.verdicts import share_on_new

PLAN = Plan(tool="files")
DAY = 86_400.0
NOW = Standing(state=State.RUNNING, seconds_at_step=8 * DAY, quiet_seconds=60)
ERRORS = Metric(name="error rate", lower=-0.002, upper=0.004, harm=0.01, budget=0.01, units=900, least_units=30)
MISMATCH = Metric(name="mismatch", upper=0.004, harm=0.01, budget=0.02, equal=None, units=900, least_units=30)
P95 = Metric(name="p95", lower=0.9, upper=1.1, harm=1.3, budget=1.3, equal=1.0, ratio=True, units=90, least_units=30)
EVIDENCE = Evidence(tool="files", stages={"shadow": 0.9, "live": 0.1}, metrics=(ERRORS, MISMATCH, P95))


def at(share: float, **more: object) -> Evidence:
    stages = {str(stage): part / 100_000 for stage, part in weights(share).items()}
    return replace(EVIDENCE, stages=stages, **more)  # type: ignore[arg-type]


def taken(evidence: Evidence, standing: Standing = NOW, plan: Plan = PLAN) -> tuple[Act, float, str]:
    found = step(plan, standing, evidence)
    return found.act, found.share, found.because


def test_it_goes_from_shadow_by_10_and_50_to_100_and_is_done_there() -> None:
    assert taken(at(0.0)) == (Act.ADVANCE, 0.1, "evidence")
    assert taken(at(0.1)) == (Act.ADVANCE, 0.5, "evidence")
    assert taken(at(0.5)) == (Act.ADVANCE, 1.0, "evidence")
    assert taken(at(1.0)) == (Act.DONE, 1.0, "last")
    assert step(PLAN, NOW, at(0.1)).text.startswith("Go to 50 % live: error rate at most 0.4 %")


@pytest.mark.parametrize(
    ("change", "because"),
    [
        ({"metrics": (replace(ERRORS, lower=0.011, upper=0.03), MISMATCH)}, "error rate"),
        ({"metrics": (ERRORS, replace(MISMATCH, lower=0.011, upper=0.03))}, "mismatch"),
        ({"metrics": (ERRORS, MISMATCH, replace(P95, lower=1.31, upper=2.0))}, "p95"),
        ({"metrics": (ERRORS, MISMATCH, replace(P95, critical=False, lower=1.31, upper=2.0))}, "p95"),
        ({"quality": Quality(drifted=1)}, "drift"),
        ({"data_lost": 1}, "data"),
        ({"hard_stop": "41 of 50 calls failed within a minute"}, "stop"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_each_proven_harm_steps_back_at_once_also_on_the_first_day(change: dict[str, object], because: str) -> None:
    young = replace(NOW, seconds_at_step=1.0)

    assert taken(at(0.5, **change), young) == (Act.BACK, 0.0, because)
    assert taken(at(0.0, **change), young) == (Act.HOLD, 0.0, because)


@pytest.mark.parametrize(
    ("change", "because"),
    [
        ({"metrics": ()}, "units"),
        ({"metrics": (replace(ERRORS, units=0), MISMATCH)}, "units"),
        ({"metrics": (replace(ERRORS, counted="compared calls"),)}, "units"),
        ({"metrics": (replace(ERRORS, critical=False),)}, "units"),
        ({"quality": Quality(calls=1_000, lost_records=9)}, "records"),
        ({"quality": Quality(compared=900, missed={"lane full": 100})}, "compared"),
        ({"quality": Quality(moved=1)}, "stickiness"),
        ({"quality": Quality(sample_ratio_log_e=math.log(2_000))}, "sample ratio"),
        ({"margins": "of another day"}, "margins"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_missing_or_doubtful_data_halts_and_moves_nothing(change: dict[str, object], because: str) -> None:
    assert taken(at(0.1, **change)) == (Act.HALT, 0.1, because)


def test_evidence_that_stopped_growing_is_no_reason_to_go_on() -> None:
    assert taken(at(0.1), replace(NOW, quiet_seconds=7 * 3600)) == (Act.HALT, 0.1, "quiet")


def test_a_plan_made_under_other_margins_halts() -> None:
    assert taken(at(0.1), plan=replace(PLAN, margins="others")) == (Act.HALT, 0.1, "margins")


@pytest.mark.parametrize("stages", [{}, {"live": 0.3, "shadow": 0.7}, {"live": 0.1, "off": 0.9}, {"off": 1.0}])
def test_a_flag_that_somebody_else_set_halts(stages: dict[str, float]) -> None:
    assert taken(replace(EVIDENCE, stages=stages))[::2] == (Act.HALT, "flag")


def test_a_kill_halts_and_is_no_harm_of_its_own() -> None:
    assert taken(at(0.1), replace(NOW, killed=True)) == (Act.HALT, 0.1, "kill")


@pytest.mark.parametrize(
    ("standing", "evidence", "because"),
    [
        (replace(NOW, seconds_at_step=6 * DAY), at(0.1), "age"),
        (replace(NOW, harming=("shell",)), at(0.1), "group"),
        (NOW, at(0.1, metrics=(replace(ERRORS, units=29, least_units=0),)), "sandboxes"),
        (NOW, at(0.1, metrics=(replace(ERRORS, upper=0.02),)), "error rate"),
        (NOW, at(0.1, broken=1), "contract"),
    ],
    ids=["age", "group", "sandboxes", "error rate", "contract"],
)
def test_what_is_well_but_not_enough_yet_holds(standing: Standing, evidence: Evidence, because: str) -> None:
    assert taken(evidence, standing) == (Act.HOLD, 0.1, because)


@pytest.mark.parametrize("state", [state for state in State if state is not State.RUNNING])
def test_a_ramp_that_is_not_running_does_nothing(state: State) -> None:
    assert taken(at(0.5, data_lost=1), replace(NOW, state=state)) == (Act.HOLD, 0.5, "state")


@pytest.mark.parametrize(
    "wrong",
    [
        {"steps": ()},
        {"steps": (0.5, 0.1)},
        {"steps": (0.1, 1.0)},
        {"steps": (0.5,)},
        {"steps": (0.0, 0.1)},
        {"steps": (0.1, 0.5, 1.1)},
        {"least_days": -1.0},
        {"least_days": math.nan},
        {"least_sandboxes": 0},
        {"quiet_hours": 0.0},
        {"tool": "lifecycle"},
        {"tool": "nothing"},
    ],
    ids=str,
)
def test_a_plan_that_skips_a_stage_or_asks_for_nothing_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError):
        replace(PLAN, **wrong)  # type: ignore[arg-type]


def test_a_plan_may_have_more_steps_and_end_early() -> None:
    assert after(replace(PLAN, steps=(0.05, 0.1, 0.25, 0.5)), 0.1) == 0.25
    assert after(replace(PLAN, steps=(0.05, 0.1)), 0.1) is None


# Properties, over whatever evidence there may be...


def rarely(usual: object, others: st.SearchStrategy[object]) -> st.SearchStrategy[object]:
    """Mostly what lets a ramp go on: of all evidence taken alike, next to none would ever advance."""
    return st.integers(0, 9).flatmap(lambda chance: others if chance == 9 else st.just(usual))


shares = st.sampled_from((0.0, 0.1, 0.25, 0.5, 0.75, 1.0))
plans = st.builds(
    Plan,
    tool=st.sampled_from(("files", "shell")),
    steps=st.lists(st.sampled_from((0.01, 0.25, 0.75)), max_size=3).map(
        lambda more: tuple(sorted({0.1, 0.5, 1.0, *more}))
    ),
    least_days=st.floats(0, 10),
    least_sandboxes=st.integers(1, 60),
    quiet_hours=st.floats(0.1, 48),
    margins=rarely(MARGINS.fingerprint, st.just("others")),
)
metrics = st.builds(
    lambda base, lower, upper, units, counted, critical: replace(
        base,
        lower=lower if lower is not None else base.lower,
        upper=upper if upper is not None else base.upper,
        units=units,
        counted=counted,
        critical=critical,
    ),
    st.sampled_from((ERRORS, MISMATCH, P95)),
    rarely(None, st.floats(-0.05, 2.0)),
    rarely(None, st.floats(-0.05, 2.0)),
    st.sampled_from((4_000, 4_000, 40, 5, 0)),
    st.sampled_from(("sandboxes", "compared sandboxes", "compared calls")),
    st.sampled_from((True, True, False)),
)
qualities = rarely(
    Quality(calls=10_000, compared=9_000),
    st.builds(
        Quality,
        calls=st.integers(0, 1_000),
        lost_records=st.integers(0, 3),
        compared=st.integers(0, 1_000),
        missed=st.dictionaries(st.just("lane full"), st.integers(0, 500)),
        moved=st.integers(0, 1),
        drifted=st.integers(0, 1),
        sample_ratio_log_e=st.floats(-5, 10),
    ),
)
evidences = st.builds(
    lambda share, metrics, quality, lost, stop, broken: at(
        share, metrics=tuple(metrics), quality=quality, data_lost=lost, hard_stop=stop, broken=broken
    ),
    shares,
    st.lists(metrics, min_size=1, max_size=3, unique_by=lambda metric: metric.name),
    qualities,
    rarely(0, st.integers(1, 3)),
    rarely("", st.just("a burst of errors")),
    rarely(0, st.integers(1, 3)),
)
standings = st.builds(
    Standing,
    state=rarely(State.RUNNING, st.sampled_from(State)),
    seconds_at_step=st.floats(0, 20 * DAY),
    quiet_seconds=rarely(60.0, st.floats(0, 2 * DAY)),
    killed=rarely(False, st.just(True)),
    harming=rarely((), st.just(("browser",))),
)


@st.composite
def advancing(draw: st.DrawFn) -> tuple[Plan, Standing, Evidence]:
    """A case with everything that it takes to go on, in every respect somewhere between just enough and plenty."""
    plan = replace(draw(plans), margins=MARGINS.fingerprint)
    share = draw(st.sampled_from((0.0, *plan.steps[:-1])))
    standing = Standing(
        state=State.RUNNING,
        seconds_at_step=plan.least_days * DAY + draw(st.floats(1, 20 * DAY)),
        quiet_seconds=draw(st.floats(0, 1)) * 3600 * plan.quiet_hours,
    )
    seen = tuple(
        replace(
            base,
            lower=draw(st.floats(0.5, 1.0)) if base.ratio else draw(st.floats(-0.05, 0.0)),
            upper=draw(st.floats(0.0, base.budget)),
            units=draw(st.integers(max(30, plan.least_sandboxes), 10**6)),
        )
        for base in (ERRORS, MISMATCH, P95)
    )
    return plan, standing, at(share, metrics=seen, quality=Quality(calls=10_000, compared=9_000))


Case = tuple[Plan, Standing, Evidence]
SPOILERS: dict[str, Callable[[Plan, Standing, Evidence], Case]] = {
    "no metric": lambda plan, now, seen: (plan, now, replace(seen, metrics=())),
    "a metric without a unit": lambda plan, now, seen: (plan, now, spoiled(seen, units=0)),
    "too few sandboxes for the plan": lambda plan, now, seen: (
        replace(plan, least_sandboxes=101),
        now,
        spoiled(seen, units=100),
    ),
    "a metric not within its budget": lambda plan, now, seen: (plan, now, spoiled(seen, upper=1.31)),
    "a metric that harms": lambda plan, now, seen: (plan, now, spoiled(seen, lower=1.31, upper=2.0)),
    "calls that broke their contract": lambda plan, now, seen: (plan, now, replace(seen, broken=1)),
    "lost records": lambda plan, now, seen: (plan, now, replace(seen, quality=Quality(calls=99, lost_records=9))),
    "changes that are gone": lambda plan, now, seen: (plan, now, replace(seen, data_lost=1)),
    "a stop": lambda plan, now, seen: (plan, now, replace(seen, hard_stop="a burst of errors")),
    "drift": lambda plan, now, seen: (plan, now, replace(seen, quality=Quality(drifted=1))),
    "an unreadable flag": lambda plan, now, seen: (plan, now, replace(seen, stages={})),
    "a flag somewhere else": lambda plan, now, seen: (plan, now, replace(seen, stages={"live": 0.33, "shadow": 0.67})),
    "other margins": lambda plan, now, seen: (replace(plan, margins="others"), now, seen),
    "evidence of other margins": lambda plan, now, seen: (plan, now, replace(seen, margins="others")),
    "a young step": lambda plan, now, seen: (replace(plan, least_days=5), replace(now, seconds_at_step=4 * DAY), seen),
    "old evidence": lambda plan, now, seen: (plan, replace(now, quiet_seconds=3601 * plan.quiet_hours), seen),
    "a kill": lambda plan, now, seen: (plan, replace(now, killed=True), seen),
    "another that harms": lambda plan, now, seen: (plan, replace(now, harming=("browser",)), seen),
    "a pause": lambda plan, now, seen: (plan, replace(now, state=State.PAUSED), seen),
    "an earlier step back": lambda plan, now, seen: (plan, replace(now, state=State.STOPPED), seen),
}


def spoiled(evidence: Evidence, **change: float) -> Evidence:
    first, *others = evidence.metrics
    return replace(evidence, metrics=(replace(first, **change), *others))  # type: ignore[arg-type]


@given(advancing())
def test_with_all_that_it_takes_it_goes_one_step_of_its_plan(case: Case) -> None:
    plan, standing, evidence = case
    found = step(plan, standing, evidence)

    assert (found.act, found.share) == (Act.ADVANCE, after(plan, share_on_new(evidence.stages)))


@pytest.mark.parametrize("missing", SPOILERS)
@given(case=advancing())
def test_it_never_advances_where_one_thing_is_missing(missing: str, case: Case) -> None:
    assert step(*SPOILERS[missing](*case)).act not in (Act.ADVANCE, Act.DONE)


@given(plans, standings, evidences)
def test_no_stage_is_ever_skipped(plan: Plan, standing: Standing, evidence: Evidence) -> None:
    found = step(plan, standing, evidence)
    before = share_on_new(evidence.stages)

    if found.act is Act.ADVANCE:
        assert found.share == after(plan, before)
        assert not any(before < each < found.share for each in (*plan.steps, 0.1, 0.5, 1.0))
    elif found.act is Act.BACK:
        assert found.share == 0.0 < before
    else:
        assert found.share == before


@given(plans, standings, evidences)
def test_harm_always_wins(plan: Plan, standing: Standing, evidence: Evidence) -> None:
    found = step(plan, standing, evidence)
    proven = (
        evidence.data_lost
        or evidence.hard_stop
        or evidence.quality.drifted
        or any(metric.lower > metric.harm for metric in evidence.metrics)
    )

    assert bool(harm(evidence)) is bool(proven)
    if proven and standing.state is State.RUNNING:
        assert found.act is (Act.BACK if share_on_new(evidence.stages) else Act.HOLD)


@given(shares)
def test_a_flags_parts_are_whole_and_wish_new_for_that_share(share: float) -> None:
    parts = weights(share)

    assert sum(parts.values()) == 100_000
    assert parts.get(Stage.LIVE, 0) == round(share * 100_000)
