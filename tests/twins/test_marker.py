"""A seat on new that comes back older than it was left is known for it, and nothing is copied from it.

Clause C13 of docs/consistency.md.
"""

from dataclasses import replace

import pytest

from crossfade.outcome import refused, unknown
from crossfade.stage import Origin
from crossfade.twin import FollowerState
from router.twins.marker import Marker
from tests.twins.stand import Stand, answering

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def marked(stand: Stand) -> Marker:
    """A seat on new, paused with its generation written."""
    stand.twin.row = replace(stand.twin.row, seat=Origin.NEW)
    marker = Marker(stand.registry, stand.sides, "/root")
    await marker.write(stand.twin)
    return marker


async def test_a_seat_that_comes_back_as_it_was_left_is_trusted(stand: Stand) -> None:
    marker = await marked(stand)

    assert stand.rows.rows[stand.twin.id].marker > 0
    assert await marker.check(stand.twin)
    assert stand.twin.joined


async def test_an_older_one_is_quarantined_and_says_how_old_it_is(stand: Stand) -> None:
    marker = await marked(stand)
    await stand.new.put("/root/.crossfade-generation", str(stand.twin.row.marker - 90_000).encode())
    trusted = await marker.check(stand.twin)
    row = stand.rows.rows[stand.twin.id]

    assert not trusted
    assert (row.follower, row.held, row.dirty) == (
        FollowerState.QUARANTINED, "new came back 90 s older than it was left", True,
    )  # fmt: skip
    assert not stand.twin.usable(stand.clock.monotonic()), "nothing is copied over what old has"


async def test_one_without_its_marker_is_older_than_the_first_one(stand: Stand) -> None:
    marker = await marked(stand)
    await stand.new.sh("rm /root/.crossfade-generation")

    assert not await marker.check(stand.twin)
    assert stand.rows.rows[stand.twin.id].held == "new came back without its marker"


async def test_nothing_is_concluded_where_it_cannot_be_read(stand: Stand) -> None:
    marker = await marked(stand)
    stand.gates[Origin.NEW].before["fs.download"] = answering(unknown("hung"))

    assert await marker.check(stand.twin)
    assert stand.twin.joined


async def test_a_marker_that_could_not_be_written_is_not_expected(stand: Stand) -> None:
    stand.gates[Origin.NEW].before["fs.upload"] = answering(refused(507, "", "full"))
    marker = await marked(stand)

    assert stand.twin.row.marker == 0
    assert await marker.check(stand.twin)


async def test_each_marker_is_newer_than_the_last(stand: Stand) -> None:
    marker = await marked(stand)
    first = stand.twin.row.marker
    stand.twin.row = replace(stand.twin.row, marker=first + 10**9)  # a clock that was set back since
    await marker.write(stand.twin)

    assert stand.twin.row.marker == first + 10**9 + 1


async def test_seats_on_old_have_none(stand: Stand) -> None:
    marker = Marker(stand.registry, stand.sides, "/root")
    await marker.write(stand.twin)

    assert stand.twin.row.marker == 0
    assert await marker.check(stand.twin)
