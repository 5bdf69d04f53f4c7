"""Forwarding to the old origin: the client's request as it is, its answer streamed or held whole."""

from collections.abc import AsyncIterable, AsyncIterator
from dataclasses import dataclass, field

from crossfade.stage import Origin
from crossfade.upstream import Headers, Purpose, Upstream, UpstreamRequest, UpstreamResponse
from router.engine.call import Call
from router.engine.old import OldAddresses
from router.front.daytona import repairs
from router.front.daytona.dialect import dialect_of
from router.front.daytona.part_names import named_in_utf8
from router.settings import Repairs
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
    repairs: Repairs = field(default_factory=Repairs)

    async def send(
        self,
        call: Call,
        body: bytes | AsyncIterable[bytes] | None,
        *,
        purpose: Purpose = Purpose.ANSWER,
        plain: bool = False,
        query: bytes | None = None,
    ) -> UpstreamResponse:
        """The call on old. `plain`: ask for an unencoded answer, because we must read it. Raises UpstreamFailed.

        `query`: instead of the client's own.
        """
        base, target = await self.old.find(call.path, call.route.sandbox if call.route else "")
        if asked := call.query if query is None else query:
            target += "?" + asked.decode("latin-1")
        chunked = b"transfer-encoding" in call.fields
        named = self.repairs.part_names and call.route is not None and call.route.kind == "bulk_download"
        drop = (b"accept-encoding",) if plain or named else ()
        if self.repairs.exec_environment and call.operation == "process.exec" and isinstance(body, bytes):
            body, drop = repairs.exec_environment(body), (*drop, b"content-length")
        headers = rules.to_origin(call.headers, drop=drop, chunked=chunked)
        headers.append((rules.LOOP_GUARD, self.instance.encode()))
        if purpose is not Purpose.ANSWER:
            headers.append((_MARK, purpose.value.encode()))
        response = await self.upstream.send(
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
        if named and response.status == 200:
            return _Named(response)
        return self._told(call, response) if self.repairs.error_text and response.status >= 400 else response

    def _told(self, call: Call, response: UpstreamResponse) -> UpstreamResponse:
        """An error that says something: its body is made where it came without one."""
        if call.method == "HEAD" or not any(
            name.lower() == b"content-length" and value == b"0" for name, value in response.headers
        ):
            return response
        text = repairs.error_text(response.status, dialect_of(call.fields), path=call.path, method=call.method)
        return _WithBody(response, text) if text else response

    async def fetch(
        self,
        call: Call,
        body: bytes | AsyncIterable[bytes] | None,
        limit: int,
        *,
        purpose: Purpose = Purpose.ANSWER,
        query: bytes | None = None,
    ) -> Answer:
        """The call on old, its answer held whole. Raises UpstreamFailed, also past `limit` bytes."""
        response = await self.send(call, body, purpose=purpose, plain=True, query=query)
        return Answer(status=response.status, headers=response.headers, body=await response.read(limit))


class _WithBody:
    """An answer that came without a body, with one."""

    def __init__(self, response: UpstreamResponse, body: bytes) -> None:
        self._response, self._body = response, body
        self.status, self.reason = response.status, response.reason
        kept = [each for each in response.headers if each[0].lower() not in (b"content-length", b"content-type")]
        kept += [(b"Content-Type", b"application/json; charset=utf-8"), (b"Content-Length", b"%d" % len(body))]
        self.headers: Headers = kept

    async def chunks(self) -> AsyncIterator[bytes]:
        async for _ in self._response.chunks():
            pass  # to its end, so that the connection can be used again
        yield self._body

    async def read(self, limit: int) -> bytes:
        return b"".join([chunk async for chunk in self.chunks()])

    async def close(self) -> None:
        await self._response.close()


class _Named:
    """A bulk download whose parts have their names in UTF-8, which may make it longer."""

    def __init__(self, response: UpstreamResponse) -> None:
        self._response = response
        self.status, self.reason = response.status, response.reason
        self.headers: Headers = [each for each in response.headers if each[0].lower() != b"content-length"]

    def chunks(self) -> AsyncIterator[bytes]:
        return self._named(self._response.chunks())

    async def read(self, limit: int) -> bytes:
        return b"".join([chunk async for chunk in self._named(_once(await self._response.read(limit)))])

    def _named(self, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        kind = next((value for name, value in self.headers if name.lower() == b"content-type"), b"")
        return named_in_utf8(kind, chunks)

    async def close(self) -> None:
        await self._response.close()


async def _once(body: bytes) -> AsyncIterator[bytes]:
    yield body


def has_body(call: Call) -> bool:
    """Whether the request announces a body."""
    return b"transfer-encoding" in call.fields or call.fields.get(b"content-length", b"0") != b"0"


def body_size(call: Call) -> int:
    """The announced length of the body; a body without one counts as small, and is cut off when it is not."""
    text = call.fields.get(b"content-length", b"0")
    return int(text) if text.isdigit() else 0
