"""Commands: calls."""

import click

commands: list[click.Command] = []
