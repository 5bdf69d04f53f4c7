"""envd's wire: Connect-JSON calls and plain /files, for one sandbox at a time (facts: E2B wire contract)."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from crossfade.outcome import Outcome, refused, unknown
from crossfade.stage import Origin
from crossfade.upstream import Purpose, Upstream, UpstreamFailed, UpstreamRequest, UpstreamResponse
from router.wire.connect import END, ConnectError, FrameDecoder, encode_frame, stream_error, unary_error

ENVD_PORT = 49983
_ANSWER_LIMIT = 64 * 1024 * 1024
_TRIES = 10
_PAUSE_SECONDS = 0.2
# The shared host serves every sandbox of these domains; others have one host per sandbox.
_SHARED_DOMAINS = ("e2b.app", "e2b.dev", "e2b.pro")


# The operation that requests are sent for; one operation is several requests, and faults are injected by operation.
operation_name: ContextVar[str] = ContextVar("operation_name", default="")


class Failed(Exception):
    """The provider's failure as the outcome it is; ends a call early."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome.message)
        self.outcome = outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Handle:
    """What is needed to reach one sandbox."""

    id: str
    token: str = ""
    domain: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Envd:
    """Calls to the daemon in a sandbox. Raises ConnectError for its refusals, Failed for everything before it."""

    upstream: Upstream
    origin: Origin
    sandbox_url: str | None
    domain: str
    user: str

    def base(self, handle: Handle) -> str:
        """Scheme and host of a sandbox's envd."""
        if self.sandbox_url:
            return self.sandbox_url.rstrip("/")
        domain = handle.domain or self.domain
        return f"https://sandbox.{domain}" if domain in _SHARED_DOMAINS else f"https://{ENVD_PORT}-{handle.id}.{domain}"

    async def call(self, handle: Handle, method: str, message: Mapping[str, Any], purpose: Purpose) -> dict[str, Any]:
        """A unary call."""
        headers = [
            (b"Content-Type", b"application/json"),
            (b"Connect-Protocol-Version", b"1"),
            (b"Authorization", self._basic()),
        ]
        response = await self._send(handle, purpose, "POST", f"/{method}", headers, json.dumps(message).encode())
        body = await self._read(response)
        if response.status == 200:
            value: dict[str, Any] = json.loads(body or b"{}")
            return value
        if (error := unary_error(response.status, body)) is not None:
            raise error
        raise Failed(edge_error(response.status, body))

    async def stream(
        self, handle: Handle, method: str, message: Mapping[str, Any], purpose: Purpose
    ) -> AsyncIterator[dict[str, Any]]:
        """A server stream's messages. No deadline header: it would be the process's lifetime.

        Raises ConnectError from the last frame, Failed(unknown) when the stream ends without one.
        """
        headers = [
            (b"Content-Type", b"application/connect+json"),
            (b"Connect-Protocol-Version", b"1"),
            (b"Connect-Accept-Encoding", b"identity"),
            (b"Keepalive-Ping-Interval", b"50"),
            (b"Authorization", self._basic()),
        ]
        response = await self._send(handle, purpose, "POST", f"/{method}", headers, encode_frame(message))
        if response.status != 200:
            body = await self._read(response)
            raise unary_error(response.status, body) or Failed(edge_error(response.status, body))
        decoder = FrameDecoder()
        try:
            async for chunk in response.chunks():
                for flags, found in decoder.feed(chunk):
                    if flags & END:
                        if (error := stream_error(found)) is not None:
                            raise error
                        return
                    yield found
        except (UpstreamFailed, ValueError) as error:
            raise Failed(unknown(f"{method} broke off: {error}")) from error
        finally:
            await response.close()
        raise Failed(unknown(f"{method} ended without its last frame"))

    async def file(
        self,
        handle: Handle,
        method: str,
        path: str,
        purpose: Purpose,
        *,
        headers: tuple[tuple[bytes, bytes], ...] = (),
        body: bytes | AsyncIterator[bytes] | None = None,
    ) -> UpstreamResponse:
        """GET or POST /files; the answer with its body unread."""
        target = "/files?" + urlencode({"path": path, "username": self.user}, errors="surrogateescape")
        return await self._send(handle, purpose, method, target, list(headers), body)

    async def _send(
        self,
        handle: Handle,
        purpose: Purpose,
        method: str,
        target: str,
        headers: list[tuple[bytes, bytes]],
        body: bytes | AsyncIterator[bytes] | None,
    ) -> UpstreamResponse:
        request = UpstreamRequest(
            origin=self.origin,
            purpose=purpose,
            method=method,
            base=self.base(handle),
            target=target,
            headers=[*headers, *self._routing(handle, purpose)],
            body=body,
        )
        for attempt in range(_TRIES):
            try:
                response = await self.upstream.send(request)
            except UpstreamFailed as error:
                raise Failed(lost(error)) from error
            # 409 "still transitioning" and 429 say that nothing was done yet; a body that is a stream has gone by.
            again = response.status in (409, 429) and not isinstance(body, AsyncIterator) and attempt < _TRIES - 1
            if not again:
                return response
            text = await self._read(response)
            if unary_error(response.status, text) is not None:
                raise unary_error(response.status, text) or AssertionError
            await asyncio.sleep(_PAUSE_SECONDS * (attempt + 1))
        raise AssertionError("the last attempt always returns")

    def _routing(self, handle: Handle, purpose: Purpose) -> list[tuple[bytes, bytes]]:
        headers = [
            (b"Accept", b"application/json, */*"),
            (b"E2b-Sandbox-Id", handle.id.encode()),
            (b"E2b-Sandbox-Port", str(ENVD_PORT).encode()),
        ]
        if name := operation_name.get():
            headers.append((b"X-Crossfade-Operation", name.encode()))
        if handle.token:
            headers.append((b"X-Access-Token", handle.token.encode()))
        if purpose is not Purpose.ANSWER:
            headers.append((b"X-Crossfade-Purpose", purpose.value.encode()))
        return headers

    def _basic(self) -> bytes:
        return b"Basic " + base64.b64encode(f"{self.user}:".encode())

    async def _read(self, response: UpstreamResponse) -> bytes:
        try:
            return await response.read(_ANSWER_LIMIT)
        except UpstreamFailed as error:
            raise Failed(unknown(f"answer broke off: {error}")) from error


def lost(error: UpstreamFailed) -> Outcome:
    """A request without answer: refused if no byte of it left, otherwise unknown."""
    if not error.sent:
        return refused(502, "BAD_GATEWAY", str(error))
    return unknown(str(error))


def edge_error(status: int, body: bytes) -> Outcome:
    """An error of the edge or of envd's REST, in Daytona's words."""
    try:
        message = str(json.loads(body).get("message") or "")
    except (ValueError, AttributeError):
        message = body.decode("utf-8", "replace")[:300]
    low = message.lower()
    if status == 502 and "not found" in low:
        return refused(400, "BAD_REQUEST", f"sandbox is not running: {message}. Is the Sandbox started?")
    if status == 404:
        return refused(404, "NOT_FOUND", f"not found: {message}")
    if status == 507:
        return refused(507, "INSUFFICIENT_STORAGE", message or "no space left in the sandbox")
    if status in (400, 409, 429):
        return refused(status, {400: "BAD_REQUEST", 409: "CONFLICT", 429: "TOO_MANY_REQUESTS"}[status], message)
    if status in (401, 403):
        return refused(502, "BAD_GATEWAY", f"E2B refused our own key or token: {message}")
    if status >= 500:
        return unknown(f"E2B answered {status}: {message}", status=502)
    return refused(502, "BAD_GATEWAY", f"E2B answered {status}: {message}")


_CODES: Mapping[str, tuple[int, str]] = {
    "not_found": (404, "NOT_FOUND"),
    "invalid_argument": (400, "BAD_REQUEST"),
    "failed_precondition": (400, "BAD_REQUEST"),
    "out_of_range": (400, "BAD_REQUEST"),
    "already_exists": (409, "CONFLICT"),
    "permission_denied": (403, "FORBIDDEN"),
    "resource_exhausted": (429, "TOO_MANY_REQUESTS"),
    "unimplemented": (501, "NOT_IMPLEMENTED"),
    "internal": (500, "INTERNAL_SERVER_ERROR"),
}


def refusal(error: ConnectError) -> Outcome:
    """envd's refusal in Daytona's words."""
    status, code = _CODES.get(error.code, (0, ""))
    if not status:
        return unknown(f"envd said {error.code}: {error.message}")
    prefix = "not found: " if status == 404 else ""
    return refused(status, code, f"{prefix}{error.message}")
