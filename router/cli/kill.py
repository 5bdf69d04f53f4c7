"""`crossfade kill`: every tool off at once, whatever its own flag says; and back."""

import json
from collections.abc import Mapping
from typing import Any

import click

from crossfade.errors import SettingsError
from router.cli import account
from router.cli.changing import AS_JSON, AUTHOR, CONFIG, DRY_RUN, REASON, YES, agree, flag_rows, signed, version_of


@click.command()
@click.option("--lift", is_flag=True, help="Take it back: every tool follows its own flag again.")
@REASON
@AUTHOR
@YES
@DRY_RUN
@CONFIG
@AS_JSON
def kill(
    lift: bool, reason: str | None, author: str | None, yes: bool, dry_run: bool, config: str | None, as_json: bool
) -> None:
    """Send all traffic home: routers follow within a second.

    Sandboxes with their seat on old are answered by old at once, and nothing is lost: the seat holds every change. A
    sandbox with its seat on new stays there, because its processes and its last changes are there.
    """
    from router.flags import schema

    by, why = signed(author, reason)
    if account.is_account(config):
        account.killed(config, f"{why} ({by})", on=not lift, yes=yes, dry_run=dry_run, as_json=as_json)
        return
    with flag_rows(config, create=not dry_run) as (rows, _):
        before = rows.read()[1].get(schema.KILL)
        version, on = version_of(before), not lift
        change = f"{schema.KILL}: {_word(_on(before))} -> {_word(on)}"
        needed = _on(before) is not on
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


def _on(flag: Mapping[str, Any] | None) -> bool | None:
    """Whether it is on; None where it is garbage, which a change replaces."""
    from router.flags import schema

    if flag is None:
        return False
    try:
        return schema.killed(flag)
    except SettingsError:
        return None


def _word(on: bool | None) -> str:
    return {True: "on", False: "off", None: "unreadable"}[on]


commands: list[click.Command] = [kill]
