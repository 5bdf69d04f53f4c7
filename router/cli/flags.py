"""`crossfade flags`: look at the flags and change them."""

import getpass
import json
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from router.store.flags import SqlFlagRows

CONFIG = click.option("--config", metavar="FILE", help="Settings file (default: $CROSSFADE_CONFIG or crossfade.toml).")
AS_JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")


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

    rows, _ = _open(config)
    _, found = rows.read()
    lines = [(tool, found.get(schema.PREFIX + tool)) for tool in TOOLS]
    if as_json:
        tools = [
            {"tool": tool, "version": (flag or {}).get("version", 0), "shares": _shares(flag)} for tool, flag in lines
        ]
        click.echo(json.dumps({"schema": "crossfade.flags/1", "flags": tools}, indent=2))
        return
    for tool, flag in lines:
        version = f"v{flag['version']}" if flag else "never set"
        click.echo(f"{tool:<14}{_text(_shares(flag)):<40}{version}")


@flags.command()
@click.argument("tool")
@CONFIG
@AS_JSON
def show(tool: str, config: str | None, as_json: bool) -> None:
    """One tool's flag and how it came to be."""
    from router.flags import schema

    key = schema.key_of(tool)
    rows, _ = _open(config)
    _, found = rows.read()
    history = rows.history(key)
    flag = found.get(key)
    if as_json:
        changes = [{"at": each.at, "author": each.author, "reason": each.reason} for each in history]
        click.echo(json.dumps({"schema": "crossfade.flag/1", "flag": flag, "history": changes}, indent=2))
        return
    click.echo(f"{tool}: {_text(_shares(flag))}")
    for key_, stage in (schema.targets_of(flag) if flag else {}).items():
        click.echo(f"  sandbox {key_}: {stage}")
    for each in history:
        click.echo(f"  {_time(each.at)}  {each.author}  {each.reason}")


@flags.command(name="set")
@click.argument("tool")
@click.argument("value", metavar="STAGE|STAGE=PERCENT,...", required=False)
@click.option("--sandbox", "sandboxes", multiple=True, metavar="KEY=STAGE", help="Give one sandbox a stage of its own.")
@click.option("--reason", help="Why; kept in the history. Required.")
@click.option("--author", help="Who (default: $CROSSFADE_AUTHOR or the login name).")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--dry-run", is_flag=True, help="Say what would change, and change nothing.")
@CONFIG
@AS_JSON
def set_flag(
    tool: str, value: str | None, sandboxes: tuple[str, ...], reason: str | None, author: str | None, yes: bool,
    dry_run: bool, config: str | None, as_json: bool,
) -> None:  # fmt: skip
    """Set a tool's shares, such as `live=10,shadow=90` or `live`."""
    from crossfade.stage import Stage
    from router.flags import schema

    key = schema.key_of(tool)
    if value is None and not sandboxes:
        raise click.UsageError("nothing to set; give shares such as live=10,shadow=90, or --sandbox KEY=STAGE")
    wanted = schema.shares(value) if value is not None else None
    if not (reason or "").strip():
        raise click.UsageError('a change needs its reason: add --reason "..."')
    rows, seed = _open(config)
    _, found = rows.read()
    before = found.get(key)
    if wanted is None:
        wanted = schema.weights_of(before) if before else {Stage.OFF: schema.WHOLE}
    targets = (schema.targets_of(before) if before else {}) | _targets(sandboxes)
    version = int(before["version"]) if before else 0  # type: ignore[call-overload]  # checked when it was written
    flag = schema.build(tool, wanted, version=version + 1, seed=seed, targets=targets)
    change = f"{tool}: {_text(_shares(before))} -> {_text(_shares(flag))}"
    if sandboxes:
        change += f", and for itself {', '.join(sandboxes)}"
    if dry_run:
        click.echo(f"would change {change}")
        return
    if not yes and not click.confirm(f"change {change}?", err=True):
        raise click.Abort
    by = author or os.environ.get("CROSSFADE_AUTHOR") or getpass.getuser()
    rows.write(flag, author=by, reason=reason or "", expected_version=version if before else None)
    if as_json:
        click.echo(json.dumps({"schema": "crossfade.flag/1", "flag": flag}))
    else:
        click.echo(f"changed {change}")


def _open(config: str | None) -> tuple["SqlFlagRows", int]:
    from router.settings import load
    from router.store.flags import open_flag_rows

    settings = load(config)
    return open_flag_rows(settings.store.url), settings.flags.seed


def _targets(texts: tuple[str, ...]) -> dict[str, Any]:
    from crossfade.stage import Stage
    from router.flags import schema

    found = {}
    for text in texts:
        key, _, stage = text.rpartition("=")
        if not key or stage not in schema.VARIATIONS:
            message = f"'{text}' is not KEY=STAGE; stages: {', '.join(schema.VARIATIONS)}"
            raise click.UsageError(message)
        found[key] = Stage(stage)
    return found


def _shares(flag: Mapping[str, Any] | None) -> dict[str, float]:
    from router.flags import schema

    if flag is None:
        return {"off": 100.0}
    return {str(stage): weight / 1000 for stage, weight in schema.weights_of(flag).items()}


def _text(shares: Mapping[str, float]) -> str:
    return ", ".join(f"{stage} {percent:g} %" for stage, percent in shares.items())


def _time(at: float) -> str:
    from datetime import UTC, datetime

    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


commands: list[click.Command] = [flags]
