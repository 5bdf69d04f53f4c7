"""Sides: each origin's backend under the twin's name; what it does is timed, counted and never waited for too long."""

import asyncio

import pytest

from crossfade.operation import Operation
from crossfade.outcome import Fate, done, refused, unknown
from crossfade.results import Content
from crossfade.stage import Origin
from crossfade.upstream import Purpose
from router import tasks
from router.twins.sides import OneSide, Sides, discard
from router.twins.state import Twin
from tests.twins.stand import Gate, Held, HeldClock, LoopClock, Stand, answering, content, twin_of

pytestmark = pytest.mark.asyncio(loop_scope="module")
INFO = Operation(name="fs.info", arguments={"path": "/workspace"})


def held(stand: Stand) -> tuple[Sides, Twin, HeldClock]:
    """The same sides under a clock that stands."""
    clock = HeldClock()
    return Sides(stand.gates, clock), stand.twin, clock


async def test_each_side_is_asked_by_its_own_id(stand: Stand) -> None:
    await stand.new.put("/workspace/only-new", b"x")
    found = Operation(name="fs.download", sandbox="the client's id", arguments={"path": "/workspace/only-new"})
    on_old = await OneSide(stand.sides, stand.twin, Origin.OLD).perform(found)
    on_new = await OneSide(stand.sides, stand.twin, Origin.NEW).perform(found, Purpose.MIRROR)

    assert (on_old.status, on_old.origin) == (404, Origin.OLD)
    assert (await content(on_new), on_new.origin) == (b"x", Origin.NEW)
    assert [purpose for _, purpose in stand.gates[Origin.NEW].seen] == [Purpose.MIRROR]


async def test_a_side_that_was_never_made_is_not_found(stand: Stand) -> None:
    twin = twin_of(stand.old.id, "")
    outcome = await stand.sides.perform(twin, Origin.NEW, INFO, Purpose.SETTLE)
    channel = await stand.sides.open(twin, Origin.NEW, INFO, Purpose.ANSWER)

    assert outcome.status == 404
    assert channel == refused(404, "NOT_FOUND", f"sandbox {twin.id} has no new side")
    assert stand.gates[Origin.NEW].seen == []


async def test_past_its_time_an_outcome_is_unknown_and_the_backend_is_let_go(stand: Stand) -> None:
    gate = Held()
    stand.follower.before["fs.info"] = gate
    outcome = await stand.sides.perform(stand.twin, Origin.NEW, INFO, Purpose.MIRROR, seconds=0.05)

    assert (outcome.fate, outcome.status, outcome.origin) == (Fate.UNKNOWN, 504, Origin.NEW)
    assert stand.sides.breakers[Origin.NEW].failures == 1
    assert gate.reached.is_set()


async def test_a_client_that_goes_away_is_no_failure_of_the_origin(stand: Stand) -> None:
    gate = Held()
    stand.follower.before["fs.info"] = gate
    asking = asyncio.create_task(stand.sides.perform(stand.twin, Origin.NEW, INFO, Purpose.ANSWER))
    await gate.reached.wait()
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking

    assert stand.sides.breakers[Origin.NEW].failures == 0


async def test_failures_in_a_row_make_followers_there_unusable_until_one_trial_succeeds(stand: Stand) -> None:
    sides, twin, clock = held(stand)
    stand.follower.before["fs.info"] = answering(unknown("broke off"))
    for _ in range(3):
        await sides.perform(twin, Origin.NEW, INFO, Purpose.MIRROR)
    usable = [sides.usable(twin)]
    del stand.follower.before["fs.info"]
    clock.seconds += 3
    usable.append(sides.usable(twin))
    await sides.perform(twin, Origin.NEW, INFO, Purpose.MIRROR)
    usable.append(sides.usable(twin))

    assert usable == [False, True, True]
    assert sides.breakers[Origin.NEW].failures == 0


async def test_only_one_call_is_the_trial(stand: Stand) -> None:
    sides, twin, clock = held(stand)
    for _ in range(3):
        sides.breakers[Origin.NEW].failed()
    clock.seconds += 3
    gate = stand.follower.before["fs.info"] = Held()
    trial = asyncio.create_task(sides.perform(twin, Origin.NEW, INFO, Purpose.MIRROR))
    await gate.reached.wait()
    while_trying = sides.usable(twin)
    gate.go.set()
    await trial

    assert not while_trying
    assert sides.usable(twin)


async def test_the_seat_is_never_broken_off(stand: Stand) -> None:
    for _ in range(5):
        stand.sides.breakers[Origin.OLD].failed()
    outcome = await stand.sides.perform(stand.twin, Origin.OLD, INFO, Purpose.ANSWER)

    assert outcome.ok
    assert stand.sides.usable(stand.twin), "what fails is the seat's origin; the follower is the other"


async def test_a_call_that_waits_for_the_follower_of_an_unsplit_twin_is_counted(stand: Stand) -> None:
    waits: list[int] = []
    sides = Sides(stand.gates, LoopClock(), awaited=lambda: waits.append(1))
    token = tasks.answering.set(stand.twin)
    try:
        await sides.perform(stand.twin, Origin.OLD, INFO, Purpose.ANSWER)
        on_the_seat = len(waits)
        await sides.perform(stand.twin, Origin.NEW, INFO, Purpose.ANSWER)
        await tasks.spawn(sides.perform(stand.twin, Origin.NEW, INFO, Purpose.MIRROR), name="background")
    finally:
        tasks.answering.reset(token)

    assert (on_the_seat, len(waits)) == (0, 1)


async def test_what_is_not_read_is_let_go() -> None:
    closed: list[bool] = []

    async def chunks():  # type: ignore[no-untyped-def]
        try:
            yield b"a"
            yield b"b"
        finally:
            closed.append(True)

    stream = chunks()
    await anext(stream)
    await discard(done(Content(stream=stream)))
    await discard(refused(404, "NOT_FOUND", "nothing to close"))

    assert closed == [True]


async def test_a_side_is_named_as_its_backend(stand: Stand) -> None:
    assert OneSide(stand.sides, stand.twin, Origin.OLD).name == Gate(stand.old.backend).name == "local"
