"""Links of a provider that change behind our back: found anew once, and nothing is sent twice that must not be."""

import contextlib
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from crossfade.operation import Operation
from crossfade.outcome import Outcome, done, refused
from crossfade.ports import Channel
from crossfade.results import PreviewLink, SandboxInfo
from crossfade.stage import Origin
from crossfade.twin import TwinRow
from crossfade.upstream import Purpose, UpstreamFailed
from router.clock import SystemClock
from router.preview.address import Address, Addressing
from router.preview.credentials import Signer
from router.preview.doors import Doors, Entered, Turned
from router.preview.headers import Asking
from router.preview.origins import Origins
from router.preview.rights import Rights
from router.twins.registry import Registry
from router.wire.http1.client import Http1Upstream
from tests.serving import serving

STALE = {307: [(b"location", b"https://login.example")], 401: [], 403: [], 502: []}


@dataclass(eq=False)
class Provider:
    """Daytona, as far as ports go: hands out links, and lets in who brings the token of now."""

    name: str = "daytona"
    url: str = ""
    token: str = "first"
    stale: int = 401  # what a wrong token gets
    refuses: bool = False  # the page inside answers so, whoever asks
    refusal: Outcome | None = None
    asked: int = 0  # for a link
    bodies: list[tuple[str, bytes]] = field(default_factory=list)  # (token, body) of requests that came

    async def perform(self, operation: Operation, purpose: Purpose = Purpose.ANSWER) -> Outcome:
        if operation.name == "sandbox.get":
            return done(SandboxInfo(id=operation.sandbox, state="started", public=True))
        self.asked += 1
        return self.refusal or done(PreviewLink(url=self.url, token=self.token))

    async def open(self, operation: Operation, purpose: Purpose = Purpose.ANSWER) -> Channel | Outcome:
        raise AssertionError(operation.name)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Its proxy, an ASGI application."""
        token = dict(scope["headers"]).get(b"x-daytona-preview-token", b"").decode()
        if scope["type"] == "websocket":
            await receive()
            accepted = {"type": "websocket.accept"}
            refusal = {"type": "websocket.http.response.start", "status": self.stale, "headers": []}
            await send(accepted if token == self.token else refusal)
            await send({"type": "websocket.close"} if token == self.token else {"type": "websocket.http.response.body"})
            return
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message.get("body", b""), message.get("more_body", False)
        self.bodies.append((token, body))
        good = token == self.token and not self.refuses
        status, headers = (200, []) if good else (self.stale, STALE[self.stale])
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": b"page"})


class _NoRows:
    async def load(self) -> list[TwinRow]:
        return []

    async def save(self, row: TwinRow) -> None: ...

    async def mark_dirty(self, sandbox: str, dirty: bool) -> None: ...


@dataclass(eq=False)
class Way:
    provider: Provider
    doors: Doors

    async def enter(self, method: str = "GET") -> Entered:
        asking = Asking(
            address=Address(port=8080, name="box", path="/x"),
            method=method,
            headers=[],
            host="8080-box.preview.test",
            scheme="https",
        )
        return await self.doors.enter(asking, b"", socket=False)

    async def get(self) -> int:
        fetched = await self.doors.fetch(await self.enter(), Origin.OLD, None)
        await fetched.response.read(1000)
        return fetched.response.status

    async def post(self, body: bytes) -> int:
        async def stream() -> AsyncIterator[bytes]:
            yield body

        fetched = await self.doors.fetch(await self.enter("POST"), Origin.OLD, stream())
        await fetched.response.read(1000)
        return fetched.response.status


@contextlib.asynccontextmanager
async def way(**given: Any) -> AsyncIterator[Way]:
    provider = Provider(**given)
    async with serving(provider) as url, Http1Upstream() as upstream:
        provider.url = url
        clock = SystemClock()
        origins = Origins(
            upstream, {Origin.OLD: provider}, Registry(_NoRows(), clock, 1), clock, "http://127.0.0.1:9/api"
        )
        rights = Rights(origins, Signer(b"secret"))
        addressing = Addressing(domain="preview.test")
        yield Way(
            provider, Doors(origins=origins, rights=rights, upstream=upstream, addressing=addressing, login_url="")
        )


def _older(made: Way, seconds: float = 60.0) -> None:
    """What was asked until now was asked so long ago."""
    for kept in made.doors.origins.linked.kept.values():
        kept.at -= seconds


@pytest.mark.parametrize("stale", STALE)
async def test_a_token_that_is_no_longer_good_is_asked_for_anew_and_the_client_notices_nothing(stale: int) -> None:
    async with way(stale=stale) as made:
        first = await made.get()
        made.provider.token = "second"
        _older(made)
        second, third = await made.get(), await made.get()

    assert (first, second, third) == (200, 200, 200)
    assert made.provider.asked == 2
    assert [token for token, _ in made.provider.bodies] == ["first", "first", "second", "second"]


async def test_a_page_that_refuses_is_not_the_providers_fault_and_is_asked_about_seldom() -> None:
    """Its own 403: the link is asked for anew, it is the same, and the page's answer goes out."""
    async with way(stale=403, refuses=True) as made:
        answers = [await made.get() for _ in range(10)]

    assert answers == [403] * 10
    assert made.provider.asked == 1  # within the 5 s that an answer is new
    assert len(made.provider.bodies) == 10


async def test_a_body_is_sent_once_and_to_where_the_sandbox_is_now() -> None:
    async with way() as made:
        await made.get()
        made.provider.token = "second"
        _older(made)
        made.provider.bodies.clear()
        status = await made.post(b"pay once")

    assert status == 200
    assert made.provider.bodies == [("second", b"pay once")]


async def test_a_refused_body_is_not_sent_again() -> None:
    async with way() as made:
        await made.get()
        made.provider.token = "second"  # so lately that nobody asks
        status = await made.post(b"pay once")

    assert status == 401
    assert Counter(body for _, body in made.provider.bodies)[b"pay once"] == 1


async def test_a_websocket_that_is_refused_is_led_to_where_the_sandbox_is_now() -> None:
    async with way() as made:
        await made.get()
        made.provider.token = "second"
        _older(made)
        socket = await made.doors.connect(await made.enter(), Origin.OLD, ())
        await socket.close()

    assert made.provider.asked == 2


async def test_an_address_that_nobody_listens_on_any_more_is_asked_for_anew_at_once() -> None:
    async with way() as made:
        here, made.provider.url = made.provider.url, "http://127.0.0.1:9"
        with pytest.raises(UpstreamFailed):
            await made.get()
        made.provider.url = here

        assert await made.get() == 200
        assert made.provider.asked == 2


@pytest.mark.parametrize(
    ("refusal", "status"),
    [
        (refused(404, "NOT_FOUND", "gone"), 404),
        (refused(400, "BAD_REQUEST", "Is the Sandbox started?"), 400),
        (refused(409, "CONFLICT", "state change in progress"), 409),
        (refused(401, "UNAUTHORIZED", "bad key"), 502),
        (refused(503, "UNAVAILABLE", "later"), 503),
    ],
)
async def test_a_provider_that_hands_out_no_link_is_answered_in_its_words(refusal: Outcome, status: int) -> None:
    async with way(refusal=refusal) as made:
        with pytest.raises(Turned) as turned:
            await made.get()

    assert turned.value.answer.status == status
    assert refusal.message in turned.value.answer.body.decode()
