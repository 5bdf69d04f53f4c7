"""`crossfade config`: what the settings came to."""

import dataclasses
import json

import click


@click.group()
def config() -> None:
    """Look at the settings."""


@config.command()
@click.option("--config", "path", metavar="FILE", help="Settings file (default: $CROSSFADE_CONFIG or crossfade.toml).")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def show(path: str | None, as_json: bool) -> None:
    """Print every setting with the value it has; secrets are masked."""
    from router.admin.shown import masked
    from router.settings import load

    settings = load(path)
    tree = masked(dataclasses.asdict(settings))
    if as_json:
        click.echo(json.dumps({"schema": "crossfade.config/1", "settings": tree}, indent=2, default=dict))
        return
    click.echo(f"# {settings.file}")
    for section, value in tree.items():
        for key, each in value.items() if isinstance(value, dict) else ():
            click.echo(f"{section}.{key} = {each!r}")


commands: list[click.Command] = [config]
