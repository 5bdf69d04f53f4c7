"""Split reads: the follower's answer is released only when the seat proves it; in any doubt the seat answers.

Clauses C2 and C9 of docs/consistency.md.
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator

import pytest

from crossfade.operation import Operation
from crossfade.outcome import Outcome, done, refused, unknown, unsupported
from crossfade.results import Content
from crossfade.stage import Origin
from crossfade.upstream import Purpose
from router import tasks
from router.engine.split import SplitRead, from_origin, read, same_class, worst
from router.twins.admit import How
from router.twins.settle import token_of
from router.twins.state import Token
from tests.twins.stand import ROOT, Held, Stand, answering, content

pytestmark = pytest.mark.asyncio(loop_scope="module")
F = f"{ROOT}/f"
PATIENCE = 20.0


def download(path: str = F) -> Operation:
    return Operation(name="fs.download", arguments={"path": path})


async def filled(stand: Stand, data: bytes = b"bytes") -> Token:
    """A file that both sides have, and its token."""
    await stand.old.put(F, data)
    assert await stand.settler.path(stand.twin, F)
    stand.seat.seen.clear()
    stand.follower.seen.clear()
    return stand.twin.tokens[F]


async def ask(
    stand: Stand, how: How, *operations: Operation, tokens: tuple[Token | None, ...] = (), patience: float = PATIENCE
) -> SplitRead:
    return await read(stand.sides, stand.twin, how, operations, tokens, patience)


async def test_a_clean_read_asks_the_follower_alone(stand: Stand) -> None:
    await filled(stand)
    got = await ask(stand, How.CLEAN, download())

    assert got.outcomes is not None
    assert await content(got.outcomes[0]) == b"bytes"
    assert got.outcomes[0].origin is Origin.NEW
    assert stand.seat.seen == []
    assert [purpose for _, purpose in stand.follower.seen] == [Purpose.ANSWER]


async def test_a_token_is_proven_on_the_seat_in_parallel(stand: Stand) -> None:
    token = await filled(stand)
    on_follower = stand.follower.before["fs.download"] = Held()
    on_seat = stand.seat.before["fs.info"] = Held()
    reading = asyncio.create_task(ask(stand, How.TOKEN, download(), tokens=(token,)))
    await asyncio.gather(on_follower.reached.wait(), on_seat.reached.wait())
    on_follower.go.set()
    on_seat.go.set()
    got = await reading

    assert got.outcomes is not None
    assert await content(got.outcomes[0]) == b"bytes"
    assert [(operation.name, purpose) for operation, purpose in stand.seat.seen] == [("fs.info", Purpose.VALIDATE)]


async def test_what_changed_on_the_seat_is_not_released(stand: Stand) -> None:
    """202, then a read: a process that is still running rewrote the file."""
    token = await filled(stand)
    await stand.old.sh(f"echo other > {F}")
    got = await ask(stand, How.TOKEN, download(), tokens=(token,))

    assert (got.outcomes, got.why) == (None, "changed on the seat since it was copied")


@pytest.mark.parametrize(
    "proof",
    [refused(404, "NOT_FOUND", "gone"), unknown("broke off"), done("nonsense")],
    ids=["gone", "lost", "no stat"],
)
async def test_a_proof_that_is_none_releases_nothing(stand: Stand, proof: Outcome) -> None:
    token = await filled(stand)
    stand.seat.before["fs.info"] = answering(proof)
    got = await ask(stand, How.TOKEN, download(), tokens=(token,))

    assert got.outcomes is None


async def test_a_missing_token_matches_nothing(stand: Stand) -> None:
    await filled(stand)
    got = await ask(stand, How.TOKEN, download(), tokens=(None,))

    assert got.outcomes is None


async def test_one_of_several_that_is_not_proven_leaves_all_to_the_seat(stand: Stand) -> None:
    token = await filled(stand)
    await stand.old.put(f"{ROOT}/other", b"2")
    await stand.settler.path(stand.twin, f"{ROOT}/other")
    await stand.old.put(f"{ROOT}/other", b"changed")
    tokens = (token, stand.twin.tokens[f"{ROOT}/other"])
    got = await ask(stand, How.TOKEN, download(), download(f"{ROOT}/other"), tokens=tokens)

    assert got.outcomes is None


async def test_a_list_is_asked_of_both_in_full(stand: Stand) -> None:
    await filled(stand)
    got = await ask(stand, How.BOTH, Operation(name="fs.list", arguments={"path": ROOT}))

    assert got.outcomes is not None
    assert [each.origin for each in (*got.outcomes, *got.seat_outcomes)] == [Origin.NEW, Origin.OLD]
    assert [each.name for each in got.outcomes[0].value] == [each.name for each in got.seat_outcomes[0].value] == ["f"]


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (unknown("broke off"), "follower answered 502"),
        (refused(503, "UNAVAILABLE", "busy"), "follower answered 503"),
        (unsupported("fs.download", "e2b"), "follower answered 501"),
    ],
)
async def test_a_follower_that_fails_is_answered_for_by_the_seat(stand: Stand, answer: Outcome, why: str) -> None:
    await filled(stand)
    stand.follower.before["fs.download"] = answering(answer)
    got = await ask(stand, How.CLEAN, download())

    assert (got.outcomes, got.why) == (None, why)


async def test_a_refusal_of_an_equal_follower_is_the_answer(stand: Stand) -> None:
    await filled(stand)
    got = await ask(stand, How.CLEAN, download(f"{ROOT}/nowhere"))

    assert got.outcomes is not None
    assert got.outcomes[0].status == 404


@pytest.mark.parametrize("side", ["follower", "seat"])
async def test_a_side_that_hangs_costs_the_patience_and_no_more(stand: Stand, side: str) -> None:
    token = await filled(stand)
    if side == "follower":
        stand.follower.before["fs.download"] = Held()
    else:
        stand.seat.before["fs.info"] = Held()
    got = await ask(stand, How.TOKEN, download(), tokens=(token,), patience=0.1)

    assert (got.outcomes, got.why) == (None, "follower or validation took longer than 0.1 s")


class Unread:
    """A content that knows whether it was let go."""

    def __init__(self) -> None:
        self.closed = False

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        return b"x"

    async def aclose(self) -> None:
        self.closed = True

    def outcome(self) -> Outcome:
        return done(Content(stream=self))


@pytest.mark.parametrize("seat", [refused(404, "NOT_FOUND", "gone"), None], ids=["not proven", "hangs"])
async def test_bytes_that_are_not_released_are_let_go(stand: Stand, seat: Outcome | None) -> None:
    token = await filled(stand)
    unread = Unread()
    stand.follower.before["fs.download"] = answering(unread.outcome())
    stand.seat.before["fs.info"] = Held() if seat is None else answering(seat)
    got = await ask(stand, How.TOKEN, download(), tokens=(token,), patience=PATIENCE if seat else 0.1)

    assert got.outcomes is None
    assert unread.closed


async def test_a_client_that_goes_away_stops_both_halves(stand: Stand) -> None:
    token = await filled(stand)
    unread, proof = Unread(), Held()
    stand.follower.before["fs.download"] = answering(unread.outcome())
    stand.seat.before["fs.info"] = proof
    reading = asyncio.create_task(ask(stand, How.TOKEN, download(), tokens=(token,)))
    await proof.reached.wait()
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading

    assert unread.closed
    assert not [task for task in asyncio.all_tasks() if task.get_name() in ("seat's half", "follower's half")]


async def test_time_spent_on_the_proof_alone_is_told_apart(stand: Stand) -> None:
    token = await filled(stand)
    proof = stand.seat.before["fs.info"] = Held()
    reading = asyncio.create_task(ask(stand, How.TOKEN, download(), tokens=(token,)))
    await proof.reached.wait()
    await asyncio.sleep(0.2)
    proof.go.set()
    got = await reading

    assert got.outcomes is not None
    assert got.validation_seconds > got.outcomes[0].seconds


async def test_both_halves_are_part_of_answering(stand: Stand) -> None:
    """An unsplit sandbox's call must wait for no follower; these are asked for by a split one, and counted so."""
    await filled(stand)
    seen: list[object] = []

    async def look(_operation: Operation) -> Outcome | None:
        seen.append(tasks.answering.get())
        return None

    stand.follower.before["fs.download"] = look
    token = tasks.answering.set(stand.twin)
    try:
        await ask(stand, How.CLEAN, download())
    finally:
        tasks.answering.reset(token)

    assert seen == [stand.twin]


async def test_a_large_file_is_not_held(stand: Stand) -> None:
    data = bytes(range(256)) * 8192
    token = await filled(stand, data)
    got = await ask(stand, How.TOKEN, download(), tokens=(token,))
    assert got.outcomes is not None
    digest, chunks = hashlib.sha256(), 0
    async for chunk in got.outcomes[0].value.stream:
        digest.update(chunk)
        chunks += 1

    assert digest.hexdigest() == hashlib.sha256(data).hexdigest()
    assert chunks > 1


async def test_the_token_of_a_directory_has_no_size(stand: Stand) -> None:
    await stand.old.sh(f"mkdir -m 750 {ROOT}/d")
    info = (await stand.old.ask("fs.info", path=f"{ROOT}/d")).value

    assert token_of(info) == (0, info.modified_ns, 0o750, True)


OK, NOT_FOUND, LOST = done(), refused(404, "NOT_FOUND", ""), unknown("")


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ([OK], [done(status=201)], True),
        ([NOT_FOUND], [refused(409, "CONFLICT", "")], True),
        ([OK], [NOT_FOUND], False),
        ([LOST], [LOST], False),
        ([OK, OK], [OK], False),
        ([OK, NOT_FOUND], [OK, OK], False),
        ([refused(500, "INTERNAL", "")], [NOT_FOUND], False),
        ([refused(500, "INTERNAL", "")], [refused(500, "INTERNAL", "")], False),
    ],
)
async def test_both_sides_did_the_same_kind_of_thing(one: list[Outcome], other: list[Outcome], same: bool) -> None:
    assert same_class(one, other) is same_class(other, one) is same


async def test_the_outcome_that_speaks_for_several_is_the_first_that_failed() -> None:
    assert worst([OK, NOT_FOUND, LOST]) is NOT_FOUND
    assert worst([OK, OK]) is OK
    assert [each.origin for each in from_origin([OK, LOST], Origin.OLD)] == [Origin.OLD, Origin.OLD]


async def test_a_follower_that_keeps_a_read_waiting_opens_its_breaker_at_once(stand: Stand) -> None:
    await filled(stand)
    held = stand.follower.before["fs.download"] = Held()
    got = await ask(stand, How.CLEAN, download(), patience=0.05)
    held.go.set()

    assert got.outcomes is None
    assert stand.sides.breakers[Origin.NEW].open


async def test_a_seat_that_keeps_a_read_waiting_is_not_the_followers_fault(stand: Stand) -> None:
    token = await filled(stand)
    held = stand.seat.before["fs.info"] = Held()
    got = await ask(stand, How.TOKEN, download(), tokens=(token,), patience=1.0)
    held.go.set()

    assert got.outcomes is None
    assert not stand.sides.breakers[Origin.NEW].open
