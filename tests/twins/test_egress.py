"""The way out of a follower: shut at birth, opened with the seat; no command runs where it may be open."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest

from crossfade.outcome import Outcome, done, refused
from crossfade.stage import Origin
from crossfade.twin import FollowerState
from router.twins.egress import Egress
from tests.twins.stand import ROOT, Stand
from tests.twins.talking import talking
from tests.twins.test_birth import F, unborn

pytestmark = pytest.mark.asyncio(loop_scope="module")
WHY = "execute not repeated (shadow_egress = blocked): the follower may reach other machines"


@dataclass(eq=False)
class Net:
    """A provider's answers about the way out, and what it was asked."""

    out: bool | None
    answer: Outcome = field(default_factory=done)
    asked: list[object] = field(default_factory=list)

    async def reaches_out(self, sandbox: str) -> bool | None:
        self.asked.append(sandbox)
        return self.out

    async def let_out(self, sandbox: str, on: bool) -> Outcome:
        self.asked.append((sandbox, on))
        if self.answer.ok:
            self.out = on
        return self.answer


def blocked(net: Net) -> tuple[Egress, Mapping[Origin, Net]]:
    nets = {Origin.NEW: net}
    return Egress(blocked=True, networks=nets), nets


@pytest.mark.parametrize("out", [True, None], ids=["open", "not known"])
async def test_no_command_runs_on_a_follower_that_is_not_known_to_be_shut_in(stand: Stand, out: bool | None) -> None:
    async with talking(stand) as talk:
        talk.lanes.egress, _ = blocked(Net(out))
        talk.lanes.settled(talk.twin)
        ran = await talk.say("process.exec", command=f"echo a > {F}")
        later = await talk.say("fs.list", path=ROOT)

        assert await ran.verdict() == WHY
        assert not ran.verdicts[0].mirrored
        assert await later.verdict() == "follower is behind"
        assert stand.follower.seen == []


async def test_commands_run_on_one_that_is_and_its_provider_is_asked_once(stand: Stand) -> None:
    net = Net(False)
    async with talking(stand) as talk:
        talk.lanes.egress, _ = blocked(net)
        talk.lanes.settled(talk.twin)
        said = [
            await talk.say("fs.list", path=ROOT),
            await talk.say("process.exec", command="echo a"),
            await talk.say("process.exec", command="echo b"),
        ]

        assert [await each.verdict() for each in said] == ["compared"] * 3
    assert net.asked == [stand.twin.row.ids[Origin.NEW]]


async def test_a_side_of_which_nothing_can_be_asked_gets_no_commands(stand: Stand) -> None:
    async with talking(stand) as talk:
        talk.lanes.egress = Egress(blocked=True)
        talk.lanes.settled(talk.twin)

        assert await (await talk.say("process.exec", command="true")).verdict() == WHY


async def test_a_follower_is_born_shut_in_and_let_out_with_the_seat(stand: Stand) -> None:
    net = Net(False)
    births, twin = unborn(stand)
    births.egress, _ = blocked(net)
    gate = stand.follower
    await births.make_follower(twin, {}, move_seat=True)
    [create] = [operation for operation, _ in gate.seen if operation.name == "sandbox.create"]

    assert create.arguments["internet"] is False
    assert twin.seat is Origin.NEW
    assert net.asked == [(twin.row.ids[Origin.NEW], True)]


async def test_a_seat_whose_network_cannot_be_opened_stays_where_it_is(stand: Stand) -> None:
    births, twin = unborn(stand)
    births.egress, _ = blocked(Net(False, refused(500, "INTERNAL", "no")))
    await births.make_follower(twin, {}, move_seat=True)
    row = stand.rows.rows[twin.id]

    assert (row.seat, row.follower) == (Origin.OLD, FollowerState.JOINED)
    assert row.held == "seat did not move at birth: new's network could not be opened: 500 no"


async def test_a_side_that_does_not_get_the_seat_after_all_is_shut_in_again(stand: Stand) -> None:
    async def call_comes_in(_sandbox: object) -> None:
        twin.gen += 1

    net = Net(False)
    births, twin = unborn(stand)
    births.egress, _ = blocked(net)
    stand.follower.before["process.exec"] = call_comes_in  # while it is settled
    await births.make_follower(twin, {}, move_seat=True)

    assert twin.seat is Origin.OLD
    assert [on for _, on in net.asked] == [True, False]  # type: ignore[misc]


async def test_where_it_is_open_nothing_is_asked_and_nobody_is_shut_in(stand: Stand) -> None:
    net = Net(True)
    births, twin = unborn(stand)
    births.egress = Egress(blocked=False, networks={Origin.NEW: net})
    gate = stand.follower
    await births.make_follower(twin, {}, move_seat=True)
    [create] = [operation for operation, _ in gate.seen if operation.name == "sandbox.create"]

    assert "internet" not in create.arguments
    assert twin.seat is Origin.NEW
    assert net.asked == []
