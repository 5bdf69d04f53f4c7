"""Ramps: a tool's way to new in steps, each taken only on evidence. Pure: what is there goes in, one step comes out."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from crossfade.evidence import Evidence, Metric, Word
from crossfade.said import percent
from crossfade.stage import TOOLS, Stage
from policies.margins import MARGINS, STEPS
from policies.verdicts import FOLLOWING, share_on_new, verdict

BY_HAND = "asked"  # because somebody said so, whatever the evidence
_EDGE = 1e-6  # shares are sums of floats; a flag's smallest part is 1e-5
_DAY = 86_400.0


class Mode(StrEnum):
    """What a ramp may do by itself. DRY_RUN: write down what it would; SUGGEST: tell people; ACT: change the flag."""

    DRY_RUN = "dry-run"
    SUGGEST = "suggest"
    ACT = "act"


class State(StrEnum):
    """Where a ramp is. STOPPED: it stepped back, and a person has to start it anew. DONE: at its last step, proven."""

    PLANNED = "planned"
    RUNNING = "running"
    PAUSED = "paused"
    STOPPED = "stopped"
    DONE = "done"


class Act(StrEnum):
    """What to do now. HALT: data is missing or cannot be trusted, which never passes. HOLD: all is well, wait."""

    BACK = "back"
    HALT = "halt"
    HOLD = "hold"
    ADVANCE = "advance"
    DONE = "done"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The way of one tool. Raises ValueError for a plan that would skip a stage or ask for less than nothing."""

    tool: str
    steps: tuple[float, ...] = STEPS[1:]  # shares of sandboxes on new, rising
    least_days: float = MARGINS.days_at_step  # at each step, before the next
    least_sandboxes: int = MARGINS.least_sandboxes  # in which calls were compared since the step began
    quiet_hours: float = 6.0  # without new evidence, after which the old is no longer a reason to go on
    mode: Mode = Mode.SUGGEST
    margins: str = MARGINS.fingerprint  # fixed with the plan: evidence under others does not move it

    def __post_init__(self) -> None:
        if self.tool not in TOOLS or self.tool in FOLLOWING:
            raise ValueError(f"'{self.tool}' has no share of its own to ramp")
        if (
            not self.steps
            or list(self.steps) != sorted(set(self.steps))
            or not 0 < self.steps[0] <= self.steps[-1] <= 1
        ):
            raise ValueError(f"steps are rising percentages over 0 and at most 100, not {told(self.steps)}")
        skipped = [step for step in STEPS[1:] if step < self.steps[-1] and step not in self.steps]
        if skipped:
            raise ValueError(f"steps {told(self.steps)} leave out {told(skipped)}; steps may be added, not skipped")
        if not self.least_days >= 0 or self.least_sandboxes < 1 or not self.quiet_hours > 0:
            raise ValueError("a step needs days (0 or more), sandboxes (1 or more) and quiet hours (more than 0)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Where the ramp stands at this moment."""

    state: State
    seconds_at_step: float
    quiet_seconds: float  # since evidence last grew
    killed: bool = False
    harming: tuple[str, ...] = ()  # other process tools that harm: they move together


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What to do, and the share on new that it leads to: the same as now unless it is BACK or ADVANCE."""

    act: Act
    share: float
    because: str
    text: str


def step(plan: Plan, standing: Standing, evidence: Evidence) -> Step:
    """The one step of now. `evidence`: since the step began, its stages as the flag has them at this moment.

    Proven harm goes before everything, also before doubts about the data: going back is safe when it was not needed.
    """
    share = share_on_new(evidence.stages)
    if standing.state is not State.RUNNING:
        return Step(act=Act.HOLD, share=share, because="state", text=f"The ramp is {standing.state}.")
    if found := harm(evidence):
        because, text = found
        if share:
            return Step(act=Act.BACK, share=0.0, because=because, text=f"Back to shadow: {text}")
        return Step(act=Act.HOLD, share=share, because=because, text=f"Do not start: {text}")
    missing = _misplaced(plan, standing, evidence.stages) or _missing(plan, standing, evidence)
    if missing:
        because, text = missing
        return Step(act=Act.HALT, share=share, because=because, text=text)
    return _forward(plan, standing, evidence, share)


def harm(evidence: Evidence) -> tuple[str, str] | None:
    """What is proven to harm, the first of the worst, and its sentence; None: nothing is.

    Also by metrics that need not be proven to go on, such as latencies: those share their alpha with all others.
    """
    if evidence.data_lost:
        return "data", f"acknowledged changes are gone ({evidence.data_lost:,})."
    if evidence.hard_stop:
        return "stop", f"{evidence.hard_stop}."
    if evidence.quality.drifted:
        return "drift", f"twins whose two sides differ and were not settled ({evidence.quality.drifted:,})."
    found = [metric for metric in evidence.metrics if metric.lower > metric.harm]
    if not found:
        return None
    worst = max(found, key=lambda metric: metric.lower - metric.harm)
    return (
        worst.name,
        f"new's {worst.name} is at least {_amount(worst, worst.lower)}, {_amount(worst, worst.harm)} is allowed.",
    )


def after(plan: Plan, share: float) -> float | None:
    """The step after this share; None after the last."""
    return next((each for each in plan.steps if each > share + _EDGE), None)


def weights(share: float) -> dict[Stage, int]:
    """A flag's parts of 100,000 for this share on new: the others are compared, so that evidence grows on both."""
    live = round(share * 100_000)
    parts = {Stage.SHADOW: 100_000 - live, Stage.LIVE: live}
    return {stage: part for stage, part in parts.items() if part}


def told(steps: tuple[float, ...] | list[float]) -> str:
    """Steps as people write them: 10,50,100."""
    return ",".join(f"{100 * each:g}" for each in steps)


def _misplaced(plan: Plan, standing: Standing, stages: Mapping[str, float]) -> tuple[str, str] | None:
    """Whether the flag is where this plan could have left it."""
    if standing.killed:
        return "kill", "The kill switch is on: nothing is on new, whatever the flag says."
    there = {stage for stage, part in stages.items() if part > _EDGE}
    share = share_on_new(stages)
    if not there:
        return "flag", "The flag cannot be read."
    if not any(abs(share - each) < _EDGE for each in (0.0, *plan.steps)) or not there <= {Stage.LIVE, Stage.SHADOW}:
        return (
            "flag",
            f"The flag is not where the plan leaves it: set it to shadow, or to live at {told(plan.steps)} %.",
        )
    return None


def _missing(plan: Plan, standing: Standing, evidence: Evidence) -> tuple[str, str] | None:
    """Whether there is evidence, young and whole enough to go by."""
    if evidence.margins and evidence.margins != plan.margins:
        return "margins", "Plan anew: the margins are not those that were fixed with the plan."
    found = verdict(replace(evidence, margins=plan.margins, days_at_step=None))
    if found.word is Word.BLOCKED:
        return found.because, found.text
    needed = [metric for metric in evidence.metrics if metric.critical]
    if not needed or not any(_by_sandbox(metric) for metric in needed):
        return "units", "There is no evidence by sandbox."
    if empty := [metric.name for metric in needed if not metric.units]:
        return "units", f"There is no evidence at this step yet of {', '.join(empty)}. {found.text}"
    if standing.quiet_seconds > 3600 * plan.quiet_hours:
        hours = standing.quiet_seconds / 3600
        return "quiet", f"Nothing was counted for {hours:.1f} hours: old evidence is no reason to go on."
    return None


def _forward(plan: Plan, standing: Standing, evidence: Evidence, share: float) -> Step:
    """Evidence is there, and nothing is proven against new: on, or not yet."""

    def hold(because: str, text: str) -> Step:
        return Step(act=Act.HOLD, share=share, because=because, text=text)

    found = verdict(replace(evidence, margins=plan.margins, days_at_step=None))
    if found.word is not Word.ADVANCE:
        return hold(found.because, found.text)
    if standing.harming:
        return hold("group", f"Ready by itself, but limited by {', '.join(standing.harming)}: they move together.")
    few = [metric for metric in evidence.metrics if _by_sandbox(metric) and metric.units < plan.least_sandboxes]
    if few:
        least = min(metric.units for metric in few)
        return hold("sandboxes", f"Wait for {plan.least_sandboxes - least:,} more sandboxes: {least:,} are too few.")
    days = plan.least_days - standing.seconds_at_step / _DAY
    if days > 0:
        return hold("age", f"Every metric is within its margin; wait {days:.1f} more days at this share.")
    target = after(plan, share)
    if target is None:
        return Step(act=Act.DONE, share=share, because="last", text=f"The plan's last step is proven. {found.text}")
    proof = found.text.partition(": ")[2]  # the verdict's own next step may be further than the plan's
    return Step(act=Act.ADVANCE, share=target, because="evidence", text=f"Go to {percent(target)} live: {proof}")


def _by_sandbox(metric: Metric) -> bool:
    return metric.critical and "sandboxes" in metric.counted


def _amount(metric: Metric, value: float) -> str:
    return f"{value:.3g} times old's" if metric.ratio else percent(value)
