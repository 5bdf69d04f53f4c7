"""Many questions at once, noise, and whether arms can be trusted."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comparators.evidence.families import e_bh, each_of
from comparators.evidence.noise import Noise
from comparators.evidence.randomised import SampleRatio, Stickiness

FAMILY = st.dictionaries(st.integers(0, 30), st.floats(-50, 50), max_size=12)


def test_one_question_needs_one_over_alpha() -> None:
    assert e_bh({"a": math.log(20)}) == {"a"}
    assert e_bh({"a": math.log(19.9)}) == frozenset()


def test_several_findings_share_the_price_of_the_family() -> None:
    """Two of four at e = 40: 4 / (2 x 0.05) = 40."""
    found = {"a": math.log(40.1), "b": math.log(40.1), "c": 0.0, "d": 0.0}

    assert e_bh(found) == {"a", "b"}
    assert e_bh({**found, "b": 0.0}) == frozenset()


@given(FAMILY, st.integers(31, 40))
def test_a_question_without_evidence_never_adds_a_finding(family: dict[int, float], extra: int) -> None:
    assert e_bh({**family, extra: -math.inf}) <= e_bh(family)


@given(FAMILY)
def test_what_is_found_has_more_evidence_than_what_is_not(family: dict[int, float]) -> None:
    found = e_bh(family)

    assert min((family[name] for name in found), default=math.inf) >= max(
        (family[name] for name in family.keys() - found), default=-math.inf
    )


def test_a_family_shares_alpha() -> None:
    assert each_of(5) == pytest.approx(0.01)
    with pytest.raises(ValueError, match="at least one"):
        each_of(0)


def test_what_old_does_to_itself_is_noise_and_what_it_does_not_is_found() -> None:
    noise = Noise()
    for number in range(60):
        noise.add("modified time", new=float(number % 2), control=float(number % 3 == 0))
        noise.add("exit code", new=float(number % 4 == 0), control=0.0)

    assert noise.beyond() == {"exit code"}


def test_signatures_that_may_still_come_raise_the_bar() -> None:
    noise = Noise()
    for _ in range(10):
        noise.add("exit code", new=1.0, control=0.0)

    assert noise.beyond(family=1) == {"exit code"}
    assert noise.beyond(family=1_000) == frozenset()


def test_a_split_that_follows_its_share_is_trusted_though_the_share_changes() -> None:
    ratio = SampleRatio()
    for number in range(2_000):
        share = 0.1 if number < 1_000 else 0.5
        ratio.add(wished_new=number % 10 < share * 10, share=share)

    assert ratio.log_e < 0
    assert ratio.on_new == pytest.approx(ratio.expected)


def test_a_split_that_is_off_is_found() -> None:
    ratio = SampleRatio()
    for number in range(1_000):
        ratio.add(wished_new=number % 100 < 56, share=0.5)

    assert ratio.log_e > math.log(20)


@given(st.lists(st.floats(0.01, 0.99), min_size=1, max_size=6))
def test_a_right_split_is_worth_one_on_average(shares: list[float]) -> None:
    expected = 0.0
    for pattern in range(2 ** len(shares)):
        ratio, chance = SampleRatio(), 1.0
        for place, share in enumerate(shares):
            wished = bool(pattern >> place & 1)
            chance *= share if wished else 1 - share
            ratio.add(wished_new=wished, share=share)
        expected += chance * math.exp(ratio.log_e)

    assert expected == pytest.approx(1)


def test_a_sandbox_on_the_wrong_side_of_a_certainty_is_proof() -> None:
    ratio = SampleRatio()
    ratio.add(wished_new=True, share=1.0)
    assert ratio.log_e == 0

    ratio.add(wished_new=True, share=0.0)
    assert ratio.log_e == math.inf
    with pytest.raises(ValueError, match="between 0 and 1"):
        ratio.add(wished_new=True, share=1.5)


def test_only_a_change_of_the_flag_may_move_a_sandbox() -> None:
    sticky = Stickiness()
    for version, wished in ((1, False), (1, False), (2, True), (2, True)):
        sticky.add("a", flag_version=version, wished_new=wished)
    assert (sticky.breaks, sticky.watched) == (0, 1)

    sticky.add("a", flag_version=2, wished_new=False)

    assert sticky.breaks == 1
    sticky.forget("a")
    sticky.forget("a")
    assert (sticky.breaks, sticky.watched) == (1, 0)
