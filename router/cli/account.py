"""`crossfade flags` where flags are a LaunchDarkly account's: the same commands, by its REST API."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from crossfade.errors import SettingsError
from router.cli.changing import AS_JSON, CONFIG, DRY_RUN, YES, agree

if TYPE_CHECKING:
    from router.flags.account import AccountApi


def is_account(config: str | None) -> bool:
    """Whether the settings say that flags are an account's."""
    from router.settings import load

    return load(config).flags.source == "launchdarkly"


@contextmanager
def _opened(config: str | None) -> "Iterator[AccountApi]":
    from router.flags.account import AccountApi
    from router.settings import load

    flags = load(config).flags
    if flags.source != "launchdarkly":
        raise SettingsError('flags are in the store; this needs flags.source = "launchdarkly"')
    with AccountApi(flags.api_url, flags.api_token, flags.project, flags.environment) as api:
        yield api


@click.command()
@click.option("--migration", is_flag=True, help="As migration flags (not in its EU and federal instances).")
@YES
@DRY_RUN
@CONFIG
@AS_JSON
def push(migration: bool, yes: bool, dry_run: bool, config: str | None, as_json: bool) -> None:
    """Make the flags that are missing in the LaunchDarkly project, off for everybody. Those that are there stay."""
    from crossfade.stage import TOOLS
    from router.flags import patches

    wanted = [patches.new_flag(tool, migration=migration) for tool in TOOLS] + [patches.new_kill()]
    with _opened(config) as api:
        missing = [flag for flag in _watched(wanted, "look") if api.flag(flag["key"]) is None]
        if missing and not dry_run:
            agree(f"{len(missing)} flags of the account, which are not there yet", yes)
            for flag in _watched(missing, "make"):
                api.make(flag)
    made = [flag["key"] for flag in missing]
    if as_json:
        click.echo(json.dumps({"schema": "crossfade.push/1", "changed": bool(made) and not dry_run, "flags": made}))
    else:
        word = "would make" if dry_run else "made"
        click.echo(f"{word} {len(made)} of {len(wanted)} flags: {', '.join(made) or 'all are there'}")


def listed(config: str | None, as_json: bool) -> None:
    """`flags list`."""
    from crossfade.stage import TOOLS
    from router.flags import schema

    with _opened(config) as api:
        keys = {**{tool: schema.key_of(tool) for tool in TOOLS}, "kill": schema.KILL}
        found = {name: api.flag(key) for name, key in keys.items()}
        said = {name: _said(flag, api.environment) for name, flag in found.items()}
    if as_json:
        click.echo(
            json.dumps({"schema": "crossfade.account/1", "environment": api.environment, "flags": said}, indent=2)
        )
        return
    for name, text in said.items():
        click.echo(f"{name:<14}{text}")


def changed(
    tool: str, value: str | None, why: str, *, yes: bool, dry_run: bool, config: str | None, as_json: bool
) -> None:
    """`flags set`. Raises UsageError for what only our own store can do."""
    from router.flags import patches, schema

    if value is None:
        raise click.UsageError(
            "single sandboxes are targeted in LaunchDarkly's dashboard; give shares to set them here"
        )
    key, weights = schema.key_of(tool), schema.shares(value)
    with _opened(config) as api:
        before = api.flag(key)
        if before is None:
            raise SettingsError(f"the account has no flag '{key}'; make it by `crossfade flags push`")
        instructions = patches.shares(before, weights, api.environment)
        change = f"{tool}: {patches.said(before, api.environment)} -> {value}"
        if not dry_run:
            agree(change, yes)
            api.change(key, instructions, why)
    if as_json:
        told = {"schema": "crossfade.account.flag/1", "changed": not dry_run, "instructions": instructions}
        click.echo(json.dumps(told))
    else:
        click.echo(f"{'would change' if dry_run else 'changed'} {change}")


def killed(config: str | None, why: str, *, on: bool, yes: bool, dry_run: bool, as_json: bool) -> None:
    """`kill`."""
    from router.flags import patches, schema

    with _opened(config) as api:
        before = api.flag(schema.KILL)
        if before is None:
            raise SettingsError(f"the account has no flag '{schema.KILL}'; make it by `crossfade flags push`")
        change = f"{schema.KILL}: {patches.said(before, api.environment)} -> {'on' if on else 'off'}"
        instructions = patches.switched(before, api.environment, on=on)
        if not dry_run:
            agree(change, yes)
            api.change(schema.KILL, instructions, why)
    if as_json:
        click.echo(json.dumps({"schema": "crossfade.kill/1", "changed": not dry_run, "killed": on}))
    else:
        click.echo(f"{'would change' if dry_run else 'changed'} {change}")


def _watched(flags: Sequence[dict[str, Any]], word: str) -> Iterable[dict[str, Any]]:
    from rich.console import Console
    from rich.progress import track

    return track(flags, description=word, console=Console(stderr=True), transient=True)


def _said(flag: Mapping[str, Any] | None, environment: str) -> str:
    from router.flags import patches

    return "not there; crossfade flags push makes it" if flag is None else patches.said(flag, environment)
