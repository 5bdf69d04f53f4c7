"""Websocket calls: bridged to old message by message, or translated where new answers."""

from dataclasses import dataclass, replace

from crossfade.operation import OPERATIONS, Operation
from crossfade.stage import Origin
from crossfade.upstream import (
    Headers,
    Purpose,
    Upstream,
    UpstreamFailed,
    UpstreamRefused,
    UpstreamRequest,
    UpstreamSocket,
)
from router.backends.daytona.encode import encode
from router.engine import translate
from router.engine.call import Call
from router.engine.classify import classify
from router.engine.keys import KeyRefused
from router.engine.old import OldAddresses
from router.engine.twincall import TwinCalls
from router.front.daytona.sockets import serve_socket
from router.twins.sides import OneSide
from router.twins.state import Twin
from router.wire import headers as rules
from router.wire.asgi import Message, Receive, Scope, Send
from router.wire.bridge import HANDSHAKE, Passed, bridge

_ANSWER_LIMIT = 1_048_576


@dataclass(slots=True, eq=False)
class Sockets:
    """Serves websocket calls."""

    upstream: Upstream
    old: OldAddresses
    twincalls: TwinCalls
    public_url: str

    async def serve(self, call: Call, scope: Scope, receive: Receive, send: Send) -> None:
        """One websocket, from handshake to close."""
        call.client.no_body()
        send = self._naming(call, send)
        if any(header == (rules.LOOP_GUARD, self._instance) for header in call.headers):
            await receive()
            message = b"this router was asked by itself; origins.old.url must not point back at it"
            await _refuse(call, send, 508, message)
            return
        call.operations = await translate.operations(call, b"") if call.operation in OPERATIONS else ()
        classify(call)
        if call.twin is None or not call.operations:
            if call.twin is not None and call.twin.seat is Origin.NEW and (error := call.unreadable) is not None:
                await receive()
                await _refuse(call, send, error.status, error.message.encode(), error.code)
                return
            if call.twin is not None and call.twin.seat is Origin.NEW:
                await receive()
                await _refuse(call, send, 501, b"not supported on the side this sandbox is on")
                return
            await self._bridge(call, scope, receive, send)
            return
        await self.twincalls.stream(call, call.twin, lambda side: self._on(side, call, scope, receive, send))

    @property
    def _instance(self) -> bytes:
        return self.twincalls.answers.forward.instance.encode()

    def _naming(self, call: Call, send: Send) -> Send:
        """A send whose handshake answer names the call, as every other answer does."""
        extra = self.twincalls.answers.translation.extra(call)

        async def sending(message: Message) -> None:
            if message["type"] in ("websocket.accept", "websocket.http.response.start"):
                message["headers"] = [*message.get("headers", ()), *extra]
            await send(message)

        return sending

    async def _on(self, side: Origin, call: Call, scope: Scope, receive: Receive, send: Send) -> None:
        twin = call.twin
        if side is Origin.OLD or twin is None:
            await self._bridge(call, scope, receive, send)
            return
        try:
            await self.twincalls.answers.keys.check(call, twin, self.twincalls.clock.monotonic())
        except KeyRefused as refused:
            await receive()
            await _refuse(call, send, refused.status, refused.body)
            return
        except UpstreamFailed as error:
            await receive()
            await _refuse(call, send, 502, str(error).encode())
            return
        await self._translated(call, twin, scope, receive, send)

    async def _translated(self, call: Call, twin: Twin, scope: Scope, receive: Receive, send: Send) -> None:
        there = OneSide(self.twincalls.sides, twin, Origin.NEW)
        asking = translate.asking(call, self.public_url)
        outcome = await serve_socket(there, asking, scope, receive, send)
        call.answered(101 if outcome.ok else outcome.status, 0)

    async def _bridge(self, call: Call, scope: Scope, receive: Receive, send: Send) -> None:
        await receive()  # websocket.connect
        try:
            socket = await self._connect(call, scope)
        except UpstreamRefused as refused:
            headers = rules.to_client(refused.headers, drop=(b"content-length",))
            await _answer(call, send, refused.status, headers, refused.body)
            return
        except UpstreamFailed as error:
            call.fate = "unknown"
            await _refuse(call, send, 502, str(error).encode())
            return
        await send({"type": "websocket.accept", "subprotocol": socket.subprotocol, "headers": []})
        call.answered(101, 0)
        passed = Passed()
        try:
            await bridge(socket, receive, send, passed)
        finally:
            call.client.bytes_in += passed.up
            call.answered(101, passed.down)

    async def _connect(self, call: Call, scope: Scope) -> UpstreamSocket:
        base, target = await self.old.find(call.path, call.route.sandbox if call.route else "")
        if call.query:
            target += "?" + call.query.decode("latin-1")
        request = UpstreamRequest(
            origin=Origin.OLD,
            purpose=Purpose.ANSWER,
            method="GET",
            base=base,
            target=target,
            headers=[*rules.to_origin(call.headers, drop=HANDSHAKE), (rules.LOOP_GUARD, self._instance)],
        )
        try:
            return await self.upstream.websocket(request, scope.get("subprotocols") or ())
        except UpstreamRefused as refused:
            in_one = call.route is not None and call.route.kind == "pty_create_connect" and call.operations
            if refused.status != 404 or not in_one or not self.twincalls.answers.forward.repairs.terminal_in_one:
                raise
            return await self._in_two(call, request)

    async def _in_two(self, call: Call, asked: UpstreamRequest) -> UpstreamSocket:
        """A terminal made first and then connected to, on a daemon that cannot do both in one handshake."""
        created, connected = (
            encode(Operation(name=name, arguments=call.operations[0].arguments))
            for name in ("pty.create", "pty.connect")
        )
        root = asked.target.partition("?")[0].removesuffix("/process/pty/create-connect")
        headers = [*asked.headers, (b"Content-Type", b"application/json")]
        response = await self.upstream.send(
            replace(asked, method="POST", target=root + created.path, headers=headers, body=created.content)
        )
        body = await response.read(_ANSWER_LIMIT)
        if response.status >= 300:
            raise UpstreamRefused(response.status, response.headers, body)
        return await self.upstream.websocket(replace(asked, target=root + connected.path))


async def _refuse(call: Call, send: Send, status: int, body: bytes, code: str = "websocket refused") -> None:
    """A handshake refused by us."""
    answer = translate.router_answer(call, status, code, body.decode("utf-8", "replace"))
    await _answer(call, send, status, answer.headers, answer.body)


async def _answer(call: Call, send: Send, status: int, headers: Headers, body: bytes) -> None:
    """A handshake answered with a plain response (ASGI websocket.http.response)."""
    await send({"type": "websocket.http.response.start", "status": status, "headers": headers})
    await send({"type": "websocket.http.response.body", "body": body})
    call.answered(status, len(body))
