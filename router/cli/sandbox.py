"""Commands: sandbox."""

import click

commands: list[click.Command] = []
