"""The pilot's minute: what it does with what it sees, in each mode, each act written down before it is done."""

from dataclasses import replace

import pytest

from crossfade.evidence import Metric, Quality
from policies.ramp import Act, Mode, Plan, State
from router.flags import schema
from router.ramp.pilot import AUTHOR
from router.ramp.ports import Facts
from router.store.audit import SqlAudit
from router.store.ramps import SqlRamps
from tests.ramp.place import BAD, GOOD, SIGNED, Place, begun, pass_days


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
