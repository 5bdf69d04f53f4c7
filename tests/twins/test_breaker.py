"""The breaker: leaves a failing origin's followers alone, tries one, and never longer than a minute apart."""

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from crossfade.outcome import Outcome, done, refused, unknown, unsupported
from router.twins.breaker import TRIAL_SECONDS, Breaker
from tests.twins.stand import HeldClock


def opened(clock: HeldClock) -> Breaker:
    breaker = Breaker(clock)
    for _ in range(breaker.threshold):
        breaker.failed()
    return breaker


def test_it_opens_after_three_failures_in_a_row() -> None:
    breaker = Breaker(HeldClock())
    states = []
    for _ in range(3):
        breaker.failed()
        states.append(breaker.open)

    assert states == [False, False, True]


@pytest.mark.parametrize(
    "answer",
    [done(), refused(404, "NOT_FOUND", "no such file"), unsupported("pty.resize", "e2b")],
    ids=["ok", "a refusal", "cannot do that"],
)
def test_an_answer_of_any_kind_ends_the_row(answer: Outcome) -> None:
    breaker = Breaker(HeldClock())
    for outcome in (unknown("lost"), unknown("lost"), answer, unknown("lost"), unknown("lost")):
        breaker.note(outcome)

    assert not breaker.open


@pytest.mark.parametrize("outcome", [unknown("lost"), refused(503, "UNAVAILABLE", "busy")], ids=["silence", "5xx"])
def test_silence_and_5xx_are_failures(outcome: Outcome) -> None:
    breaker = Breaker(HeldClock())
    for _ in range(3):
        breaker.note(outcome)

    assert breaker.open


def test_after_the_pause_one_trial_decides() -> None:
    clock = HeldClock()
    breaker = opened(clock)
    clock.seconds += 2.0
    assert not breaker.open, "a trial is let through"
    breaker.trying()
    assert breaker.open, "only one"
    breaker.failed()
    assert breaker.open, "it failed: open again at once"
    clock.seconds += 3.9
    assert breaker.open, "and for longer than before"
    clock.seconds += 0.2
    breaker.trying()
    breaker.note(done())

    assert not breaker.open
    assert (breaker.failures, breaker.opened) == (0, 0)


def test_failures_of_calls_that_were_under_way_do_not_lengthen_the_pause() -> None:
    clock = HeldClock()
    breaker = opened(clock)
    for _ in range(50):
        breaker.failed()

    clock.seconds += breaker.first_seconds
    assert not breaker.open


def test_a_trial_that_was_given_up_is_followed_by_another() -> None:
    clock = HeldClock()
    breaker = opened(clock)
    clock.seconds += breaker.first_seconds
    breaker.trying()

    clock.seconds += TRIAL_SECONDS
    assert not breaker.open


def test_a_call_to_a_working_origin_is_no_trial() -> None:
    breaker = Breaker(HeldClock())
    breaker.failed()
    breaker.trying()

    assert not breaker.open
    assert not breaker.trial


def test_the_pause_has_a_longest_length_however_often_it_opened() -> None:
    clock = HeldClock()
    breaker = opened(clock)
    for _ in range(2000):
        clock.seconds += breaker.longest_seconds
        breaker.trying()
        breaker.failed()

    clock.seconds += breaker.longest_seconds
    assert not breaker.open


class AnyOrder(RuleBasedStateMachine):
    """Calls, failures, answers and time in any order, against what the docstrings promise."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = HeldClock()
        self.breaker = Breaker(self.clock)
        self.row = 0  # failures since the last answer
        self.quiet = 0.0  # seconds in which nothing went there

    @rule()
    def a_call_goes_there(self) -> None:
        was_open = self.breaker.open
        self.breaker.trying()
        self.quiet = 0.0
        assert self.breaker.open == (was_open or self.row >= self.breaker.threshold)

    @rule()
    def fails(self) -> None:
        self.breaker.failed()
        self.row += 1
        self.quiet = 0.0
        assert self.breaker.open == (self.row >= self.breaker.threshold)

    @rule()
    def answers(self) -> None:
        self.breaker.note(done())
        self.row = 0
        assert not self.breaker.open

    @rule(seconds=st.floats(0.01, 90))
    def time_passes(self, seconds: float) -> None:
        self.clock.seconds += seconds
        self.quiet += seconds

    @invariant()
    def it_is_open_only_after_failures_in_a_row(self) -> None:
        assert not self.breaker.open or self.row >= self.breaker.threshold

    @invariant()
    def it_lets_a_trial_through_after_the_longest_pause(self) -> None:
        assert not self.breaker.open or self.quiet <= self.breaker.longest_seconds


AnyOrder.TestCase.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
TestAnyOrder = AnyOrder.TestCase
