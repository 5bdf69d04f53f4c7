"""The way to a sandbox's port: the right is checked, the seat's address found, and found anew when it has changed."""

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar
from urllib.parse import quote

from crossfade.outcome import Outcome
from crossfade.results import PreviewLink
from crossfade.stage import Origin
from crossfade.upstream import (
    Purpose,
    Upstream,
    UpstreamFailed,
    UpstreamRefused,
    UpstreamRequest,
    UpstreamResponse,
    UpstreamSocket,
)
from router.preview import credentials, headers
from router.preview.address import Addressing, hostname
from router.preview.answers import Ours, redirect, refusal
from router.preview.headers import Asking, Target
from router.preview.origins import REFUSED_SECONDS, Origins, Sandbox
from router.preview.rights import Granted, Rights

T = TypeVar("T")
# A stale token of Daytona's sends to its login; a stale address is somebody else's, or nobody's.
_STALE = frozenset({307, 401, 403, 502})
_ENVD_PORT = 49983  # E2B's own daemon in a sandbox: nothing that Daytona's users have there
_NOT_FOUND = "no sandbox has this preview; it may have been deleted, or belong to others"


class Turned(Exception):
    """The client gets an answer of ours instead."""

    def __init__(self, answer: Ours) -> None:
        super().__init__(f"answered with {answer.status}")
        self.answer = answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Entered:
    """A client that was let in, and where it is going."""

    asking: Asking
    sandbox: Sandbox
    granted: Granted
    query: bytes  # without our key

    @property
    def trusted(self) -> bool:
        return self.granted.by == "token"


@dataclass(slots=True, eq=False)
class Doors:
    """Lets clients in, and leads them to where the sandbox is."""

    origins: Origins
    rights: Rights
    upstream: Upstream
    addressing: Addressing
    login_url: str

    async def enter(self, asking: Asking, query: bytes, *, socket: bool) -> Entered:
        """Check the right. Raises Turned, OriginFailed."""
        address = asking.address
        shown = credentials.shown(address.name, asking.headers, query)
        sandbox, by = await self.rights.named(address, shown)
        if sandbox is None:
            raise Turned(refusal(404, _NOT_FOUND, method=asking.method, path=address.path))
        organization = asking.field(b"x-daytona-organization-id")
        granted = await self.rights.granted(sandbox, address, shown, by, organization)
        if granted is None:
            raise Turned(self._closed(asking, sandbox, query, shown.nothing, socket=socket))
        return Entered(asking=asking, sandbox=sandbox, granted=granted, query=credentials.without_key(query))

    def cookie(self, entered: Entered) -> list[tuple[bytes, bytes]]:
        """The Set-Cookie that lets in what the page itself asks for; none where its requests show the right."""
        if not entered.granted.cookie:
            return []
        asking = entered.asking
        value = headers.auth_cookie(
            credentials.COOKIE_PREFIX.decode() + asking.address.name,
            entered.granted.cookie,
            root=asking.address.root,
            domain="" if asking.address.root else hostname(self.addressing.domain),
            secure=asking.scheme == "https",
            seconds=credentials.COOKIE_SECONDS,
        )
        return [(b"set-cookie", value)]

    def _closed(self, asking: Asking, sandbox: Sandbox, query: bytes, nothing: bool, *, socket: bool) -> Ours:
        if self.login_url and not socket:
            asked = credentials.without_key(query).decode("latin-1")
            there = f"{asking.origin}{asking.address.root}{asking.address.path}" + (f"?{asked}" if asked else "")
            joint = "&" if "?" in self.login_url else "?"
            said = f"returnTo={quote(there, safe='')}&sandboxId={quote(sandbox.id, safe='')}"
            return redirect(f"{self.login_url}{joint}{said}")
        message = (
            "missing authentication: send an API key (Authorization: Bearer), a preview token "
            "(X-Daytona-Preview-Token or DAYTONA_SANDBOX_AUTH_KEY), or use a signed link"
            if nothing
            else "authentication failed: the key or token does not open this sandbox"
        )
        return refusal(401, message, method=asking.method, path=asking.address.path)

    # Through the door...

    async def fetch(self, entered: Entered, side: Origin, body: AsyncIterator[bytes] | None) -> "Fetched":
        """The seat's answer, once its head is there. Raises Turned, UpstreamFailed."""
        return await self._led(entered, side, lambda target: self._fetch(entered, target, body), again=body is None)

    async def connect(self, entered: Entered, side: Origin, subprotocols: Sequence[str]) -> UpstreamSocket:
        """A websocket to the seat. Raises Turned, UpstreamFailed, UpstreamRefused."""

        async def connect(target: Target) -> UpstreamSocket:
            return await self.upstream.websocket(self._request(entered, target, "GET", None), subprotocols)

        return await self._led(entered, side, connect, again=True)

    async def _fetch(self, entered: Entered, target: Target, body: AsyncIterator[bytes] | None) -> "Fetched":
        request = self._request(entered, target, entered.asking.method, body)
        return Fetched(target=target, response=await self.upstream.send(request))

    async def _led(
        self,
        entered: Entered,
        side: Origin,
        go: Callable[[Target], Awaitable[T]],
        *,
        again: bool,
    ) -> T:
        """Go there; where that is not it any more, find it anew and go once more. `again`: nothing is lost by that."""
        began = self.origins.clock.monotonic()
        recently = began - REFUSED_SECONDS
        # A body passes once: rather ask first where it is to go.
        target = await self._target(entered, side, asked_after=float("-inf") if again else recently)
        if not again:
            once = await go(target)
            if side is Origin.NEW and isinstance(once, Fetched) and once.response.status in _STALE:
                with contextlib.suppress(Turned):  # for the next one: its body cannot be sent again
                    await self._target(entered, side, refused=True)
            return once
        got: T | None = None
        failed: UpstreamFailed | UpstreamRefused | None = None
        try:
            got = await go(target)
            if not (isinstance(got, Fetched) and got.response.status in _STALE):
                return got
        except UpstreamRefused as error:
            failed = error
        except UpstreamFailed as error:
            failed, recently = error, began
        fresh = await self._target(entered, side, asked_after=recently, refused=True)
        if fresh != target:
            if isinstance(got, Fetched):
                await got.response.close()
            return await go(fresh)
        if failed is not None:
            raise failed
        assert got is not None
        return got

    async def _target(
        self, entered: Entered, side: Origin, *, asked_after: float = float("-inf"), refused: bool = False
    ) -> Target:
        asking = entered.asking
        port = asking.address.port
        provider = self.origins.backends[side].name
        if provider == "e2b" and port == _ENVD_PORT:
            raise Turned(refusal(404, "no preview has this port", method=asking.method, path=asking.address.path))
        purpose = Purpose.KEEPER if asking.keeps_asleep else Purpose.ANSWER
        outcome = await self.origins.link(
            entered.sandbox, side, port, purpose, asked_after=asked_after, refused=refused
        )
        if not isinstance(outcome.value, PreviewLink):
            raise Turned(_unreachable(outcome, asking))
        target = headers.target_of(side, provider, outcome.value, keep_asleep=asking.keeps_asleep)
        if self.addressing.handed_out(target.authority, target.prefix):
            # No mark in the request tells: a server inside may well ask for another preview with the headers it got.
            raise Turned(refusal(508, f"{side} hands out links to this router", method=asking.method))
        return target

    def _request(
        self, entered: Entered, target: Target, method: str, body: AsyncIterator[bytes] | None
    ) -> UpstreamRequest:
        asking = entered.asking
        query = "?" + entered.query.decode("latin-1") if entered.query else ""
        inwards = headers.inwards(
            asking, target, hide_authorization=entered.granted.hide_authorization, trusted=entered.trusted
        )
        return UpstreamRequest(
            origin=target.side,
            purpose=Purpose.ANSWER,
            method=method,
            base=target.base,
            target=target.prefix + (asking.address.path or "/") + query,
            headers=inwards,
            body=body,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """An answer whose head is there, and where it came from."""

    target: Target
    response: UpstreamResponse


def _unreachable(outcome: Outcome, asking: Asking) -> Ours:
    # As Daytona's proxy has it: a sandbox that is stopped is a bad request.
    status = outcome.status if outcome.status in (400, 404, 409) or outcome.status >= 500 else 502
    message = outcome.message or "the sandbox cannot be reached"
    return refusal(status, message, method=asking.method, path=asking.address.path)
