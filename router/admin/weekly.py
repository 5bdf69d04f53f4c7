"""A week's report: its numbers, those of the week before, and what ran for how much."""

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from crossfade.errors import SettingsError
from reports.model import Before, Cost, ReportData, ToolReport
from router.admin.reporting import report_data
from router.settings_watch import ReportSettings
from router.store.database import Database
from router.store.running import running
from router.store.span import Span

_WEEK = 7 * 86_400.0


def week_span(week: str) -> tuple[float, float]:
    """The beginning (Monday, 00:00 UTC) and the end of a week such as 2026-W47, in Unix seconds."""
    if not re.fullmatch(r"\d{4}-W\d{2}", week):
        raise SettingsError(f"'{week}' is no week; write 2026-W47, or last for the last whole one")
    try:
        monday = datetime.strptime(f"{week}-1", "%G-W%V-%u").replace(tzinfo=UTC)
    except ValueError:
        raise SettingsError(f"'{week}' is no week of that year; write 2026-W47") from None
    return monday.timestamp(), (monday + timedelta(days=7)).timestamp()


def last_week(now: float) -> str:
    """The last week that is over."""
    return f"{datetime.fromtimestamp(now - _WEEK, UTC):%G-W%V}"


def week_data(database: Database, week: str, *, now: float, settings: ReportSettings) -> ReportData:
    """Everything the report of a week says. A week under way is told until now."""
    since, end = week_span(week)
    if since > now:
        raise SettingsError(f"{week} has not begun; the last whole week is {last_week(now)}")
    data = report_data(database, since=since, until=min(end, now), now=now)
    before = {tool.tool: tool for tool in report_data(database, since=since - _WEEK, until=since, now=now).tools}
    tools = tuple(
        replace(tool, before=_before(before[tool.tool])) if tool.tool in before and before[tool.tool].calls else tool
        for tool in data.tools
    )
    return with_costs(replace(data, since=since, week=week, tools=tools), database, settings)


def with_costs(data: ReportData, database: Database, settings: ReportSettings) -> ReportData:
    """The report with what ran in its window."""
    found, first = running(database, Span.of(data.since, data.until))
    return replace(data, costs=_costs(found, settings), currency=settings.currency, measured_since=first)


def _costs(found: Mapping[tuple[str, str], float], settings: ReportSettings) -> tuple[Cost, ...]:
    prices = {"old": settings.old_per_hour, "new": settings.new_per_hour}
    return tuple(
        Cost(origin=origin, role=role, hours=seconds / 3600, per_hour=prices.get(origin, 0.0))
        for (origin, role), seconds in sorted(
            found.items(), key=lambda each: (each[0][1] != "seat", each[0][0] != "old")
        )
    )


def _before(tool: ToolReport) -> Before:
    return Before(
        decision=tool.decision,
        calls=tool.calls,
        effective_share=tool.effective_share,
        compared=tool.compared,
        differing=tool.differing,
        upper=tool.bound.upper if tool.bound.units else None,
    )
