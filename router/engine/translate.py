"""Between Daytona's wire and operations, for the engine: what a call asks, and how outcomes become its answer."""

import time
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, replace

from crossfade.operation import OPERATIONS, Operation
from crossfade.outcome import Outcome
from crossfade.ports import Backend
from crossfade.results import Content
from crossfade.upstream import Headers, UpstreamFailed
from router.backends.daytona.decode import outcomes_of
from router.compare.capture import Capture, digest_of, tee
from router.engine.call import Call
from router.engine.forward import Answer
from router.front.daytona import requests, responses
from router.front.daytona.dialect import dialect_of
from router.front.daytona.errors import BadRequest, error_body
from router.front.daytona.marks import Stripper
from router.front.daytona.responses import Asking, Response
from router.front.daytona.sockets import broken_off
from router.front.daytona.uploads import uploads
from router.twins.sides import discard
from router.wire import headers as rules
from router.wire.asgi import Send

Perform = Callable[[Operation], Awaitable[Outcome]]
ROUTER = (b"X-Crossfade-Origin", b"router")


async def operations(call: Call, body: bytes) -> tuple[Operation, ...]:
    """What the call asks, one operation per file; none when it cannot be read (then call.unreadable says why)."""
    route = call.route
    if route is None or route.operation not in OPERATIONS:
        return ()
    try:
        if route.operation == "fs.upload":
            return tuple([operation async for operation in _uploaded(call, body)])
        return requests.decode_all(route, call.query, call.fields, body)
    except BadRequest as error:
        call.unreadable = error
        return ()


async def _uploaded(call: Call, body: bytes) -> AsyncIterator[Operation]:
    assert call.route is not None
    async for path, content in uploads(call.fields, _once(body), path=requests.upload_path(call.query)):
        data = b"".join([chunk async for chunk in content])
        yield Operation(name="fs.upload", sandbox=call.route.sandbox, arguments={"path": path}, body=data)


async def _once(body: bytes) -> AsyncIterator[bytes]:
    yield body


# Answers of old, as outcomes...


def outcomes(call: Call, answer: Answer, seconds: float) -> tuple[Outcome, ...]:
    """A relayed answer as one outcome per operation, contents digested; none when it cannot be read."""
    found = outcomes_of(call.operations, answer.status, dict(_lower(answer.headers)), answer.body)
    return tuple([_plain(each, seconds) for each in found])


def _plain(outcome: Outcome, seconds: float) -> Outcome:
    value = outcome.value
    return Outcome(
        fate=outcome.fate,
        status=outcome.status,
        value=digest_of(value) if isinstance(value, bytes) else value,
        code=outcome.code,
        message=outcome.message,
        origin=outcome.origin,
        seconds=seconds,
    )


def _lower(headers: Headers) -> list[tuple[bytes, bytes]]:
    return [(name.lower(), value) for name, value in headers]


# Outcomes, as the client's answer...


def our_url(call: Call, public_url: str) -> str:
    """Where the client reaches us: as set, or as it just did."""
    return public_url.rstrip("/") or "http://" + call.fields.get(b"host", b"localhost").decode("latin-1")


def asking(call: Call, public_url: str) -> Asking:
    """Who asks, and how."""
    assert call.route is not None
    return Asking(
        route=call.route,
        dialect=dialect_of(call.fields),
        public_url=our_url(call, public_url),
        method=call.method,
        path=call.path,
    )


@dataclass(slots=True)
class Translation:
    """Answers calls in Daytona's words from a side that does not speak them."""

    public_url: str
    extra: Callable[[Call], list[tuple[bytes, bytes]]]

    async def serve(
        self, call: Call, body: bytes | AsyncIterable[bytes], backend: Backend, send: Send
    ) -> tuple[Outcome, ...]:
        """Perform what the call asks and answer it; contents are fetched while they are sent. Plain outcomes."""
        who = asking(call, self.public_url)
        if call.unreadable is not None:
            error = call.unreadable
            response = responses.refusal(error.status, error.message, who, code=error.code)
            await self._send(call, response, send, by_router=True)
            return ()
        perform = backend.perform
        if call.operation == "fs.upload" and not isinstance(body, bytes):
            return await self._large_upload(call, body, perform, send, who)
        if call.operations[0].kind.stream:
            return await self._follow(call, backend, send, who)
        if len(call.operations) > 1 and call.operation == "fs.download":
            return await self._many_downloads(call, perform, send, who)
        return await self.respond(call, tuple([await perform(each) for each in call.operations]), send)

    async def respond(self, call: Call, got: Sequence[Outcome], send: Send) -> tuple[Outcome, ...]:
        """Answer with outcomes that are there already. Returns them plain."""
        who = asking(call, self.public_url)
        operation = call.operations[0]
        if call.operation == "fs.upload":
            sizes = [len(each.body) if isinstance(each.body, bytes) else 0 for each in call.operations]
            response = responses.uploaded(list(zip(call.operations, got, sizes, strict=True)), who)
            await self._send(call, response, send)
            return tuple(got)
        if call.operation != "fs.download":
            await self._send(call, responses.render(operation, got[0], who), send)
            return tuple(got)
        captures: list[Capture | None] = []
        passing = []
        for each in got:
            passed, capture = _captured_on_the_way(each)
            captures.append(capture)
            passing.append(passed)
        if call.route is not None and call.route.kind == "bulk_download":
            given = iter(passing)

            async def fetch(_operation: Operation) -> Outcome:
                return next(given)

            response = responses.downloaded(call.operations, fetch, who)
        else:
            response = responses.render(operation, passing[0], who)
        try:
            await self._send(call, response, send)
        finally:
            # Those that were not reached are open still, when the first breaks off or the client leaves.
            for each in got:
                await discard(each)
        return tuple(
            replace(each, value=capture.digest) if capture is not None else each
            for each, capture in zip(got, captures, strict=True)
        )

    async def _many_downloads(self, call: Call, perform: Perform, send: Send, who: Asking) -> tuple[Outcome, ...]:
        seen: list[tuple[Outcome, Capture | None]] = []

        async def fetch(operation: Operation) -> Outcome:
            outcome = await perform(operation)
            passed, capture = _captured_on_the_way(outcome)
            seen.append((outcome, capture))
            return passed

        await self._send(call, responses.downloaded(call.operations, fetch, who), send)
        return tuple(replace(each, value=capture.digest) if capture else each for each, capture in seen)

    async def _follow(self, call: Call, backend: Backend, send: Send, who: Asking) -> tuple[Outcome, ...]:
        """A log followed over plain HTTP, as SDKs before 0.27 do."""
        opened = await backend.open(call.operations[0])
        if isinstance(opened, Outcome):
            await self._send(call, responses.refusal(opened.status, opened.message, who, code=opened.code), send)
            return (opened,)
        stripper = None if who.dialect.marked else Stripper()

        async def shown() -> AsyncIterator[bytes]:
            try:
                async for data in opened.output():
                    yield data if stripper is None else stripper.feed(data)
                if stripper is not None:
                    yield stripper.end()
                if broken_off(opened.end):
                    raise UpstreamFailed(opened.end.reason, sent=True)
            finally:
                await opened.close()

        await self._send(call, Response(200, [(b"content-type", b"text/plain; charset=utf-8")], shown()), send)
        return ()

    async def _large_upload(
        self, call: Call, body: AsyncIterable[bytes], perform: Perform, send: Send, who: Asking
    ) -> tuple[Outcome, ...]:
        results: list[tuple[Operation, Outcome, int]] = []
        try:
            async for path, content in uploads(call.fields, body, path=requests.upload_path(call.query)):
                capture = Capture()
                operation = Operation(
                    name="fs.upload", sandbox=who.route.sandbox, arguments={"path": path}, body=capture.passing(content)
                )
                results.append((operation, await perform(operation), capture.size))
        except BadRequest as error:
            await self._send(call, responses.refusal(error.status, error.message, who, code=error.code), send)
            return ()
        # The bodies have gone by, so there is nothing left to hold against the other side.
        await self._send(call, responses.uploaded(results, who), send)
        return ()

    async def answer(self, call: Call, answer: Answer, send: Send) -> None:
        """Send an answer of old that was held whole."""
        headers = rules.to_client(answer.headers, drop=(b"content-length",))
        await self._send(call, Response(answer.status, headers, answer.body), send)

    async def _send(self, call: Call, response: Response, send: Send, *, by_router: bool = False) -> None:
        headers = [*response.headers, *self.extra(call)]
        if by_router:
            call.answering = "router"
            headers.append(ROUTER)
        if isinstance(response.body, bytes):
            if response.status not in (204, 304):
                headers.append((b"content-length", b"%d" % len(response.body)))
            await send({"type": "http.response.start", "status": response.status, "headers": headers})
            await send({"type": "http.response.body", "body": response.body})
            call.answered(response.status, len(response.body))
            return
        size = 0
        stream = response.body
        first = time.perf_counter()
        try:
            await send({"type": "http.response.start", "status": response.status, "headers": headers})
            async for chunk in stream:
                size += len(chunk)
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
            await send({"type": "http.response.body", "body": b""})
        finally:
            if close := getattr(stream, "aclose", None):
                await close()
        call.answered(response.status, size, first_byte=first)


def _captured_on_the_way(outcome: Outcome) -> tuple[Outcome, Capture | None]:
    if not isinstance(outcome.value, Content):
        return outcome, None
    content, capture = tee(outcome.value)
    return replace(outcome, value=content), capture


def router_answer(call: Call, status: int, error: str, message: str) -> Answer:
    """An answer made by us, in Daytona's error format."""
    plane = call.route.plane if call.route else "control"
    body = error_body(plane, status, message, code=error, path=call.path, method=call.method)
    return Answer(status=status, headers=[(b"content-type", b"application/json; charset=utf-8"), ROUTER], body=body)
