"""`crossfade capture` and `crossfade replay`: whole calls that were kept, and what they show when driven again."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from router.cli.changing import AS_JSON, CONFIG

if TYPE_CHECKING:
    from router.capture.call import CapturedCall
    from router.capture.tally import Tally
    from router.settings import Settings


@click.command()
@CONFIG
@AS_JSON
def capture(config: str | None, as_json: bool) -> None:
    """What has been captured: whether it is on, the files, and how many calls of how many sandboxes are in each."""
    from router.capture.call import calls_in
    from router.capture.files import files_in
    from router.settings import load

    settings = load(config).capture
    files = []
    for path in files_in(Path(settings.folder)):
        calls = list(calls_in(path))
        sandboxes = {call.sandbox for call in calls}
        files.append(
            {"file": str(path), "bytes": path.stat().st_size, "calls": len(calls), "sandboxes": len(sandboxes)}
        )
    if as_json:
        told = {"schema": "crossfade.capture/1", "sample": settings.sample, "files": files}
        click.echo(json.dumps(told, indent=2))
        return
    for each in files:
        click.echo(
            f"{each['file']}  {each['bytes']:,} bytes  {each['calls']:,} calls of {each['sandboxes']:,} sandboxes"
        )
    on = f"{settings.sample:.2%} of sandboxes are captured" if settings.sample else "off: set capture.sample"
    click.echo(f"{len(files)} files; {on}", err=True)


@click.command()
@click.argument("what", nargs=-1, required=True, metavar="FILE|SIGNATURE")
@click.option("--against", type=click.Choice(["old", "new"]), required=True, help="The side that is asked again.")
@click.option(
    "--speed", type=click.FloatRange(min=0), default=1.0, help="2: twice as fast as they came. 0: no waiting."
)
@click.option("--snapshot", default="", help="Snapshot of the sandboxes (default: the first that has a template).")
@click.option("--sandboxes", type=click.IntRange(min=1), default=4, help="Sandboxes at once (default: 4).")
@CONFIG
@AS_JSON
def replay(
    what: tuple[str, ...],
    against: str,
    speed: float,
    snapshot: str,
    sandboxes: int,
    config: str | None,
    as_json: bool,
) -> None:
    """Drive captured calls again, in sandboxes made for them, and hold the answers against old's.

    FILE is one of `crossfade capture`; a SIGNATURE takes the sandboxes that showed it from all of them. Exit 1 when an
    answer differs by more than how it is written.
    """
    from router.settings import load

    settings = load(config)
    calls, folder = _chosen(" ".join(what), Path(settings.capture.folder))
    counted = asyncio.run(_driven(settings, calls, folder, against, speed, snapshot, sandboxes))
    if as_json:
        told = [{**dataclasses.asdict(row), "state": row.state} for row in counted.rows]
        click.echo(json.dumps({"schema": "crossfade.replay/1", **dataclasses.asdict(counted), "rows": told}, indent=2))
    else:
        _show(counted)
    if counted.differing:
        raise SystemExit(1)


def _chosen(what: str, folder: Path) -> tuple[list[CapturedCall], Path]:
    """The calls, and the folder that holds their key. Raises SettingsError where there are none."""
    from crossfade.errors import SettingsError
    from router.capture.call import calls_in
    from router.capture.files import files_in
    from router.capture.replay import with_signature

    if Path(what).is_file():
        return list(calls_in(Path(what))), Path(what).parent
    calls = with_signature([call for path in files_in(folder) for call in calls_in(path)], what)
    if not calls:
        raise SettingsError(f"'{what}' is no file, and no call captured in {folder} shows such a signature")
    return calls, folder


async def _driven(
    settings: Settings,
    calls: list[CapturedCall],
    folder: Path,
    against: str,
    speed: float,
    snapshot: str,
    sandboxes: int,
) -> Tally:
    from rich.console import Console

    from crossfade.errors import Unreachable
    from crossfade.stage import Origin
    from router.backends.of_settings import backends_of
    from router.capture.masks import masks_of
    from router.capture.replay import Driven, Replay
    from router.capture.tally import tally
    from router.compare.worker import CompareWorker
    from router.doctor.scratch import NotMade
    from router.wire.http1 import Pools
    from router.wire.http1.client import Http1Upstream

    named = snapshot or next((name for name in settings.new.templates if name != "*"), "")
    masks = masks_of(folder)
    files = [file for file in (settings.old.ca_file, settings.new.ca_file) if file]
    async with Pools(ca_files=files) as pools, Http1Upstream(pools=pools) as upstream, CompareWorker() as worker:
        with Console(stderr=True).status("replaying") as status:
            done = 0

            def told(driven: Driven) -> None:
                nonlocal done
                done += 1
                status.update(f"{done:,} of {len(calls):,}: {driven.call.operation}")

            replaying = Replay(
                backend=backends_of(settings, upstream)[Origin(against)],
                worker=worker,
                masks=masks,
                speed=speed,
                snapshot=named,
                sandboxes=sandboxes,
                told=told,
            )
            try:
                return tally(await replaying.run(calls))
            except NotMade as error:
                raise Unreachable(f"{against} makes no sandbox: {error}") from None


def _show(counted: Tally) -> None:
    from router.admin.kinds import printable

    for row in counted.rows:
        click.echo(f"{row.state:<6}{row.now:>8,} x now {row.captured:>8,} x captured  {printable(row.signature)}")
    for why, number in sorted(counted.skipped.items()):
        click.echo(f"not driven: {number:,} x {printable(why)}", err=True)
    click.echo(f"{counted.driven:,} driven, {counted.compared:,} compared, {counted.differing:,} differ", err=True)


commands: list[click.Command] = [capture, replay]
