"""Commands: flags."""

import click

commands: list[click.Command] = []
