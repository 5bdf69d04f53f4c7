"""What a report says, from the store: the bridge between its sums, the rule of promotion and the report's values."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib.metadata import version

from comparators.evidence.share import ALPHA
from comparators.standing import Standing
from crossfade.comparison import Severity
from crossfade.evidence import Evidence, Metric, Verdict
from crossfade.said import Said
from policies.promotion import budget_after, next_steps, share_on_new
from reports.model import (
    Bound,
    Checks,
    FlagChange,
    FlagStep,
    GrowthPoint,
    HourOfCalls,
    Latency,
    OriginRequests,
    Parity,
    ReportData,
    Sample,
    Sandboxes,
    Signature,
    ToolReport,
)
from reports.words import moment
from reports.words import stages as told_stages
from router.admin.evidence import evidence_of, growth
from router.store import queries
from router.store import sandboxes as by_sandbox
from router.store.audit import DRIFTED, SqlAudit
from router.store.database import Database
from router.store.flags import FlagChange as StoredChange
from router.store.fold import COUNTERS
from router.store.histogram import curve, quantile
from router.store.queries import ToolSums, Window, window
from router.store.seen import known_flags
from router.store.wishes import FlagPast, ToolFlag, flag_pasts, tool_flags

_HISTORY = 10_000  # changes of flags that are looked through: which share each version asked for


def report_data(database: Database, *, since: float, now: float, until: float | None = None) -> ReportData:
    """Everything a report says, from the store. `until`: of a window that is over, judged by its last flags."""
    end = now if until is None else min(until, now)
    found = window(database, since, math.inf if until is None else end, now=now)
    current, history = known_flags(database, before=end, limit=_HISTORY)
    pasts = flag_pasts(history)
    flags = tool_flags(current) if until is None else {tool: each.changes[-1][1] for tool, each in pasts.items()}
    known = {tool.tool: tool for tool in found.tools}
    # A tool whose flag is on belongs in the report even if nobody called it.
    names = [*known, *(tool for tool, flag in flags.items() if tool not in known and set(flag.shares) != {"off"})]
    sums = [known.get(name) or _nothing(name) for name in sorted(names)]
    drifted = SqlAudit(database).targets(DRIFTED, since=since, before=end)
    judged = _evidence(sums, flags, pasts, losses=found.losses, drifted=drifted, now=end)
    hours: dict[int, dict[str, int]] = {}
    for each in found.hours:
        by_side = hours.setdefault(each.hour, {"old": 0, "new": 0, "router": 0})
        by_side[each.answering] = by_side.get(each.answering, 0) + each.calls
    return ReportData(
        made_at=now,
        since=_begin(found, since, now),
        until=end,
        store=database.name,
        version=version("crossfade"),
        alpha=ALPHA,
        tools=tuple(
            replace(each, timeline=_timeline(pasts.get(each.tool), since)) for each in _tools(sums, flags, judged, end)
        ),
        hours=tuple(
            HourOfCalls(hour=hour, old=by_side["old"], new=by_side["new"], router=by_side["router"])
            for hour, by_side in sorted(hours.items())
        ),
        requests=tuple(
            OriginRequests(origin=origin, purpose=purpose, count=count)
            for (origin, purpose), count in sorted(found.requests.items())
        ),
        lost_records=found.losses,
        flag_changes=tuple(_change(each) for each in reversed(history) if each.at >= since)[-50:],
    )


def _timeline(past: FlagPast | None, since: float) -> tuple[FlagStep, ...]:
    """What the flag asked for in the window: from what it asked for when that began."""
    changes = past.changes if past else ()
    first = max((place for place, (at, _) in enumerate(changes) if at <= since), default=0)
    return tuple(
        FlagStep(at=max(at, since), stages=dict(flag.shares), on_new=flag.on_new) for at, flag in changes[first:]
    )


def evidence(database: Database, *, since: float, now: float) -> Mapping[str, Evidence]:
    """What the verdict on each tool rests on, from calls since then: what a ramp goes by is what a report shows."""
    found = window(database, since, now=now)
    current, history = known_flags(database, limit=_HISTORY)
    drifted = SqlAudit(database).targets(DRIFTED, since=since)
    return _evidence(
        found.tools, tool_flags(current), flag_pasts(history), losses=found.losses, drifted=drifted, now=now
    )


def _begin(found: Window, since: float, now: float) -> float:
    """Where the window really begins: at the full hour, or with the first call."""
    if found.first_hour is None:
        return since or now
    return max(float(found.first_hour), since // 3600 * 3600)


def _evidence(
    sums: Sequence[ToolSums],
    flags: Mapping[str, ToolFlag],
    pasts: Mapping[str, FlagPast],
    *,
    losses: Mapping[str, int],
    drifted: int,
    now: float,
) -> Mapping[str, Evidence]:
    lost = sum(losses.values())
    return {
        each.tool: evidence_of(each, flags.get(each.tool), pasts.get(each.tool), lost=lost, drifted=drifted, now=now)
        for each in sums
    }


def _tools(
    sums: Sequence[ToolSums], flags: Mapping[str, ToolFlag], found: Mapping[str, Evidence], now: float
) -> tuple[ToolReport, ...]:
    verdicts = next_steps(list(found.values()))
    return tuple(
        _tool(each, flags.get(each.tool), found[each.tool], verdicts[each.tool], grown=growth(each, now))
        for each in sums
    )


def _tool(
    sums: ToolSums, flag: ToolFlag | None, evidence: Evidence, verdict: Verdict, *, grown: Sequence[GrowthPoint]
) -> ToolReport:
    counts, stages = sums.counts, dict(flag.shares) if flag else {}
    parity = Parity(**{name: counts[name] for name in ("both_ok", "old_failed", "new_failed", "both_failed")})
    return ToolReport(
        tool=sums.tool,
        decision=str(verdict.word),
        because=verdict.because,
        said=_with_left_out(verdict.said, sums.explained.calls),
        more_units=verdict.more_units,
        more_days=verdict.more_days,
        metrics=tuple(_metric(each, verdict) for each in evidence.metrics),
        growth=tuple(grown),
        checks=_checks(evidence),
        calls=counts["calls"],
        stages=stages if flag else None,
        exceptions=bool(flag and flag.has_exceptions),
        set_share=share_on_new(stages) if flag else None,
        wished=sums.wished.get("new", 0),
        answered=sums.answered,
        failed=counts["failed"],
        cancelled=counts["cancelled"],
        mirrored=counts["mirrored"],
        compared=counts["compared"],
        matched=counts["matched"],
        cosmetic=counts["cosmetic"],
        explained=sums.explained.calls,
        contract=sums.contract,
        differing=sums.differing,
        budget=budget_after(stages),
        parity=parity,
        validated=counts["validated"],
        validation_seconds=sums.validation_seconds,
        latencies=tuple(
            Latency(
                origin=each.origin,
                position=each.position,
                count=sum(each.histogram.values()),
                p50=quantile(each.histogram, 0.50),
                p95=quantile(each.histogram, 0.95),
                p99=quantile(each.histogram, 0.99),
                curve=tuple(curve(each.histogram)),
            )
            for each in sorted(sums.latencies, key=lambda each: (each.position, each.origin != "old"))
        ),
        sandboxes=Sandboxes(
            seen=sums.sandboxes.seen,
            on_new=sums.sandboxes.on_new,
            compared=sums.sandboxes.compared,
            differing=sums.sandboxes.differing,
        ),
        signatures=tuple(
            Signature(
                name=each.name,
                severity=each.severity,
                count=each.count,
                first_seen=each.first_seen,
                last_seen=each.last_seen,
                state=str(each.standing.state),
                because=_said(each.standing),
                samples=tuple(
                    Sample(call=one.call, at=one.at, path=one.path, old=one.old, new=one.new) for one in each.samples
                ),
            )
            for each in sorted(sums.signatures, key=_first_look)
        ),
        dropped=sums.dropped,
        held=sums.held,
        statuses=sums.statuses,
    )


def _nothing(tool: str) -> ToolSums:
    return ToolSums(
        tool=tool,
        counts=dict.fromkeys(COUNTERS, 0),
        answered={},
        wished={},
        stages={},
        validation_seconds=0.0,
        dropped={},
        held={},
        statuses={},
        latencies=(),
        sandboxes=by_sandbox.Sandboxes(),
        signatures=(),
    )


def _with_left_out(said: Said, calls: int) -> Said:
    """Who decides must not have to look for it."""
    if not calls:
        return said
    if calls == 1:
        return Said("{said} 1 call that differs is left out: accepted or ignored.", said=said)
    return Said("{said} {calls} calls that differ are left out: accepted or ignored.", said=said, calls=calls)


def _metric(metric: Metric, verdict: Verdict) -> Bound:
    word = verdict.words.get(metric.name)
    return Bound(
        name=metric.name,
        estimate=metric.estimate,
        lower=metric.lower,
        upper=metric.upper if math.isfinite(metric.upper) else None,
        harm=metric.harm,
        budget=metric.budget,
        ratio=metric.ratio,
        critical=metric.critical,
        units=metric.units,
        least_units=metric.least_units,
        more_units=metric.more_units,
        word=str(word) if word else "",
    )


def _checks(evidence: Evidence) -> Checks:
    quality = evidence.quality
    return Checks(
        due=quality.compared + sum(quality.missed.values()),
        missed=quality.missed,
        left_out=quality.left_out,
        # Infinite: one sandbox on a side where none belongs.
        sample_ratio_log_e=min(quality.sample_ratio_log_e, 1e6),
        moved=quality.moved,
        days_at_step=evidence.days_at_step,
        units_per_day=evidence.units_per_day,
    )


def _first_look(signature: queries.Signature) -> tuple[bool, int, int]:
    """Kinds that count before those that are explained, the worst and most frequent first."""
    return signature.standing.explained, _worst_first(signature.severity), -signature.count


def _said(standing: Standing) -> str:
    """Who explained a kind and why, or how its state is known."""
    said = standing.judgement
    if said is None or not standing.explained:
        return standing.because
    until = f", until {moment(said.until)}" if said.until is not None else ""
    return f"{standing.because} ({said.owner or said.author}{until})"


def _worst_first(severity: str) -> int:
    return list(Severity).index(Severity(severity)) if severity in list(Severity) else len(Severity)


def _change(change: StoredChange) -> FlagChange:
    def told(flag: Mapping[str, object] | None) -> str:
        if flag is None:
            return "–"
        parsed = tool_flags({change.key: flag})
        if parsed:
            return told_stages(next(iter(parsed.values())).shares)
        return "on" if flag.get("on") else "off"

    return FlagChange(
        at=change.at,
        key=change.key,
        author=change.author,
        reason=change.reason,
        before=told(change.before),
        after=told(change.after),
    )
