"""`crossfade twins`: where sandboxes stand, and whether their two sides are equal."""

import json
import time
from typing import Any
from urllib.parse import quote

import click

from router.cli.admin import ADMIN, ask
from router.cli.changing import AS_JSON, AUTHOR, CONFIG, REASON, signed

_SHOWN = 20  # paths, on a terminal


@click.group()
def twins() -> None:
    """Look at sandboxes that have two sides. Asks the running router (listen.admin, listen.admin_token)."""


@twins.command(name="list")
@click.option("--seat", type=click.Choice(["old", "new"]), help="Only those whose seat is there.")
@click.option("--held", is_flag=True, help="Only those that may not move, with the reason.")
@CONFIG
@ADMIN
@AS_JSON
def list_twins(seat: str | None, held: bool, config: str | None, admin: str | None, as_json: bool) -> None:
    """Every twin: its seat, its follower, whether they are known equal, and what holds it."""
    told = ask(config, admin, "GET", "/v1/twins")
    found = [each for each in told["twins"] if seat in (None, each["seat"]) and (each["held"] or not held)]
    if as_json:
        click.echo(json.dumps({**told, "twins": found}, indent=2))
        return
    for each in found:
        click.echo(_line(each))
    click.echo(f"{len(found)} of {len(told['twins'])} twins", err=True)


@twins.command()
@click.argument("sandbox")
@CONFIG
@ADMIN
@AS_JSON
def show(sandbox: str, config: str | None, admin: str | None, as_json: bool) -> None:
    """One twin in full: wish and answering side per tool, what is dirty, what waits."""
    told = ask(config, admin, "GET", f"/v1/twins/{quote(sandbox, safe='')}")
    if as_json:
        click.echo(json.dumps(told, indent=2))
        return
    click.echo(_line(told))
    for name in ("routing_key", "bucket", "ids", "epoch", "hot", "calls_open", "calls_waiting", "failed_settles"):
        click.echo(f"  {name.replace('_', ' ')}: {told[name]}")
    if told["limited_by"]:
        click.echo(f"  process tools stay on old because of: {', '.join(told['limited_by'])}")
    for tool, each in told["tools"].items():
        click.echo(f"  {tool:<14}{each['stage']:<12}{each['answering']:<6}{each['reason']}")
    _paths("dirty", told["dirty_paths"])


@twins.command()
@click.argument("sandbox")
@CONFIG
@ADMIN
@AS_JSON
def verify(sandbox: str, config: str | None, admin: str | None, as_json: bool) -> None:
    """Compare both trees by content, changing nothing. Exit 1 when they differ."""
    told = ask(config, admin, "POST", f"/v1/twins/{quote(sandbox, safe='')}/verify")
    if as_json:
        click.echo(json.dumps(told, indent=2))
    elif told["equal"]:
        click.echo(f"{sandbox}: both sides are equal")
    else:
        click.echo(f"{sandbox}: {told['differing']} paths differ; the seat's are the right ones")
        _paths("differs", told["paths"])
    if not told["equal"]:
        raise SystemExit(1)


@twins.command()
@click.argument("sandbox")
@click.option("--reason", help="Why; kept in the router's log. Required.")
@AUTHOR
@CONFIG
@ADMIN
@AS_JSON
def settle(
    sandbox: str, reason: str | None, author: str | None, config: str | None, admin: str | None, as_json: bool
) -> None:
    """Make the follower equal to the seat now. Exit 1 when something moved meanwhile: it is tried again when quiet."""
    by, why = signed(author, reason)
    body = {"author": by, "reason": why}
    told = ask(config, admin, "POST", f"/v1/twins/{quote(sandbox, safe='')}/settle", body)
    if as_json:
        click.echo(json.dumps(told, indent=2))
    else:
        click.echo(f"{sandbox}: {'settled' if told['clean'] else 'not known equal yet'}")
    if not told["clean"]:
        raise SystemExit(1)


@twins.command()
@click.argument("sandbox")
@click.option("--to", type=click.Choice(["old", "new"]), required=True, help="The side that gets the seat.")
@click.option("--hard", is_flag=True, help="End what runs there instead of waiting until nothing does.")
@click.option("--accept-loss", is_flag=True, help="With --hard: where the seat does not answer, go to the last settle.")
@REASON
@AUTHOR
@CONFIG
@ADMIN
@AS_JSON
def move(
    sandbox: str,
    to: str,
    hard: bool,
    accept_loss: bool,
    reason: str | None,
    author: str | None,
    config: str | None,
    admin: str | None,
    as_json: bool,
) -> None:
    """Move one seat now. Refused (exit 2) while something runs there, or where it would leave something behind."""
    by, why = signed(author, reason)
    body = {"author": by, "reason": why, "to": to, "hard": hard, "accept_loss": accept_loss}
    told = ask(config, admin, "POST", f"/v1/twins/{quote(sandbox, safe='')}/move", body)
    if as_json:
        click.echo(json.dumps(told, indent=2))
    else:
        click.echo(said(told))
        _paths("stayed behind" if told["how"] == "forced" else "not settled", told.get("lost", []))
    if told["how"] in ("left", "forced"):
        raise SystemExit(1)


@twins.command()
@click.argument("sandbox")
@REASON
@AUTHOR
@CONFIG
@ADMIN
@AS_JSON
def attach(
    sandbox: str, reason: str | None, author: str | None, config: str | None, admin: str | None, as_json: bool
) -> None:
    """Use a follower again that was let go or quarantined, or survived its seat. What it alone has is overwritten."""
    by, why = signed(author, reason)
    told = ask(config, admin, "POST", f"/v1/twins/{quote(sandbox, safe='')}/attach", {"author": by, "reason": why})
    click.echo(json.dumps(told, indent=2) if as_json else f"{sandbox}: follower {told['follower']}, being settled")


def said(each: dict[str, Any]) -> str:
    """What became of one sandbox whose seat was to move, in a line."""
    how, id = each["how"], each["id"]
    if how == "moved":
        ended = f"; {each['ended']} processes ended" if each.get("ended") else ""
        return f"{id}: moved, with every change{ended}"
    if how == "here":
        return f"{id}: its seat was there already"
    if how == "left":
        return f"{id}: stays where it is: {each['reason']}"
    at = each["settled_at"]
    since = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(at)) if at else "one before the router started"
    more = ", and what commands changed since" if each["commands"] else ""
    return f"{id}: taken by force, back to the settle of {since}; left behind: {len(each['lost'])} paths{more}"


def _line(each: dict[str, Any]) -> str:
    equal = "equal" if each["clean"] else "may differ"
    age = max(0.0, time.time() - each["created_at"]) / 3600
    held = f"  held: {each['held']}" if each["held"] else ""
    return (
        f"{each['id']}  seat {each['seat']}  follower {each['follower']}, {each['answers']}, {equal}  {age:.1f} h{held}"
    )


def _paths(word: str, paths: list[str]) -> None:
    for path in paths[:_SHOWN]:
        click.echo(f"  {word}: {path}")
    if len(paths) > _SHOWN:
        click.echo(f"  and {len(paths) - _SHOWN} more; --json shows them")


commands: list[click.Command] = [twins]
