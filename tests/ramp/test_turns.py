"""Ramps among people, other routers and crashes: each takes its turn, and nothing moves twice."""

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from crossfade.errors import Conflict, Refused, SettingsError, Unreachable
from crossfade.stage import Stage
from policies.ramp import Act, Mode, Plan, State, weights
from router.ramp.pilot import AUTHOR
from router.store.database import open_database
from router.store.ramps import SqlRamps
from tests.ramp.place import BAD, BEGAN, DAY, GOOD, SIGNED, Place, begun, pass_days


def test_a_person_takes_the_suggested_step_and_no_other(place: Place) -> None:
    pilot = begun(place, 0.1)
    place.now += 3600
    place.count(GOOD, units=1)
    with pytest.raises(Refused, match=r"wait 7\.0 more days"):
        pilot.take("files", **SIGNED)
    assert place.shares() == {"shadow": 90.0, "live": 10.0}

    pass_days(place, pilot, 7.2, GOOD)
    assert pilot.take("files", dry_run=True, **SIGNED).step.act is Act.ADVANCE
    assert place.shares() == {"shadow": 90.0, "live": 10.0}
    pilot.take("files", **SIGNED)
    assert (place.shares(), place.acts()[-1]) == ({"shadow": 50.0, "live": 50.0}, ("ramp.advance", "ada"))


def test_each_step_is_judged_by_what_came_after_it_only(place: Place) -> None:
    pilot = begun(place, mode=Mode.ACT)
    pass_days(place, pilot, 7.2, GOOD)
    stepped = SqlRamps(place.database).read()["files"].since
    pilot.evaluate()

    assert place.shares() == {"shadow": 90.0, "live": 10.0}
    assert BEGAN < stepped == place.asked[-1]


def test_a_tool_shadowed_for_weeks_may_start_with_that_but_not_one_on_new(place: Place) -> None:
    place.count(GOOD)
    pilot = place.pilot()
    pilot.plan(Plan(tool="files", mode=Mode.ACT), **SIGNED)
    pilot.start("files", since=BEGAN - 9 * DAY, **SIGNED)
    place.count(GOOD, units=1)
    pilot.evaluate()
    assert place.shares() == {"shadow": 90.0, "live": 10.0}

    pilot.pause("files", **SIGNED)
    with pytest.raises(Refused, match="at 10 % on new"):
        pilot.start("files", since=BEGAN - 9 * DAY, **SIGNED)


def test_a_flag_that_somebody_moved_begins_the_step_anew(place: Place) -> None:
    pilot = begun(place, 0.1, mode=Mode.ACT)
    pass_days(place, pilot, 6.9, GOOD)
    place.set(0.5)
    pass_days(place, pilot, 1, GOOD)

    assert place.shares() == {"shadow": 50.0, "live": 50.0}
    assert place.state() == (State.RUNNING, 0.5)


def test_a_router_killed_between_the_flag_and_the_ramps_row_does_not_take_the_week_for_passed(place: Place) -> None:
    pilot = begun(place, 0.1, mode=Mode.ACT)
    pass_days(place, pilot, 6.9, GOOD)
    found = pilot.look(SqlRamps(place.database).read()["files"])
    place.now += 3600
    pilot.board.turn("files", weights(0.5), found.seen.version, AUTHOR, "and then it was killed")

    again = place.pilot()
    pass_days(place, again, 1, GOOD)
    assert place.shares() == {"shadow": 50.0, "live": 50.0}
    pass_days(place, again, 6.4, GOOD)
    assert place.shares() == {"live": 100.0}


def test_of_two_routers_one_takes_the_step(place: Place) -> None:
    one, other = begun(place, 0.1, mode=Mode.ACT), place.pilot()
    pass_days(place, one, 6.9, GOOD)
    place.now += 5 * 3600
    place.count(GOOD, units=9_999)
    stale = other.ramps.read()["files"]
    one.evaluate()

    with pytest.raises(Conflict):
        other.look(stale)
    other.evaluate()
    assert place.shares() == {"shadow": 50.0, "live": 50.0}
    assert [action for action, _ in place.acts()].count("ramp.advance") == 1


def test_a_persons_word_in_the_middle_of_a_look_is_no_conflict(place: Place) -> None:
    pilot = begun(place, 0.1)
    looks, stop = [0], threading.Event()

    def look() -> None:
        while not stop.is_set():
            pilot.evaluate()
            looks[0] += 1

    looking = threading.Thread(target=look)
    looking.start()
    for _ in range(15):
        pilot.take("files", dry_run=True, **SIGNED)
        pilot.pause("files", **SIGNED)
        pilot.start("files", **SIGNED)
    stop.set()
    looking.join(30)

    assert looks[0] and place.state() == (State.RUNNING, 0.1)


def test_a_flag_changed_between_look_and_turn_is_left_as_it_is(place: Place) -> None:
    pilot = begun(place, 0.1, mode=Mode.ACT)
    pass_days(place, pilot, 6.9, GOOD)
    place.now += 5 * 3600

    @dataclass
    class Late:
        """A board on which somebody is faster."""

        def read(self) -> object:
            return inner.read()

        def turn(self, tool: str, parts: Mapping[Stage, int], expected: int, author: str, reason: str) -> int:
            place.set(0.0)
            return inner.turn(tool, parts, expected, author, reason)

    inner, pilot.board = pilot.board, Late()  # type: ignore[assignment]
    place.count(GOOD, units=9_999)
    pilot.evaluate()

    assert place.shares() == {"shadow": 100.0}


def test_an_act_that_cannot_be_written_down_is_not_done(place: Place) -> None:
    class Full:
        def add(self, **_: object) -> None:
            raise Unreachable("the store is full")

    pilot = begun(place, 0.5, mode=Mode.ACT)
    pilot.trail = Full()
    place.count(BAD)
    place.now += 60
    pilot.evaluate()

    assert (place.shares(), place.state()) == ({"shadow": 50.0, "live": 50.0}, (State.RUNNING, 0.5))


def test_back_on_a_persons_word_needs_no_evidence(place: Place) -> None:
    pilot = begun(place, 0.5)
    pilot.take("files", back=True, **SIGNED)

    assert (place.shares(), place.state()) == ({"shadow": 100.0}, (State.STOPPED, 0.0))
    assert place.acts()[-1] == ("ramp.back", "ada")


def test_what_a_ramps_state_forbids_is_refused(place: Place) -> None:
    pilot = place.pilot()
    with pytest.raises(SettingsError, match="no plan for 'files'"):
        pilot.start("files", **SIGNED)
    begun(place)
    with pytest.raises(Refused, match="running already"):
        pilot.start("files", **SIGNED)
    with pytest.raises(Refused, match="pause it before"):
        pilot.plan(Plan(tool="files"), **SIGNED)
    pilot.pause("files", **SIGNED)
    with pytest.raises(Refused, match="paused, not running"):
        pilot.pause("files", **SIGNED)
    with pytest.raises(Refused, match="The ramp is paused"):
        pilot.take("files", **SIGNED)


def test_a_plan_and_its_state_survive_the_process(place: Place, tmp_path: Path) -> None:
    plan = Plan(tool="files", steps=(0.05, 0.1, 0.5), least_days=2, least_sandboxes=40, quiet_hours=3, mode=Mode.ACT)
    pilot = place.pilot()
    pilot.plan(plan, **SIGNED)
    pilot.start("files", **SIGNED)
    kept = pilot.ramps.read()["files"]
    other = open_database(f"sqlite:///{tmp_path / 'state.db'}", create=False)

    assert SqlRamps(other).read()["files"] == kept
    assert (kept.plan, kept.state, kept.last and kept.last.act) == (plan, State.RUNNING, Act.HALT)
    other.close()


def test_a_store_of_an_earlier_program_has_no_ramps(tmp_path: Path) -> None:
    database = open_database(f"sqlite:///{tmp_path / 'older.db'}")

    assert SqlRamps(database).read() == {}
    database.close()
