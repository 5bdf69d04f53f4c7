"""Commands: report."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from crossfade.errors import SettingsError, Unreachable

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from rich.console import Console

    from reports.language import Language
    from reports.model import ReportData
    from router.settings_watch import ReportSettings

_UNITS = {"m": 60, "h": 3600, "d": 86_400, "w": 604_800}


@click.command()
@click.option(
    "--week", metavar="2026-W47|last", help="The report of a week, Monday to Sunday, with what changed in it."
)
@click.option("--since", default="all", metavar="2h|DATE|all", help="Another window: 90m, 2h, 7d, 2026-11-20 or all.")
@click.option("--lang", "code", type=click.Choice(["en", "ru"]), help="Language; default: report.language.")
@click.option(
    "--out", "directory", default="report", type=click.Path(file_okay=False), help="Where to write the files."
)
@click.option("--pdf/--no-pdf", default=None, help="Also as PDF; default: where WeasyPrint is installed, for a week.")
@click.option("--config", metavar="FILE", help="Settings file; its store is read, and its prices.")
@click.option("--store", metavar="URL", help="Store to read, instead of the settings'.")
@click.option("--send", is_flag=True, help="Deliver it to every target of [report], too.")
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON on stdout, too.")
def report(
    week: str | None,
    since: str,
    code: str | None,
    directory: str,
    pdf: bool | None,
    config: str | None,
    store: str | None,
    send: bool,
    as_json: bool,
) -> None:
    """Write the migration report: a decision per tool, and what it rests on.

    Makes report.html (self-contained), report.md and report.json. The path of the page goes to stdout.
    """
    from pathlib import Path

    from rich.console import Console

    from reports.language import language
    from router.settings_watch import ReportSettings

    settings = ReportSettings()
    if config or not store:
        from router.settings import load

        loaded = load(config)
        settings, store = loaded.report, store or loaded.store.url
    screen = Console(stderr=True)
    told = language(code or settings.language)
    data = read(store, week=week, since=since, settings=settings, screen=screen)
    files = draw(data, told, pdf=bool(week) if pdf is None else pdf, must_print=bool(pdf), screen=screen)
    written = _write(Path(directory), files)
    _show(screen, data, told)
    click.echo(files["report.json"].decode() if as_json else str(written))
    if send:
        _send(data, files, told, settings, screen)


def _send(
    data: ReportData, files: Mapping[str, bytes], told: Language, settings: ReportSettings, screen: Console
) -> None:
    from router.delivery.message import Undelivered, message_of
    from router.delivery.targets import targets
    from router.delivery.weekly import send_all

    to = targets(settings)
    if not to:
        raise SettingsError("nobody to send to: set report.folder, report.mail_to or report.webhook_url")
    results = send_all(message_of(data, files, told), to)
    for name, problem in results.items():
        screen.print(f"{name}: {problem or 'delivered'}", highlight=False, markup=False)
    if problems := [problem for problem in results.values() if problem]:
        raise Undelivered("; ".join(problems))


def read(store: str, *, week: str | None, since: str, settings: ReportSettings, screen: Console) -> ReportData:
    """The report's values from a store, with progress. Raises SettingsError, Unreachable."""
    from router.admin.reporting import report_data
    from router.admin.weekly import last_week, week_data, with_costs
    from router.store.database import open_database

    now = time.time()
    start = since_of(since, now=now)
    with screen.status("reading the store"):
        database = open_database(store, create=False)
        try:
            if week:
                return week_data(database, last_week(now) if week == "last" else week, now=now, settings=settings)
            return with_costs(report_data(database, since=start, now=now), database, settings)
        finally:
            database.close()


def draw(data: ReportData, told: Language, *, pdf: bool, must_print: bool, screen: Console) -> Mapping[str, bytes]:
    """The files of a report by name, with progress. `must_print`: a missing WeasyPrint is an error."""
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    from reports.files import as_pdf, can_print, render

    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=screen, transient=True) as progress:
        task = progress.add_task("drawing")
        files = dict(render(data, told))
        if pdf and (must_print or can_print()):
            progress.update(task, description="printing")
            try:
                files["report.pdf"] = as_pdf(files["report.html"].decode())
            except (ImportError, OSError) as error:
                message = f"no PDF: {error}; install the extra (pip install 'crossfade[pdf]') and Pango"
                if must_print:
                    raise SettingsError(message) from error
                screen.print(message, style="yellow", highlight=False)
    return files


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


def _show(screen: Console, data: ReportData, t: Language) -> None:
    """The table of decisions."""
    from rich.table import Table

    from reports.headline import headline
    from reports.model import DECISIONS

    table = Table(box=None, pad_edge=False, header_style="dim")
    for place, name in enumerate(_COLUMNS):
        table.add_column(t(name), justify="right" if 2 <= place < len(_COLUMNS) - 1 else "left")
    for tool in data.by_decision:
        table.add_row(
            tool.tool,
            f"{DECISIONS[tool.decision]} {t(tool.decision)}",
            "–" if tool.set_share is None else t.percent(tool.set_share),
            t.percent(tool.effective_share),
            t.count(tool.calls),
            f"{t.count(tool.differing)}/{t.count(tool.compared)}",
            t.percent(tool.bound.upper or 0.0) if tool.bound.units else "–",
            t.told(tool.said),
            style=_STYLES.get(tool.decision),
        )
    screen.print(table)
    screen.print(headline(data, t), style="bold", highlight=False)


_COLUMNS = ("Tool", "Decision", "Set", "On new", "Calls", "Differ", "At most", "Next step, and why")
_STYLES = {"ROLLBACK": "red", "BLOCKED": "red", "HOLD-HARM": "red", "ADVANCE": "green"}

commands: list[click.Command] = [report]
