"""The statistics keep their promises: fewer runs than `make evidence`, the same code, and a yardstick that bites."""

import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.evidence.chance import clopper_pearson
from bench.evidence.judges import LIMIT, MARGIN
from bench.evidence.others import OTHERS, means
from bench.evidence.page import PARTS, Results, broken, errors, filled, tables
from bench.evidence.power import CASES, harm_in_pairs, needed
from bench.evidence.rivals import RIVALS, diffy_differs, high
from bench.evidence.runs import Tally, tally
from bench.evidence.worlds import WORLDS, World, failures
from comparators.evidence.share import ALPHA, Share
from tests.reading import ROOT

PAGE = (ROOT / "docs" / "evidence.md").read_text(encoding="utf-8")
SEED = 1
FEW = {
    "no difference, calls independent": 120,
    "no difference, ICC 0.3": 120,
    "no difference, rate drifts, ICC 0.3": 120,
}


@pytest.mark.parametrize("world", [world for world in WORLDS if world.name in FEW], ids=lambda world: world.name)
def test_looking_after_every_call_does_not_raise_false_alarms(world: World) -> None:
    found = tally(world, FEW[world.name], seed=SEED)

    assert broken(Results(runs=found.runs, seed=SEED, worlds={world.name: found})) == []
    # The same runs, the same looks, a test that is not made for it: the yardstick sees it.
    assert clopper_pearson(found.alarms["z-test, every call"], found.runs)[0] > ALPHA


def test_calls_as_units_would_be_wrong_too_often() -> None:
    """Why a sandbox counts once: the same bound, fed with calls that are alike."""
    world = next(world for world in WORLDS if world.name == "no difference, ICC 0.3")

    wrong = sum(_ever_excludes_the_truth(world, f"{SEED} {run}") for run in range(60))
    assert clopper_pearson(wrong, 60)[0] > ALPHA


def _ever_excludes_the_truth(world: World, seed: str) -> bool:
    share = Share()
    for call in world.run(seed):
        share.add(float(call.old_failed))
        if share.log_e(world.base) >= LIMIT:
            return True
    return False


def test_new_at_the_margin_is_not_cleared_and_far_beyond_it_is_found() -> None:
    near, far = (world for world in WORLDS if world.worse in (MARGIN, 0.10) and world.icc)
    cleared, found = (tally(world, 40, seed=SEED, rivals=False) for world in (near, far))

    assert broken(Results(runs=40, seed=SEED, worlds={near.name: cleared})) == []
    assert min(found.alarms["pairs: sign"], found.alarms["arms: leaning"]) > 35
    assert set(found.cleared.values()) == {0}


@pytest.mark.parametrize("name", OTHERS)
def test_latency_ratio_and_noise_keep_their_promise(name: str) -> None:
    results = Results(runs=60, seed=SEED, others={name: means(name, 60, seed=SEED)})

    assert broken(results) == []


def test_a_broken_promise_is_named() -> None:
    world = WORLDS[0]
    lost = Tally(world, runs=200, missed=Counter({"mismatch": 30}))

    assert errors(lost)["bound of mismatch"] == 30
    assert broken(Results(runs=200, seed=SEED, worlds={world.name: lost})) == [f"{world.name}: bound of mismatch"]


def test_more_questions_and_smaller_harm_need_more_sandboxes() -> None:
    one, many = needed(lambda chance: harm_in_pairs(CASES[-1], chance), 40, seed="1", families=(1, 60))

    assert 10 <= one[0] < many[0] <= many[1]


@pytest.mark.parametrize("icc", [0.0, 0.3])
def test_a_world_is_as_it_says(icc: float) -> None:
    world, chance = World(name="w", base=0.1, worse=0.05, icc=icc, calls=40), random.Random(SEED)
    drawn = [world.drawn(0, chance) for _ in range(4_000)]
    olds = [old for old, _ in drawn]
    variance = sum((old - 0.1) ** 2 for old in olds) / len(olds)

    assert sum(olds) / len(olds) == pytest.approx(0.1, abs=0.02)
    assert sum(new for _, new in drawn) / len(drawn) == pytest.approx(0.15, abs=0.02)
    assert variance / 0.09 == pytest.approx(icc, abs=0.04)
    calls = list(world.run("seed"))
    assert Counter(call.sandbox for call in calls) == {0: 20, 1: 20}
    assert calls == list(world.run("seed"))


def test_failures_are_binomial() -> None:
    chance = random.Random(SEED)
    drawn = Counter(failures(4, 0.3, chance) for _ in range(20_000))

    assert drawn[0] / 20_000 == pytest.approx(0.7**4, abs=0.02)
    assert drawn[2] / 20_000 == pytest.approx(6 * 0.3**2 * 0.7**2, abs=0.02)
    assert (failures(4, 0.0, chance), failures(4, 1.0, chance)) == (0, 4)


def test_clopper_and_pearson_are_exact() -> None:
    """Against their definition and a published example (10 of 100 at 95 %: 4.90 to 17.62 %)."""
    assert clopper_pearson(10, 100, confidence=0.95) == pytest.approx((0.0490, 0.1762), abs=1e-4)
    assert clopper_pearson(0, 2_000) == pytest.approx((0.0, 1 - 0.005 ** (1 / 2_000)))
    assert clopper_pearson(2_000, 2_000) == pytest.approx((0.005 ** (1 / 2_000), 1.0))


@given(st.integers(0, 50))
def test_an_interval_is_the_mirror_of_the_others(events: int) -> None:
    low, high_ = clopper_pearson(events, 50)

    assert clopper_pearson(50 - events, 50) == pytest.approx((1 - high_, 1 - low), abs=1e-9)


def test_rivals_say_what_their_sources_say() -> None:
    assert diffy_differs(raw=16, noise=10, calls=1_000)  # 23 % more, 0.6 % of calls
    assert not diffy_differs(raw=14, noise=10, calls=1_000)  # 17 %
    assert not diffy_differs(raw=10, noise=16, calls=1_000)
    assert diffy_differs(raw=1, noise=0, calls=100)  # one difference is enough
    assert high([0.0] * 20, [0.1 + place / 1_000 for place in range(20)])
    assert not high([0.0] * 20, [0.0] * 20)
    assert not high([0.0] * 50, [0.0] * 45 + [1.0] * 5)  # sparse errors are not seen


def test_tables_go_between_their_marks() -> None:
    page = "a\n<!-- make evidence: power -->\nold\n<!-- make evidence: end of power -->\nb"

    assert filled(page, {"power": "new"}) == page.replace("\nold\n", "\n\nnew\n\n")
    assert tables(Results(runs=1, seed=1, parts=())) == {}


def test_the_page_holds_every_part_from_enough_runs() -> None:
    assert all(f"<!-- make evidence: {part} -->\n\n2,000 runs of each" in PAGE for part in PARTS)
    assert all(f"| {rival.name} |" in PAGE for rival in RIVALS)
