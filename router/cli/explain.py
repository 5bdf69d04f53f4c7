"""Commands: explain."""

import click

commands: list[click.Command] = []
