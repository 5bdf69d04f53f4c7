"""Daytona as a backend: operations over its control plane and its toolbox."""

import asyncio
import json
import secrets
import time
from collections.abc import AsyncIterable, AsyncIterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from crossfade.operation import Operation
from crossfade.outcome import Outcome, done, refused, unknown, unsupported
from crossfade.ports import Backend, Channel
from crossfade.results import SandboxInfo
from crossfade.stage import Origin
from crossfade.upstream import (
    Purpose,
    Upstream,
    UpstreamFailed,
    UpstreamRefused,
    UpstreamRequest,
    UpstreamResponse,
)
from router.backends import ranges
from router.backends.daytona.channel import ExecutionChannel, SocketChannel
from router.backends.daytona.decode import failure, outcome_of
from router.backends.daytona.encode import Wire, encode, encodes

# Answers then have one shape: session output and logs marked, logs as text.
_SDK_VERSION = b"0.115.0"
_ANSWER_LIMIT = 64 * 1024 * 1024
_MOST_PAGES = 1000


class DaytonaBackend:
    """Any Daytona, by its API URL (ending in /api). Sandbox ids are Daytona's own."""

    name = "daytona"

    def __init__(self, upstream: Upstream, *, base: str, key: str, origin: Origin) -> None:
        self._upstream = upstream
        self._base = base.rstrip("/")
        self._key = key
        self._origin = origin
        self._toolbox = ""
        self._toolboxes: dict[str, str] = {}  # of sandboxes whose own object named another one
        self._learning = asyncio.Lock()

    async def perform(self, operation: Operation, purpose: Purpose = Purpose.ANSWER) -> Outcome:
        """Carry it out. The body, if any, is read at most once; a Content in the outcome must be read or closed."""
        started = time.perf_counter()
        try:
            outcome = await self._perform(operation, purpose)
        except UpstreamFailed as error:
            outcome = _lost(error)
        return replace(outcome, origin=self._origin, seconds=time.perf_counter() - started)

    async def open(self, operation: Operation, purpose: Purpose = Purpose.ANSWER) -> Channel | Outcome:
        """For a stream operation: a channel, or the outcome that says why not."""
        started = time.perf_counter()
        try:
            request = await self._request(encode(operation), operation.sandbox, purpose)
            socket = await self._upstream.websocket(request)
        except UpstreamRefused as error:
            outcome = failure(error.status, error.body)
        except UpstreamFailed as error:
            outcome = _lost(error)
        else:
            if operation.name == "interpreter.execute":
                return ExecutionChannel(socket)
            return SocketChannel(socket, terminal=operation.name == "pty.connect")
        return replace(outcome, origin=self._origin, seconds=time.perf_counter() - started)

    async def _perform(self, operation: Operation, purpose: Purpose) -> Outcome:
        if operation.name == "fs.upload":
            return await self._upload(operation, purpose)
        if operation.name == "sandbox.list":
            return await self._list(operation, purpose)
        if operation.kind.stream or not encodes(operation):
            return unsupported(operation.name, self.name)
        if needs := operation.arguments.get("needs"):
            # Relayed as they come where this side is old; of a create that is translated they would be lost.
            return unsupported(", ".join(needs), self.name)
        if operation.name == "fs.download":
            return await self._download(operation, purpose)
        request = await self._request(encode(operation), operation.sandbox, purpose)
        response = await self._upstream.send(request)
        outcome = await self._outcome(operation, response)
        if operation.name == "sandbox.delete":
            self._toolboxes.pop(operation.sandbox, None)
        else:
            self._learn_toolbox(outcome.value)
        return outcome

    async def _outcome(self, operation: Operation, response: UpstreamResponse) -> Outcome:
        headers = {name.lower(): value for name, value in response.headers}
        return outcome_of(operation, response.status, headers, await response.read(_ANSWER_LIMIT))

    async def _list(self, operation: Operation, purpose: Purpose) -> Outcome:
        """Every page: servers before 0.180 answer with all at once."""
        found: list[SandboxInfo] = []
        arguments = dict(operation.arguments)
        wanted = arguments.pop("limit", None)
        for _ in range(_MOST_PAGES):
            asked = replace(operation, arguments=arguments)
            response = await self._upstream.send(await self._request(encode(asked), "", purpose))
            body = await response.read(_ANSWER_LIMIT)
            outcome = outcome_of(asked, response.status, {}, body)
            if not outcome.ok:
                return outcome
            found.extend(outcome.value)
            cursor = _next_cursor(body)
            if cursor is None or (wanted is not None and len(found) >= int(wanted)):
                break
            arguments["cursor"] = cursor
        return done(tuple(found[: int(wanted)] if wanted is not None else found))

    async def _download(self, operation: Operation, purpose: Purpose) -> Outcome:
        lines = ranges.asked(operation.arguments)
        request = await self._request(encode(operation), operation.sandbox, purpose, lines=lines)
        response = await self._upstream.send(request)
        if response.status in (200, 206):
            return done(ranges.content_of(response), status=response.status)
        if withheld := ranges.withheld(response.status, response.headers):
            await response.close()
            return withheld
        return await self._outcome(operation, response)

    async def _upload(self, operation: Operation, purpose: Purpose) -> Outcome:
        body = _UploadBody(operation)
        wire = Wire(method="POST", path="/files/bulk-upload")
        request = await self._request(wire, operation.sandbox, purpose, body=body.content(), kind=body.content_type)
        try:
            response = await self._upstream.send(request)
            return await self._outcome(operation, response)
        except UpstreamFailed:
            if body.error is not None:
                raise body.error from None  # the reader's own failure (its client went away), not the origin's
            raise

    async def _request(
        self,
        wire: Wire,
        sandbox: str,
        purpose: Purpose,
        *,
        body: bytes | AsyncIterable[bytes] | None = None,
        kind: bytes = b"application/json",
        lines: Sequence[tuple[bytes, bytes]] = (),
    ) -> UpstreamRequest:
        root = self._base if wire.plane == "control" else await self._toolbox_of(sandbox)
        parts = urlsplit(root)
        content = wire.content if body is None else body
        headers = [
            (b"Authorization", b"Bearer " + self._key.encode()),
            (b"Accept", b"application/json, */*"),
            (b"X-Daytona-Source", b"crossfade"),
            (b"X-Daytona-SDK-Version", _SDK_VERSION),
            *lines,
        ]
        if content is not None:
            headers.append((b"Content-Type", kind))
        if purpose is not Purpose.ANSWER:
            # What we do for ourselves must not keep a sandbox awake.
            headers.append((b"X-Daytona-Skip-Last-Activity-Update", b"true"))
            headers.append((b"X-Crossfade-Purpose", purpose.value.encode()))
        return UpstreamRequest(
            origin=self._origin,
            purpose=purpose,
            method=wire.method,
            base=f"{parts.scheme}://{parts.netloc}",
            target=parts.path.rstrip("/") + wire.path,
            headers=headers,
            body=content,
        )

    async def _toolbox_of(self, sandbox: str) -> str:
        own = self._toolboxes.get(sandbox)
        root = own or self._toolbox or await self._ask_toolbox()
        if "{id}" in root:
            return root.replace("{id}", quote(sandbox, safe=""))
        return f"{root.rstrip('/')}/{quote(sandbox, safe='')}"

    async def _ask_toolbox(self) -> str:
        async with self._learning:
            if not self._toolbox:
                request = await self._request(Wire(method="GET", path="/config", plane="control"), "", Purpose.KEEPER)
                response = await self._upstream.send(request)
                body = await response.read(_ANSWER_LIMIT)
                self._toolbox = _toolbox_in(body) or self._base + "/toolbox/{id}/toolbox"
            return self._toolbox

    def _learn_toolbox(self, value: Any) -> None:
        if isinstance(value, SandboxInfo) and (url := value.raw.get("toolboxProxyUrl")):
            if url != self._toolbox:
                self._toolboxes[value.id] = str(url)
            else:
                self._toolboxes.pop(value.id, None)


def _lost(error: UpstreamFailed) -> Outcome:
    # Only what never left is known not to have happened.
    return unknown(str(error)) if error.sent else refused(502, "BAD_GATEWAY", str(error))


def _toolbox_in(config: bytes) -> str:
    """The toolbox address a /config names; none on servers from before the planes were split."""
    try:
        return str(json.loads(config)["proxyToolboxUrl"])
    except (ValueError, KeyError, TypeError):
        return ""


def _next_cursor(body: bytes) -> str | None:
    value = json.loads(body)
    return (value.get("nextCursor") or None) if isinstance(value, dict) else None


class _UploadBody:
    """One file as a multipart body, streamed; remembers what the file's own reader raised."""

    def __init__(self, operation: Operation) -> None:
        boundary = secrets.token_hex(16)
        path = str(operation.arguments["path"])
        self.content_type = b"multipart/form-data; boundary=" + boundary.encode()
        self.error: Exception | None = None
        self._body = operation.body
        self._head = (
            f'--{boundary}\r\nContent-Disposition: form-data; name="files[0].path"\r\n\r\n{path}\r\n'
            f'--{boundary}\r\nContent-Disposition: form-data; name="files[0].file"; filename="file"\r\n'
            "Content-Type: application/octet-stream\r\n\r\n"
        ).encode("utf-8", "surrogateescape")
        self._tail = f"\r\n--{boundary}--\r\n".encode()

    def content(self) -> bytes | AsyncIterator[bytes]:
        if self._body is None or isinstance(self._body, bytes):
            return self._head + (self._body or b"") + self._tail
        return self._stream(self._body)

    async def _stream(self, body: AsyncIterable[bytes]) -> AsyncIterator[bytes]:
        yield self._head
        try:
            async for chunk in body:
                yield chunk
        except Exception as error:
            self.error = error
            raise
        yield self._tail


if TYPE_CHECKING:
    _: type[Backend] = DaytonaBackend
