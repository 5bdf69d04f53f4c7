"""Findings on a terminal and as JSON."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import click

from router.doctor.finding import Finding, Weight

_SIGNS = {Weight.OK: ("ok     ", "green"), Weight.NOTE: ("note   ", "blue")} | {
    Weight.WARNING: ("warning", "yellow"),
    Weight.PROBLEM: ("PROBLEM", "red"),
}


def plain(found: Sequence[Finding]) -> list[dict[str, Any]]:
    """As JSON."""
    return [{**dataclasses.asdict(each), "weight": str(each.weight)} for each in found]


def show(found: Sequence[Finding]) -> None:
    """A line each, with what to do below it, and a sum."""
    for each in found:
        sign, colour = _SIGNS[each.weight]
        click.echo(f"{click.style(sign, fg=colour)}  {each.where}: {each.what}")
        if each.fix:
            click.echo(f"         -> {each.fix}")
    problems = sum(each.weight is Weight.PROBLEM for each in found)
    warnings = sum(each.weight is Weight.WARNING for each in found)
    click.echo(f"{len(found)} looked at, {problems} problems, {warnings} warnings", err=True)
