"""Relayed calls of sandboxes without a twin: old answers, we classify and record."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from crossfade.operation import OPERATIONS
from crossfade.record import Record
from crossfade.stage import TOOLS
from policies.classification import tool_in_baggage
from router.engine import translate
from router.engine.call import Call
from router.engine.classify import classify
from router.engine.engine import BODY_RULES
from router.engine.relayed import Relayed, Target, now
from router.front.daytona.routes import Route
from router.wire.asgi import Client
from router.wire.inbound.head import Head
from router.wire.inbound.protocol import RelayProtocol

if TYPE_CHECKING:
    from router.engine.fast import Fast

_MOST_SHAPES = 10_000


@dataclass(frozen=True, slots=True)
class Shape:
    """What the records of alike calls have in common."""

    operation: str
    effect: str
    tool: str
    classified_by: str
    reason: str
    route: str


# By (route's template and method, named tool, query): what a rule looks at is in the query, or in the body.
_shapes: dict[tuple[str, bytes, str, bytes], Shape] = {}


class Observed(Relayed):
    """One relayed call of a sandbox without a twin."""

    shape: Shape

    def __init__(
        self, protocol: RelayProtocol, fast: "Fast", route: Route, target: Target, query: bytes, streaming: bool
    ) -> None:
        super().__init__(protocol, fast, route, target, query)
        if streaming:
            self.streaming = True

    def decided(self) -> bool:
        method, _, head = self.asked
        named = head.made.get("tool")
        if named is None:
            named = head.made["tool"] = _named(head)
        route = self.route
        if not named and route.operation in BODY_RULES:
            self.shape = self._shape("")
            return True
        key = (route.template, method, named, b"" if named else self.query)
        shape = _shapes.get(key)
        if shape is None:
            shape = self._shape(named)
            if len(_shapes) >= _MOST_SHAPES:
                _shapes.clear()
            _shapes[key] = shape
        self.shape = shape
        return True

    def _shape(self, named: str) -> Shape:
        """Classify as the engine's other path does: by the name a header gives, else by what the call asks."""
        method, url, head = self.asked
        route = self.route
        call = Call(
            id=self.id,
            at=self.at,
            started=self.arrived,
            method=method.decode("latin-1"),
            path=url.partition(b"?")[0].decode("latin-1"),
            query=self.query,
            headers=head.headers,
            fields=head.fields,
            route=route,
            client=cast(Client, None),  # nobody reads from it: the body is here, or is not looked at
            sandbox=route.sandbox,
        )
        if route.operation in BODY_RULES and not named:
            call.operations = now(translate.operations(call, self.body))
        classify(call)
        assert call.decision is not None
        return Shape(
            operation=route.operation,
            effect=OPERATIONS[route.operation].effect.value,
            tool=call.decision.tool,
            classified_by=call.classified_by,
            reason=call.decision.reason,
            route=f"{call.method} {route.template}",
        )

    def recorded(self) -> None:
        shape, engine = self.shape, self.fast.engine
        arrived, last = self.arrived, self.last_byte
        first = self.first_byte or last
        trace = self.asked[2].fields.get(b"traceparent")
        record = Record(
            id=self.id,
            at=self.at,
            operation=shape.operation,
            effect=shape.effect,
            tool=shape.tool,
            classified_by=shape.classified_by,
            sandbox=self.route.sandbox,
            answering=self.answering,
            reason=self.reason or shape.reason,
            route=shape.route,
            trace_parent=trace.decode("latin-1") if trace else "",
            status=self.status,
            fate=self.fate,
            seconds=last - arrived,
            ttfb=first - arrived,
            bytes_in=self.bytes_in,
            bytes_out=self.bytes_out,
            origin_seconds=first - arrived,
        )
        engine.records.add(record)
        engine.observe(record)


def _named(head: Head) -> str:
    """The tool that a header names; empty when none does."""
    tool = head.fields.get(b"x-crossfade-tool", b"").strip().lower().decode("latin-1")
    if tool in TOOLS:
        return tool
    return tool_in_baggage(head.fields.get(b"baggage", b"").decode("latin-1"))
