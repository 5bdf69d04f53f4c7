"""Forwarding to the old origin: the client's request as it is, its answer streamed or held whole."""

from collections.abc import AsyncIterable
from dataclasses import dataclass

from crossfade.stage import Origin
from crossfade.upstream import Headers, Purpose, Upstream, UpstreamRequest, UpstreamResponse
from router.engine.call import Call
from router.engine.old import OldAddresses
from router.wire import headers as rules

_MARK = b"X-Crossfade-Purpose"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """An origin's answer held whole."""

    status: int
    headers: Headers
    body: bytes


@dataclass(slots=True)
class Forward:
    """Sends a call on to old."""

    upstream: Upstream
    old: OldAddresses
    instance: str  # our name in the loop guard

    async def send(
        self,
        call: Call,
        body: bytes | AsyncIterable[bytes] | None,
        *,
        purpose: Purpose = Purpose.ANSWER,
        plain: bool = False,
    ) -> UpstreamResponse:
        """The call on old. `plain`: ask for an unencoded answer, because we must read it. Raises UpstreamFailed."""
        base, target = await self.old.find(call.path, call.route.sandbox if call.route else "")
        if call.query:
            target += "?" + call.query.decode("latin-1")
        chunked = b"transfer-encoding" in call.fields
        headers = rules.to_origin(call.headers, drop=(b"accept-encoding",) if plain else (), chunked=chunked)
        headers.append((rules.LOOP_GUARD, self.instance.encode()))
        if purpose is not Purpose.ANSWER:
            headers.append((_MARK, purpose.value.encode()))
        return await self.upstream.send(
            UpstreamRequest(
                origin=Origin.OLD,
                purpose=purpose,
                method=call.method,
                base=base,
                target=target,
                headers=headers,
                body=body,
            )
        )

    async def fetch(
        self,
        call: Call,
        body: bytes | AsyncIterable[bytes] | None,
        limit: int,
        *,
        purpose: Purpose = Purpose.ANSWER,
    ) -> Answer:
        """The call on old, its answer held whole. Raises UpstreamFailed, also past `limit` bytes."""
        response = await self.send(call, body, purpose=purpose, plain=True)
        return Answer(status=response.status, headers=response.headers, body=await response.read(limit))


def has_body(call: Call) -> bool:
    """Whether the request announces a body."""
    return b"transfer-encoding" in call.fields or call.fields.get(b"content-length", b"0") != b"0"


def body_size(call: Call) -> int:
    """The announced length of the body; a body without one counts as small, and is cut off when it is not."""
    text = call.fields.get(b"content-length", b"0")
    return int(text) if text.isdigit() else 0
