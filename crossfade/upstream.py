"""Requests to an origin, as values; how they travel is router/wire's business."""

from collections.abc import AsyncIterable, AsyncIterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from crossfade.stage import Origin

Headers = Sequence[tuple[bytes, bytes]]


class Purpose(StrEnum):
    """Why the router sends a request to an origin; counted per origin, so that outside counts can be checked."""

    ANSWER = "answer"  # a client's call, answered by this origin
    MIRROR = "mirror"  # a client's call, repeated for comparison
    WRITE_THROUGH = "write_through"  # the other half of a split write
    VALIDATE = "validate"  # the seat's half of a split read; a key check
    SETTLE = "settle"  # state copied from seat to follower
    KEEPER = "keeper"  # birth, lifecycle, deletes, probes


@dataclass(frozen=True, slots=True, kw_only=True)
class UpstreamRequest:
    """One HTTP request. `base` is scheme://host[:port]; `target` is path and query, sent byte for byte."""

    origin: Origin
    purpose: Purpose
    method: str
    base: str
    target: str
    headers: Headers = ()
    body: bytes | AsyncIterable[bytes] | None = None
    connect_seconds: float = 5.0
    idle_seconds: float | None = None  # longest silence while waiting or reading; None: as long as it takes


class UpstreamResponse(Protocol):
    """An answer whose head has arrived. Read it to the end, or close it; closing early drops the connection."""

    status: int
    reason: bytes
    headers: Headers

    def chunks(self) -> AsyncIterator[bytes]:
        """The body as it comes, undecoded. Raises UpstreamFailed when it is cut short."""

    async def read(self, limit: int) -> bytes:
        """The whole body. Raises UpstreamFailed past `limit` bytes."""

    async def close(self) -> None:
        """Let go. Never raises."""


class UpstreamSocket(Protocol):
    """A websocket to an origin."""

    subprotocol: str | None

    async def send(self, message: str | bytes) -> None:
        """Send one message."""

    def messages(self) -> AsyncIterator[str | bytes]:
        """Messages until the origin closes."""

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Close, at most once. Never raises."""

    @property
    def closed(self) -> tuple[int, str]:
        """The origin's close code and reason."""


class UpstreamFailed(Exception):
    """The origin could not be asked or stopped answering. `sent` is False only if no byte of the request left."""

    def __init__(self, message: str, *, sent: bool) -> None:
        super().__init__(message)
        self.sent = sent


class UpstreamRefused(Exception):
    """A websocket handshake that the origin answered with a plain response."""

    def __init__(self, status: int, headers: Headers, body: bytes) -> None:
        super().__init__(f"websocket refused with {status}")
        self.status, self.headers, self.body = status, headers, body


class Upstream(Protocol):
    """Sends requests to origins."""

    async def send(self, request: UpstreamRequest) -> UpstreamResponse:
        """Returns when the head of the answer is there. Raises UpstreamFailed, and what the request's body raises."""

    async def websocket(self, request: UpstreamRequest, subprotocols: Sequence[str] = ()) -> UpstreamSocket:
        """Returns when the handshake is done. Raises UpstreamFailed or UpstreamRefused."""
