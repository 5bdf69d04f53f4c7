"""What follows from a tool's evidence: one function for page, report and ramp. The worst critical metric decides."""

import math
from collections.abc import Mapping

from crossfade.evidence import Evidence, Metric, Verdict, Word
from crossfade.stage import PROCESS_GROUP, STAGES, Compared, Origin, Stage
from policies.margins import BUDGETS, COMPLETE_BUDGET, MARGINS, STEPS, Margins

# Tools that follow the sandbox and have no share of their own.
FOLLOWING = ("lifecycle",)
_ORDER = tuple(Word)
_EDGE = 1e-9  # shares are sums of floats


def verdict(evidence: Evidence, margins: Margins = MARGINS) -> Verdict:
    """The one thing to do next with a tool, looked at alone. Pure: the same evidence gives the same verdict."""
    if evidence.tool in FOLLOWING:
        return Verdict(
            word=Word.FOLLOWS, text="Nothing to decide: these calls follow the sandbox, wherever its tools are."
        )
    if evidence.stages.get(Stage.COMPLETE, 0.0) >= 1:
        return Verdict(word=Word.ADVANCE, text="Complete: nothing is compared any more. Retire old once every tool is.")
    return (
        _blocked(evidence, margins)
        or _stopped(evidence)
        or _harmed(evidence)
        or _undecided(evidence, margins)
        or Verdict(word=Word.ADVANCE, text=_advance(evidence), words=_words(evidence))
    )


def word_of(metric: Metric) -> Word:
    """What a metric says alone."""
    if metric.lower > metric.harm:
        return Word.ROLLBACK if metric.critical else Word.HOLD_HARM
    if metric.surely_worse or (metric.equal is not None and metric.lower > metric.equal):
        return Word.HOLD_HARM
    if metric.critical and (metric.units < metric.least_units or metric.upper > metric.budget):
        return Word.HOLD_DATA
    return Word.ADVANCE


def share_on_new(stages: Mapping[str, float]) -> float:
    """The share of sandboxes for which the flag wishes new."""
    return sum(share for stage, share in stages.items() if STAGES[Stage(stage)].wish is Origin.NEW)


def next_share(share: float) -> float | None:
    """The step after this share; None after the last, where comparing may end."""
    return next((step for step in STEPS if step > share + _EDGE), None)


def budget_at(share: float) -> float:
    """The mismatch that must be excluded before the step after this share."""
    target = next_share(share)
    return COMPLETE_BUDGET if target is None else BUDGETS[target]


def _blocked(evidence: Evidence, margins: Margins) -> Verdict | None:
    """Data quality comes first: if it fails, no other number means anything."""
    quality = evidence.quality
    if evidence.margins and evidence.margins != margins.fingerprint:
        return _block("margins", "Begin counting anew: margins were changed after this evidence began.")
    if quality.lost_records > margins.most_lost_records * max(1, quality.calls):
        text = f"Fix the store first: {quality.lost_records:,} records were lost, so these numbers are not whole."
        return _block("records", text)
    due = quality.compared + sum(quality.missed.values())
    if due >= margins.least_due and quality.compared < margins.least_compared_share * due:
        reason = max(quality.missed, key=lambda each: quality.missed[each])
        text = (
            f"Make comparing keep up first: only {percent(quality.compared / due)} of {due:,} due calls were compared "
            f"(needed: {percent(margins.least_compared_share)}); mostly: {reason}."
        )
        return _block("compared", text)
    if quality.moved:
        text = (
            f"Find out why {_count(quality.moved, 'sandbox')} changed sides while the flag did not: the arms are mixed."
        )
        return _block("stickiness", text)
    if quality.sample_ratio_log_e >= -math.log(margins.sample_ratio_alpha):
        return _block("sample ratio", "Find out why sandboxes are not split as the flag says: the arms are not alike.")
    if quality.drifted:
        text = f"Settle {_count(quality.drifted, 'twin')} first: their two sides differ, so answers must."
        return _block("drift", text)
    return None


def _stopped(evidence: Evidence) -> Verdict | None:
    """What needs no statistics."""
    if evidence.data_lost:
        lost = (
            "1 acknowledged change is"
            if evidence.data_lost == 1
            else f"{evidence.data_lost:,} acknowledged changes are"
        )
        return _back(evidence, "data", f"{lost} gone. Find them before anything else.")
    if evidence.hard_stop:
        return _back(evidence, "stop", f"{evidence.hard_stop}.")
    return None


def _harmed(evidence: Evidence) -> Verdict | None:
    words = _words(evidence)
    for worst in (Word.ROLLBACK, Word.HOLD_HARM):
        found = [metric for metric in evidence.metrics if words[metric.name] is worst]
        if not found:
            continue
        metric = max(found, key=lambda each: each.lower - each.harm)
        if worst is Word.ROLLBACK:
            return _back(evidence, metric.name, f"for sure {_beyond(metric, metric.harm)}. Fix the top signatures.")
        limit = metric.harm if metric.lower > metric.harm else float(metric.ratio)
        text = f"Stay and look: for sure {_beyond(metric, limit)}."
        return Verdict(word=Word.HOLD_HARM, text=text, because=metric.name, words=words)
    if evidence.broken:
        noun = _count(evidence.broken, "call")
        text = f"Stay and look: {noun} broke the contract (status, type or exit code). Explain or fix them."
        return Verdict(word=Word.HOLD_HARM, text=text, because="contract", words=words)
    return None


def _undecided(evidence: Evidence, margins: Margins) -> Verdict | None:
    words = _words(evidence)
    open_ = [metric for metric in evidence.metrics if words[metric.name] is Word.HOLD_DATA]
    if not open_ and evidence.metrics:
        return _young(evidence, margins)
    if evidence.stages and all(STAGES[Stage(stage)].compared is Compared.NOTHING for stage in evidence.stages):
        return _wait("stage", "Set the flag to shadow: nothing is compared while it is off.")
    if all(not metric.units for metric in open_):
        left_out = {**evidence.quality.left_out, **evidence.quality.missed}
        why = max(left_out, key=lambda each: left_out[each]) if left_out else "no call was due"
        return _wait("units", f"Get evidence first: no call was compared ({why}).")
    # The one that takes longest; one that no number of units proves takes for ever.
    slowest = max(open_, key=lambda metric: math.inf if (more := _missing(metric)) is None else more)
    more = _missing(slowest)
    target = next_share(share_on_new(evidence.stages))
    goal = "complete" if target is None else percent(target)
    still = f"{_possible(slowest)}; {goal} needs {_amount(slowest, slowest.budget)} or less."
    if slowest.upper <= slowest.budget:
        still = f"{slowest.units:,} are too few to tell, {slowest.least_units:,} are needed."
    if more is None:
        text = f"Lower {slowest.name} first, for at this rate more data will not do: {still}"
        return Verdict(word=Word.HOLD_DATA, text=text, because=slowest.name, words=words)
    days = more / evidence.units_per_day if evidence.units_per_day else None
    pace = f" ({days:.1f} days)" if days is not None else ""
    text = f"Wait for about {more:,} more {slowest.counted}{pace}: {still}"
    return Verdict(word=Word.HOLD_DATA, text=text, because=slowest.name, words=words, more_units=more, more_days=days)


def _young(evidence: Evidence, margins: Margins) -> Verdict | None:
    """Good numbers of half a week are numbers of half a week."""
    if (
        evidence.days_at_step is None
        or evidence.days_at_step >= margins.days_at_step
        or not share_on_new(evidence.stages)
    ):
        return None
    days = margins.days_at_step - evidence.days_at_step
    text = f"Wait {days:.1f} more days: every metric is within its margin, but not yet over a whole week at this share."
    return Verdict(word=Word.HOLD_DATA, text=text, because="age", words=_words(evidence), more_units=0, more_days=days)


def _advance(evidence: Evidence) -> str:
    share = share_on_new(evidence.stages)
    target = next_share(share)
    group = " together with the other process tools" if evidence.tool in PROCESS_GROUP else ""
    proof = ", ".join(
        f"{metric.name} at most {_amount(metric, metric.upper)}"
        for metric in evidence.metrics
        if metric.critical and metric.budget < 1
    )
    if target is None:
        return f"Set it to complete{group}: {proof}."
    verb = "Start with" if share == 0 else "Go to"
    return f"{verb} {percent(target)} live{group}: {proof}."


def _words(evidence: Evidence) -> dict[str, Word]:
    return {metric.name: word_of(metric) for metric in evidence.metrics}


def _block(because: str, text: str) -> Verdict:
    return Verdict(word=Word.BLOCKED, text=text, because=because)


def _wait(because: str, text: str) -> Verdict:
    return Verdict(word=Word.HOLD_DATA, text=text, because=because)


def _back(evidence: Evidence, because: str, why: str) -> Verdict:
    """Back to shadow where there is something to take back; else not forward."""
    words = _words(evidence)
    if share_on_new(evidence.stages) == 0:
        return Verdict(word=Word.HOLD_HARM, text=f"Do not start: {why}", because=because, words=words)
    return Verdict(word=Word.ROLLBACK, text=f"Go back to shadow: {why}", because=because, words=words)


def _missing(metric: Metric) -> int | None:
    """How many more units a metric needs that is not proven; None if no number of them will do."""
    least = max(0, metric.least_units - metric.units)
    if metric.upper <= metric.budget:
        return least
    return None if metric.more_units is None else max(metric.more_units, least)


def _beyond(metric: Metric, limit: float) -> str:
    if limit == float(metric.ratio):
        return f"new's {metric.name} is over old's, by how much is not sure yet"
    if metric.ratio:
        return f"new's {metric.name} is more than {limit:g} times old's"
    if metric.worse:
        return f"more than {percent(limit)} of calls {metric.worse}"
    return f"new's {metric.name} is more than {percent(limit)} over old's"


def _possible(metric: Metric) -> str:
    """What is not excluded yet."""
    upper = _amount(metric, metric.upper)
    if metric.seen:
        return f"{metric.seen}, but {upper} still could"
    return f"{metric.name} may still be {upper}" + ("" if metric.ratio else " over old's")


def _amount(metric: Metric, value: float) -> str:
    return f"{value:.3g} times old's" if metric.ratio else percent(value)


def _count(number: int, noun: str) -> str:
    return f"1 {noun}" if number == 1 else f"{number:,} {noun}{'es' if noun.endswith('x') else 's'}"


def percent(share: float) -> str:
    """As a sentence says it: two digits."""
    return f"{100 * share:.2g} %" if share < 0.995 else f"{100 * share:.0f} %"
