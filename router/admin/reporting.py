"""What a report says, from the store: the bridge between its sums, the rule of promotion and the report's values."""

from collections.abc import Mapping, Sequence
from importlib.metadata import version

from comparators.standing import Standing
from crossfade.comparison import Severity
from crossfade.evidence import Evidence
from policies.promotion import NextStep, ToolNumbers, budget_after, evidence_of, next_steps, share_on_new
from reports.interval import ALPHA, interval, trials_needed
from reports.model import (
    FlagChange,
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
from router.store import queries
from router.store.database import Database
from router.store.flags import FlagChange as StoredChange
from router.store.flags import SqlFlagRows
from router.store.fold import COUNTERS
from router.store.histogram import curve, quantile
from router.store.queries import ToolFlag, ToolSums, Window, tool_flags, window


def report_data(database: Database, *, since: float, now: float) -> ReportData:
    """Everything a report says, from the store."""
    found = window(database, since, now=now)
    rows = SqlFlagRows(database)
    flags = tool_flags(rows.read()[1])
    known = {tool.tool: tool for tool in found.tools}
    # A tool whose flag is on belongs in the report even if nobody called it.
    names = [*known, *(tool for tool, flag in flags.items() if tool not in known and set(flag.shares) != {"off"})]
    hours: dict[int, dict[str, int]] = {}
    for each in found.hours:
        sums = hours.setdefault(each.hour, {"old": 0, "new": 0, "router": 0})
        sums[each.answering] = sums.get(each.answering, 0) + each.calls
    return ReportData(
        made_at=now,
        since=_begin(found, since, now),
        until=now,
        store=database.name,
        version=version("crossfade"),
        alpha=ALPHA,
        tools=_tools([known.get(name) or _nothing(name) for name in sorted(names)], flags, found.losses),
        hours=tuple(
            HourOfCalls(hour=hour, old=sums["old"], new=sums["new"], router=sums["router"])
            for hour, sums in sorted(hours.items())
        ),
        requests=tuple(
            OriginRequests(origin=origin, purpose=purpose, count=count)
            for (origin, purpose), count in sorted(found.requests.items())
        ),
        lost_records=found.losses,
        flag_changes=tuple(_change(each) for each in reversed(rows.history(since=since, limit=50))),
    )


def evidence(database: Database, *, since: float, now: float) -> Mapping[str, Evidence]:
    """What the verdict on each tool rests on, from calls since then: what a ramp goes by is what a report shows."""
    found = window(database, since, now=now)
    flags = tool_flags(SqlFlagRows(database).read()[1])
    lost = sum(found.losses.values())
    return {each.tool: evidence_of(_numbers(each, flags.get(each.tool), lost=lost)) for each in found.tools}


def _begin(found: Window, since: float, now: float) -> float:
    """Where the window really begins: at the full hour, or with the first call."""
    if found.first_hour is None:
        return since or now
    return max(float(found.first_hour), since // 3600 * 3600)


def _tools(
    sums: Sequence[ToolSums], flags: Mapping[str, ToolFlag], losses: Mapping[str, int]
) -> tuple[ToolReport, ...]:
    numbers = [_numbers(each, flags.get(each.tool), lost=sum(losses.values())) for each in sums]
    steps = next_steps(numbers)
    return tuple(_tool(each, flags.get(each.tool), steps[each.tool]) for each in sums)


def _numbers(sums: ToolSums, flag: ToolFlag | None, *, lost: int) -> ToolNumbers:
    """What the rule of promotion looks at."""
    counts, stages = sums.counts, dict(flag.shares) if flag else {}
    mismatch = interval(sums.differing, counts["compared"])
    pairs = sum(counts[name] for name in ("both_ok", "old_failed", "new_failed", "both_failed"))
    budget = budget_after(stages)
    return ToolNumbers(
        tool=sums.tool,
        stages=stages,
        compared=counts["compared"],
        sandboxes=sums.sandboxes.compared,
        differing=sums.differing,
        contract=sums.contract,
        mismatch_lower=mismatch.lower,
        mismatch_upper=mismatch.upper,
        new_failed=sums.new_failed,
        new_failed_lower=interval(sums.new_failed, pairs).lower,
        dropped=sums.dropped,
        calls=counts["calls"],
        lost_records=lost,
        more_needed={budget: trials_needed(sums.differing, counts["compared"], budget)},
    )


def _tool(sums: ToolSums, flag: ToolFlag | None, step: NextStep) -> ToolReport:
    counts, stages = sums.counts, dict(flag.shares) if flag else {}
    parity = Parity(**{name: counts[name] for name in ("both_ok", "old_failed", "new_failed", "both_failed")})
    return ToolReport(
        tool=sums.tool,
        decision=str(step.word),
        next_step=" ".join(filter(None, (step.text, _left_out(sums)))),
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
        mismatch=interval(sums.differing, counts["compared"]),
        mismatch_sandboxes=interval(sums.sandboxes.differing, sums.sandboxes.compared),
        budget=budget_after(stages),
        parity=parity,
        new_failed=interval(parity.new_failed, parity.total),
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
        sandboxes=queries.Sandboxes(),
        signatures=(),
    )


def _left_out(sums: ToolSums) -> str:
    """Who decides must not have to look for it."""
    calls = sums.explained.calls
    if not calls:
        return ""
    said = "1 call that differs is" if calls == 1 else f"{calls:,} calls that differ are"
    return f"{said} left out: accepted or ignored."


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
