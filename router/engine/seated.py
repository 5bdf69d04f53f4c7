"""Relayed calls of twins whose seat is old: admitted in one step, their evidence handed to the lane at the end."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from comparators import secrets_of
from crossfade.decision import Decision
from crossfade.operation import Operation
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
from router.wire.conditions import NAMES as CONDITIONS
from router.wire.inbound.protocol import RelayProtocol

if TYPE_CHECKING:
    from router.engine.fast import Fast


@dataclass(frozen=True, slots=True)
class Look:
    """What decoding and classifying a call gave: the same for the next that is alike."""

    name: str
    arguments: tuple[Mapping[str, Any], ...]
    decision: Decision
    classified_by: str
    ask: Ask
    secrets: bool


# Clients ask the same again and again (polls, listings, the same file), each of their sandboxes. Bounded.
_MOST_LOOKED = 4096
_LONGEST_LOOKED = 1024
_ABOUT_A_FILE = frozenset(name.encode() for name in ("range", *CONDITIONS))


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
    secrets = False  # the call names some that no sample may show

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
        ask = self._known(call, twin) or self._looked_at(call, twin)
        moment = calls.clock.monotonic()
        side, how, _ = side_of(twin, ask, moment)
        if side is not Origin.OLD or how is not How.SEAT or (ask.mutates and twin.joined and not twin.row.dirty):
            return False
        twin.last_activity = moment
        self.call, self.ask, self.go = call, ask, admit(twin, ask, moment)
        calls.decided(call, twin, ask, self.go)
        if call.decision is not None and call.decision.shadow is not None:
            # An answer that nobody would look at is neither kept nor decoded.
            call.dropped = call.dropped or calls.lanes.refusing(twin)
            if not call.dropped:
                self.keep = calls.settings.mirror.body_limit_bytes
        return True

    def _looked_at(self, call: Call, twin: Twin) -> Ask:
        """Decode and classify the call."""
        calls, body = self.fast.engine.twincalls, self.body
        call.operations = now(translate.operations(call, body))
        classify(call)
        ask = calls.ask(call, twin)
        self.secrets = secrets_in(call.operations)
        key = self._key()
        if key is not None and call.operations and ask.wish is Origin.OLD:
            assert call.decision is not None
            looked = self.fast.looked
            if len(looked) >= _MOST_LOOKED:
                looked.clear()
            arguments = tuple([each.arguments for each in call.operations])
            name = call.operations[0].name
            looked[key] = Look(name, arguments, call.decision, call.classified_by, ask, self.secrets)
        return ask

    def _known(self, call: Call, twin: Twin) -> Ask | None:
        """The same, where a call was alike to the byte and its twin's follower answers nothing."""
        key = None if twin.active else self._key()
        look = None if key is None else self.fast.looked.get(key)
        if look is None:
            return None
        sandbox = call.sandbox
        call.operations = tuple([Operation(name=look.name, sandbox=sandbox, arguments=each) for each in look.arguments])
        call.decision, call.classified_by = look.decision, look.classified_by
        self.secrets = look.secrets
        self.fast.engine.twincalls.noted(call, twin)
        return look.ask

    def _key(self) -> tuple[object, ...] | None:
        """Everything that a call's meaning depends on but its sandbox; None where that is much, or in headers."""
        method, _, head = self.asked
        if len(self.body) + len(self.query) > _LONGEST_LOOKED or self.route.operation == "fs.upload":
            return None
        if self.route.kind == "download" and not head.fields.keys().isdisjoint(_ABOUT_A_FILE):
            return None
        tool, baggage = head.fields.get(b"x-crossfade-tool"), head.fields.get(b"baggage")
        captures = tuple(self.route.captures.values())
        return self.route.template, method, self.query, self.body, captures, tool, baggage

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
        if self.secrets:
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


def secrets_in(operations: Sequence[Operation]) -> bool:
    """Whether these calls name secrets."""
    return any(secrets_of(each.arguments) for each in operations)


def settled_on_old(twin: Twin) -> bool:
    """Whether old holds the seat and nothing is being moved."""
    return twin.row.seat is Origin.OLD and twin.fence is None and twin.fence_process is None
