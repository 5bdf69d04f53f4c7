"""Commands: report."""

import click

commands: list[click.Command] = []
