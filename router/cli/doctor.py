"""`crossfade doctor`: both origins, tried on the user's own account."""

import asyncio
import json
from typing import TYPE_CHECKING

import click

from router.cli.changing import AS_JSON, CONFIG

if TYPE_CHECKING:
    from router.doctor.finding import Finding
    from router.settings import Settings


@click.command()
@click.option(
    "--against", type=click.Choice(["old", "new"]), help="Only this side; both, and how they compare, if left out."
)
@click.option(
    "--snapshot", default="", help="Snapshot of the sandboxes that are tried (default: the first that has a template)."
)
@CONFIG
@AS_JSON
def doctor(against: str | None, snapshot: str, config: str | None, as_json: bool) -> None:
    """Try both origins on your own account and say what an agent would notice.

    Network, certificate, clock, key and latency; then, in a sandbox that is made for it on each side and removed, what
    the template has and a short conformance set. Exit 1 on a finding, 3 where an origin cannot be reached.
    """
    from router.cli.findings import plain, show
    from router.doctor.finding import Weight
    from router.settings import load

    found, reached = asyncio.run(_examined(load(config), against, snapshot))
    if as_json:
        click.echo(json.dumps({"schema": "crossfade.doctor/1", "findings": plain(found)}, indent=2))
    else:
        show(found)
    if not reached:
        raise SystemExit(3)
    if any(each.weight in (Weight.WARNING, Weight.PROBLEM) for each in found):
        raise SystemExit(1)


async def _examined(settings: "Settings", against: str | None, snapshot: str) -> "tuple[list[Finding], bool]":
    from rich.console import Console

    from crossfade.stage import Origin
    from router.backends.of_settings import backends_of
    from router.doctor.connection import Unreached
    from router.doctor.origins import examine
    from router.wire.http1 import Pools
    from router.wire.http1.client import Http1Upstream

    sides = [Origin(against)] if against else list(Origin)
    named = snapshot or next((name for name in settings.new.templates if name != "*"), "")
    found: list[Finding] = []
    files = [file for file in (settings.old.ca_file, settings.new.ca_file) if file]
    async with Pools(ca_files=files) as pools, Http1Upstream(pools=pools) as upstream:
        with Console(stderr=True).status("trying the origins") as status:
            try:
                async for each in examine(settings, backends_of(settings, upstream), sides, named):
                    found.append(each)
                    status.update(f"{each.where}: {each.what}"[:100])
            except Unreached:
                return found, False
    return found, True


commands: list[click.Command] = [doctor]
