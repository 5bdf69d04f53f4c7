"""Records: one line per call, the ground truth of every report."""

from dataclasses import asdict
from typing import Any, NamedTuple

from crossfade.comparison import Difference


class Record(NamedTuple):
    """One call of a client, final: written once, when answer and comparison are both over. No payloads.

    Name the fields when making one. A tuple, unlike other values, because every call makes one: it costs a third of a
    frozen dataclass. The store keeps values by place: a new field goes to the end, with a default, and none goes away.
    """

    id: str  # time-sortable, as in X-Crossfade-Call
    at: float  # arrival, Unix seconds
    operation: str  # "unknown" for a route nobody knows
    effect: str
    tool: str
    classified_by: str
    sandbox: str = ""  # client-visible id
    routing_key: str = ""
    organization: str = ""
    bucket: int = -1  # -1: no routing key
    flag_version: int = 0
    stage: str = "off"
    wish: str = "old"
    answering: str = "old"  # old, new, or router (answered by us)
    reason: str = ""  # of the decision
    route: str = ""  # method and path template, ids left out
    trace_parent: str = ""  # the caller's W3C traceparent header, as it came
    status: int = 0  # what the client got; 499: it went away
    fate: str = "ok"
    seconds: float = 0.0  # arrival to last byte
    ttfb: float = 0.0  # arrival to first byte of the answer
    bytes_in: int = 0
    bytes_out: int = 0
    origin_seconds: float = 0.0  # the answering origin's own time
    validation_seconds: float = 0.0  # waiting for the seat's half of a split call
    mirrored: bool = False  # the other origin was sent the call
    dropped: str = ""  # why the call was due for comparison but not compared
    shadow_status: int = 0
    shadow_fate: str = ""
    shadow_seconds: float = 0.0
    matched: bool | None = None  # None: not compared
    severity: str = ""
    signatures: tuple[str, ...] = ()
    differences: tuple[Difference, ...] = ()  # capped, redacted samples

    def plain(self) -> dict[str, Any]:
        """Names and values, differences too, as JSON takes them."""
        return self._asdict() | {"differences": [asdict(difference) for difference in self.differences]}
