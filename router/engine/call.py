"""One client call under way, and the record it leaves."""

import itertools
import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from crossfade.comparison import Comparison, Difference
from crossfade.decision import Decision
from crossfade.operation import OPERATIONS, Operation, OperationKind
from crossfade.outcome import Outcome
from crossfade.record import Record
from crossfade.stage import Origin, Stage
from crossfade.upstream import Headers
from router.front.daytona.errors import BadRequest
from router.front.daytona.routes import Route
from router.twins.evidence import Verdict
from router.twins.state import Twin
from router.wire.asgi import Client

_SAMPLED_DIFFERENCES = 20


# Of this process: two routers that share a store must not make the same id.
_PROCESS = secrets.token_hex(3)
_count = itertools.count(secrets.randbits(31))


def new_id() -> str:
    """A call id: sorts by time, 26 hexadecimal digits. Neither secret nor hard to guess."""
    return f"{time.time_ns() // 1_000_000:012x}{_PROCESS}{next(_count) & 0xFFFFFFFF:08x}"


@dataclass(slots=True, eq=False, kw_only=True)
class Call:
    """What is known of a call; filled in on its way through."""

    id: str
    at: float  # Unix seconds
    started: float  # perf_counter
    method: str
    path: str
    query: bytes
    headers: Headers
    fields: Mapping[bytes, bytes]  # lower-case name -> value; the last of duplicates
    route: Route | None
    client: Client
    twin: Twin | None = None
    operations: tuple[Operation, ...] = ()
    answers: tuple[Outcome, ...] = ()  # plain outcomes of the answering side
    unreadable: BadRequest | None = None  # why the request could not be decoded
    other_answers: tuple[Outcome, ...] = ()  # of a split write: the side whose answer was not sent
    decision: Decision | None = None
    classified_by: str = "default"
    organization: str = ""
    routing_key: str = ""
    bucket: int = -1
    flag_version: int = 0
    answering: str = "old"
    reason: str = ""
    status: int = 0
    fate: str = "ok"
    bytes_out: int = 0
    first_byte: float = 0.0  # perf_counter
    last_byte: float = 0.0  # perf_counter
    origin_seconds: float = 0.0
    validation_seconds: float = 0.0
    sandbox: str = ""
    mirrored: bool = False
    dropped: str = ""
    operation: str = field(init=False)
    kind: OperationKind | None = field(init=False)

    def __post_init__(self) -> None:
        self.operation = self.route.operation if self.route and self.route.operation else "unknown"
        self.kind = OPERATIONS.get(self.operation)

    @property
    def effect(self) -> str:
        return self.kind.effect.value if self.kind else "unknown"

    def answered(self, status: int, bytes_out: int, *, first_byte: float | None = None) -> None:
        """The client has its answer."""
        self.status, self.bytes_out = status, bytes_out
        self.last_byte = time.perf_counter()
        self.first_byte = first_byte or self.last_byte
        if status >= 400 and self.fate == "ok":
            self.fate = "failed"

    def record(self, verdict: Verdict | None, signatures: Sequence[str]) -> Record:
        """The final line of this call."""
        decision = self.decision
        comparison = verdict.comparison if verdict else None
        last = self.last_byte or time.perf_counter()
        return Record(
            id=self.id,
            at=self.at,
            operation=self.operation,
            effect=self.effect,
            tool=decision.tool if decision else "other",
            classified_by=self.classified_by,
            sandbox=self.sandbox,
            routing_key=self.routing_key,
            organization=self.organization,
            bucket=self.bucket,
            flag_version=self.flag_version,
            stage=str(decision.stage) if decision else str(Stage.OFF),
            wish=str(decision.wish) if decision else str(Origin.OLD),
            answering=self.answering,
            reason=self.reason or (decision.reason if decision else ""),
            route=f"{self.method} {self.route.template}" if self.route else f"{self.method} (unknown)",
            status=self.status,
            fate=self.fate,
            seconds=last - self.started,
            ttfb=(self.first_byte or last) - self.started,
            bytes_in=self.client.bytes_in,
            bytes_out=self.bytes_out,
            origin_seconds=self.origin_seconds,
            validation_seconds=self.validation_seconds,
            mirrored=self.mirrored or bool(verdict and verdict.mirrored),
            dropped=(verdict.dropped if verdict else "") or self.dropped,
            shadow_status=verdict.status if verdict else 0,
            shadow_fate=verdict.fate if verdict else "",
            shadow_seconds=verdict.seconds if verdict else 0.0,
            matched=comparison.matched if comparison else None,
            severity=str(comparison.severity or "") if comparison else "",
            signatures=tuple(signatures),
            differences=_capped(comparison),
            trace_parent=self.fields.get(b"traceparent", b"").decode("latin-1"),
        )


def _capped(comparison: Comparison | None) -> tuple[Difference, ...]:
    return comparison.differences[:_SAMPLED_DIFFERENCES] if comparison else ()


@dataclass(slots=True)
class InFlight:
    """Calls under way."""

    calls: int = 0
