"""What to do next with a tool, given what was counted: the worst of its numbers decides, nothing is averaged away."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from crossfade.stage import PROCESS_GROUP, STAGES, Compared, Origin, Stage

# Shares at which people stop and look. From each the next one is proposed.
STEPS = (0.0, 0.1, 0.5, 1.0)
# How much mismatch must be excluded (upper bound) before that share of sandboxes may be on new: the more are, the less.
BUDGETS: Mapping[float, float] = {0.1: 0.05, 0.5: 0.03, 1.0: 0.02}
COMPLETE_BUDGET = 0.01  # before comparing ends for good
HARM_MARGIN = 0.01  # more than this share of calls worse on new, for sure, is harm
LEAST_COMPARED_SHARE = 0.95  # of what was due and not left out by rule; below, the numbers are of a biased rest
LEAST_DUE = 50  # below, a few drops mean nothing
MOST_LOST_RECORDS = 0.001
# Reasons that say "we could not keep up", not "a comparison would be meaningless": they make the rest a biased sample.
CAPACITY_DROPS = (
    *("lane full", "all lanes full", "our own failure", "follower not usable", "answer or body too large"),
    *("no follower: detached", "no follower: quarantined", "call timed out"),
)
# Tools that follow the sandbox and have no share of their own.
FOLLOWING = ("lifecycle",)


class Word(StrEnum):
    """The next step in a word, worst first. FOLLOWS: there is nothing to decide."""

    BLOCKED = "BLOCKED"
    ROLLBACK = "ROLLBACK"
    HOLD_HARM = "HOLD-HARM"
    HOLD_DATA = "HOLD-DATA"
    ADVANCE = "ADVANCE"
    FOLLOWS = "FOLLOWS"


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolNumbers:
    """What the rule looks at. Bounds are always-valid, of the share of compared calls that differ or got worse."""

    tool: str
    stages: Mapping[str, float] = field(default_factory=dict)  # stage -> share of sandboxes, as the flag says
    compared: int = 0
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
    target = _next_share(share_on_new(stages))
    return COMPLETE_BUDGET if target is None else BUDGETS[target]


def share_on_new(stages: Mapping[str, float]) -> float:
    """The share of sandboxes for which the flag wishes new."""
    return sum(share for stage, share in stages.items() if STAGES[Stage(stage)].wish is Origin.NEW)


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
    if numbers.tool in FOLLOWING:
        return NextStep(
            word=Word.FOLLOWS, text="Nothing to decide: these calls follow the sandbox, wherever its tools are."
        )
    share = share_on_new(numbers.stages)
    if numbers.stages and _shares(numbers.stages, Stage.COMPLETE) >= 1:
        return NextStep(
            word=Word.ADVANCE, text="Complete: nothing is compared any more. Retire old once every tool is."
        )
    return (
        _blocked(numbers)
        or _harmed(numbers, share)
        or _undecided(numbers, share)
        or NextStep(word=Word.ADVANCE, text=_advance(numbers, share))
    )


def _blocked(numbers: ToolNumbers) -> NextStep | None:
    if numbers.lost_records > MOST_LOST_RECORDS * max(1, numbers.calls):
        text = f"Fix the store first: {numbers.lost_records:,} records were lost, so these numbers are not whole."
        return NextStep(word=Word.BLOCKED, text=text)
    missed = {reason: count for reason, count in numbers.dropped.items() if reason.startswith(CAPACITY_DROPS)}
    due = numbers.compared + sum(missed.values())
    if due >= LEAST_DUE and numbers.compared < LEAST_COMPARED_SHARE * due:
        reason = max(missed, key=lambda each: missed[each])
        text = (
            f"Make comparing keep up first: only {_percent(numbers.compared / due)} of {due:,} due calls were compared "
            f"(needed: {_percent(LEAST_COMPARED_SHARE)}); mostly: {reason}."
        )
        return NextStep(word=Word.BLOCKED, text=text)
    return None


def _harmed(numbers: ToolNumbers, share: float) -> NextStep | None:
    lower = max(numbers.new_failed_lower, numbers.mismatch_lower)
    if lower > HARM_MARGIN:
        what = (
            f"fails on new where old succeeds ({numbers.new_failed:,} calls)"
            if numbers.new_failed_lower >= numbers.mismatch_lower
            else f"differs ({numbers.differing:,} of {numbers.compared:,} compared calls)"
        )
        if share == 0:
            text = f"Do not start: for sure more than {_percent(HARM_MARGIN)} of calls {what}. Fix the top signatures."
            return NextStep(word=Word.HOLD_HARM, text=text)
        text = f"Go back to shadow: for sure more than {_percent(HARM_MARGIN)} of calls {what}. Fix the top signatures."
        return NextStep(word=Word.ROLLBACK, text=text)
    if numbers.contract or numbers.new_failed:
        calls = max(numbers.contract, numbers.new_failed)
        noun = "call" if calls == 1 else "calls"
        text = f"Stay and look: {calls:,} {noun} broke the contract (status, type or exit code). Explain or fix them."
        return NextStep(word=Word.HOLD_HARM, text=text)
    return None


def _undecided(numbers: ToolNumbers, share: float) -> NextStep | None:
    budget = budget_after(numbers.stages)
    if numbers.mismatch_upper <= budget:
        return None
    if numbers.stages and not any(STAGES[Stage(stage)].compared is not Compared.NOTHING for stage in numbers.stages):
        return NextStep(word=Word.HOLD_DATA, text="Set the flag to shadow: nothing is compared while it is off.")
    if not numbers.compared:
        why = max(numbers.dropped, key=lambda each: numbers.dropped[each]) if numbers.dropped else "no call was due"
        return NextStep(word=Word.HOLD_DATA, text=f"Get evidence first: no call was compared ({why}).")
    more = numbers.more_needed.get(budget, 0)
    target = _next_share(share)
    goal = "complete" if target is None else _percent(target)
    seen = f"{numbers.differing:,} of {numbers.compared:,} differ" if numbers.differing else "none differs so far"
    text = (
        f"Wait for about {more:,} more compared calls without a difference: {seen}, but "
        f"{_percent(numbers.mismatch_upper)} still could; {goal} needs {_percent(budget)} or less."
    )
    return NextStep(word=Word.HOLD_DATA, text=text)


def _advance(numbers: ToolNumbers, share: float) -> str:
    target = _next_share(share)
    group = " together with the other process tools" if numbers.tool in PROCESS_GROUP else ""
    proof = f"mismatch is {_percent(numbers.mismatch_upper)} at most"
    if target is None:
        return f"Set it to complete{group}: {proof}."
    verb = "Start with" if share == 0 else "Go to"
    return f"{verb} {_percent(target)} live{group}: {proof}."


def _next_share(share: float) -> float | None:
    return next((step for step in STEPS if step > share + 1e-9), None)


def _percent(share: float) -> str:
    return f"{100 * share:.2g} %" if share < 0.995 else f"{100 * share:.0f} %"


def _shares(stages: Mapping[str, float], stage: Stage) -> float:
    return stages.get(stage, 0.0)
