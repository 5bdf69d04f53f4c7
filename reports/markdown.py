"""The report as Markdown: for a chat, a ticket, a terminal."""

from collections.abc import Iterable, Iterator, Sequence

from reports.model import DECISIONS, ReportData, Signature, ToolReport, headline
from reports.words import count, duration, moment, percent, stages, visible

_SIGNATURES_SHOWN = 8
_SAMPLE_SHOWN = 120


def as_markdown(data: ReportData) -> str:
    """The report as Markdown text."""
    return "\n".join(_lines(data)).rstrip() + "\n"


def _lines(data: ReportData) -> Iterator[str]:
    yield "# Migration report"
    yield ""
    yield f"**{headline(data)}**"
    yield ""
    yield f"{moment(data.since)} to {moment(data.until)} · {count(data.calls)} calls"
    yield ""
    yield from _table(
        ("tool", "decision", "set", "on new: set → effective", "calls", "compared", "differ", "mismatch at most"),
        (_decision_row(tool) for tool in data.by_decision),
    )
    for tool in data.by_decision:
        yield f"- **{tool.tool}**: {tool.next_step}"
    yield ""
    yield from _parity(data)
    yield from _signatures(data)
    yield from _drops(data)
    yield from _latencies(data)
    yield from _quality(data)
    yield "## Method"
    yield ""
    yield (
        f"Bounds are always-valid (beta-binomial mixture, {1 - data.alpha:.0%} per tool): they may be read every day. "
        "Calls of one sandbox are alike, so bounds of calls are too narrow where few sandboxes made most of them. "
        "The shadow starts second, so its latency is indicative only."
    )


def _decision_row(tool: ToolReport) -> Sequence[str]:
    set_share = "–" if tool.set_share is None else percent(tool.set_share)
    compared = count(tool.compared) if tool.compared else "0"
    bound = percent(tool.bound.upper or 0.0) if tool.compared else "–"
    return (
        tool.tool,
        f"{DECISIONS[tool.decision]} {tool.decision}",
        stages(tool.stages),
        f"{set_share} → {percent(tool.effective_share)}",
        count(tool.calls),
        compared,
        count(tool.differing),
        bound,
    )


def _parity(data: ReportData) -> Iterator[str]:
    rows = [tool for tool in data.by_decision if tool.parity.total]
    if rows:
        yield "## Errors, both sides"
        yield ""
        yield from _table(
            ("tool", "both ok", "only new failed", "only old failed", "both failed"),
            (
                (tool.tool, *map(count, (p.both_ok, p.new_failed, p.old_failed, p.both_failed)))
                for tool in rows
                for p in (tool.parity,)
            ),
        )


def _signatures(data: ReportData) -> Iterator[str]:
    found = [(tool, signature) for tool in data.by_decision for signature in tool.signatures[:_SIGNATURES_SHOWN]]
    yield "## Differences"
    yield ""
    if not found:
        yield "None."
        yield ""
        return
    yield from _explained(data)
    yield from _table(
        ("tool", "signature", "severity", "state", "count", "first", "last", "old", "new"),
        (_signature_row(tool, signature) for tool, signature in found),
    )


def _explained(data: ReportData) -> Iterator[str]:
    said = [f"{count(tool.explained)} of {tool.tool}" for tool in data.by_decision if tool.explained]
    if said:
        yield f"Accepted or ignored, and in no number above: {', '.join(said)}."
        yield ""


def _signature_row(tool: ToolReport, signature: Signature) -> Sequence[str]:
    sample = signature.samples[0] if signature.samples else None
    return (
        tool.tool,
        signature.name,
        signature.severity,
        visible(f"{signature.state}: {signature.because}" if signature.because else signature.state).replace("\n", " "),
        count(signature.count),
        moment(signature.first_seen),
        moment(signature.last_seen),
        _sample(sample.old) if sample else "",
        _sample(sample.new) if sample else "",
    )


def _sample(text: str) -> str:
    shown = visible(text).replace("`", "'").replace("\n", "⏎").replace("\t", "⇥")
    if not shown:
        return "(nothing)"
    return f"`{shown[:_SAMPLE_SHOWN]}{'…' if len(shown) > _SAMPLE_SHOWN else ''}`"


def _drops(data: ReportData) -> Iterator[str]:
    rows = [
        (tool.tool, reason, count(number))
        for tool in data.by_decision
        for reason, number in sorted(tool.dropped.items(), key=lambda each: -each[1])
    ]
    if rows:
        yield "## Due but not compared"
        yield ""
        yield from _table(("tool", "reason", "calls"), rows)


def _latencies(data: ReportData) -> Iterator[str]:
    rows = [
        (
            tool.tool,
            each.origin,
            each.position,
            count(each.count),
            duration(each.p50),
            duration(each.p95),
            duration(each.p99),
        )
        for tool in data.by_decision
        for each in tool.latencies
    ]
    if rows:
        yield "## Latency"
        yield ""
        yield from _table(("tool", "origin", "as", "n", "p50", "p95", "p99"), rows)


def _quality(data: ReportData) -> Iterator[str]:
    yield "## Data quality"
    yield ""
    lost = ", ".join(f"{count(number)} ({reason})" for reason, number in data.lost_records.items())
    yield f"Records lost: {lost or '0'}."
    yield ""
    if data.requests:
        yield from _table(
            ("origin", "purpose", "requests sent"),
            ((each.origin, each.purpose, count(each.count)) for each in data.requests),
        )


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield f"|{'|'.join('---' for _ in head)}|"
    for row in rows:
        yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |"
    yield ""
