"""`crossfade config`: what the settings came to."""

import dataclasses
import json
import re
from typing import Any

import click

_SECRET = ("key", "secret", "sdk_key", "admin_token", "api_token")
_MASK = "********"
_IN_URL = re.compile(r"(?<=://)[^/@\s]*:[^/@\s]*(?=@)")  # user:password


@click.group()
def config() -> None:
    """Look at the settings."""


@config.command()
@click.option("--config", "path", metavar="FILE", help="Settings file (default: $CROSSFADE_CONFIG or crossfade.toml).")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def show(path: str | None, as_json: bool) -> None:
    """Print every setting with the value it has; secrets are masked."""
    from router.settings import load

    settings = load(path)
    tree = _masked(dataclasses.asdict(settings))
    if as_json:
        click.echo(json.dumps({"schema": "crossfade.config/1", "settings": tree}, indent=2, default=dict))
        return
    click.echo(f"# {settings.file}")
    for section, value in tree.items():
        for key, each in value.items() if isinstance(value, dict) else ():
            click.echo(f"{section}.{key} = {each!r}")


def _masked(value: Any) -> Any:
    if isinstance(value, str):
        return _IN_URL.sub(_MASK, value)
    if not isinstance(value, dict):
        return value
    return {
        name: _MASK if name in _SECRET and isinstance(each, str) and each else _masked(each)
        for name, each in value.items()
    }


commands: list[click.Command] = [config]
