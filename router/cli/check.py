"""`crossfade check`: settings, flags and rules, without a connection."""

import json

import click

from router.cli.changing import AS_JSON, CONFIG


@click.command()
@CONFIG
@AS_JSON
def check(config: str | None, as_json: bool) -> None:
    """Validate settings, flags and rules; nothing is connected to. Exit 2 when something cannot work."""
    from router.cli.findings import plain, show
    from router.doctor.finding import Weight
    from router.doctor.offline import examine
    from router.settings import load

    found = list(examine(load(config)))
    if as_json:
        click.echo(json.dumps({"schema": "crossfade.check/1", "findings": plain(found)}, indent=2))
    else:
        show(found)
    if any(each.weight is Weight.PROBLEM for each in found):
        raise SystemExit(2)


commands: list[click.Command] = [check]
