"""The report of a week."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from crossfade.errors import SettingsError
from reports.headline import changes, new_kinds
from reports.html import shadow_share
from reports.language import ENGLISH
from router.admin.weekly import last_week, week_data, week_span
from router.settings_watch import ReportSettings
from router.store.database import Database, open_database
from router.store.flags import SqlFlagRows
from router.store.records import SqlRecords
from router.store.running import add_running, forget_running, running
from router.store.span import Span
from tests.reports.report_examples import _flag
from tests.store.store_examples import differing, record

MONDAY = datetime(2026, 11, 16, tzinfo=UTC).timestamp()
HOUR, DAY, WEEK = 3600.0, 86_400.0, 7 * 86_400.0
NOW = MONDAY + WEEK + 3 * HOUR
PRICES = ReportSettings(currency="€", old_per_hour=0.1, new_per_hour=0.2)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = open_database(f"sqlite:///{tmp_path}/state.db")
    yield database
    database.close()


def fill(database: Database) -> None:
    """60 sandboxes on old the week before; in the week as many, half of them on new, three of which differ."""
    for version, (at, live) in enumerate([(MONDAY - 5 * DAY, 0.0), (MONDAY + DAY, 0.5), (NOW - HOUR, 1.0)], start=1):
        flag = _flag("files", version, live)
        SqlFlagRows(database, now=lambda at=at: at).write(  # type: ignore[misc]
            flag, author="ada", reason="a step", expected_version=version - 1 or None
        )
    writer = SqlRecords(database)
    for number in range(60):
        before = MONDAY - 4 * DAY + number * HOUR
        writer.add(record(sandbox=f"a{number}", at=before, wish="old", answering="old", flag_version=1))
        side = "new" if number % 2 else "old"
        make = differing if number in (1, 3, 5) else record
        at = MONDAY + 1.5 * DAY + number * HOUR
        writer.add(make(sandbox=f"b{number}", at=at, wish=side, answering=side, flag_version=2))
    writer.add(record(sandbox="late", at=NOW - HOUR))
    writer.close()


def test_a_week_is_monday_to_sunday_in_utc() -> None:
    assert week_span("2026-W47") == (MONDAY, MONDAY + WEEK)
    assert last_week(NOW) == "2026-W47"
    assert last_week(MONDAY + WEEK - 1) == "2026-W46"


@pytest.mark.parametrize("week", ["2026-47", "W47", "2026-W54", "2026-W00", "last week"])
def test_what_is_no_week_is_refused(week: str) -> None:
    with pytest.raises(SettingsError, match="is no week"):
        week_span(week)


def test_a_week_to_come_is_refused(database: Database) -> None:
    with pytest.raises(SettingsError, match="has not begun; the last whole week is 2026-W47"):
        week_data(database, "2026-W49", now=NOW, settings=PRICES)


def test_only_the_week_counts_and_the_week_before_stands_beside(database: Database) -> None:
    fill(database)
    data = week_data(database, "2026-W47", now=NOW, settings=PRICES)
    (tool,) = data.tools

    assert (data.since, data.until, data.calls) == (MONDAY, MONDAY + WEEK, 60)
    assert tool.before is not None
    assert (tool.before.calls, tool.before.effective_share, tool.effective_share) == (60, 0.0, 0.5)
    assert (tool.bound.units, tool.before.upper is not None) == (60, True)


def test_a_week_is_judged_by_the_flag_it_ended_with(database: Database) -> None:
    fill(database)
    (tool,) = week_data(database, "2026-W47", now=NOW, settings=PRICES).tools

    assert tool.set_share == 0.5  # it was raised to 1 since
    assert [step.on_new for step in tool.timeline] == [0.0, 0.5]
    assert tool.timeline[0].at == MONDAY


def test_what_changed_is_said(database: Database) -> None:
    fill(database)
    data = week_data(database, "2026-W47", now=NOW, settings=PRICES)

    assert "files: 50 % of calls on new, was 0 %." in changes(data)
    assert new_kinds(data) == [("files", "fs.info mode value", 3)]


def test_cost_is_hours_times_the_settings_price_and_the_shadows_part_is_said(database: Database) -> None:
    fill(database)
    add_running(database, MONDAY + DAY, {("old", "seat"): 30 * HOUR, ("new", "follower"): 9 * HOUR})
    add_running(database, MONDAY + 2 * DAY, {("new", "follower"): 1 * HOUR})
    add_running(database, MONDAY + WEEK, {("old", "seat"): 1_000 * HOUR})
    data = week_data(database, "2026-W47", now=NOW, settings=PRICES)

    assert [(each.origin, each.role, each.hours, round(each.amount, 6)) for each in data.costs] == [
        ("old", "seat", 30.0, 3.0),
        ("new", "follower", 10.0, 2.0),
    ]
    assert shadow_share(data, ENGLISH) == "The shadow is 25 % of the sandbox-hours: € 2.00, 40 % of the cost."
    assert data.measured_since == MONDAY + DAY


def test_without_prices_hours_are_told_alone(database: Database) -> None:
    add_running(database, MONDAY, {("old", "seat"): HOUR})
    data = week_data(database, "2026-W47", now=NOW, settings=ReportSettings())

    assert shadow_share(data, ENGLISH) == "The shadow is 0 % of the sandbox-hours."


def test_a_store_that_never_measured_says_so(database: Database) -> None:
    assert running(database, Span(0)) == ({}, None)
    forget_running(database, NOW)
    add_running(database, MONDAY, {("old", "seat"): HOUR})
    forget_running(database, MONDAY + HOUR)

    assert running(database, Span(0)) == ({}, None)
