"""What a report says, before it is HTML, Markdown or JSON."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from crossfade.said import Said

# Decisions, worst first, with a sign that tells them apart without colour.
DECISIONS = {
    "BLOCKED": "✕",
    "ROLLBACK": "◀",
    "HOLD-HARM": "■",
    "HOLD-DATA": "◷",
    "ADVANCE": "▶",
    "FOLLOWS": "·",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One difference as it was seen: redacted and capped before it was kept."""

    call: str
    at: float
    path: str
    old: str
    new: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """A kind of difference."""

    name: str
    severity: str
    count: int
    first_seen: float
    last_seen: float
    samples: tuple[Sample, ...] = ()
    state: str = "open"  # regressed, open, fixed; ignored and accepted ones do not count
    because: str = ""  # of the state

    @property
    def explained(self) -> bool:
        return self.state in ("accepted", "ignored")


@dataclass(frozen=True, slots=True, kw_only=True)
class Parity:
    """Calls that both sides were sent: who managed."""

    both_ok: int = 0
    old_failed: int = 0  # new ok
    new_failed: int = 0  # old ok
    both_failed: int = 0

    @property
    def total(self) -> int:
        return self.both_ok + self.old_failed + self.new_failed + self.both_failed


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """How long an origin took, in seconds. `position` is answer or shadow; the shadow starts second."""

    origin: str
    position: str
    count: int
    p50: float
    p95: float
    p99: float
    curve: tuple[tuple[float, float], ...] = ()  # (seconds, share not exceeding them)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sandboxes:
    """Sandboxes with at least one such call."""

    seen: int = 0
    on_new: int = 0
    compared: int = 0
    differing: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """One metric by sandbox: bounds that hold at every look, and what they were held against. Larger is worse.

    A rate is a share (0.01 is one percent), a ratio new's over old's. `upper` None: not bounded yet.
    """

    name: str
    estimate: float
    lower: float
    upper: float | None
    harm: float
    budget: float
    ratio: bool = False
    critical: bool = True
    units: int = 0
    least_units: int = 0
    more_units: int | None = None
    word: str = ""  # what it says alone


@dataclass(frozen=True, slots=True, kw_only=True)
class GrowthPoint:
    """The bound of mismatch once so many sandboxes were complete. `at` in Unix seconds."""

    at: float
    units: int
    estimate: float
    lower: float
    upper: float


@dataclass(frozen=True, slots=True, kw_only=True)
class FlagStep:
    """What a flag asked for since a moment (Unix seconds)."""

    at: float
    stages: Mapping[str, float]
    on_new: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Checks:
    """Whether the numbers can be trusted."""

    due: int = 0  # calls that were to be compared: done, or missed for want of capacity
    missed: Mapping[str, int] = field(default_factory=dict)  # by reason
    left_out: Mapping[str, int] = field(default_factory=dict)  # by rule, by reason
    sample_ratio_log_e: float = 0.0  # evidence that sandboxes are not split as the flag says
    moved: int = 0  # sandboxes whose wish changed though their flag did not
    days_at_step: float | None = None
    units_per_day: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Before:
    """A tool in the week before."""

    decision: str
    calls: int
    effective_share: float  # of calls that new answered
    compared: int
    differing: int
    upper: float | None  # of mismatch, by sandbox


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolReport:
    """One tool in the window."""

    tool: str
    decision: str  # one of DECISIONS
    said: Said  # what to do, and why
    calls: int
    because: str = ""  # the metric or check that decided
    more_units: int | None = None  # sandboxes that are still missing, where more of them would do
    more_days: float | None = None
    metrics: tuple[Bound, ...] = ()  # by sandbox: what the decision rests on
    growth: tuple[GrowthPoint, ...] = ()
    before: Before | None = None  # None: not asked for, or not called
    timeline: tuple[FlagStep, ...] = ()
    checks: Checks = field(default_factory=Checks)
    stages: Mapping[str, float] | None = None  # stage -> share of sandboxes set by the flag; None: no flag
    exceptions: bool = False  # the flag has rules or targets beside
    set_share: float | None = None  # of sandboxes on new, as the flag says
    wished: int = 0  # calls for which the flag wished new
    answered: Mapping[str, int] = field(default_factory=dict)  # old, new, router
    failed: int = 0
    cancelled: int = 0
    mirrored: int = 0
    compared: int = 0
    matched: int = 0
    cosmetic: int = 0
    explained: int = 0  # differ in nothing that is not accepted or ignored; in none of the numbers below
    contract: int = 0
    differing: int = 0  # of compared calls: more than cosmetic, and not explained
    budget: float  # the mismatch to be excluded before the next step
    parity: Parity = field(default_factory=Parity)
    validated: int = 0  # calls of which the seat's half was awaited too
    validation_seconds: float = 0.0
    latencies: tuple[Latency, ...] = ()
    sandboxes: Sandboxes = field(default_factory=Sandboxes)
    signatures: tuple[Signature, ...] = ()
    dropped: Mapping[str, int] = field(default_factory=dict)
    held: Mapping[str, int] = field(default_factory=dict)
    statuses: Mapping[str, int] = field(default_factory=dict)

    @property
    def bound(self) -> Bound:
        """Of mismatch, by sandbox; of nothing counted, everything may be."""
        unknown = Bound(name="mismatch", estimate=0.0, lower=0.0, upper=1.0, harm=self.budget, budget=self.budget)
        return next((each for each in self.metrics if each.name == "mismatch"), unknown)

    @property
    def next_step(self) -> str:
        """What to do and why, in English."""
        return str(self.said)

    @property
    def effective_share(self) -> float:
        """Share of calls that new really answered."""
        return self.answered.get("new", 0) / self.calls if self.calls else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What ran on an origin in a role (seat: it serves; follower: the shadow), and what that costs."""

    origin: str
    role: str
    hours: float  # of sandboxes, as measured
    per_hour: float = 0.0  # the settings' price of one; 0: not set

    @property
    def amount(self) -> float:
        return self.hours * self.per_hour


@dataclass(frozen=True, slots=True, kw_only=True)
class OriginRequests:
    """Requests the router sent to an origin, counted where they leave."""

    origin: str
    purpose: str
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class HourOfCalls:
    """Calls of all tools that arrived in one hour, by who answered."""

    hour: float
    old: int
    new: int
    router: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FlagChange:
    """A change of a flag in the window."""

    at: float
    key: str
    author: str
    reason: str
    before: str
    after: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportData:
    """Everything a report says."""

    made_at: float  # Unix seconds, as all times here
    since: float
    until: float
    store: str
    version: str
    alpha: float
    tools: tuple[ToolReport, ...]
    hours: tuple[HourOfCalls, ...] = ()
    requests: tuple[OriginRequests, ...] = ()
    lost_records: Mapping[str, int] = field(default_factory=dict)  # reason -> records
    flag_changes: tuple[FlagChange, ...] = ()
    week: str = ""  # "2026-W47"; empty: another window
    costs: tuple[Cost, ...] = ()
    currency: str = "$"
    measured_since: float | None = None  # from when sandboxes were measured; None: never

    @property
    def calls(self) -> int:
        return sum(tool.calls for tool in self.tools)

    @property
    def by_decision(self) -> tuple[ToolReport, ...]:
        """Tools, those that need a person first."""
        order = list(DECISIONS)
        return tuple(sorted(self.tools, key=lambda tool: (order.index(tool.decision), -tool.calls, tool.tool)))
