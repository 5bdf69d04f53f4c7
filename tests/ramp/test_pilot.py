"""The pilot: what it does with what it sees, in each mode, each act written down before it is done."""

import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from crossfade.errors import Conflict, Refused, SettingsError, Unreachable
from crossfade.evidence import Evidence, Metric, Quality
from crossfade.stage import Stage
from policies.ramp import Act, Mode, Plan, State, weights
from router.admin.desk import StoreDesk
from router.admin.ramps import DeskBoard
from router.flags import schema
from router.flags.shown import shares_of, version_of
from router.ramp.pilot import AUTHOR, Pilot
from router.ramp.ports import Facts
from router.store.audit import SqlAudit
from router.store.database import Database, open_database
from router.store.flags import SqlFlagRows
from router.store.ramps import SqlRamps

DAY, BEGAN = 86_400.0, 1_000_000_800.0  # BEGAN is not on a full hour
GOOD = Metric(name="error rate", lower=-0.002, upper=0.004, harm=0.01, budget=0.01, units=900, least_units=30)
BAD = replace(GOOD, lower=0.02, upper=0.04)
SIGNED = {"author": "ada", "reason": "week 1"}


@dataclass
class Place:
    """A store, a clock, and evidence as the test says it is."""

    database: Database
    now: float = BEGAN
    counted: dict[str, Evidence] = field(default_factory=dict)
    asked: list[float] = field(default_factory=list)  # since when
    facts: Facts = field(default_factory=Facts)

    @property
    def rows(self) -> SqlFlagRows:
        return SqlFlagRows(self.database)

    def evidence(self, since: float, _until: float) -> Mapping[str, Evidence]:
        self.asked.append(since)
        return self.counted

    def pilot(self) -> Pilot:
        """A router's; each call makes another's."""
        audit = SqlAudit(self.database, now=lambda: self.now)
        board = DeskBoard(StoreDesk(self.rows, 7))
        return Pilot(SqlRamps(self.database), board, self.evidence, lambda: self.facts, audit, lambda: self.now)

    def set(self, share: float, tool: str = "files") -> None:
        before = self.rows.read()[1].get(schema.key_of(tool))
        flag = schema.build(tool, weights(share), version=version_of(before) + 1, seed=7)
        self.rows.write(flag, author="bob", reason="r", expected_version=version_of(before) if before else None)

    def count(self, *metrics: Metric, tool: str = "files", units: int = 0, **more: object) -> None:
        made = tuple(replace(metric, units=metric.units + units) for metric in metrics)
        self.counted[tool] = Evidence(tool=tool, metrics=made, **more)  # type: ignore[arg-type]

    def shares(self, tool: str = "files") -> dict[str, float]:
        return shares_of(self.rows.read()[1].get(schema.key_of(tool)))

    def acts(self) -> list[tuple[str, str]]:
        """The trail, oldest first."""
        return [(each.action, each.author) for each in reversed(SqlAudit(self.database).entries())]

    def state(self) -> tuple[State, float]:
        ramp = SqlRamps(self.database).read()["files"]
        return ramp.state, ramp.share


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    database = open_database(f"sqlite:///{tmp_path / 'state.db'}")
    place = Place(database)
    place.set(0.0)
    yield place
    database.close()


def begun(place: Place, share: float = 0.0, **plan: object) -> Pilot:
    if share:
        place.set(share)
    pilot = place.pilot()
    pilot.plan(Plan(tool="files", **plan), **SIGNED)  # type: ignore[arg-type]
    pilot.start("files", **SIGNED)
    return pilot


def pass_days(place: Place, pilot: Pilot, days: float, *metrics: Metric) -> None:
    """Evidence grows, and is looked at, every four hours."""
    for look in range(round(6 * days)):
        place.now += 4 * 3600
        place.count(*metrics, units=look)
        pilot.evaluate()


def test_a_ramp_that_may_act_goes_by_10_and_50_to_100_a_week_each_and_is_done(place: Place) -> None:
    pilot = begun(place, mode=Mode.ACT)
    seen = []
    for _ in range(4):
        pass_days(place, pilot, 7.2, GOOD)
        seen.append((place.shares(), place.state()[0]))

    assert seen == [
        ({"shadow": 90.0, "live": 10.0}, State.RUNNING),
        ({"shadow": 50.0, "live": 50.0}, State.RUNNING),
        ({"live": 100.0}, State.RUNNING),
        ({"live": 100.0}, State.DONE),
    ]
    assert place.acts() == [
        ("ramp.plan", "ada"),
        ("ramp.start", "ada"),
        *[("ramp.advance", AUTHOR)] * 3,
        ("ramp.done", AUTHOR),
    ]


def test_the_entry_of_an_act_has_its_evidence(place: Place) -> None:
    pass_days(place, begun(place, mode=Mode.ACT), 7.2, GOOD)
    entry = SqlAudit(place.database).entries(target="files", limit=1)[0]

    assert entry.action == "ramp.advance" and entry.reason.startswith("Go to 10 % live: error rate at most 0.4 %")
    metric = entry.details["evidence"]["metrics"][0]
    assert (metric["name"], metric["upper"], metric["budget"]) == ("error rate", 0.004, 0.01)
    assert (entry.details["from"], entry.details["flag_version"]) == ({"shadow": 1.0}, 1)
    history = place.rows.history(schema.key_of("files"))[0]
    assert (history.author, history.reason) == (AUTHOR, entry.reason)


@pytest.mark.parametrize("mode", [Mode.SUGGEST, Mode.DRY_RUN])
@pytest.mark.parametrize("metric", [GOOD, BAD], ids=["on", "back"])
def test_a_ramp_that_may_only_suggest_says_it_and_changes_nothing(place: Place, mode: Mode, metric: Metric) -> None:
    pilot = begun(place, 0.1, mode=mode)
    before = place.shares()
    pass_days(place, pilot, 7.2, metric)

    last = SqlRamps(place.database).read()["files"].last
    assert last is not None and last.act is (Act.ADVANCE if metric is GOOD else Act.BACK)
    assert place.shares() == before
    assert [action for action, _ in place.acts()] == ["ramp.plan", "ramp.start"]


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


def test_proven_harm_is_stepped_back_at_the_next_look_and_the_ramp_stops_until_somebody_starts_it(place: Place) -> None:
    pilot = begun(place, 0.5, mode=Mode.ACT)
    place.now += 60
    place.count(BAD)
    pilot.evaluate()
    assert (place.shares(), place.state()) == ({"shadow": 100.0}, (State.STOPPED, 0.0))

    pass_days(place, pilot, 9, GOOD)
    assert place.state() == (State.STOPPED, 0.0)
    pilot.start("files", **SIGNED)
    assert place.asked[-1] % 3600 == 0 and place.asked[-1] > place.now, "what was mended is not counted again"


def test_no_traffic_halts_and_moves_nothing(place: Place) -> None:
    pilot = begun(place, 0.1, mode=Mode.ACT)
    for _ in range(6 * 10):
        place.now += 4 * 3600
        pilot.evaluate()
    last = SqlRamps(place.database).read()["files"].last

    assert last is not None and (last.act, last.because) == (Act.HALT, "units")
    assert place.shares() == {"shadow": 90.0, "live": 10.0}


def test_traffic_that_ceased_halts_although_what_there_is_would_do(place: Place) -> None:
    pilot = begun(place, 0.1, mode=Mode.ACT)
    pass_days(place, pilot, 6.5, GOOD)
    for _ in range(6 * 3):
        place.now += 4 * 3600
        pilot.evaluate()  # the same evidence, again and again
    last = SqlRamps(place.database).read()["files"].last

    assert last is not None and (last.act, last.because) == (Act.HALT, "quiet")
    assert place.shares() == {"shadow": 90.0, "live": 10.0}


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


@pytest.mark.parametrize(
    ("facts", "because"), [(Facts(lost=3), "data"), (Facts(drifted=2), "drift")], ids=["lost", "drifted"]
)
def test_state_lost_during_the_step_steps_back_and_what_was_lost_before_does_not(
    place: Place, facts: Facts, because: str
) -> None:
    place.facts = Facts(lost=2, drifted=1)
    pilot = begun(place, 0.1, mode=Mode.ACT)
    place.count(GOOD)
    place.now += 60
    pilot.evaluate()
    assert place.shares() == {"shadow": 90.0, "live": 10.0}

    place.facts = replace(
        place.facts, **{name: n for name, n in (("lost", facts.lost), ("drifted", facts.drifted)) if n}
    )
    place.now += 60
    pilot.evaluate()
    last = SqlRamps(place.database).read()["files"].last
    assert (place.shares(), last and last.because) == ({"shadow": 100.0}, because)


def test_a_process_tool_waits_for_another_that_harms(place: Place) -> None:
    place.set(0.1, "shell")
    pilot = place.pilot()
    pilot.plan(Plan(tool="shell", mode=Mode.ACT, least_days=0), **SIGNED)
    pilot.start("shell", **SIGNED)
    place.now += 3600
    place.count(GOOD, tool="shell")
    place.count(BAD, tool="browser")
    pilot.evaluate()
    assert place.shares("shell") == {"shadow": 90.0, "live": 10.0}

    place.count(GOOD, tool="browser")
    pilot.evaluate()
    assert place.shares("shell") == {"shadow": 50.0, "live": 50.0}


def test_a_kill_halts(place: Place) -> None:
    pilot = begun(place, 0.1, mode=Mode.ACT, least_days=0)
    place.rows.write(schema.kill(True, version=1), author="bob", reason="r", expected_version=None)
    place.now += 3600
    place.count(GOOD)
    pilot.evaluate()
    last = SqlRamps(place.database).read()["files"].last

    assert last is not None and (last.act, last.because) == (Act.HALT, "kill")


def test_lost_records_halt(place: Place) -> None:
    pilot = begun(place, 0.1, mode=Mode.ACT, least_days=0)
    place.count(GOOD, quality=Quality(calls=1_000, lost_records=9))
    place.now += 3600
    pilot.evaluate()

    assert place.shares() == {"shadow": 90.0, "live": 10.0}


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
