"""The path of one call (design §2): route, classify, decide, admit, answer; evidence and record come after."""

import asyncio
import contextlib
import json
import logging
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace

from crossfade.comparison import Comparison
from crossfade.operation import OPERATIONS
from crossfade.ports import Records
from crossfade.record import Record
from crossfade.stage import STAGES, Compared, Origin
from crossfade.upstream import UpstreamFailed
from router import tasks
from router.engine import masking, translate
from router.engine.call import Call, InFlight, new_id
from router.engine.classify import classify
from router.engine.forward import Answer, Forward, body_size, has_body
from router.engine.keys import KeyRefused
from router.engine.lifecycle import ANSWER_LIMIT, Lifecycle
from router.engine.listing import listed
from router.engine.sockets import Sockets
from router.engine.twincall import TwinCalls
from router.front.daytona.missing import capability
from router.front.daytona.rewrite import rewrite, rewrites
from router.front.daytona.routes import match
from router.twins.evidence import Verdict
from router.twins.outsiders import SSH, distrust
from router.twins.registry import Registry
from router.twins.state import Twin
from router.wire import headers as rules
from router.wire.asgi import BodyTooLarge, Client, ClientGone, Message, Receive, Scope, Send
from router.wire.relay import Relayed, pass_on

log = logging.getLogger("crossfade.engine")
HEAD_LIMIT = 65_536
# Operations whose tool may show only in what they ask, so that their body is read even where it is only passed on.
BODY_RULES = ("process.exec", "process.code", "session.exec", "session.create", "pty.create")
Signatures = Callable[[str, Comparison], tuple[str, ...]]


@dataclass(slots=True, eq=False)
class Engine:
    """The front listener's ASGI application."""

    forward: Forward
    registry: Registry
    lifecycle: Lifecycle
    twincalls: TwinCalls
    sockets: Sockets
    records: Records
    observe: Callable[[Record], None]
    signatures: Signatures
    public_url: str
    body_limit: int
    extra: Callable[[Call], list[tuple[bytes, bytes]]]
    keep: Callable[[Call, Verdict | None, tuple[str, ...]], None] | None = None  # whole calls, where they are captured
    in_flight: InFlight = field(default_factory=InFlight)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            return
        call = self._arrived(scope, receive)
        rules.call_id.set(call.id)
        self.in_flight.calls += 1
        try:
            if scope["type"] == "websocket":
                await self.sockets.serve(call, scope, receive, send)
                self.finish(call, None)
            else:
                await self._http(call, scope, send)
        finally:
            self.in_flight.calls -= 1

    def _arrived(self, scope: Scope, receive: Receive) -> Call:
        path = scope["raw_path"].decode("latin-1") if scope.get("raw_path") else scope["path"]
        method = scope.get("method", "GET")
        headers = scope["headers"]
        call = Call(
            id=new_id(),
            at=time.time(),
            started=time.perf_counter(),
            method=method,
            path=path,
            query=scope["query_string"],
            headers=headers,
            fields=dict(headers),
            route=match(method, path, websocket=scope["type"] == "websocket"),
            client=Client(receive),
        )
        if call.route is not None and call.route.sandbox:
            call.twin = self.registry.get(call.route.sandbox) or self.registry.named(call.route.sandbox)
            if call.twin is not None and call.twin.id != call.route.sandbox:
                call.route = replace(call.route, sandbox=call.twin.id)  # asked for by its name
            call.sandbox = call.route.sandbox
            tasks.answering.set(None if call.twin is None or call.twin.active else call.twin)
        return call

    async def _http(self, call: Call, scope: Scope, send: Send) -> None:
        started = _Started(send)
        try:
            if problem := self._refusal(call, scope):
                await self._router_error(call, started, *problem)
                self.finish(call, None)
                return
            verdict_due = await self._answer(call, started)
            if not verdict_due:
                self.finish(call, None)
        except ClientGone:
            # The client's own doing: it counts against nobody.
            call.answered(499, 0)
            call.fate = "gone"
            self.finish(call, None)
        except KeyRefused as refused:
            await self._key_refused(call, started, refused)
            self.finish(call, None)
        except BodyTooLarge as error:
            message = f"{error}; raise listen.body_limit_bytes if such calls are meant"
            await self._router_error(call, started, 413, "Payload Too Large", message)
            self.finish(call, None)
        except UpstreamFailed as error:
            await self._upstream_failed(call, started, error)
            self.finish(call, None)
        except asyncio.CancelledError:
            # Cut off at the end of a shutdown's patience.
            call.answered(started.status, 0)
            call.fate, call.reason = "unknown", "router stopped"
            self.finish(call, None)
            raise
        except Exception:
            log.exception("call failed", extra={"call": call.id, "operation": call.operation})
            await self._broken(call, started)
            self.finish(call, None)

    def _refusal(self, call: Call, scope: Scope) -> tuple[int, str, str] | None:
        """Requests that must not travel on: ambiguous or endless heads, and our own requests come back."""
        hosts = 0
        size = len(call.path) + len(call.query)
        ours = (rules.LOOP_GUARD, self.forward.instance.encode())
        looped = False
        for name, value in call.headers:
            size += len(name) + len(value)
            hosts += name == b"host"
            looped = looped or (name, value) == ours  # each router on the way has added its own
        if hosts != 1:
            return 400, "Bad Request", f"request has {hosts} Host headers; send exactly one"
        if size > HEAD_LIMIT:
            return (
                431,
                "Request Header Fields Too Large",
                f"request head is {size} bytes; at most {HEAD_LIMIT} are taken",
            )
        if looped:
            message = "this router was asked by itself; origins.old.url must not point back at it"
            return 508, "Loop Detected", message
        return None

    async def _answer(self, call: Call, send: "_Started") -> bool:
        """Answer the client. True: the record waits for evidence, which finishes it."""
        operation = call.operation
        if call.twin is not None and operation != "sandbox.create":
            if operation.startswith("sandbox."):
                await self._lifecycle(call, call.twin, send)
                return False
            if operation in OPERATIONS:
                return await self.twincalls.answer(call, call.twin, send, self.evidence_over)
            if call.route is not None and call.route.plane == "toolbox":
                classify(call)
                if not await self.twincalls.unknown(call, call.twin, lambda: self.observe_only(call, send)):
                    await self._missing(call, send)
                return False
            if call.twin.seat is Origin.NEW and await self._beside_old(call, call.twin, send):
                return False
        if operation == "sandbox.create":
            classify(call)
            body = await call.client.read(self.body_limit)
            asked = await translate.operations(call, body)
            work = self.lifecycle.create(call, body, asked[0] if asked else None)
            answer = await call.client.unless_gone(work)
            await self._send(call, send, self._rewritten(call, answer))
            return False
        await self.observe_only(call, send)
        return False

    async def _beside_old(self, call: Call, twin: Twin, send: "_Started") -> bool:
        """A control call that is no operation, of a sandbox whose seat is on new. False: old may answer it."""
        assert call.route is not None
        classify(call)
        here = Origin.OLD in twin.row.ids
        if call.route.kind == "activity":
            twin.last_activity = self.twincalls.clock.monotonic()
        if call.route.kind in ("activity", "toolbox_url") and not here:
            await self.lifecycle.only_new.keys.check(call, twin, twin.last_activity)
            await self._send(call, send, self.lifecycle.only_new.told(call))
            return True
        # A link that old signs, to a port or a file, leads to old.
        looks = call.method == "GET" and not any(each in call.path for each in ("/signed-preview-url", "/signing-key"))
        if here and (looks or call.route.kind in ("activity", "toolbox_url")):
            return False
        await self._missing(call, send)
        return True

    async def _missing(self, call: Call, send: "_Started") -> None:
        """Refuse what only old's provider can do, by its name: done on old it would not be done where it counts."""
        what = f"{capability(call.path)} ({call.method} {call.path})"
        message = f"not supported: {what} has no equivalent on the side this sandbox is on"
        await self._router_error(call, send, 501, "NOT_IMPLEMENTED", message)

    async def observe_only(self, call: Call, send: "_Started") -> None:
        """Relay to old: a sandbox without twin, a list, a route nobody knows."""
        body: bytes | AsyncIterator[bytes] | None = call.client.stream() if has_body(call) else None
        if not has_body(call):
            await call.client.read(0)
        elif call.operation in BODY_RULES and body_size(call) <= self.body_limit:
            body = await call.client.read(self.body_limit)
            call.operations = await translate.operations(call, body)
        classify(call)
        if call.route is not None and rewrites(call.route):
            if call.operation == "sandbox.list":
                await self._send(call, send, await call.client.unless_gone(self._listed(call)))
                return
            answer = await call.client.unless_gone(self.forward.fetch(call, body, ANSWER_LIMIT))
            self._learn(call, answer)
            await self._send(call, send, self._rewritten(call, answer))
            return
        relayed = await call.client.unless_gone(self._relay(call, body, send))
        call.answered(relayed.status, relayed.bytes_out, first_byte=relayed.started)

    async def _listed(self, call: Call) -> Answer:
        assert call.route is not None

        async def fetch(query: bytes) -> Answer:
            return self._rewritten(call, await self.forward.fetch(call, None, ANSWER_LIMIT, query=query))

        cursors = translate.asking(call, self.public_url).dialect.cursor_lists
        shape = "pages" if call.route.kind == "list_paginated" else "cursor" if cursors else "array"
        return await listed(call.query, shape, self.lifecycle.only_new.mine(call), fetch)

    async def _relay(self, call: Call, body: bytes | AsyncIterator[bytes] | None, send: "_Started") -> Relayed:
        response = await self.forward.send(call, body)
        call.origin_seconds = time.perf_counter() - call.started
        head_only = call.method == "HEAD"
        return await pass_on(response, send, extra=self.extra(call), head_only=head_only)

    async def _lifecycle(self, call: Call, twin: Twin, send: "_Started") -> None:
        classify(call)
        await self.twincalls.wait_for_fence(call, twin, process=False)
        body = await call.client.read(self.body_limit)
        operation = call.operation
        self.twincalls.wish(call, twin)
        call.reason = "lifecycle runs on both sides by rule"
        if call.decision and STAGES[call.decision.stage].compared is not Compared.NOTHING:
            call.dropped = "lifecycle is not compared"
        if operation == "sandbox.ssh" and twin.seat is Origin.NEW:
            # On old it would let somebody in where nothing runs any more.
            await self._missing(call, send)
            return
        if Origin.OLD not in twin.row.ids:
            await self._only_new(call, twin, body, send)
            return
        if operation == "sandbox.delete":
            answer = await self.lifecycle.delete(call, twin, body)
        elif self.lifecycle.is_transition(operation):
            answer = await self.lifecycle.transition(call, twin, body, operation)
        elif operation == "sandbox.preview" and twin.seat is Origin.NEW:
            call.operations = await translate.operations(call, body)
            await self.twincalls.answers.seat(call, twin, body, send)
            return
        else:
            answer = await call.client.unless_gone(self.forward.fetch(call, body, ANSWER_LIMIT))
            if operation == "sandbox.ssh" and call.method == "POST" and answer.status < 300:
                # Before the answer: who has it may write at once.
                await distrust(self.twincalls.registry, twin, SSH)
            if answer.status < 300:
                self.twincalls.answers.keys.accept(call, twin, self.twincalls.sides.clock.monotonic())
                await self.lifecycle.learn_interval(call, twin, body)
        self._learn(call, answer)
        await self._send(call, send, self._rewritten(call, answer))

    async def _only_new(self, call: Call, twin: Twin, body: bytes, send: "_Started") -> None:
        call.reason = "there is no old side"
        asked = await translate.operations(call, body)
        if not asked:
            await self._router_error(call, send, 400, "Bad Request", str(call.unreadable or "not a call we know"))
            return
        await self._send(call, send, await self.lifecycle.only_new.perform(call, twin, asked[0]))

    def _learn(self, call: Call, answer: Answer) -> None:
        """A sandbox's own toolbox address, before it is replaced by ours."""
        if call.operation == "sandbox.get" and answer.status < 300:
            with contextlib.suppress(ValueError, AttributeError):
                found = json.loads(answer.body)
                self.forward.old.learn_object(call.sandbox, str(found.get("toolboxProxyUrl") or ""))
                if call.twin is not None:
                    # Kept in memory only, so that after a restart it is learned from here.
                    masking.learn_environment(call.twin, found.get("env"))

    def _rewritten(self, call: Call, answer: Answer) -> Answer:
        """Addresses in a control-plane answer become ours."""
        if call.route is None or answer.status >= 300:
            return answer
        body = rewrite(call.route, answer.body, public_url=translate.our_url(call, self.public_url))
        return Answer(status=answer.status, headers=answer.headers, body=body)

    async def _send(self, call: Call, send: "_Started", answer: Answer) -> None:
        headers = [*rules.to_client(answer.headers, drop=(b"content-length",)), *self.extra(call)]
        headers.append((b"content-length", str(len(answer.body)).encode()))
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if call.method == "HEAD" else answer.body})
        call.answered(answer.status, len(answer.body))

    # What goes wrong

    async def _router_error(self, call: Call, send: "_Started", status: int, error: str, message: str) -> None:
        call.answering = "router"
        await self._send(call, send, translate.router_answer(call, status, error, message))

    async def _key_refused(self, call: Call, send: "_Started", refused: KeyRefused) -> None:
        if not refused.body:
            await self._router_error(call, send, 401, "Unauthorized", "this key may not use this sandbox")
            return
        await self._send(call, send, Answer(status=refused.status, headers=refused.headers, body=refused.body))

    async def _upstream_failed(self, call: Call, send: "_Started", error: UpstreamFailed) -> None:
        call.fate = "unknown" if error.sent else "failed"
        log.warning("origin failed", extra={"call": call.id, "operation": call.operation, "error": str(error)})
        if send.started:
            # A cut answer must not look whole: the server closes the connection of an answer that is left unended.
            call.answered(send.status, 0)
            return
        await self._router_error(call, send, 502, "Bad Gateway", f"{error}")

    async def _broken(self, call: Call, send: "_Started") -> None:
        call.fate = "failed"
        if send.started:
            call.answered(send.status, 0)
            return
        await self._router_error(
            call, send, 500, "Internal Server Error", f"crossfade failed; its log names call {call.id}"
        )

    # Records

    def evidence_over(self, call: Call, verdict: Verdict) -> None:
        self.finish(call, verdict)

    def finish(self, call: Call, verdict: Verdict | None) -> None:
        if verdict is None and call.decision is not None and call.decision.shadow is not None and not call.dropped:
            call.dropped = "not answered in full"
        comparison = verdict.comparison if verdict else None
        signatures = self.signatures(call.operation, comparison) if comparison else ()
        record = call.record(verdict, signatures)
        self.records.add(record)
        self.observe(record)
        if self.keep is not None:
            self.keep(call, verdict, signatures)


class _Started:
    """A send that remembers whether an answer has begun."""

    __slots__ = ("send", "started", "status")

    def __init__(self, send: Send) -> None:
        self.send = send
        self.started = False
        self.status = 0

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.started = True
            self.status = message["status"]
        await self.send(message)
