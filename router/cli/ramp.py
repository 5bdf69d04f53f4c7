"""`crossfade ramp`: a tool's way to new in steps, each taken only on evidence."""

import json
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import click

from router.cli.admin import ADMIN, ask
from router.cli.changing import AS_JSON, AUTHOR, CONFIG, DRY_RUN, REASON, YES, agree, signed

_MODES = ("dry-run", "suggest", "act")


@click.group()
def ramp() -> None:
    """Move a tool to new in steps, each taken only on evidence, and back at once on proven harm."""


@ramp.command()
@click.argument("tool")
@click.option("--steps", metavar="10,50,100", help="Percentages of sandboxes on new, rising.")
@click.option("--days", type=float, help="At each step before the next (default: 7).")
@click.option("--sandboxes", type=int, help="In which calls were compared, at each step before the next (default: 30).")
@click.option("--quiet-hours", type=float, help="Without new evidence, after which it halts (default: 6).")
@click.option("--mode", type=click.Choice(_MODES), help="What it may do by itself (default: suggest).")
@REASON
@AUTHOR
@YES
@CONFIG
@ADMIN
@AS_JSON
def plan(
    tool: str,
    steps: str | None,
    days: float | None,
    sandboxes: int | None,
    quiet_hours: float | None,
    mode: str | None,
    reason: str | None,
    author: str | None,
    yes: bool,
    config: str | None,
    admin: str | None,
    as_json: bool,
) -> None:
    """Keep a plan. Its margins are those of now, and are fixed with it. Nothing moves before `ramp start`."""
    by, why = signed(author, reason)
    given = {
        "steps": steps,
        "least_days": days,
        "least_sandboxes": sandboxes,
        "quiet_hours": quiet_hours,
        "mode": mode,
    }
    agree(f"the plan of {tool}", yes)
    body = {name: value for name, value in given.items() if value is not None}
    told = ask(config, admin, "PUT", _path(tool), {**body, "author": by, "reason": why})
    _show(told, as_json)


@ramp.command()
@click.argument("tool")
@click.option("--since", metavar="7d|DATE", help="Count what was compared since then, too; while nothing is on new.")
@REASON
@AUTHOR
@YES
@CONFIG
@ADMIN
@AS_JSON
def start(
    tool: str,
    since: str | None,
    reason: str | None,
    author: str | None,
    yes: bool,
    config: str | None,
    admin: str | None,
    as_json: bool,
) -> None:
    """Begin, or go on after a pause or a step back. Evidence is counted from now."""
    from router.cli.report import since_of

    by, why = signed(author, reason)
    counted = {"since": since_of(since, now=time.time())} if since else {}
    agree(f"the ramp of {tool}: start", yes)
    _show(ask(config, admin, "POST", _path(tool, "start"), {**counted, "author": by, "reason": why}), as_json)


@ramp.command()
@click.argument("tool")
@REASON
@AUTHOR
@YES
@CONFIG
@ADMIN
@AS_JSON
def pause(
    tool: str, reason: str | None, author: str | None, yes: bool, config: str | None, admin: str | None, as_json: bool
) -> None:
    """Decide nothing until it is started again. The flag stays as it is."""
    by, why = signed(author, reason)
    agree(f"the ramp of {tool}: pause", yes)
    _show(ask(config, admin, "POST", _path(tool, "pause"), {"author": by, "reason": why}), as_json)


@ramp.command()
@click.argument("tool")
@click.option("--back", is_flag=True, help="Back to shadow, whatever the evidence says.")
@REASON
@AUTHOR
@YES
@DRY_RUN
@CONFIG
@ADMIN
@AS_JSON
def step(
    tool: str,
    back: bool,
    reason: str | None,
    author: str | None,
    yes: bool,
    dry_run: bool,
    config: str | None,
    admin: str | None,
    as_json: bool,
) -> None:
    """Take the step that the evidence of this moment allows; exit 4 where it allows none.

    With --dry-run say what it would be: the evidence is looked at, and nothing changes.
    """
    by, why = signed(author, reason or ("looked at" if dry_run else None))
    if not dry_run:
        agree(f"the flag of {tool}, by its ramp's next step", yes)
    body = {"back": back, "dry_run": dry_run, "author": by, "reason": why}
    told = ask(config, admin, "POST", _path(tool, "step"), body)
    if as_json:
        click.echo(json.dumps(told, indent=2))
        return
    found = told["step"]
    click.echo(f"{tool}: {'would be ' if dry_run else ''}{found['act']}: {found['text']}")
    for each in told["evidence"]["metrics"]:
        click.echo(
            f"  {each['name']}: {each['lower']:.4g} to {each['upper']:.4g} over {each['units']:,} {each['counted']}"
            f" (harm over {each['harm']:g}, within {each['budget']:g})"
        )


@ramp.command()
@click.argument("tool", required=False)
@CONFIG
@ADMIN
@AS_JSON
def status(tool: str | None, config: str | None, admin: str | None, as_json: bool) -> None:
    """Where ramps are, and what each said when it was last looked at. Exit 1 where one asks for somebody."""
    ramps = ask(config, admin, "GET", "/v1/ramps")["ramps"]
    found = [each for each in ramps if tool in (None, each["tool"])]
    if as_json:
        click.echo(json.dumps({"schema": "crossfade.ramps/1", "ramps": found}, indent=2))
    elif not found:
        click.echo(f"no ramp{f' of {tool}' if tool else ''}; crossfade ramp plan TOOL makes one")
    else:
        for each in found:
            click.echo(said(each))
    if any(each["state"] == "stopped" or _asks(each) for each in found):
        raise SystemExit(1)


def said(ramp: Mapping[str, Any]) -> str:
    """A ramp in one line, and a second with what was decided."""
    following = f", next {ramp['next']:g} %" if ramp["next"] is not None else ""
    head = f"{ramp['tool']:<14}{ramp['state']} ({ramp['mode']}) at {ramp['share']:g} % of {ramp['steps']}{following}"
    last = ramp["last"]
    return f"{head}\n  {last['act']}: {last['text']}" if last else head


def _asks(ramp: Mapping[str, Any]) -> bool:
    return ramp["state"] == "running" and bool(ramp["last"]) and ramp["last"]["act"] in ("back", "halt", "advance")


def _path(tool: str, *more: str) -> str:
    return "/".join(("/v1/ramps", quote(tool, safe=""), *more))


def _show(told: Mapping[str, Any], as_json: bool) -> None:
    click.echo(json.dumps(told, indent=2) if as_json else said(told["ramp"]))


commands: list[click.Command] = [ramp]
