"""One look at a port of a sandbox, and the record it leaves: no body, no query, no path."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from crossfade.ports import Records
from crossfade.record import Record
from crossfade.stage import STAGES, Compared, Origin, Stage
from policies.classification import classify
from router.preview.headers import Asking
from router.preview.origins import Sandbox
from router.twins.state import Twin

# SUNA's image: noVNC, its VNC server, and the API its browser tools drive (facts of SUNA's wire).
_BROWSER_PORTS = frozenset({6080, 5901, 8003, 8004})
READS = frozenset({"GET", "HEAD", "OPTIONS"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Wished:
    """What a tool's flag says for a sandbox."""

    stage: Stage = Stage.OFF
    flag_version: int = 0
    bucket: int = -1


@dataclass(slots=True, eq=False, kw_only=True)
class Visit:
    """Filled in on its way through. `operation` is preview.http, preview.socket or, for links, sandbox.preview."""

    id: str
    asking: Asking
    operation: str
    at: float  # Unix seconds
    started: float  # perf_counter
    sandbox: Sandbox | None = None
    answering: str = "router"
    reason: str = ""
    status: int = 0
    fate: str = "ok"
    bytes_in: int = 0
    bytes_out: int = 0
    first_byte: float = 0.0  # perf_counter
    origin_seconds: float = 0.0
    waited_seconds: float = 0.0

    @property
    def mutates(self) -> bool:
        """Whether it may change anything. Who knows what a server does; by its method, as HTTP means it."""
        return self.operation == "preview.socket" or self.asking.method not in READS

    def answered(self, status: int, bytes_out: int) -> None:
        """The client has its answer. An error of the page (4xx) is an answer like any other."""
        self.status, self.bytes_out = status, bytes_out
        if status >= 500 and self.fate == "ok":
            self.fate = "failed"

    def tool(self) -> tuple[str, str]:
        """The tool it counts for, and what said so."""
        header, baggage = (self.asking.field(name) for name in (b"x-crossfade-tool", b"baggage"))
        found = classify(
            operation="sandbox.preview", header=header.decode("latin-1"), baggage=baggage.decode("latin-1")
        )
        if found.by == "default" and self.asking.address.port in _BROWSER_PORTS:
            return "browser", "rule:browser-ports"
        return found.tool, found.by


@dataclass(slots=True, eq=False)
class Visits:
    """Begins visits and keeps their records."""

    new_id: Callable[[], str]
    records: Records
    observe: Callable[[Record], None]
    wished: Callable[[Twin, str], Wished]
    open: int = 0

    def begin(self, asking: Asking, operation: str) -> Visit:
        self.open += 1
        return Visit(id=self.new_id(), asking=asking, operation=operation, at=time.time(), started=time.perf_counter())

    def over(self, visit: Visit) -> None:
        """Write the final line."""
        self.open -= 1
        tool, by = visit.tool()
        twin = visit.sandbox.twin if visit.sandbox else None
        wished = self.wished(twin, tool) if twin else Wished()
        rule = STAGES[wished.stage]
        due = rule.compared is Compared.ALL or (rule.compared is Compared.MUTATIONS and visit.mutates)
        now = time.perf_counter()
        record = Record(
            id=visit.id,
            at=visit.at,
            operation=visit.operation,
            effect="execute" if visit.mutates else "read",
            tool=tool,
            classified_by=by,
            sandbox=visit.sandbox.id if visit.sandbox else "",
            routing_key=twin.row.routing_key if twin else "",
            organization=twin.row.organization if twin else "",
            bucket=wished.bucket,
            flag_version=wished.flag_version,
            stage=str(wished.stage),
            wish=str(rule.wish),
            answering=visit.answering,
            reason=visit.reason or ("only the seat serves ports" if twin and rule.wish is not twin.seat else ""),
            route=f"{visit.asking.method} {{port}}-{{sandbox}}",
            trace_parent=visit.asking.field(b"traceparent").decode("latin-1"),
            status=visit.status,
            fate=visit.fate,
            seconds=now - visit.started,
            ttfb=(visit.first_byte or now) - visit.started,
            bytes_in=visit.bytes_in,
            bytes_out=visit.bytes_out,
            origin_seconds=visit.origin_seconds,
            validation_seconds=visit.waited_seconds,
            dropped="a preview is not compared" if due and visit.answering in list(Origin) else "",
        )
        self.records.add(record)
        self.observe(record)
