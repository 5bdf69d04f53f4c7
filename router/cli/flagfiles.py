"""`crossfade flags export` and `import`: flags as LaunchDarkly's SDK takes them from a file."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click

from crossfade.errors import SettingsError
from router.cli import account
from router.cli.changing import AS_JSON, AUTHOR, CONFIG, DRY_RUN, REASON, YES, agree, flag_rows, signed

Flags = Mapping[str, Mapping[str, Any]]


@click.command(name="export")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Write to this file.")
@CONFIG
def export(out: Path | None, config: str | None) -> None:
    """Print the flags as the file data source of LaunchDarkly's SDKs has them: {"flags": …, "segments": …}.

    Where flags are an account's, these are the ones that routers here saw last.
    """
    text = json.dumps(_of_account(config) if account.is_account(config) else _of_store(config), indent=2)
    if out is None:
        click.echo(text)
    else:
        out.write_text(text + "\n", encoding="utf-8")
        click.echo(f"wrote {out}", err=True)


@click.command(name="import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@REASON
@AUTHOR
@YES
@DRY_RUN
@CONFIG
@AS_JSON
def bring(
    file: Path, reason: str | None, author: str | None, yes: bool, dry_run: bool, config: str | None, as_json: bool
) -> None:
    """Set the flags of a file that `export` wrote, or LaunchDarkly's own: all of them, or none."""
    wanted = _read(file)
    by, why = signed(author, reason)
    with flag_rows(config, create=not dry_run) as (rows, _):
        _, found = rows.read()
        changes = list(_changes(wanted, found))
        if changes and not dry_run:
            agree(", ".join(flag["key"] for flag, _ in changes), yes)
            for flag, expected in changes:
                rows.write(flag, author=by, reason=why, expected_version=expected)
    keys = [flag["key"] for flag, _ in changes]
    if as_json:
        told = {"schema": "crossfade.import/1", "changed": bool(keys) and not dry_run, "flags": keys}
        click.echo(json.dumps(told))
    else:
        word = "would change" if dry_run else "changed"
        click.echo(f"{word} {len(keys)} of {len(wanted)} flags: {', '.join(keys) or 'all are as in the file'}")


def _of_store(config: str | None) -> Mapping[str, Any]:
    with flag_rows(config, create=False) as (rows, _):
        _, found = rows.read()
    return {"flags": dict(sorted(found.items())), "segments": {}}


def _of_account(config: str | None) -> Mapping[str, Any]:
    from router.flags.source import last_good_file
    from router.settings import load

    file = last_good_file(load(config).store.url)
    try:
        kept = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise SettingsError(f"no router kept its flags in {file} yet: start one here, and export again") from None
    return {"flags": {**kept.get("beside", {}), **kept["flags"]}, "segments": kept.get("segments", {})}


def _read(file: Path) -> Flags:
    """The flags of a file, each one that can be evaluated. Raises SettingsError naming what cannot."""
    from router.flags import schema
    from router.flags.sdk import why_no_flag

    try:
        held = json.loads(file.read_text(encoding="utf-8"))
        flags = dict(held["flags"])
    except (OSError, ValueError, KeyError, TypeError):
        raise SettingsError(
            f'{file} holds no flags: it must be JSON with "flags", as `crossfade flags export` writes it'
        ) from None
    if not flags:
        raise SettingsError(f"{file} holds no flags: none would be changed")
    for key, flag in flags.items():
        if key == schema.KILL:
            schema.as_switch(flag)
        elif key.startswith(schema.PREFIX):
            schema.key_of(schema.tool_of(key))
            schema.check(flag)
        if not isinstance(flag, Mapping) or flag.get("key") != key:
            raise SettingsError(
                f"flag '{key}' of {file} says that it is {flag.get('key') if isinstance(flag, Mapping) else flag!r}"
            )
        if error := why_no_flag(flag):
            raise SettingsError(f"flag '{key}' of {file} cannot be evaluated: {error}")
        if any(
            clause.get("op") == "segmentMatch"
            for rule in flag.get("rules") or ()
            for clause in rule.get("clauses") or ()
        ):
            raise SettingsError(
                f"flag '{key}' of {file} asks for segments, which are LaunchDarkly's alone: name sandboxes or buckets"
            )
    return flags


def _changes(wanted: Flags, found: Flags) -> Iterator[tuple[dict[str, Any], int | None]]:
    """Flags that differ from those found, each with the version it follows on. Raises SettingsError."""
    from router.flags.shown import version_of

    for key, flag in sorted(wanted.items()):
        before = found.get(key)
        if before is not None and {**before, "version": 0} == {**flag, "version": 0}:
            continue
        version = version_of(before)
        yield {**flag, "version": version + 1}, version if before else None


commands: list[click.Command] = [export, bring]
