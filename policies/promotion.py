"""What to do next with a tool, from the counts of the store: an Evidence of them, and the one verdict (verdicts.py)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from crossfade.evidence import Evidence, Metric, Quality, Word
from crossfade.stage import PROCESS_GROUP
from policies.margins import HARM_MARGIN, MARGINS
from policies.verdicts import budget_at, share_on_new, verdict

__all__ = ["NextStep", "ToolNumbers", "Word", "budget_after", "next_step", "next_steps", "share_on_new"]

# Reasons that say "we could not keep up", not "a comparison would be meaningless": they make the rest a biased sample.
CAPACITY_DROPS = (
    *("lane full", "all lanes full", "our own failure", "follower not usable", "answer or body too large"),
    *("no follower: detached", "no follower: quarantined", "call timed out"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolNumbers:
    """What the rule looks at. Bounds are always-valid, of the share of compared calls that differ or got worse."""

    tool: str
    stages: Mapping[str, float] = field(default_factory=dict)  # stage -> share of sandboxes, as the flag says
    compared: int = 0
    sandboxes: int | None = None  # in which something was compared; None: not known, not asked
    differing: int = 0  # more than cosmetic
    contract: int = 0  # of these, status, type or exit code
    mismatch_lower: float = 0.0
    mismatch_upper: float = 1.0
    new_failed: int = 0  # old ok, new failed
    new_failed_lower: float = 0.0
    dropped: Mapping[str, int] = field(default_factory=dict)  # by reason
    calls: int = 0
    lost_records: int = 0  # of all tools
    more_needed: Mapping[float, int] = field(default_factory=dict)  # budget -> clean comparisons still missing


@dataclass(frozen=True, slots=True, kw_only=True)
class NextStep:
    """A word to sort by, and a sentence to act on."""

    word: Word
    text: str


def budget_after(stages: Mapping[str, float]) -> float:
    """The mismatch that must be excluded before the tool's next step."""
    return budget_at(share_on_new(stages))


def next_steps(tools: Sequence[ToolNumbers]) -> Mapping[str, NextStep]:
    """The next step of every tool; a process tool waits for one that harms, because they move together."""
    steps = {numbers.tool: next_step(numbers) for numbers in tools}
    harming = [tool for tool in PROCESS_GROUP if tool in steps and steps[tool].word in _HARM]
    for tool in PROCESS_GROUP:
        if harming and tool in steps and steps[tool].word is Word.ADVANCE:
            text = f"Ready by itself, but limited by {', '.join(harming)}: the process tools move together."
            steps[tool] = NextStep(word=Word.HOLD_HARM, text=text)
    return steps


_HARM = (Word.BLOCKED, Word.ROLLBACK, Word.HOLD_HARM)


def next_step(numbers: ToolNumbers) -> NextStep:
    """The one thing to do next with a tool, looked at alone."""
    found = verdict(evidence_of(numbers))
    return NextStep(word=found.word, text=found.text)


def evidence_of(numbers: ToolNumbers) -> Evidence:
    """The store's counts as evidence: mismatches must be excluded, failures on new must not show."""
    missed = {reason: count for reason, count in numbers.dropped.items() if reason.startswith(CAPACITY_DROPS)}
    budget = budget_after(numbers.stages)
    differing, compared = f"{numbers.differing:,}", f"{numbers.compared:,}"
    mismatch = Metric(
        name="mismatch",
        estimate=numbers.differing / numbers.compared if numbers.compared else 0.0,
        lower=numbers.mismatch_lower,
        upper=numbers.mismatch_upper,
        harm=HARM_MARGIN,
        budget=budget,
        equal=None,
        units=numbers.compared,
        more_units=numbers.more_needed.get(budget, 0),
        counted="compared calls without a difference",
        worse=f"differs ({differing} of {compared} compared calls)",
        seen=f"{differing} of {compared} differ" if numbers.differing else "none differs so far",
    )
    failures = Metric(
        name="failures on new alone",
        lower=numbers.new_failed_lower,
        harm=HARM_MARGIN,
        budget=1.0,  # mismatch includes them
        equal=None,  # a single one is looked at, below
        units=numbers.compared,
        worse=f"fails on new where old succeeds ({numbers.new_failed:,} calls)",
    )
    return Evidence(
        tool=numbers.tool,
        stages=numbers.stages,
        quality=Quality(
            calls=numbers.calls,
            lost_records=numbers.lost_records,
            compared=numbers.compared,
            missed=missed,
            left_out={reason: count for reason, count in numbers.dropped.items() if reason not in missed},
        ),
        # Of two that harm alike, the failures say more.
        metrics=(failures, mismatch, *_few(numbers)),
        broken=max(numbers.contract, numbers.new_failed),
    )


def _few(numbers: ToolNumbers) -> tuple[Metric, ...]:
    """Calls of one sandbox are alike: however many there are, a few sandboxes prove nothing."""
    if numbers.sandboxes is None:
        return ()
    few = Metric(
        name="number of sandboxes",
        upper=0.0,
        harm=1.0,
        budget=1.0,
        equal=None,
        units=numbers.sandboxes,
        least_units=MARGINS.least_sandboxes,
        counted="compared sandboxes",
    )
    return (few,)
