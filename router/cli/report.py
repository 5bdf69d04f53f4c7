"""Commands: report."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from crossfade.errors import SettingsError, Unreachable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from rich.console import Console

    from policies.promotion import NextStep, ToolNumbers
    from reports.model import FlagChange, ReportData, ToolReport
    from router.store.database import Database
    from router.store.flags import FlagChange as StoredChange
    from router.store.queries import ToolFlag, ToolSums, Window

_UNITS = {"m": 60, "h": 3600, "d": 86_400, "w": 604_800}


@click.command()
@click.option("--since", default="all", metavar="2h|DATE|all", help="Window: 90m, 2h, 7d, 2026-11-20 or all.")
@click.option(
    "--out", "directory", default="report", type=click.Path(file_okay=False), help="Where to write the files."
)
@click.option("--config", metavar="FILE", help="Settings file; its store is read.")
@click.option("--store", metavar="URL", help="Store to read, instead of the settings'.")
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON on stdout, too.")
def report(since: str, directory: str, config: str | None, store: str | None, as_json: bool) -> None:
    """Write the migration report: a decision per tool, and what it rests on.

    Makes report.html (self-contained), report.md and report.json. The path of the page goes to stdout.
    """
    from pathlib import Path

    from rich.console import Console

    from reports import render
    from router.store.database import open_database

    screen = Console(stderr=True)
    start = since_of(since, now=time.time())
    with screen.status("reading the store") as status:
        database = open_database(store_url(config, store), create=False)
        try:
            data = report_data(database, since=start, now=time.time())
        finally:
            database.close()
        status.update("drawing")
        files = render(data)
        written = _write(Path(directory), files)
    _show(screen, data)
    click.echo(files["report.json"].decode() if as_json else str(written))


def store_url(config: str | None, store: str | None) -> str:
    """The store named, or the settings'."""
    if store:
        return store
    from router.settings import load

    return load(config).store.url


def since_of(text: str, *, now: float) -> float:
    """The beginning of a window in Unix seconds: `2h` ago, a date or moment (UTC unless it says), or all."""
    if text == "all":
        return 0.0
    if ago := re.fullmatch(r"(\d+(?:\.\d+)?)([mhdw])", text):
        return now - float(ago[1]) * _UNITS[ago[2]]
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        message = f"--since '{text}' is no window; write 90m, 2h, 7d, a date such as 2026-11-20, or all"
        raise SettingsError(message) from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def report_data(database: Database, *, since: float, now: float) -> ReportData:
    """Everything a report says, from the store."""
    from importlib.metadata import version

    from reports.interval import ALPHA
    from reports.model import HourOfCalls, OriginRequests, ReportData
    from router.store.flags import SqlFlagRows
    from router.store.queries import tool_flags, window

    found = window(database, since)
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


def _begin(found: Window, since: float, now: float) -> float:
    """Where the window really begins: at the full hour, or with the first call."""
    if found.first_hour is None:
        return since or now
    return max(float(found.first_hour), since // 3600 * 3600)


def _tools(
    sums: Sequence[ToolSums], flags: Mapping[str, ToolFlag], losses: Mapping[str, int]
) -> tuple[ToolReport, ...]:
    from policies.promotion import next_steps

    numbers = [_numbers(each, flags.get(each.tool), lost=sum(losses.values())) for each in sums]
    steps = next_steps(numbers)
    return tuple(_tool(each, flags.get(each.tool), steps[each.tool]) for each in sums)


def _numbers(sums: ToolSums, flag: ToolFlag | None, *, lost: int) -> ToolNumbers:
    """What the rule of promotion looks at."""
    from policies.promotion import ToolNumbers, budget_after
    from reports.interval import interval, trials_needed

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
        contract=counts["contract"],
        mismatch_lower=mismatch.lower,
        mismatch_upper=mismatch.upper,
        new_failed=counts["new_failed"],
        new_failed_lower=interval(counts["new_failed"], pairs).lower,
        dropped=sums.dropped,
        calls=counts["calls"],
        lost_records=lost,
        more_needed={budget: trials_needed(sums.differing, counts["compared"], budget)},
    )


def _tool(sums: ToolSums, flag: ToolFlag | None, step: NextStep) -> ToolReport:
    from policies.promotion import budget_after, share_on_new
    from reports.interval import interval
    from reports.model import Latency, Parity, Sample, Sandboxes, Signature, ToolReport
    from router.store.histogram import curve, quantile

    counts, stages = sums.counts, dict(flag.shares) if flag else {}
    parity = Parity(**{name: counts[name] for name in ("both_ok", "old_failed", "new_failed", "both_failed")})
    return ToolReport(
        tool=sums.tool,
        decision=str(step.word),
        next_step=step.text,
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
        contract=counts["contract"],
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
                samples=tuple(
                    Sample(call=one.call, at=one.at, path=one.path, old=one.old, new=one.new) for one in each.samples
                ),
            )
            for each in sorted(sums.signatures, key=lambda each: (_worst_first(each.severity), -each.count))
        ),
        dropped=sums.dropped,
        held=sums.held,
        statuses=sums.statuses,
    )


def _nothing(tool: str) -> ToolSums:
    from router.store.fold import COUNTERS
    from router.store.queries import Sandboxes, ToolSums

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
        sandboxes=Sandboxes(),
        signatures=(),
    )


def _worst_first(severity: str) -> int:
    from crossfade.comparison import Severity

    return list(Severity).index(Severity(severity)) if severity in list(Severity) else len(Severity)


def _change(change: StoredChange) -> FlagChange:
    from reports.model import FlagChange
    from reports.words import stages
    from router.store.queries import tool_flags

    def told(flag: Mapping[str, object] | None) -> str:
        if flag is None:
            return "–"
        parsed = tool_flags({change.key: flag})
        if parsed:
            return stages(next(iter(parsed.values())).shares)
        return "on" if flag.get("on") else "off"

    return FlagChange(
        at=change.at,
        key=change.key,
        author=change.author,
        reason=change.reason,
        before=told(change.before),
        after=told(change.after),
    )


def _write(directory: Path, files: Mapping[str, bytes]) -> Path:
    try:
        directory.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            (directory / name).write_bytes(content)
    except OSError as error:
        raise Unreachable(
            f"cannot write the report into '{directory}': {error.strerror}; name another --out"
        ) from error
    return directory / "report.html"


def _show(screen: Console, data: ReportData) -> None:
    """The table of decisions."""
    from rich.table import Table

    from reports.model import DECISIONS, headline
    from reports.words import count, percent

    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in ("tool", "decision", "set", "on new", "calls", "differ", "at most", "next step"):
        table.add_column(name, justify="right" if name in ("set", "on new", "calls", "differ", "at most") else "left")
    for tool in data.by_decision:
        table.add_row(
            tool.tool,
            f"{DECISIONS[tool.decision]} {tool.decision}",
            "–" if tool.set_share is None else percent(tool.set_share),
            percent(tool.effective_share),
            count(tool.calls),
            f"{count(tool.differing)}/{count(tool.compared)}",
            percent(tool.mismatch.upper) if tool.compared else "–",
            tool.next_step,
            style=_STYLES.get(tool.decision),
        )
    screen.print(table)
    screen.print(headline(data), style="bold", highlight=False)


_STYLES = {"ROLLBACK": "red", "BLOCKED": "red", "HOLD-HARM": "red", "ADVANCE": "green"}

commands: list[click.Command] = [report]
