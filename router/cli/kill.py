"""`crossfade kill`: every tool off at once, whatever its own flag says; and back."""

import contextlib
import json
import sys
from collections.abc import Mapping
from typing import Any

import click

from router.cli import account
from router.cli.admin import ADMIN, ask
from router.cli.changing import AS_JSON, AUTHOR, CONFIG, DRY_RUN, REASON, YES, agree, flag_rows, signed

_AT_ONCE = 8  # sandboxes whose seat is taken at a time


@click.command()
@click.option("--lift", is_flag=True, help="Take it back: every tool follows its own flag again.")
@click.option("--hard", is_flag=True, help="Take seats from new at once, too, instead of when nothing runs there.")
@click.option("--accept-loss", is_flag=True, help="With --hard: where new does not answer, go to the last settle.")
@REASON
@AUTHOR
@YES
@DRY_RUN
@CONFIG
@ADMIN
@AS_JSON
def kill(
    lift: bool,
    hard: bool,
    accept_loss: bool,
    reason: str | None,
    author: str | None,
    yes: bool,
    dry_run: bool,
    config: str | None,
    admin: str | None,
    as_json: bool,
) -> None:
    """Send all traffic home: routers follow within a second.

    Sandboxes with their seat on old are answered by old at once, and nothing is lost: the seat holds every change. A
    sandbox with its seat on new goes home at its next start, or when nothing runs in it. With --hard it goes now: what
    runs there ends, and what differs is copied first. Where new does not answer, that cannot be: such sandboxes are
    listed with what would stay behind, and stay (exit 4), unless --accept-loss is given (exit 1).
    """
    if hard and lift:
        raise click.UsageError("--lift takes a kill back; --hard is for a kill")
    # Of two results the seats' is the one on stdout.
    with contextlib.redirect_stdout(sys.stderr) if hard else contextlib.nullcontext():
        _flag(lift, reason, author, yes, dry_run, config, as_json)
    if hard and not dry_run:
        by, why = signed(author, reason)
        evacuate(config, admin, {"author": by, "reason": why, "accept_loss": accept_loss}, as_json=as_json)


def _flag(
    lift: bool,
    reason: str | None,
    author: str | None,
    yes: bool,
    dry_run: bool,
    config: str | None,
    as_json: bool,
) -> None:
    from router.flags import schema
    from router.flags.shown import kill_state, version_of

    by, why = signed(author, reason)
    if account.is_account(config):
        account.killed(config, f"{why} ({by})", on=not lift, yes=yes, dry_run=dry_run, as_json=as_json)
        return
    with flag_rows(config, create=not dry_run) as (rows, _):
        before = rows.read()[1].get(schema.KILL)
        version, on = version_of(before), not lift
        change = f"{schema.KILL}: {_word(kill_state(before))} -> {_word(on)}"
        needed = kill_state(before) is not on
        if needed and not dry_run:
            agree(change, yes)
            flag = schema.kill(on, version=version + 1)
            rows.write(flag, author=by, reason=why, expected_version=version if before else None)
    if as_json:
        click.echo(json.dumps({"schema": "crossfade.kill/1", "changed": needed and not dry_run, "killed": on}))
    elif not needed:
        click.echo(f"{schema.KILL} is {_word(on)} already")
    else:
        click.echo(f"{'would change' if dry_run else 'changed'} {change}")


def _word(on: bool | None) -> str:
    return {True: "on", False: "off", None: "unreadable"}[on]


def evacuate(config: str | None, admin: str | None, body: Mapping[str, Any], *, as_json: bool) -> None:
    """Take every seat from new, a few at a time, and say what became of each. Exits 1 or 4 where not all is well."""
    from concurrent.futures import ThreadPoolExecutor
    from urllib.parse import quote

    from rich.console import Console
    from rich.progress import track

    from router.cli.twins import said

    there = [each["id"] for each in ask(config, admin, "GET", "/v1/twins")["twins"] if each["seat"] == "new"]

    def one(id: str) -> dict[str, Any]:
        order = {**body, "to": "old", "hard": True}
        return ask(config, admin, "POST", f"/v1/twins/{quote(id, safe='')}/move", order)

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        screen = Console(stderr=True)
        done = list(track(pool.map(one, there), "seats", len(there), console=screen, disable=not sys.stderr.isatty()))
    if as_json:
        click.echo(json.dumps({"schema": "crossfade.evacuation/1", "sandboxes": done}, indent=2))
    else:
        for each in done:
            click.echo(said(each))
            for path in each["lost"]:
                click.echo(f"  {'left behind' if each['how'] == 'forced' else 'not settled'}: {path}")
        click.echo(
            f"{sum(each['how'] == 'moved' for each in done)} of {len(done)} seats moved with every change", err=True
        )
    if any(each["how"] == "left" for each in done):
        raise SystemExit(4)
    if any(each["how"] == "forced" for each in done):
        raise SystemExit(1)


commands: list[click.Command] = [kill]
