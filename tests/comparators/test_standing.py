"""comparators/standing.py: where a kind stands, from words and from sightings."""

import pytest

from comparators.judging import Judged
from comparators.standing import HOUR, Seen, State, standing
from crossfade.judgement import Judgement, Saying

DAY = 24
NOW = 100.0 * DAY * HOUR
MODE = "fs.info mode value"


def seen(hours: dict[int, int], compared: dict[int, int], **fields: object) -> Seen:
    """A kind by hour of the first days; times in hours."""
    values: dict[str, object] = {"name": MODE, "severity": "content", "last_seen": max(hours) * HOUR + 1.0}
    values |= {"hours": {hour * HOUR for hour in hours}}
    values |= {"compared": {hour * HOUR: count for hour, count in compared.items()}}
    return Seen(**(values | fields))  # type: ignore[arg-type]


def said(saying: Saying, at: float = NOW, **fields: object) -> Judged:
    values: dict[str, object] = {"author": "ada", "reason": "known", "severity": "content", "until": None}
    return Judged([Judgement(at=at, saying=saying, subject=MODE, **(values | fields))])  # type: ignore[arg-type]


def steady(first: int, last: int, calls: int = 100) -> dict[int, int]:
    return dict.fromkeys(range(first, last), calls)


OPEN = seen({1: 3, 40: 2}, steady(0, 50))
GONE = seen(steady(0, 10, 2), steady(0, 60))


def test_what_is_still_seen_is_open() -> None:
    assert standing(OPEN, Judged(), NOW).state is State.OPEN


def test_what_would_have_been_seen_by_now_is_fixed() -> None:
    assert standing(GONE, Judged(), NOW).state is State.FIXED


@pytest.mark.parametrize(
    "rare",
    [
        seen({1: 1}, steady(0, 60)),  # once: nobody knows how often it comes
        seen(steady(0, 10, 2), steady(0, 10) | {59: 1}),  # hardly anything was compared since
        seen(steady(0, 10, 2), steady(0, 30)),  # not a day
        seen({0: 1, 100: 1}, steady(0, 150)),  # rare: so long a silence is nothing new
    ],
    ids=["once", "nothing compared", "hours", "rare"],
)
def test_silence_that_may_be_chance_is_not_fixed(rare: Seen) -> None:
    assert standing(rare, Judged(), NOW).state is State.OPEN


def test_what_comes_back_after_it_was_gone_has_regressed() -> None:
    back = seen(steady(0, 10, 2) | {60: 1}, steady(0, 62))

    assert standing(back, Judged(), NOW).state is State.REGRESSED


def test_what_came_back_and_went_is_fixed_again() -> None:
    again = seen(steady(0, 10, 2) | steady(60, 64, 9), steady(0, 120))

    assert standing(again, Judged(), NOW).state is State.FIXED


def test_accepted_and_ignored_come_before_what_is_seen() -> None:
    accepted = standing(GONE, said(Saying.ACCEPT), NOW)
    ignored = standing(OPEN, said(Saying.IGNORE, until=NOW + 1), NOW)

    assert (accepted.state, accepted.because, accepted.explained) == (State.ACCEPTED, "known", True)
    assert (ignored.state, ignored.explained) == (State.IGNORED, True)


def test_an_accepted_kind_that_got_worse_has_regressed_and_says_so() -> None:
    found = standing(seen({1: 1}, {1: 9}, severity="contract"), said(Saying.ACCEPT), NOW)

    assert (found.state, found.because) == (State.REGRESSED, "accepted as content, now contract")
    assert not found.explained


def test_what_was_said_to_be_fixed_regresses_when_it_is_seen_after() -> None:
    said_before, said_after = said(Saying.FIXED, at=39.0 * HOUR), said(Saying.FIXED, at=41.0 * HOUR)

    assert standing(OPEN, said_before, NOW).state is State.REGRESSED
    assert standing(OPEN, said_after, NOW).state is State.FIXED
