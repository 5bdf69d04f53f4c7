"""What a change of flags does to a twin."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossfade.stage import PROCESS_GROUP, STAGES, Origin, Stage
from policies.buckets import BUCKETS, on_new
from policies.group import seat_wish
from policies.transitions import (
    TABLE,
    Happening,
    Standing,
    Wish,
    after,
    answering,
    happening,
    standing,
    wish,
)

WHOLE = {Standing.OLD: set(Origin), Standing.NEW: set(Origin)}
HAS_STATE = {standing: {answering(standing)} for standing in Standing} | WHOLE

EVERY = list(itertools.product(Standing, Wish))
standings, wishes = st.sampled_from(list(Standing)), st.sampled_from(list(Wish))


def wished(stage: Stage) -> Wish:
    return wish(all_off=stage is Stage.OFF, seat=seat_wish(dict.fromkeys(PROCESS_GROUP, stage)))


@pytest.mark.parametrize(("now", "wanted"), EVERY)
def test_every_standing_has_something_for_every_wish(now: Standing, wanted: Wish) -> None:
    assert TABLE[now][wanted] in Happening


def at_rest(now: Standing, wanted: Wish) -> Standing:
    """Where a wish that stays ends: a seat on new that is let go moves first."""
    for _ in range(3):
        now = after(now, happening(now, wanted))
    return now


@given(standings, st.lists(wishes))
def test_no_row_of_changes_ever_answers_where_the_state_is_not(now: Standing, changes: list[Wish]) -> None:
    for wanted in changes:
        what, before = happening(now, wanted), now
        now = after(now, what)
        assert answering(now) in HAS_STATE[now]
        assert answering(now) in HAS_STATE[before], "who is given the seat has followed it"
        assert (answering(now) is answering(before)) is (what is not Happening.MOVE)


@given(standings, wishes)
def test_a_wish_that_stays_comes_to_rest(now: Standing, wanted: Wish) -> None:
    assert happening(at_rest(now, wanted), wanted) in (Happening.KEEP, Happening.HOLD)


@given(standings, wishes)
def test_the_seat_moves_only_to_where_it_is_wished(now: Standing, wanted: Wish) -> None:
    if happening(now, wanted) is Happening.MOVE:
        wished_side = Origin.NEW if wanted is Wish.NEW else Origin.OLD
        assert answering(after(now, Happening.MOVE)) is wished_side


@given(standings, st.lists(wishes), wishes)
def test_a_missed_change_ends_where_a_seen_one_does(now: Standing, missed: list[Wish], wanted: Wish) -> None:
    seen = now
    for each in missed:
        seen = after(seen, happening(seen, each))

    assert at_rest(now, wanted) is at_rest(seen, wanted)


@given(st.integers(0, BUCKETS - 1), st.integers(0, 100), st.integers(0, 100))
def test_raising_a_share_never_moves_a_sandbox_back(place: int, one: int, other: int) -> None:
    low, high = sorted((one, other))
    before, later = (Stage.LIVE if on_new(place, percent) else Stage.SHADOW for percent in (low, high))
    born = standing(seat=STAGES[before].wish, joined=True, detached=False)

    assert happening(born, wished(before)) is Happening.KEEP
    assert not (answering(born) is Origin.NEW and answering(at_rest(born, wished(later))) is Origin.OLD)
    assert not (wished(before) is Wish.NEW and wished(later) is not Wish.NEW)


@pytest.mark.parametrize(
    ("now", "stage", "what"),
    [
        (Standing.OLD, Stage.OFF, Happening.DETACH),
        (Standing.OLD, Stage.SHADOW, Happening.KEEP),
        (Standing.OLD, Stage.LIVE, Happening.MOVE),
        (Standing.NEW, Stage.SHADOW, Happening.MOVE),
        (Standing.NEW, Stage.OFF, Happening.MOVE),
        (Standing.NEW, Stage.COMPLETE, Happening.KEEP),
        (Standing.DETACHED, Stage.DUALWRITE, Happening.JOIN),
        (Standing.DETACHED, Stage.LIVE, Happening.JOIN),
        (Standing.ALONE_OLD, Stage.LIVE, Happening.HOLD),
        (Standing.ALONE_NEW, Stage.OFF, Happening.HOLD),
    ],
)
def test_what_stages_do(now: Standing, stage: Stage, what: Happening) -> None:
    assert happening(now, wished(stage)) is what


def test_the_standing_is_read_from_seat_and_follower() -> None:
    assert standing(seat=Origin.OLD, joined=True, detached=False) is Standing.OLD
    assert standing(seat=Origin.NEW, joined=True, detached=False) is Standing.NEW
    assert standing(seat=Origin.OLD, joined=False, detached=True) is Standing.DETACHED
    assert standing(seat=Origin.OLD, joined=False, detached=False) is Standing.ALONE_OLD
    assert standing(seat=Origin.NEW, joined=False, detached=False) is Standing.ALONE_NEW
