"""The report as Markdown: for a chat, a ticket, a terminal."""

from collections.abc import Iterable, Iterator, Sequence

from reports.headline import changes, headline, new_kinds
from reports.html import shadow_share, told_value
from reports.language import ENGLISH, Language
from reports.model import DECISIONS, ReportData, Signature, ToolReport
from reports.words import visible

_SIGNATURES_SHOWN = 8
_SAMPLE_SHOWN = 120


def as_markdown(data: ReportData, t: Language = ENGLISH) -> str:
    """The report as Markdown text."""
    return "\n".join(_lines(data, t)).rstrip() + "\n"


def _lines(data: ReportData, t: Language) -> Iterator[str]:
    yield f"# {t('Migration report, week {week}', week=data.week) if data.week else t('Migration report')}"
    yield ""
    yield f"**{headline(data, t)}**"
    yield ""
    window = t("{since} to {until}", since=t.moment(data.since), until=t.moment(data.until))
    yield f"{window} · {t('{count} calls', count=t.count(data.calls))}"
    yield ""
    heads = ("Tool", "Decision", "Set", "On new: set → effective", "Calls", "Compared", "Differ", "Mismatch at most")
    yield from _table([t(head) for head in heads], (_decision_row(tool, t) for tool in data.by_decision))
    for tool in data.by_decision:
        yield f"- **{tool.tool}**: {t.told(tool.said)}"
    yield ""
    if data.week:
        yield f"## {t('Since the week before')}"
        yield ""
        yield from (f"- {each}" for each in changes(data, t) or [t("No decision and no share changed.")])
        yield ""
    if kinds := new_kinds(data):
        yield f"## {t('New kinds of difference')}"
        yield ""
        yield from (f"- {tool}: `{name}`, {t('{count} calls', count=t.count(number))}" for tool, name, number in kinds)
        yield ""
    yield from _metrics(data, t)
    yield from _parity(data, t)
    yield from _signatures(data, t)
    yield from _drops(data, t)
    yield from _latencies(data, t)
    yield from _quality(data, t)
    yield from _costs(data, t)
    yield f"## {t('Method')}"
    yield ""
    yield t(_METHOD, share=t.percent(1 - data.alpha))


_METHOD = (
    "Bounds hold at every look, with {share} confidence: they may be read every day. A sandbox counts once, by its "
    "first twenty compared calls. The shadow starts second, so its latency is indicative only. More: docs/evidence.md."
)


def _decision_row(tool: ToolReport, t: Language) -> Sequence[str]:
    set_share = "–" if tool.set_share is None else t.percent(tool.set_share)
    upper = tool.bound.upper if tool.bound.units else None
    return (
        tool.tool,
        f"{DECISIONS[tool.decision]} {t(tool.decision)}",
        t.stages(tool.stages),
        f"{set_share} → {t.percent(tool.effective_share)}",
        t.count(tool.calls),
        t.count(tool.compared),
        t.count(tool.differing),
        "–" if upper is None else t.percent(upper),
    )


def _metrics(data: ReportData, t: Language) -> Iterator[str]:
    rows = [
        (
            tool.tool,
            t(each.name),
            t(each.word) if each.word else "–",
            *(told_value(number, each, t) for number in (each.estimate, each.lower)),
            "–" if each.upper is None else told_value(each.upper, each, t),
            told_value(each.budget, each, t) if each.critical else t("watched"),
            t.count(each.units),
        )
        for tool in data.by_decision
        for each in tool.metrics
        if each.units and tool.decision != "FOLLOWS"
    ]
    if rows:
        yield f"## {t('What every decision rests on')}"
        yield ""
        heads = ("Tool", "Metric", "Says", "Seen", "At least", "At most", "Needed", "Sandboxes")
        yield from _table([t(head) for head in heads], rows)


def _parity(data: ReportData, t: Language) -> Iterator[str]:
    rows = [tool for tool in data.by_decision if tool.parity.total]
    if rows:
        yield f"## {t('Errors: calls that both sides were sent')}"
        yield ""
        heads = ("Tool", "Both ok", "Failed on new only", "Failed on old only", "Both failed")
        yield from _table(
            [t(head) for head in heads],
            (
                (tool.tool, *map(t.count, (p.both_ok, p.new_failed, p.old_failed, p.both_failed)))
                for tool in rows
                for p in (tool.parity,)
            ),
        )


def _signatures(data: ReportData, t: Language) -> Iterator[str]:
    found = [(tool, signature) for tool in data.by_decision for signature in tool.signatures[:_SIGNATURES_SHOWN]]
    yield f"## {t('Kinds of difference')}"
    yield ""
    if not found:
        yield t("None.")
        yield ""
        return
    yield from _explained(data, t)
    heads = ("Tool", "Kind", "Severity", "State", "Calls", "First", "Last", "old", "new")
    yield from _table([t(head) for head in heads], (_signature_row(tool, signature, t) for tool, signature in found))


def _explained(data: ReportData, t: Language) -> Iterator[str]:
    said = [
        t("{count} of {tool}", count=t.count(tool.explained), tool=tool.tool)
        for tool in data.by_decision
        if tool.explained
    ]
    if said:
        yield t("Accepted or ignored, and in no number above: {which}.", which=", ".join(said))
        yield ""


def _signature_row(tool: ToolReport, signature: Signature, t: Language) -> Sequence[str]:
    sample = signature.samples[0] if signature.samples else None
    state = t(signature.state)
    return (
        tool.tool,
        signature.name,
        t(signature.severity),
        visible(f"{state}: {signature.because}" if signature.because else state).replace("\n", " "),
        t.count(signature.count),
        t.moment(signature.first_seen),
        t.moment(signature.last_seen),
        _sample(sample.old, t) if sample else "",
        _sample(sample.new, t) if sample else "",
    )


def _sample(text: str, t: Language) -> str:
    shown = visible(text).replace("`", "'").replace("\n", "⏎").replace("\t", "⇥")
    if not shown:
        return f"({t('nothing')})"
    return f"`{shown[:_SAMPLE_SHOWN]}{'…' if len(shown) > _SAMPLE_SHOWN else ''}`"


def _drops(data: ReportData, t: Language) -> Iterator[str]:
    rows = [
        (tool.tool, reason, t.count(number))
        for tool in data.by_decision
        for reason, number in sorted(tool.dropped.items(), key=lambda each: -each[1])
    ]
    if rows:
        yield f"## {t('Not compared, and why')}"
        yield ""
        yield from _table([t(head) for head in ("Tool", "Reason", "Calls")], rows)


def _latencies(data: ReportData, t: Language) -> Iterator[str]:
    rows = [
        (
            *(tool.tool, each.origin),
            t("answering") if each.position == "answer" else t("as shadow"),
            t.count(each.count),
            *map(t.duration, (each.p50, each.p95, each.p99)),
        )
        for tool in data.by_decision
        for each in tool.latencies
    ]
    if rows:
        yield f"## {t('Latency')}"
        yield ""
        yield from _table([*(t(head) for head in ("Tool", "Origin", "Role", "Calls")), "p50", "p95", "p99"], rows)


def _quality(data: ReportData, t: Language) -> Iterator[str]:
    yield f"## {t('Can the numbers be trusted?')}"
    yield ""
    lost = ", ".join(f"{t.count(number)} ({reason})" for reason, number in data.lost_records.items())
    yield f"{t('Records lost:')} {lost}." if lost else t("No record was lost.")
    yield ""
    if data.requests:
        yield from _table(
            [t(head) for head in ("Origin", "Purpose", "Requests")],
            ((each.origin, each.purpose, t.count(each.count)) for each in data.requests),
        )


def _costs(data: ReportData, t: Language) -> Iterator[str]:
    if not data.costs:
        return
    yield f"## {t('What does it cost?')}"
    yield ""
    yield from _table(
        [t(head) for head in ("Origin", "Role", "Sandbox-hours", "Cost")],
        (
            (
                *(each.origin, t(each.role), t.amount(each.hours, 1)),
                f"{data.currency} {t.amount(each.amount)}" if each.per_hour else "–",
            )
            for each in data.costs
        ),
    )
    yield shadow_share(data, t)
    yield ""


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield f"|{'|'.join('---' for _ in head)}|"
    for row in rows:
        yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |"
    yield ""
