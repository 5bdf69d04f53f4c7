"""`crossfade jobs`: what is done by itself each week."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from router.delivery.weekly import Weekly
    from router.settings import Settings
    from router.store.database import Database

_LOOK_SECONDS = 30.0


@click.command()
@click.option("--config", metavar="FILE", help="Settings file (default: $CROSSFADE_CONFIG or crossfade.toml).")
@click.option(
    "--once", is_flag=True, help="Do what is due now and end: for cron. Exit 3 when something was not delivered."
)
def jobs(config: str | None, once: bool) -> None:
    """Send the weekly report when its moment (report.send_at) has come, to every target of [report], each once.

    What was sent is kept in the store, so a restart sends nothing twice; what failed is tried again.
    """
    import logging
    import signal
    import threading

    from crossfade.errors import SettingsError, Unreachable
    from router.settings import load
    from router.store.database import open_database

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    settings = load(config)
    database = open_database(settings.store.url, create=False)
    try:
        weekly = _weekly(settings, database)
        if weekly is None:
            raise SettingsError("nobody to send to: set report.folder, report.mail_to or report.webhook_url")
        if once:
            if problems := [problem for problem in weekly.step().values() if problem]:
                raise Unreachable("; ".join(problems))
            return
        stop = threading.Event()
        for each in (signal.SIGTERM, signal.SIGINT):
            signal.signal(each, lambda *_: stop.set())
        logging.getLogger("crossfade.delivery").info("reports are sent at %s UTC", settings.report.send_at)
        while not stop.is_set():
            weekly.step()
            stop.wait(_LOOK_SECONDS)
    finally:
        database.close()


def _weekly(settings: Settings, database: Database) -> Weekly | None:
    """What delivers the reports of these settings; None where nobody gets any."""
    import time

    from reports.files import as_pdf, can_print, render
    from reports.language import language
    from router.admin.weekly import week_data
    from router.delivery.message import Message, message_of
    from router.delivery.targets import targets
    from router.delivery.weekly import Weekly

    told = language(settings.report.language)

    def make(week: str) -> Message:
        data = week_data(database, week, now=time.time(), settings=settings.report)
        files = dict(render(data, told))
        if can_print():
            try:
                files["report.pdf"] = as_pdf(files["report.html"].decode())
            except (ImportError, OSError):
                pass  # Pango is missing: the page prints, too
        return message_of(data, files, told)

    to = targets(settings.report)
    return Weekly(database, to, make, send_at=settings.report.send_at) if to else None


commands: list[click.Command] = [jobs]
