"""Relayed calls of twins whose seat is old: admitted in one step, their evidence handed to the lane at the end."""

import time
from typing import TYPE_CHECKING, cast

from crossfade.stage import Origin
from router.engine import masking, translate
from router.engine.call import Call
from router.engine.classify import classify
from router.engine.forward import Answer
from router.engine.relayed import Relayed, Target, now
from router.front.daytona.routes import Route
from router.twins.admit import Ask, Go, How, admit, finish, side_of
from router.twins.state import Twin
from router.wire.asgi import Client
from router.wire.inbound.protocol import RelayProtocol

if TYPE_CHECKING:
    from router.engine.fast import Fast


class _Counted:
    """What the record wants of a client's end: the size of the body."""

    __slots__ = ("bytes_in",)

    def __init__(self, bytes_in: int) -> None:
        self.bytes_in = bytes_in


class Seated(Relayed):
    """One relayed call of a twin."""

    call: Call
    go: Go
    ask: Ask

    def __init__(
        self, protocol: RelayProtocol, fast: "Fast", route: Route, target: Target, query: bytes, twin: Twin
    ) -> None:
        super().__init__(protocol, fast, route, target, query)
        self.twin = twin

    def decided(self) -> bool:
        twin, calls = self.twin, self.fast.engine.twincalls
        if not settled_on_old(twin):
            return False
        method, url, head = self.asked
        call = Call(
            id=self.id,
            at=self.at,
            started=self.arrived,
            method=method.decode("latin-1"),
            path=url.partition(b"?")[0].decode("latin-1"),
            query=self.query,
            headers=head.headers,
            fields=head.fields,
            route=self.route,
            client=cast(Client, _Counted(len(self.body))),  # nobody reads from it: the body is here
            twin=twin,
            sandbox=self.route.sandbox,
        )
        call.operations = now(translate.operations(call, self.body))
        classify(call)
        ask = calls.ask(call, twin)
        moment = calls.clock.monotonic()
        side, how, _ = side_of(twin, ask, moment)
        if side is not Origin.OLD or how is not How.SEAT or (ask.mutates and twin.joined and not twin.row.dirty):
            return False
        twin.last_activity = moment
        self.call, self.ask, self.go = call, ask, admit(twin, ask, moment)
        calls.decided(call, twin, ask, self.go)
        if call.decision is not None and call.decision.shadow is not None:
            self.keep = calls.settings.mirror.body_limit_bytes
        return True

    def recorded(self) -> None:
        call, twin, engine = self.call, self.twin, self.fast.engine
        calls = engine.twincalls
        call.status, call.bytes_out, call.fate = self.status, self.bytes_out, self.fate
        call.first_byte, call.last_byte = self.first_byte or self.last_byte, self.last_byte
        call.origin_seconds = call.first_byte - self.arrived
        call.answering, call.reason = self.answering, self.reason
        # Before the client can act on its answer, which is written in this same turn of the loop.
        finish(twin, self.go.call, equal=False)
        calls.after(call, twin, self.ask)
        masking.learn(twin, call.operations)
        if not self.complete:
            calls.interrupted(twin, self.go)
            engine.finish(call, None)
            return
        if self.status < 400:
            calls.answers.keys.accept(call, twin, calls.clock.monotonic())
        calls.answers.learn_handle(call, twin)
        if self.kept is not None and call.operations:
            answer = Answer(status=self.status, headers=self.headers, body=b"".join(self.kept))
            call.answers = translate.outcomes(call, answer, time.perf_counter() - self.arrived)
        if not calls.evidence(call, twin, self.go, engine.evidence_over):
            engine.finish(call, None)


def settled_on_old(twin: Twin) -> bool:
    """Whether old holds the seat and nothing is being moved."""
    return twin.row.seat is Origin.OLD and twin.fence is None and twin.fence_process is None
