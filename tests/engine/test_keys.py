"""Which client keys may use a sandbox that old does not check itself: asked of a real origin, remembered by digest."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

from crossfade.stage import Origin
from crossfade.twin import TwinRow
from crossfade.upstream import UpstreamFailed
from router.engine.call import Call
from router.engine.keys import ACCEPTED_SECONDS, KeyRefused, Keys, digest, digests
from router.engine.old import OldAddresses
from router.twins.state import Twin
from router.wire.http1.client import Http1Upstream
from tests.engine.calls import call_of
from tests.wire.origin import Origin as Served
from tests.wire.origin import Peer, origin

OWNER, GOOD, BAD = b"Bearer owner-key", b"Bearer good-key", b"Bearer bad-key"
REFUSAL = b'{"statusCode":401,"message":"Invalid credentials"}'


@dataclass
class Asked:
    """Keys before an origin that takes some of them."""

    keys: Keys
    old: Served
    twin: Twin

    async def check(self, key: bytes | None, *, now: float = 0.0) -> None:
        await self.keys.check(calling(key), self.twin, now)


def calling(key: bytes | None, *headers: tuple[bytes, bytes]) -> Call:
    authorization = () if key is None else ((b"authorization", key),)
    return call_of("POST /toolbox/s1/process/execute", *authorization, *headers)


def made_by(owner: bytes, *, sides: tuple[Origin, ...] = (Origin.OLD, Origin.NEW)) -> Twin:
    ids = {str(side): f"id-on-{side}" for side in sides}
    return Twin(row=TwinRow(id="s1", routing_key="k", owner=digest(owner), ids=ids))


async def judge(peer: Peer) -> None:
    """Takes the owner's key and the good one."""
    while True:
        request = await peer.request()
        if (request.named("authorization") or [""])[0].encode() in (OWNER, GOOD):
            await peer.say(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
        else:
            head = b"HTTP/1.1 401 Unauthorized\r\nX-Hop: 1\r\nConnection: X-Hop\r\nX-Request-Id: r\r\nContent-Length: "
            await peer.say(head + b"%d\r\n\r\n" % len(REFUSAL) + REFUSAL)


@contextlib.asynccontextmanager
async def asking(twin: Twin, script: object = judge) -> AsyncIterator[Asked]:
    async with Http1Upstream() as upstream, origin(script) as old:  # type: ignore[arg-type]
        yield Asked(Keys(upstream, OldAddresses(f"{old.url}/api", upstream)), old, twin)


async def test_the_creators_key_is_known_without_asking() -> None:
    async with asking(made_by(OWNER)) as it:
        await it.check(OWNER)

        assert it.old.requests == []


async def test_another_key_is_asked_once_and_then_remembered_for_a_while() -> None:
    async with asking(made_by(OWNER)) as it:
        for now in (0.0, 1.0, ACCEPTED_SECONDS - 1):
            await it.check(GOOD, now=now)
        assert [request.line for request in it.old.requests] == ["GET /api/sandbox/id-on-old HTTP/1.1"]

        await it.check(GOOD, now=ACCEPTED_SECONDS + 1)
        assert len(it.old.requests) == 2


async def test_a_refused_key_is_told_in_olds_own_words_and_asked_again() -> None:
    async with asking(made_by(OWNER)) as it:
        for _ in range(2):
            with pytest.raises(KeyRefused) as refused:
                await it.check(BAD)

        assert (refused.value.status, refused.value.body) == (401, REFUSAL)
        assert refused.value.headers == ((b"X-Request-Id", b"r"),)
        assert len(it.old.requests) == 2  # a key that was refused may be good a moment later
        assert it.twin.keys == {}


async def test_a_call_without_a_key_is_asked_as_it_is() -> None:
    async with asking(made_by(OWNER)) as it:
        with pytest.raises(KeyRefused):
            await it.check(None)

        assert it.old.requests[0].named("authorization") == []


async def test_only_a_digest_of_a_key_is_kept() -> None:
    async with asking(made_by(OWNER)) as it:
        await it.check(GOOD)

        kept = repr((it.twin.keys, it.twin.row))
        assert digest(GOOD) in kept
        assert not any(key.split()[1].decode() in kept for key in (OWNER, GOOD))


async def test_a_key_accepted_for_one_sandbox_is_no_key_to_another() -> None:
    async with asking(made_by(OWNER)) as it:
        await it.check(GOOD)
        other = made_by(OWNER)
        await it.keys.check(calling(GOOD), other, 0.0)

        assert len(it.old.requests) == 2


async def test_a_sandbox_without_an_old_side_is_its_creators_alone() -> None:
    async with asking(made_by(OWNER, sides=(Origin.NEW,))) as it:
        await it.check(OWNER)
        with pytest.raises(KeyRefused) as refused:
            await it.check(GOOD)

        assert (refused.value.status, refused.value.body) == (401, b"")
        assert it.old.requests == []


async def test_a_key_that_the_settings_name_opens_every_sandbox_without_asking() -> None:
    async with asking(made_by(OWNER, sides=(Origin.NEW,))) as it:
        it.keys.always = digests([GOOD.removeprefix(b"Bearer ").decode()])
        await it.check(GOOD)
        await it.keys.known_to_old(calling(GOOD))
        await it.keys.check(calling(GOOD), made_by(OWNER), 0.0)
        with pytest.raises(KeyRefused):
            await it.check(BAD)
        with pytest.raises(KeyRefused):
            await it.check(None)

        assert it.old.requests == []


async def test_a_key_that_leaked_opens_nothing_and_makes_nothing_whoever_it_was() -> None:
    async with asking(made_by(OWNER)) as it:
        it.keys.never = it.keys.always = digests([OWNER.removeprefix(b"Bearer ").decode()])
        it.keys.accept(calling(OWNER), it.twin, 0.0)
        with pytest.raises(KeyRefused):
            await it.check(OWNER)
        with pytest.raises(KeyRefused):
            await it.keys.known_to_old(calling(OWNER))

        assert it.old.requests == []


async def test_an_answer_of_old_to_this_key_is_as_good_as_asking() -> None:
    async with asking(made_by(OWNER)) as it:
        it.keys.accept(calling(GOOD), it.twin, 0.0)
        await it.check(GOOD, now=1.0)
        it.keys.accept(calling(None), it.twin, 0.0)  # an answer without a key says nothing of any

        assert it.old.requests == []
        assert len(it.twin.keys) == 1


async def test_the_question_carries_the_key_and_nothing_about_the_calls_body() -> None:
    headers = [(b"content-length", b"5"), (b"content-type", b"text/x"), (b"x-daytona-organization-id", b"o")]
    async with asking(made_by(OWNER)) as it:
        await it.keys.check(calling(GOOD, *headers, (b"sec-websocket-key", b"x")), it.twin, 0.0)

        request = it.old.requests[0]
        assert request.named("authorization") == [GOOD.decode()]
        assert request.named("x-daytona-organization-id") == ["o"]
        assert request.named("x-crossfade-purpose") == ["validate"]
        assert not any(request.named(name) for name in ("content-length", "content-type", "sec-websocket-key"))
        assert request.body == b""


async def test_a_key_may_be_asked_about_without_a_sandbox() -> None:
    async with asking(made_by(OWNER)) as it:
        await it.keys.known_to_old(calling(GOOD))
        with pytest.raises(KeyRefused):
            await it.keys.known_to_old(calling(BAD))

        assert it.old.requests[0].line == "GET /api/sandbox?limit=1 HTTP/1.1"


async def test_a_key_is_not_taken_while_old_cannot_be_asked() -> None:
    async def hang_up(peer: Peer) -> None:
        await peer.request()

    async with asking(made_by(OWNER), hang_up) as it:
        with pytest.raises(UpstreamFailed):
            await it.check(GOOD)

        assert it.twin.keys == {}


@pytest.mark.parametrize("status", [204, 302, 404, 500])
async def test_any_answer_but_200_is_a_refusal(status: int) -> None:
    async def say(peer: Peer) -> None:
        await peer.request()
        await peer.say(b"HTTP/1.1 %d X\r\nContent-Length: 0\r\n\r\n" % status)
        await asyncio.Event().wait()

    async with asking(made_by(OWNER), say) as it:
        with pytest.raises(KeyRefused) as refused:
            await it.check(GOOD)

        assert refused.value.status == status
