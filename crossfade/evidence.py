"""What was counted about a tool, with bounds, and what follows from it: the values that page, report and ramp share."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from crossfade.said import Said


class Word(StrEnum):
    """The next step in a word, worst first. FOLLOWS: there is nothing to decide."""

    BLOCKED = "BLOCKED"
    ROLLBACK = "ROLLBACK"
    HOLD_HARM = "HOLD-HARM"
    HOLD_DATA = "HOLD-DATA"
    ADVANCE = "ADVANCE"
    FOLLOWS = "FOLLOWS"


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """How much worse new is in one respect, with bounds that hold at every look. Larger is worse.

    A rate is a share of calls or sandboxes (0.01 is one percent); a ratio is new's over old's (1.2 is 20 % slower).
    """

    name: str  # "mismatch", "errors", "p95", ...
    estimate: float = 0.0
    lower: float = 0.0
    upper: float = 1.0
    harm: float  # certainly beyond this: go back
    budget: float  # not certainly within this: wait
    equal: float | None = 0.0  # certainly beyond this: stay and look. None: some of it is expected
    surely_worse: bool = False  # shown by a test that does not say by how much: stay and look
    ratio: bool = False
    critical: bool = True  # others can hold by being bad, but need not be proven
    units: int = 0  # counted
    least_units: int = 0  # below, nothing is called proven
    counted: str = "sandboxes"  # what units are, as in "wait for 40 more ..."
    more_units: int | None = None  # missing, if they are like those seen; None: no number of them would do
    worse: Said | None = None  # what a worse call does, for sentences: "fails on new where old succeeds (3 calls)"
    seen: Said | None = None  # what was seen: "none differs so far"


@dataclass(frozen=True, slots=True, kw_only=True)
class Quality:
    """Whether the counts can be trusted at all."""

    calls: int = 0
    lost_records: int = 0  # of all tools
    compared: int = 0
    missed: Mapping[str, int] = field(default_factory=dict)  # due, but not compared for want of capacity, by reason
    left_out: Mapping[str, int] = field(default_factory=dict)  # not compared by rule, by reason
    sample_ratio_log_e: float = 0.0  # evidence that sandboxes are not split as the flag says
    moved: int = 0  # sandboxes whose wish changed though their flag did not
    drifted: int = 0  # twins whose sides differ and were not settled


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """All that a verdict on a tool rests on."""

    tool: str
    stages: Mapping[str, float] = field(default_factory=dict)  # stage -> share of sandboxes, as the flag says
    quality: Quality = field(default_factory=Quality)
    metrics: tuple[Metric, ...] = ()
    margins: str = ""  # the fingerprint of the margins when counting began; "" where they cannot have changed
    hard_stop: str = ""  # why to go back at once: an error burst, the kill switch
    data_lost: int = 0  # acknowledged changes that are gone
    broken: int = 0  # calls whose contract broke (status, type, exit code) and that nobody has explained
    days_at_step: float | None = None  # None: not known, not asked
    units_per_day: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The next step: a word to sort by, a sentence to act on, and what it came from."""

    word: Word
    said: Said
    because: str = ""  # the metric or check that decided
    words: Mapping[str, Word] = field(default_factory=dict)  # of each metric alone
    more_units: int | None = None  # HOLD-DATA: how many more, of the metric that needs most
    more_days: float | None = None  # HOLD-DATA: how many more days at the pace seen

    @property
    def text(self) -> str:
        """The sentence in English."""
        return str(self.said)
