"""`crossfade twins orphans`: what a provider bills for and nobody uses."""

import json
from typing import Any

import click

from router.cli.admin import ADMIN, ask
from router.cli.changing import AS_JSON, AUTHOR, CONFIG, signed
from router.cli.twins import twins


@twins.command()
@click.option("--delete", is_flag=True, help="Delete what twins of this store have left behind.")
@click.option("--sandbox", "sandboxes", multiple=True, help="With --delete: this one instead; repeatable.")
@click.option("--reason", help="Why; kept in the audit trail. Required with --delete.")
@AUTHOR
@CONFIG
@ADMIN
@AS_JSON
def orphans(
    delete: bool,
    sandboxes: tuple[str, ...],
    reason: str | None,
    author: str | None,
    config: str | None,
    admin: str | None,
    as_json: bool,
) -> None:
    """Sandboxes on either side that carry our label and that no twin owns. Exit 1 when there are any left.

    Deletes nothing unless told to. One that no twin of this store knows may be another router's: it must be named.
    """
    if sandboxes and not delete:
        raise click.UsageError("--sandbox says what --delete deletes; give both")
    if delete:
        by, why = signed(author, reason)
        body: dict[str, Any] = {"author": by, "reason": why}
        if sandboxes:
            body["sandboxes"] = list(sandboxes)
        told = ask(config, admin, "POST", "/v1/orphans/delete", body)
    else:
        told = ask(config, admin, "GET", "/v1/orphans")
    left = [each for each in told["orphans"] if each["done"] != "deleted"]
    if as_json:
        click.echo(json.dumps(told, indent=2))
    else:
        for each in told["orphans"]:
            click.echo(_line(each))
        for origin, why in told["unread"].items():
            click.echo(f"{origin} could not be asked: {why}", err=True)
        click.echo(f"{len(left)} orphans" + (" left" if delete else ""), err=True)
    if left or told["unread"]:
        raise SystemExit(1)


def _line(each: dict[str, Any]) -> str:
    done = f"  {each['done']}" if each["done"] else ""
    made_for = f"  for {each['twin']}" if each["twin"] else ""
    return f"{each['origin']}  {each['id']}  {each['state']}  since {each['created_at']}{made_for}: {each['why']}{done}"


commands: list[click.Command] = []  # it belongs to `twins`
