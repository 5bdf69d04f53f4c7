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

    from reports.model import ReportData

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
    from router.admin.reporting import report_data
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
            percent(tool.bound.upper or 0.0) if tool.compared else "–",
            tool.next_step,
            style=_STYLES.get(tool.decision),
        )
    screen.print(table)
    screen.print(headline(data), style="bold", highlight=False)


_STYLES = {"ROLLBACK": "red", "BLOCKED": "red", "HOLD-HARM": "red", "ADVANCE": "green"}

commands: list[click.Command] = [report]
