"""envd's wire: Connect-JSON calls and plain /files, for one sandbox at a time (facts: E2B wire contract)."""

import asyncio
import base64
import json
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from urllib.parse import urlencode, urlsplit

from crossfade.outcome import unknown
from crossfade.stage import Origin
from crossfade.upstream import Purpose, Upstream, UpstreamFailed, UpstreamRequest, UpstreamResponse
from router.backends.e2b.form import Form
from router.backends.e2b.pauses import pause
from router.backends.e2b.refusals import Failed, edge_error, is_missing, lost
from router.wire.connect import END, FrameDecoder, encode_frame, stream_error, unary_error

ENVD_PORT = 49983
_ANSWER_LIMIT = 64 * 1024 * 1024
_TRIES = 10
_PAUSE_SECONDS = 0.2
# Longest silences: of a call, of a stream (envd pings every 50 s), of a file on its way in or out.
_CALL_SECONDS = 60.0
_STREAM_SECONDS = 160.0
_FILE_SECONDS = 900.0
_REFUSED = frozenset({401, 409, 429, 502})  # by the edge or envd's door, perhaps before anything was done
# The shared host serves every sandbox of these domains; others have one host per sandbox.
_SHARED_DOMAINS = ("e2b.app", "e2b.dev", "e2b.pro")


# The operation that requests are sent for; one operation is several requests, and faults are injected by operation.
operation_name: ContextVar[str] = ContextVar("operation_name", default="")


@dataclass(frozen=True, slots=True, kw_only=True)
class Handle:
    """What is needed to reach one sandbox."""

    id: str
    token: str = ""  # envd's
    domain: str = ""
    traffic_token: str = ""  # for ports of a sandbox whose traffic is private
    version: str = ""  # envd's


@dataclass(frozen=True, slots=True, kw_only=True)
class Envd:
    """Calls to the daemon in a sandbox. Raises ConnectError for its refusals, Failed for everything before it.

    `verify` asks the control plane about a sandbox that the edge does not find: a paused one and one that is gone look
    the same there. It raises Failed for both. `used` hears of every sign of use: E2B has an end, and no idle timer.
    """

    upstream: Upstream
    origin: Origin
    sandbox_url: str | None
    domain: str
    user: str
    verify: Callable[[str, Purpose], Awaitable[Handle]]
    used: Callable[[str, Purpose], None]

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
        content = json.dumps(message).encode()
        response = await self._send(handle, purpose, "POST", f"/{method}", headers, content, seconds=_CALL_SECONDS)
        body = await self._read(response)
        if response.status == 200:
            return _object(method, body)
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
        frame = encode_frame(message)
        response = await self._send(handle, purpose, "POST", f"/{method}", headers, frame, seconds=_STREAM_SECONDS)
        if response.status != 200:
            body = await self._read(response)
            raise unary_error(response.status, body) or Failed(edge_error(response.status, body))
        decoder = FrameDecoder()
        try:
            async for chunk in response.chunks():
                self.used(handle.id, purpose)
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

    async def download(
        self, handle: Handle, path: str, purpose: Purpose, headers: Sequence[tuple[bytes, bytes]] = ()
    ) -> UpstreamResponse:
        """GET /files, with headers that ask for a range; the answer with its body unread."""
        return await self._send(handle, purpose, "GET", self._files(path), [*headers], None, seconds=_FILE_SECONDS)

    async def upload(
        self, handle: Handle, path: str, content: bytes | AsyncIterable[bytes], purpose: Purpose
    ) -> tuple[int, bytes]:
        """POST /files; status and body of the answer. Raises what reading `content` raised."""
        # As a form: envd takes bare bytes since 0.5.7 only.
        form = Form(path, content)
        headers = [(b"Content-Type", form.content_type)]
        try:
            response = await self._send(
                handle, purpose, "POST", self._files(path), headers, form.whole(), seconds=_FILE_SECONDS
            )
            return response.status, await self._read(response)
        except Failed:
            if form.error is not None:
                raise form.error from None  # the reader's own failure (its client went away), not the origin's
            raise

    def _files(self, path: str) -> str:
        return "/files?" + urlencode({"path": path, "username": self.user}, errors="surrogateescape")

    async def _send(
        self,
        handle: Handle,
        purpose: Purpose,
        method: str,
        target: str,
        headers: list[tuple[bytes, bytes]],
        body: bytes | AsyncIterator[bytes] | None,
        *,
        seconds: float,
    ) -> UpstreamResponse:
        self.used(handle.id, purpose)
        verified = False
        for attempt in range(_TRIES):
            request = UpstreamRequest(
                origin=self.origin,
                purpose=purpose,
                method=method,
                base=self.base(handle),
                target=target,
                headers=[*headers, *self._routing(handle, purpose)],
                body=body,
                idle_seconds=seconds,
            )
            try:
                response = await self.upstream.send(request)
            except UpstreamFailed as error:
                raise Failed(lost(error)) from error
            if response.status not in _REFUSED:
                return response
            text = await self._read(response)
            if (refusal := unary_error(response.status, text)) is not None:
                raise refusal
            outcome = edge_error(response.status, text)
            # Only what says that nothing was done is sent again, and a body that is a stream has gone by.
            match response.status:
                case 401 | 502 if not verified and (response.status == 401 or is_missing(text)):
                    handle, verified = await self.verify(handle.id, purpose), True
                case 409 | 429 if attempt < _TRIES - 1:
                    await asyncio.sleep(pause(response.headers, _PAUSE_SECONDS * (attempt + 1), purpose))
                case _:
                    raise Failed(outcome)
            if isinstance(body, AsyncIterator):
                raise Failed(outcome)
        raise AssertionError("the last attempt returns or raises")

    def lines(self, handle: Handle, purpose: Purpose, operation: str, *, json: bool) -> tuple[str, bytes]:
        """Scheme and host, and the header lines that `call` (json) and `download` send, for whoever sends himself."""
        base = self.base(handle)
        return base, _lines(base, self.user if json else "", handle, purpose, operation)

    def _routing(self, handle: Handle, purpose: Purpose) -> tuple[tuple[bytes, bytes], ...]:
        return _routing(handle, purpose, operation_name.get())

    def _basic(self) -> bytes:
        return _basic(self.user)

    async def _read(self, response: UpstreamResponse) -> bytes:
        try:
            return await response.read(_ANSWER_LIMIT)
        except UpstreamFailed as error:
            raise Failed(unknown(f"answer broke off: {error}")) from error


def _object(method: str, body: bytes) -> dict[str, Any]:
    try:
        value = json.loads(body or b"{}")
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise Failed(unknown(f"the answer to {method} is no JSON object"))
    return value


@lru_cache(maxsize=4096)
def _routing(handle: Handle, purpose: Purpose, operation: str) -> tuple[tuple[bytes, bytes], ...]:
    """Headers that lead to a sandbox: the same for each of its calls, so made once."""
    headers = [
        (b"Accept", b"application/json, */*"),
        (b"E2b-Sandbox-Id", handle.id.encode()),
        (b"E2b-Sandbox-Port", str(ENVD_PORT).encode()),
    ]
    if operation:
        headers.append((b"X-Crossfade-Operation", operation.encode()))
    if handle.token:
        headers.append((b"X-Access-Token", handle.token.encode()))
    if purpose is not Purpose.ANSWER:
        headers.append((b"X-Crossfade-Purpose", purpose.value.encode()))
    return tuple(headers)


@lru_cache(maxsize=4096)
def _lines(base: str, user: str, handle: Handle, purpose: Purpose, operation: str) -> bytes:
    headers = [(b"Host", urlsplit(base).netloc.encode())]
    if user:
        headers += [(b"Content-Type", b"application/json"), (b"Connect-Protocol-Version", b"1")]
        headers.append((b"Authorization", _basic(user)))
    return b"".join(b"%b: %b\r\n" % header for header in (*headers, *_routing(handle, purpose, operation)))


@lru_cache(maxsize=16)
def _basic(user: str) -> bytes:
    return b"Basic " + base64.b64encode(f"{user}:".encode())
