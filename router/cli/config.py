"""Commands: config."""

import click

commands: list[click.Command] = []
