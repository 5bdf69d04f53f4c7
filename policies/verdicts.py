"""What follows from a tool's evidence: one function for page, report and ramp. The worst critical metric decides."""

import math
from collections.abc import Mapping, Sequence

from crossfade.evidence import Evidence, Metric, Quality, Verdict, Word
from crossfade.said import Part, Said
from crossfade.stage import PROCESS_GROUP, STAGES, Compared, Origin, Stage
from policies.margins import BUDGETS, COMPLETE_BUDGET, MARGINS, STEPS, Margins

# Tools that follow the sandbox and have no share of their own.
FOLLOWING = ("lifecycle",)
_ALL_DONE = "Complete: nothing is compared any more. Retire old once every tool is."
_NOT_SPLIT = "Find out why sandboxes are not split as the flag says: the arms are not alike."
_ORDER = tuple(Word)
CALLS_PER_UNIT = 20  # as in comparators/evidence/units.py, which is not imported here
_EDGE = 1e-9  # shares are sums of floats


def verdict(evidence: Evidence, margins: Margins = MARGINS) -> Verdict:
    """The one thing to do next with a tool, looked at alone. Pure: the same evidence gives the same verdict."""
    if evidence.tool in FOLLOWING:
        return Verdict(
            word=Word.FOLLOWS, said=Said("Nothing to decide: these calls follow the sandbox, wherever its tools are.")
        )
    if evidence.stages.get(Stage.COMPLETE, 0.0) >= 1:
        return Verdict(word=Word.ADVANCE, said=Said(_ALL_DONE))
    return (
        _blocked(evidence, margins)
        or _stopped(evidence)
        or _harmed(evidence)
        or _undecided(evidence, margins)
        or Verdict(word=Word.ADVANCE, said=_advance(evidence), words=_words(evidence))
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
        return _block("margins", Said("Begin counting anew: margins were changed after this evidence began."))
    if quality.lost_records > margins.most_lost_records * max(1, quality.calls):
        text = "Fix the store first: {count} records were lost, so these numbers are not whole."
        return _block("records", Said(text, count=quality.lost_records))
    due = quality.compared + sum(quality.missed.values())
    if due >= margins.least_due and quality.compared < margins.least_compared_share * due:
        reason = max(quality.missed, key=lambda each: quality.missed[each])
        text = (
            "Make comparing keep up first: only {share} of {due} due calls were compared "
            "(needed: {needed}); mostly: {reason}."
        )
        share, needed = quality.compared / due, margins.least_compared_share
        return _block("compared", Said(text, share=share, due=due, needed=needed, reason=reason))
    if quality.moved:
        text = "Find out why {count} changed sides while the flag did not: the arms are mixed."
        return _block("stickiness", Said(text, count=_count(quality.moved, "sandbox")))
    if quality.sample_ratio_log_e >= -math.log(margins.sample_ratio_alpha):
        return _block("sample ratio", Said(_NOT_SPLIT))
    if quality.drifted:
        text = "Find out first why {count} differed though believed equal: answers then must, too."
        return _block("drift", Said(text, count=_count(quality.drifted, "twin")))
    return None


def _stopped(evidence: Evidence) -> Verdict | None:
    """What needs no statistics."""
    if evidence.data_lost:
        one, more = "1 acknowledged change is gone.", "{count} acknowledged changes are gone."
        lost = Said(one) if evidence.data_lost == 1 else Said(more, count=evidence.data_lost)
        return _back(evidence, "data", Said("{lost} Find them before anything else.", lost=lost))
    if evidence.hard_stop:
        return _back(evidence, "stop", Said("{why}.", why=evidence.hard_stop))
    return None


def _harmed(evidence: Evidence) -> Verdict | None:
    words = _words(evidence)
    for worst in (Word.ROLLBACK, Word.HOLD_HARM):
        found = [metric for metric in evidence.metrics if words[metric.name] is worst]
        if not found:
            continue
        metric = max(found, key=lambda each: each.lower - each.harm)
        if worst is Word.ROLLBACK:
            why = Said("for sure {beyond}. Fix the top signatures.", beyond=_beyond(metric, metric.harm))
            return _back(evidence, metric.name, why)
        limit = metric.harm if metric.lower > metric.harm else float(metric.ratio)
        said = Said("Stay and look: for sure {beyond}.", beyond=_beyond(metric, limit))
        return Verdict(word=Word.HOLD_HARM, said=said, because=metric.name, words=words)
    if evidence.broken:
        text = "Stay and look: {count} broke the contract (status, type or exit code). Explain or fix them."
        said = Said(text, count=_count(evidence.broken, "call"))
        return Verdict(word=Word.HOLD_HARM, said=said, because="contract", words=words)
    return None


def _undecided(evidence: Evidence, margins: Margins) -> Verdict | None:
    words = _words(evidence)
    open_ = [metric for metric in evidence.metrics if words[metric.name] is Word.HOLD_DATA]
    if not open_ and evidence.metrics:
        return _young(evidence, margins)
    if evidence.stages and all(STAGES[Stage(stage)].compared is Compared.NOTHING for stage in evidence.stages):
        return _wait("stage", Said("Set the flag to shadow: nothing is compared while it is off."))
    if all(not metric.units for metric in open_):
        return _wait("units", _nothing_yet(evidence.quality))
    # The one that takes longest; one that no number of units proves takes for ever.
    slowest = max(open_, key=lambda metric: math.inf if (more := _missing(metric)) is None else more)
    more = _missing(slowest)
    target = next_share(share_on_new(evidence.stages))
    goal: str | float = "complete" if target is None else target
    needed = _amount(slowest, slowest.budget)
    still = Said("{possible}; {goal} needs {needed} or less.", possible=_possible(slowest), goal=goal, needed=needed)
    if slowest.upper <= slowest.budget:
        text = "{units} are too few to tell, {least} are needed."
        still = Said(text, units=slowest.units, least=slowest.least_units)
    if more is None:
        text = "Lower {metric} first, for at this rate more data will not do: {still}"
        said = Said(text, metric=slowest.name, still=still)
        return Verdict(word=Word.HOLD_DATA, said=said, because=slowest.name, words=words)
    days = more / evidence.units_per_day if evidence.units_per_day else None
    parts: dict[str, Part] = {"more": more, "counted": slowest.counted, "still": still}
    if days is None:
        said = Said("Wait for about {more} more {counted}: {still}", **parts)
    else:
        said = Said("Wait for about {more} more {counted} ({days} days): {still}", days=f"{days:.1f}", **parts)
    return Verdict(word=Word.HOLD_DATA, said=said, because=slowest.name, words=words, more_units=more, more_days=days)


def _nothing_yet(quality: Quality) -> Said:
    if quality.compared:
        text = "Wait: {compared} were compared, but no sandbox has had {calls} compared, an hour without any, or a day."
        return Said(text, compared=_count(quality.compared, "call"), calls=CALLS_PER_UNIT)
    left_out = {**quality.left_out, **quality.missed}
    why = max(left_out, key=lambda each: left_out[each]) if left_out else "no call was due"
    return Said("Get evidence first: no call was compared ({why}).", why=why)


def _young(evidence: Evidence, margins: Margins) -> Verdict | None:
    """Good numbers of half a week are numbers of half a week."""
    if (
        evidence.days_at_step is None
        or evidence.days_at_step >= margins.days_at_step
        or not share_on_new(evidence.stages)
    ):
        return None
    days = margins.days_at_step - evidence.days_at_step
    text = "Wait {days} more days: every metric is within its margin, but not yet over a whole week at this share."
    said, words = Said(text, days=f"{days:.1f}"), _words(evidence)
    return Verdict(word=Word.HOLD_DATA, said=said, because="age", words=words, more_units=0, more_days=days)


def _advance(evidence: Evidence) -> Said:
    share = share_on_new(evidence.stages)
    target = next_share(share)
    proven = [metric for metric in evidence.metrics if metric.critical and (metric.ratio or metric.budget < 1)]
    proof = _joined(
        [Said("{metric} at most {amount}", metric=each.name, amount=_amount(each, each.upper)) for each in proven]
    )
    together = evidence.tool in PROCESS_GROUP
    if target is None:
        text = "Set it to complete together with the other process tools: {proof}." if together else _COMPLETE
        return Said(text, proof=proof)
    if share == 0:
        return Said(_START_TOGETHER if together else _START, share=target, proof=proof)
    return Said(_GO_TOGETHER if together else _GO, share=target, proof=proof)


_COMPLETE = "Set it to complete: {proof}."
_START, _GO = "Start with {share} live: {proof}.", "Go to {share} live: {proof}."
_START_TOGETHER = "Start with {share} live together with the other process tools: {proof}."
_GO_TOGETHER = "Go to {share} live together with the other process tools: {proof}."


def _joined(parts: Sequence[Said]) -> Said:
    joined, *rest = parts or [Said("nothing is against it")]
    for each in rest:
        joined = Said("{one}, {other}", one=joined, other=each)
    return joined


def _words(evidence: Evidence) -> dict[str, Word]:
    return {metric.name: word_of(metric) for metric in evidence.metrics}


def _block(because: str, said: Said) -> Verdict:
    return Verdict(word=Word.BLOCKED, said=said, because=because)


def _wait(because: str, said: Said) -> Verdict:
    return Verdict(word=Word.HOLD_DATA, said=said, because=because)


def _back(evidence: Evidence, because: str, why: Said) -> Verdict:
    """Back to shadow where there is something to take back; else not forward."""
    words = _words(evidence)
    if share_on_new(evidence.stages) == 0:
        said = Said("Do not start: {why}", why=why)
        return Verdict(word=Word.HOLD_HARM, said=said, because=because, words=words)
    said = Said("Go back to shadow: {why}", why=why)
    return Verdict(word=Word.ROLLBACK, said=said, because=because, words=words)


def _missing(metric: Metric) -> int | None:
    """How many more units a metric needs that is not proven; None if no number of them will do."""
    least = max(0, metric.least_units - metric.units)
    if metric.upper <= metric.budget:
        return least
    return None if metric.more_units is None else max(metric.more_units, least)


def _beyond(metric: Metric, limit: float) -> Said:
    if limit == float(metric.ratio):
        return Said("new's {metric} is over old's, by how much is not sure yet", metric=metric.name)
    if metric.ratio:
        return Said("new's {metric} is more than {times} times old's", metric=metric.name, times=f"{limit:.3g}")
    if metric.worse is not None:
        return Said("more than {share} of calls {worse}", share=limit, worse=metric.worse)
    return Said("new's {metric} is more than {share} over old's", metric=metric.name, share=limit)


def _possible(metric: Metric) -> Said:
    """What is not excluded yet."""
    upper = _amount(metric, metric.upper)
    if metric.seen is not None:
        return Said("{seen}, but {upper} still could", seen=metric.seen, upper=upper)
    text = "{metric} may still be {upper}" if metric.ratio else "{metric} may still be {upper} over old's"
    return Said(text, metric=metric.name, upper=upper)


def _amount(metric: Metric, value: float) -> Part:
    return Said("{times} times old's", times=f"{value:.3g}") if metric.ratio else float(value)


def _count(number: int, noun: str) -> Said:
    if number == 1:
        return Said(_ONE[noun])
    return Said(_MANY[noun], count=number)


_ONE = {"sandbox": "1 sandbox", "twin": "1 twin", "call": "1 call"}
_MANY = {"sandbox": "{count} sandboxes", "twin": "{count} twins", "call": "{count} calls"}
