"""Translating: a Daytona request carried out by any backend, and answered as Daytona would."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace

from crossfade.operation import Operation
from crossfade.outcome import Outcome, done, refused, unknown, unsupported
from crossfade.ports import Backend
from crossfade.upstream import UpstreamFailed
from router.front.daytona import marks, objects
from router.front.daytona.dialect import dialect_of
from router.front.daytona.errors import BadRequest
from router.front.daytona.exchange import Exchange, Receive, Scope, Send
from router.front.daytona.requests import decode_all, upload_path
from router.front.daytona.responses import Asking, Response, downloaded, json_response, refusal, render, uploaded
from router.front.daytona.routes import Route
from router.front.daytona.sockets import broken_off, refuse, serve_socket
from router.front.daytona.uploads import uploads

BODY_LIMIT = 32 * 1024 * 1024  # of JSON bodies; uploads have none


class Translator:
    """Answers calls from a backend: decode, perform, render, streaming both ways; websockets too.

    `public_url` is where the client reaches us; empty: what its Host header says.
    """

    def __init__(self, backend: Backend, public_url: str = "") -> None:
        self._backend = backend
        self._public_url = public_url.rstrip("/")

    async def respond(self, route: Route, scope: Scope, receive: Receive, send: Send) -> Outcome:
        """Answer one call to its last byte; returns what happened. Raises ClientGone once the client went away.

        After the body `receive` has to wait until the client goes, as ASGI says: that cancels the work.
        """
        asking = asking_of(route, scope, self._public_url)
        if scope["type"] == "websocket":
            if not route.websocket or not route.operation:
                return await _refuse_socket(asking, scope, receive, send)
            return await serve_socket(self._backend, asking, scope, receive, send)
        exchange = Exchange(receive, send)
        call = _Call(self._backend, asking, exchange, scope)
        await exchange.unless_gone(call.answer())
        return call.outcome


class _Call:
    """One HTTP call."""

    def __init__(self, backend: Backend, asking: Asking, exchange: Exchange, scope: Scope) -> None:
        self._backend = backend
        self._asking = asking
        self._exchange = exchange
        self._headers: Mapping[bytes, bytes] = dict(scope["headers"])
        self._query: bytes = scope.get("query_string", b"")
        self.outcome = done()

    async def answer(self) -> None:
        try:
            response = await self._response()
        except BadRequest as error:
            self.outcome = refused(error.status, error.code, error.message)
            response = refusal(error.status, error.message, self._asking, code=error.code)
        try:
            await self._exchange.answer(response)
        except UpstreamFailed as error:
            # Cut midway: the answer stays unfinished, so that the client sees it too.
            self.outcome = unknown(str(error))

    async def _response(self) -> Response:
        route, asking = self._asking.route, self._asking
        if route.websocket:
            raise BadRequest("this path speaks websocket; connect with ws://", status=426, code="UPGRADE_REQUIRED")
        if route.operation == "fs.upload":
            return await self._upload()
        body = await self._exchange.read(BODY_LIMIT)
        if not route.operation:
            return await self._front_only()
        operations = decode_all(route, self._query, self._headers, body)
        if route.kind == "bulk_download":
            return downloaded(operations, self._fetch, asking)
        operation = operations[0]
        if operation.kind.stream:
            return await self._follow(operation)
        self.outcome = await self._backend.perform(_of_all(operation))
        return render(operation, self.outcome, asking)

    async def _front_only(self) -> Response:
        match self._asking.route.kind:
            case "config":
                return json_response(objects.config(self._asking.public_url))
            case "toolbox_url":
                return json_response({"url": objects.toolbox_url(self._asking.public_url)})
            case "version":
                return json_response({"version": objects.API_VERSION})
            case "activity":
                asked_of = Operation(name="sandbox.get", sandbox=self._asking.route.sandbox)
                self.outcome = await self._backend.perform(asked_of)
                return Response(201) if self.outcome.ok else render(asked_of, self.outcome, self._asking)
            case _:
                asked = f"{self._asking.method} {self._asking.path}"
                self.outcome = unsupported(asked, self._backend.name)
                return refusal(501, self.outcome.message, self._asking, code=self.outcome.code)

    async def _upload(self) -> Response:
        results: list[tuple[Operation, Outcome, int]] = []
        path = upload_path(self._query)
        async for destination, content in uploads(self._headers, self._exchange.stream(), path=path):
            counted = _Counted(content)
            operation = Operation(
                name="fs.upload",
                sandbox=self._asking.route.sandbox,
                arguments={"path": destination},
                body=counted,
            )
            outcome = await self._backend.perform(operation)
            results.append((operation, outcome, counted.size))
            self._note(outcome)
        return uploaded(results, self._asking)

    async def _fetch(self, operation: Operation) -> Outcome:
        outcome = await self._backend.perform(operation)
        self._note(outcome)
        return outcome

    def _note(self, outcome: Outcome) -> None:
        # Of several files the first failure speaks for the call.
        if self.outcome.ok:
            self.outcome = outcome

    async def _follow(self, operation: Operation) -> Response:
        opened = await self._backend.open(operation)
        if isinstance(opened, Outcome):
            self.outcome = opened
            return refusal(opened.status, opened.message, self._asking, code=opened.code)
        channel = opened
        stripper = None if self._asking.dialect.marked else marks.Stripper()

        async def shown() -> AsyncIterator[bytes]:
            try:
                async for data in channel.output():
                    yield data if stripper is None else stripper.feed(data)
                if stripper is not None:
                    yield stripper.end()
                if broken_off(channel.end):
                    raise UpstreamFailed(channel.end.reason, sent=True)
            finally:
                await channel.close()

        return Response(200, [(b"content-type", b"text/plain; charset=utf-8")], shown())


def _of_all(operation: Operation) -> Operation:
    """A list without its size: pages are cut from all of them, or the second would be looked for in the first."""
    if operation.name != "sandbox.list":
        return operation
    return replace(operation, arguments={**operation.arguments, "limit": None})


class _Counted:
    """A stream and how much of it was read."""

    def __init__(self, content: AsyncIterator[bytes]) -> None:
        self._content = content
        self.size = 0

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._content:
            self.size += len(chunk)
            yield chunk


def asking_of(route: Route, scope: Scope, public_url: str) -> Asking:
    """Who asks, and how."""
    headers = dict(scope["headers"])
    if not public_url:
        scheme = {"ws": "http", "wss": "https"}.get(scope.get("scheme", "http"), scope.get("scheme", "http"))
        public_url = f"{scheme}://{headers.get(b'host', b'localhost').decode('latin-1')}"
    subprotocols: Sequence[str] = scope.get("subprotocols", ())
    return Asking(
        route=route,
        dialect=dialect_of(headers, tuple(subprotocols)),
        public_url=public_url,
        method=scope.get("method", "GET"),
        path=scope["path"],
    )


async def _refuse_socket(asking: Asking, scope: Scope, receive: Receive, send: Send) -> Outcome:
    await receive()
    outcome = refused(404, "NOT_FOUND", f"no websocket at {asking.path}")
    await refuse(scope, send, refusal(outcome.status, outcome.message, asking, code=outcome.code))
    return outcome
