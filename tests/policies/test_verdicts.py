"""The verdict: one function for page, report and ramp."""

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossfade.evidence import Evidence, Metric, Quality, Word
from policies.margins import MARGINS, Margins
from policies.verdicts import verdict, word_of

GOOD = Metric(name="error rate", lower=-0.002, upper=0.004, harm=0.01, budget=0.01, units=900, least_units=30)
SLOW = Metric(
    name="p95",
    estimate=1.5,
    lower=1.4,
    upper=1.6,
    harm=1.3,
    budget=1.3,
    equal=1.0,
    ratio=True,
    units=90,
    least_units=30,
)
EVIDENCE = Evidence(
    tool="files", stages={"shadow": 0.9, "live": 0.1}, metrics=(GOOD,), days_at_step=8.0, margins=MARGINS.fingerprint
)
ORDER = list(Word)


def with_(*metrics: Metric) -> Evidence:
    return replace(EVIDENCE, metrics=metrics)


def test_everything_proven_advances_and_says_what_is_proven() -> None:
    found = verdict(EVIDENCE)

    assert (found.word, found.text) == (Word.ADVANCE, "Go to 50 % live: error rate at most 0.4 %.")
    assert found.words == {"error rate": Word.ADVANCE}


@pytest.mark.parametrize(
    ("quality", "because"),
    [
        (Quality(calls=1_000, lost_records=2), "records"),
        (Quality(compared=900, missed={"lane full": 100}), "compared"),
        (Quality(moved=1), "stickiness"),
        (Quality(sample_ratio_log_e=math.log(1_001)), "sample ratio"),
        (Quality(drifted=3), "drift"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_counts_that_cannot_be_trusted_block_whatever_they_say(quality: Quality, because: str) -> None:
    harmed = replace(with_(SLOW), quality=quality, data_lost=1)

    assert (verdict(harmed).word, verdict(harmed).because) == (Word.BLOCKED, because)


def test_a_split_that_is_a_little_off_does_not_block() -> None:
    assert verdict(replace(EVIDENCE, quality=Quality(sample_ratio_log_e=math.log(900)))).word is Word.ADVANCE


def test_changing_a_margin_resets_the_evidence() -> None:
    found = verdict(EVIDENCE, Margins(errors=0.02))

    assert (found.word, found.because) == (Word.BLOCKED, "margins")


def test_lost_data_and_hard_stops_need_no_statistics() -> None:
    lost, burst = replace(EVIDENCE, data_lost=1), replace(EVIDENCE, hard_stop="41 of 50 calls failed within a minute")

    assert (verdict(lost).word, verdict(lost).because) == (Word.ROLLBACK, "data")
    assert verdict(burst).text == "Go back to shadow: 41 of 50 calls failed within a minute."
    assert verdict(replace(lost, stages={"shadow": 1.0})).word is Word.HOLD_HARM


def test_the_worst_critical_metric_decides_and_is_named() -> None:
    found = verdict(with_(GOOD, SLOW, replace(GOOD, name="retries")))

    assert (found.word, found.because) == (Word.ROLLBACK, "p95")
    assert "new's p95 is more than 1.3 times old's" in found.text
    assert found.words == {"error rate": Word.ADVANCE, "p95": Word.ROLLBACK, "retries": Word.ADVANCE}


def test_a_metric_that_is_not_critical_holds_and_never_rolls_back() -> None:
    assert verdict(with_(GOOD, replace(SLOW, critical=False))).word is Word.HOLD_HARM


def test_certain_but_within_the_margin_is_looked_at() -> None:
    found = verdict(with_(replace(GOOD, lower=0.001, upper=0.006)))

    assert found.word is Word.HOLD_HARM
    assert found.text == "Stay and look: for sure new's error rate is over old's, by how much is not sure yet."


def test_worse_by_an_unknown_amount_is_looked_at() -> None:
    found = verdict(with_(replace(GOOD, surely_worse=True)))

    assert (found.word, found.because) == (Word.HOLD_HARM, "error rate")


def test_what_is_not_proven_says_how_many_more_and_how_long() -> None:
    wide = replace(GOOD, lower=-0.02, upper=0.03, more_units=140)
    found = verdict(replace(with_(wide, replace(wide, name="retries", more_units=60)), units_per_day=40.0))

    assert (found.word, found.because, found.more_units, found.more_days) == (Word.HOLD_DATA, "error rate", 140, 3.5)
    assert found.text == (
        "Wait for about 140 more sandboxes (3.5 days): error rate may still be 3 % over old's; 50 % needs 1 % or less."
    )


def test_few_units_are_not_enough_though_the_bound_is() -> None:
    found = verdict(with_(replace(GOOD, units=12)))

    assert (found.word, found.more_units) == (Word.HOLD_DATA, 18)
    assert found.text == "Wait for about 18 more sandboxes: 12 are too few to tell, 30 are needed."


def test_what_no_data_will_prove_says_so() -> None:
    found = verdict(with_(replace(GOOD, lower=-0.001, upper=0.03, estimate=0.012)))

    assert (found.word, found.more_units) == (Word.HOLD_DATA, None)
    assert "more data will not do" in found.text


def test_half_a_week_at_a_share_waits_for_the_other_half() -> None:
    young = replace(EVIDENCE, days_at_step=3.0)

    assert (verdict(young).word, verdict(young).more_days) == (Word.HOLD_DATA, 4.0)
    assert verdict(replace(young, stages={"shadow": 1.0})).word is Word.ADVANCE


def test_no_metric_at_all_is_no_proof() -> None:
    assert verdict(with_()).word is Word.HOLD_DATA


bounds = st.tuples(st.floats(-1, 1), st.floats(-1, 1)).map(sorted)
metrics = st.builds(
    lambda name, bound, critical, units: replace(
        GOOD, name=name, lower=bound[0], upper=bound[1], critical=critical, units=units
    ),
    st.sampled_from("abc"),
    bounds,
    st.booleans(),
    st.integers(0, 100),
)


@given(st.lists(metrics, max_size=4, unique_by=lambda metric: metric.name), metrics)
def test_one_more_metric_never_gives_a_better_word(some: list[Metric], extra: Metric) -> None:
    before = verdict(with_(*some)).word

    after = verdict(with_(*some, replace(extra, name="extra"))).word

    assert ORDER.index(after) <= ORDER.index(before) or not some


@given(metrics, st.floats(0, 1))
def test_a_worse_metric_never_gives_a_better_word(metric: Metric, by: float) -> None:
    worse = replace(metric, lower=metric.lower + by, upper=metric.upper + by)

    assert ORDER.index(word_of(worse)) <= ORDER.index(word_of(metric))
