"""Commands: serve."""

import click

commands: list[click.Command] = []
