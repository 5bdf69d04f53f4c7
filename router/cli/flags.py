"""`crossfade flags`: look at the flags and change them."""

import json
from collections.abc import Mapping
from typing import Any

import click

from router.cli import account, flagfiles
from router.cli.changing import AS_JSON, AUTHOR, CONFIG, DRY_RUN, REASON, YES, agree, flag_rows, signed

_AS_ALL = "as-all"  # instead of a stage: the sandbox follows the shares again


@click.group()
def flags() -> None:
    """Look at the migration flags and change them; running routers follow within a second."""


@flags.command(name="list")
@CONFIG
@AS_JSON
def list_flags(config: str | None, as_json: bool) -> None:
    """Every tool with the shares that its flag sets."""
    from crossfade.stage import TOOLS
    from router.flags import schema
    from router.flags.shown import kill_state, shares_of

    if account.is_account(config):
        account.listed(config, as_json)
        return
    with flag_rows(config, create=False) as (rows, _):
        _, found = rows.read()
    lines = [(tool, found.get(schema.PREFIX + tool)) for tool in TOOLS]
    killed = kill_state(found.get(schema.KILL))
    if as_json:
        tools = [
            {"tool": tool, "version": (flag or {}).get("version", 0), "shares": shares_of(flag)} for tool, flag in lines
        ]
        click.echo(json.dumps({"schema": "crossfade.flags/1", "killed": killed, "flags": tools}, indent=2))
        return
    if killed:
        click.echo(f"every tool is off, whatever stands here: {schema.KILL} is on")
    elif killed is None:
        click.echo(f"{schema.KILL} cannot be read: set it anew", err=True)
    for tool, flag in lines:
        version = f"v{flag.get('version', '?')}" if flag else "never set"
        click.echo(f"{tool:<14}{_text(shares_of(flag)):<40}{version}")


@flags.command()
@click.argument("tool")
@CONFIG
@AS_JSON
def show(tool: str, config: str | None, as_json: bool) -> None:
    """One tool's flag and how it came to be."""
    from router.flags import schema
    from router.flags.shown import shares_of

    key = schema.key_of(tool)
    with flag_rows(config, create=False) as (rows, _):
        _, found = rows.read()
        history = rows.history(key)
    flag = found.get(key)
    if as_json:
        changes = [
            {"at": each.at, "author": each.author, "reason": each.reason, "shares": shares_of(each.after)}
            for each in history
        ]
        click.echo(json.dumps({"schema": "crossfade.flag/1", "flag": flag, "history": changes}, indent=2))
        return
    click.echo(f"{tool}: {_text(shares_of(flag))}")
    for key_, stage in (schema.targets_of(flag) if flag else {}).items():
        click.echo(f"  sandbox {key_}: {stage}")
    for each in history:
        click.echo(f"  {_time(each.at)}  {_text(shares_of(each.after))}  {each.author}: {each.reason}")


@flags.command(name="set")
@click.argument("tool")
@click.argument("value", metavar="STAGE|STAGE=PERCENT,...", required=False)
@click.option(
    "--sandbox",
    "sandboxes",
    multiple=True,
    metavar="KEY=STAGE",
    help="Give one sandbox a stage of its own; KEY=as-all takes it back.",
)
@REASON
@AUTHOR
@YES
@DRY_RUN
@CONFIG
@AS_JSON
def set_flag(
    tool: str, value: str | None, sandboxes: tuple[str, ...], reason: str | None, author: str | None, yes: bool,
    dry_run: bool, config: str | None, as_json: bool,
) -> None:  # fmt: skip
    """Set a tool's shares, such as `live=10,shadow=90` or `live`."""
    from crossfade.stage import Stage
    from router.flags import schema
    from router.flags.shown import known_targets, version_of

    key = schema.key_of(tool)
    if value is None and not sandboxes:
        raise click.UsageError("nothing to set; give shares such as live=10,shadow=90, or --sandbox KEY=STAGE")
    wanted = schema.shares(value) if value is not None else None
    chosen = _targets(sandboxes)
    by, why = signed(author, reason)
    if account.is_account(config):
        if sandboxes:
            raise click.UsageError("single sandboxes of an account are targeted in LaunchDarkly's dashboard")
        account.changed(tool, value, f"{why} ({by})", yes=yes, dry_run=dry_run, config=config, as_json=as_json)
        return
    with flag_rows(config, create=not dry_run) as (rows, seed):
        _, found = rows.read()
        before = found.get(key)
        if wanted is None:
            wanted = schema.weights_of(before) if before else {Stage.OFF: schema.WHOLE}
        version = version_of(before)
        targets = {each: stage for each, stage in (known_targets(before) | chosen).items() if stage is not None}
        flag = schema.build(tool, wanted, version=version + 1, seed=seed, targets=targets)
        change = f"{tool}: {_said(before)} -> {_said(flag)}"
        if not dry_run:
            agree(change, yes)
            rows.write(flag, author=by, reason=why, expected_version=version if before else None)
    if as_json:
        click.echo(json.dumps({"schema": "crossfade.flag/1", "changed": not dry_run, "flag": flag}))
    else:
        click.echo(f"{'would change' if dry_run else 'changed'} {change}")


flags.add_command(account.push)
for each in flagfiles.commands:
    flags.add_command(each)


def _targets(texts: tuple[str, ...]) -> dict[str, Any]:
    """Stages of single sandboxes; None takes a sandbox's own stage back."""
    from crossfade.stage import Stage
    from router.flags import schema

    found: dict[str, Any] = {}
    for text in texts:
        key, _, stage = text.rpartition("=")
        if not key or stage not in (*schema.VARIATIONS, _AS_ALL):
            message = f"'{text}' is not KEY=STAGE; stages: {', '.join(schema.VARIATIONS)}, or {_AS_ALL} to take it back"
            raise click.UsageError(message)
        found[key] = None if stage == _AS_ALL else Stage(stage)
    return found


def _text(shares: Mapping[str, float]) -> str:
    return ", ".join(f"{stage} {percent:g} %" for stage, percent in shares.items()) or "cannot be read: set it anew"


def _said(flag: Mapping[str, Any] | None) -> str:
    from router.flags.shown import known_targets, shares_of

    targets = [f"{key} {stage}" for key, stage in sorted(known_targets(flag).items())]
    more = [f"{len(targets) - 3} more sandboxes"] if len(targets) > 3 else []
    return ", ".join([_text(shares_of(flag)), *targets[:3], *more])


def _time(at: float) -> str:
    from datetime import UTC, datetime

    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


commands: list[click.Command] = [flags]
