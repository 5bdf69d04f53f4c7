"""The budget of followers' hours."""

from hypothesis import given
from hypothesis import strategies as st

from router.admin.alarms import of_budget
from router.twins.budget import DAY, Budget, day_of

hours = st.floats(0, 1e6)


@given(hours, hours, st.floats(0.01, 1))
def test_no_follower_is_made_from_its_end_on_and_somebody_was_told_before(
    limit: float, spent: float, warn: float
) -> None:
    budget = Budget(limit, spent)
    told = [each.word for each in of_budget(budget, warn)]

    assert bool(budget.refusal()) == (limit > 0 and spent >= limit)
    assert told == (
        ["budget-spent"] if budget.refusal() else ["budget-near"] if limit > 0 and budget.share >= warn else []
    )


def test_without_one_nothing_is_ever_spent() -> None:
    assert Budget(0.0, 1e9).refusal() == ""
    assert of_budget(Budget(0.0, 1e9), 0.0) == []


@given(st.floats(0, 4e9))
def test_a_day_begins_at_midnight_utc(now: float) -> None:
    assert 0 <= now - day_of(now) < DAY
    assert day_of(now) % DAY == 0
