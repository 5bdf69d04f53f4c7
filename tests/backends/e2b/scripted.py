"""An upstream that answers as told: for what no well-behaved server does."""

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from crossfade.stage import Origin
from crossfade.upstream import Headers, UpstreamFailed, UpstreamRequest, UpstreamResponse, UpstreamSocket
from router.backends.e2b.backend import E2BBackend
from router.wire.connect import encode_frame

MADE = {"sandboxID": "isandbox", "templateID": "base", "envdAccessToken": "secret-token", "state": "running"}


class Answer:
    """An answer; `cut` breaks it off after its body."""

    reason = b""

    def __init__(self, status: int, body: Any = b"", *, headers: Headers = (), cut: bool = False) -> None:
        self.status, self.headers, self._cut = status, headers, cut
        self._body = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.closed = False

    async def chunks(self) -> AsyncIterator[bytes]:
        yield self._body
        if self._cut:
            raise UpstreamFailed("cut", sent=True)

    async def read(self, limit: int) -> bytes:
        return b"".join([chunk async for chunk in self.chunks()])

    async def close(self) -> None:
        self.closed = True


Reply = Answer | UpstreamFailed


class Scripted:
    """Answers from a table by method and path, each entry a list that is used up to its last, which stays."""

    def __init__(self, replies: Mapping[str, Sequence[Reply]]) -> None:
        self._replies = {name: list(each) for name, each in replies.items()}
        self.requests: list[UpstreamRequest] = []

    async def send(self, request: UpstreamRequest) -> UpstreamResponse:
        self.requests.append(request)
        if isinstance(request.body, AsyncIterator):
            async for _ in request.body:
                pass
        waiting = self._replies[f"{request.method} {request.target.partition('?')[0]}"]
        reply = waiting.pop(0) if len(waiting) > 1 else waiting[0]
        if isinstance(reply, UpstreamFailed):
            raise reply
        return reply

    async def websocket(self, request: UpstreamRequest, subprotocols: Sequence[str] = ()) -> UpstreamSocket:
        raise AssertionError("E2B has no websockets")

    @property
    def sent(self) -> list[str]:
        return [f"{request.method} {request.target.partition('?')[0]}" for request in self.requests]


def adapter(upstream: Scripted, **settings: Any) -> E2BBackend:
    defaults: dict[str, Any] = {
        "api_url": "https://api.test", "sandbox_url": None, "domain": "e2b.app", "key": "key",
        "templates": {"snap": "base"}, "origin": Origin.NEW,
    }  # fmt: skip
    return E2BBackend(upstream, **{**defaults, **settings})


def found(**more: Any) -> dict[str, list[Reply]]:
    """The sandbox exists."""
    return {"GET /sandboxes/isandbox": [Answer(200, {**MADE, **more})]}


def frames(*messages: Mapping[str, Any], end: Mapping[str, Any] | None = None) -> bytes:
    """A stream's bytes; with its last frame only if `end` is given."""
    last = b"" if end is None else encode_frame(end, end=True)
    return b"".join(encode_frame({"event": message}) for message in messages) + last


def headers_of(request: UpstreamRequest) -> dict[str, str]:
    return {name.decode().lower(): value.decode() for name, value in request.headers}
