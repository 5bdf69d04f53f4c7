"""`crossfade twins backfill|trust|detach`: sandboxes that are older than the router."""

import json
import time
from typing import Any
from urllib.parse import quote

import click

from router.cli.admin import ADMIN, ask
from router.cli.changing import AS_JSON, AUTHOR, CONFIG, REASON, signed
from router.cli.twins import twins

_POLL_SECONDS = 0.5


@twins.command()
@click.argument("sandboxes", nargs=-1)
@click.option("--all", "everybody", is_flag=True, help="All sandboxes on old that have no twin.")
@click.option("--limit", type=click.IntRange(min=1), help="With --all: at most so many.")
@click.option("--status", is_flag=True, help="Only say how far the last one is.")
@click.option("--stop", is_flag=True, help="Begin no more.")
@REASON
@AUTHOR
@CONFIG
@ADMIN
@AS_JSON
def backfill(
    sandboxes: tuple[str, ...], everybody: bool, limit: int | None, status: bool, stop: bool, reason: str | None,
    author: str | None, config: str | None, admin: str | None, as_json: bool,
) -> None:  # fmt: skip
    """Make and fill followers of sandboxes older than the router, and wait. Exit 1 when some are held.

    Their calls go on meanwhile. Interrupted, it goes on in the router; --status looks, --stop ends it.
    """
    if status:
        told = ask(config, admin, "GET", "/v1/backfill")
    elif not stop and bool(sandboxes) == everybody:
        raise click.UsageError("name sandboxes, or give --all")
    else:
        by, why = signed(author, reason)
        body: dict[str, Any] = {"author": by, "reason": why}
        if stop:
            told = ask(config, admin, "POST", "/v1/backfill/stop", body)
        else:
            body |= {"sandboxes": list(sandboxes)} if sandboxes else {}
            body |= {"limit": limit} if limit else {}
            ask(config, admin, "POST", "/v1/backfill", body)
            told = _watched(config, admin)
    if as_json:
        click.echo(json.dumps(told, indent=2))
    else:
        for id, held in told["reasons"].items():
            click.echo(f"{id}: {held}")
        click.echo(f"{told['filled']} of {told['total']} filled, {told['held']} held", err=True)
    if told["held"] or (not status and not stop and told["filled"] < told["total"]):
        raise SystemExit(1)


@twins.command()
@click.argument("sandbox")
@REASON
@AUTHOR
@CONFIG
@ADMIN
@AS_JSON
def trust(
    sandbox: str, reason: str | None, author: str | None, config: str | None, admin: str | None, as_json: bool
) -> None:
    """Say that nobody writes to it behind the router any more: its seat may move at its next start."""
    told = _asked(sandbox, "trust", reason, author, config, admin)
    click.echo(json.dumps(told) if as_json else f"{sandbox}: trusted")


@twins.command()
@click.argument("sandbox")
@REASON
@AUTHOR
@CONFIG
@ADMIN
@AS_JSON
def detach(
    sandbox: str, reason: str | None, author: str | None, config: str | None, admin: str | None, as_json: bool
) -> None:
    """Give its follower up for good, and delete it on new. `twins backfill` makes another."""
    told = _asked(sandbox, "detach", reason, author, config, admin)
    click.echo(json.dumps(told) if as_json else f"{sandbox}: its follower is {told['follower']}")


def _asked(
    sandbox: str, what: str, reason: str | None, author: str | None, config: str | None, admin: str | None
) -> dict[str, Any]:
    by, why = signed(author, reason)
    return ask(config, admin, "POST", f"/v1/twins/{quote(sandbox, safe='')}/{what}", {"author": by, "reason": why})


def _watched(config: str | None, admin: str | None) -> dict[str, Any]:
    """Until it is over, with a bar on a terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("filling"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        bar = progress.add_task("", total=None)
        while True:
            told = ask(config, admin, "GET", "/v1/backfill")
            progress.update(bar, total=told["total"], completed=told["filled"] + told["held"])
            if not told["running"]:
                return told
            time.sleep(_POLL_SECONDS)


commands: list[click.Command] = []  # they belong to `twins`
