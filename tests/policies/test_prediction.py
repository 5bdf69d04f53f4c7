"""What a change will do is what it then does."""

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from crossfade.decision import Subject
from crossfade.stage import STAGES, Origin, Stage
from policies.buckets import BUCKETS, bucket
from policies.prediction import Known, predicted, stage_at
from router.flags import schema
from router.flags.embedded import EmbeddedFlags
from router.store.flags import open_flag_rows

KEYS = [f"key-{each}" for each in range(300)]
SEED = 7


@st.composite
def shares(draw: st.DrawFn) -> dict[Stage, int]:
    cuts = sorted(draw(st.lists(st.integers(0, BUCKETS), min_size=5, max_size=5)))
    edges = [0, *cuts, BUCKETS]
    return {stage: high - low for stage, low, high in zip(Stage, edges, edges[1:], strict=False)}


@given(shares(), st.integers(0, BUCKETS - 1))
def test_a_bucket_has_one_stage_and_higher_buckets_have_later_ones(weights: dict[Stage, int], place: int) -> None:
    order = list(Stage)
    assert order.index(stage_at(weights, place)) <= order.index(stage_at(weights, BUCKETS - 1))
    assert weights[stage_at(weights, place)] > 0


@given(shares(), shares(), st.sets(st.integers(0, 99)))
def test_counts_are_of_those_that_change(before: dict[Stage, int], after: dict[Stage, int], named: set[int]) -> None:
    known = [
        Known(id=key, routing_key=key, bucket=bucket(key, SEED), stage=stage_at(before, bucket(key, SEED)))
        for key in KEYS
    ]
    targets = {KEYS[each]: Stage.COMPLETE for each in named}
    found = predicted(known, after, targets)

    then = {each.id: targets.get(each.routing_key) or stage_at(after, each.bucket) for each in known}
    assert set(found.changing) == {each.id for each in known if then[each.id] is not each.stage}
    sides = {each.id: (STAGES[each.stage].wish, STAGES[then[each.id]].wish) for each in known}
    assert set(found.to_new) == {id for id, side in sides.items() if side == (Origin.OLD, Origin.NEW)}
    assert set(found.to_old) == {id for id, side in sides.items() if side == (Origin.NEW, Origin.OLD)}
    assert found.known == len(KEYS)


def test_it_says_what_the_flags_themselves_then_say(tmp_path: Path) -> None:
    weights = schema.shares("live=37.5,shadow=41,off=21.5")
    rows = open_flag_rows(f"sqlite:///{tmp_path / 'state.db'}")
    flag = schema.build("files", weights, version=1, seed=SEED, targets={KEYS[3]: Stage.COMPLETE})
    rows.write(flag, author="me", reason="r", expected_version=None)
    flags = EmbeddedFlags(rows, tmp_path / "kept.json")
    flags.start()
    try:
        for key in KEYS:
            place = bucket(key, SEED)
            value = flags.stage("files", Subject(routing_key=key, organization="", bucket=place))
            expected = Stage.COMPLETE if key == KEYS[3] else stage_at(weights, place)
            assert value is not None and value.stage is expected
    finally:
        flags.close()
        rows.close()
