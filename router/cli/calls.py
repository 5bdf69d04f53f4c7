"""Commands: calls."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from crossfade.errors import SettingsError

if TYPE_CHECKING:
    from crossfade.record import Record
    from router.store.database import Database

_POLL_SECONDS = 0.5


@click.group()
def calls() -> None:
    """Look at recorded calls."""


@calls.command()
@click.option("--follow", "-f", is_flag=True, help="Go on with new calls until interrupted.")
@click.option("--tool", help="Only calls of this tool.")
@click.option("--sandbox", help="Only calls of this sandbox.")
@click.option("--differing", is_flag=True, help="Only calls whose answers differ in more than looks.")
@click.option("--limit", default=20, type=click.IntRange(1, 10_000), show_default=True, help="How many to begin with.")
@click.option("--config", metavar="FILE", help="Settings file; its store is read.")
@click.option("--store", metavar="URL", help="Store to read, instead of the settings'.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line, schema crossfade.call/1.")
def tail(
    follow: bool,
    tool: str | None,
    sandbox: str | None,
    differing: bool,
    limit: int,
    config: str | None,
    store: str | None,
    as_json: bool,
) -> None:
    """Show the newest calls, in the order in which they were completed."""
    from router.store import calls as stored

    database = _open(config, store)
    try:
        after = 0
        while True:
            found = stored.tail(database, after=after, limit=limit, tool=tool, sandbox=sandbox, differing=differing)
            for numbered in found:
                click.echo(_json(numbered.record) if as_json else _line(numbered.record))
                after = numbered.seq
            if not follow:
                return
            limit = 10_000  # from here on nothing is passed over
            time.sleep(_POLL_SECONDS)
    finally:
        database.close()


@calls.command()
@click.argument("id")
@click.option("--config", metavar="FILE", help="Settings file; its store is read.")
@click.option("--store", metavar="URL", help="Store to read, instead of the settings'.")
@click.option("--json", "as_json", is_flag=True, help="As one JSON object, schema crossfade.call/1.")
def show(id: str, config: str | None, store: str | None, as_json: bool) -> None:
    """Show one call by its ID (X-Crossfade-Call) or the beginning of it: who answered, why, and what differed."""
    from router.store import calls as stored

    database = _open(config, store)
    try:
        found = stored.records_starting(database, id)
    finally:
        database.close()
    exact = [record for record in found if record.id == id] or found
    if not exact:
        raise SettingsError(f"no call '{id}' in the store; it may be older than what is kept, or not written yet")
    if len(exact) > 1:
        raise SettingsError(f"'{id}' begins more than one call: {', '.join(record.id for record in exact[:5])}")
    click.echo(_json(exact[0]) if as_json else _page(exact[0]))


def _open(config: str | None, store: str | None) -> Database:
    from router.cli.report import store_url
    from router.store.database import open_database

    return open_database(store_url(config, store), create=False)


def _json(record: Record) -> str:
    import json

    return json.dumps({"schema": "crossfade.call/1", **record.plain()}, ensure_ascii=False)


def _line(record: Record) -> str:
    at = f"{datetime.fromtimestamp(record.at, UTC):%H:%M:%S.%f}"[:-3]
    return (
        f"{at}  {record.id}  {record.tool:<12} {record.operation:<16} {record.answering:<6} {record.status:>3} "
        f"{1e3 * record.seconds:>8.1f} ms  {_compared(record)}"
    )


def _compared(record: Record) -> str:
    if record.matched is None:
        return f"not compared: {record.dropped}" if record.dropped else ""
    if record.matched:
        return "agrees"
    return f"differs ({record.severity}): {', '.join(record.signatures)}"


def _page(record: Record) -> str:
    at = f"{datetime.fromtimestamp(record.at, UTC):%Y-%m-%d %H:%M:%S.%f}"[:-3] + " UTC"
    other = "new" if record.answering == "old" else "old"
    bucket = str(record.bucket) if record.bucket >= 0 else "no routing key"
    lines = [
        f"call         {record.id}",
        f"arrived      {at}",
        f"request      {record.route} ({record.operation}, {record.effect})",
        f"tool         {record.tool}, by {record.classified_by}",
        f"sandbox      {_sample(record.sandbox)}, organisation {_sample(record.organization)}, bucket {bucket}",
        f"flag         {record.stage}, version {record.flag_version}: wishes {record.wish}",
        f"answered by  {record.answering}: {record.reason or 'no reason recorded'}",
        f"answer       {record.status} ({record.fate}) in {1e3 * record.seconds:.1f} ms, first byte after "
        f"{1e3 * record.ttfb:.1f} ms, origin {1e3 * record.origin_seconds:.1f} ms; "
        f"{record.bytes_in:,} bytes in, {record.bytes_out:,} out",
    ]
    if record.validation_seconds:
        lines.append(f"validated    waited {1e3 * record.validation_seconds:.1f} ms for the seat's half")
    if record.mirrored or record.shadow_fate:
        lines.append(
            f"shadow       {other}: {record.shadow_status} ({record.shadow_fate or 'outcome unknown'}) in "
            f"{1e3 * record.shadow_seconds:.1f} ms"
        )
    lines.append(f"comparison   {_compared(record) or 'none was due'}")
    for difference in record.differences:
        lines.append(f"  {difference.path}: {difference.change} ({difference.severity})")
        lines.append(f"    old {_sample(difference.old)}")
        lines.append(f"    new {_sample(difference.new)}")
    return "\n".join(lines)


def _sample(text: str) -> str:
    # Control characters of a sandbox's output must not steer the reader's terminal.
    return ascii(text) if not text.isprintable() else text or "–"


commands: list[click.Command] = [calls]
