"""`crossfade notify`: are those reached who are to be told?"""

import asyncio
import json
import time
from typing import TYPE_CHECKING

import click

from router.cli.changing import AS_JSON, CONFIG

if TYPE_CHECKING:
    from router.settings_watch import NotifySettings


@click.group()
def notify() -> None:
    """Who is told of alarms: the settings' [notify]."""


@notify.command()
@CONFIG
@AS_JSON
def test(config: str | None, as_json: bool) -> None:
    """Send one notice to every target that is set, from this machine. Exit 3 where one does not take it."""
    from crossfade.errors import SettingsError
    from router.notify.channel import targets_of
    from router.settings import load

    settings = load(config)
    if not targets_of(settings.notify):
        raise SettingsError(
            f"{settings.file}: nobody is to be told; set notify.slack_url, notify.teams_url or notify.webhook_url"
        )
    found = asyncio.run(_sent(settings.notify))
    if as_json:
        told = [{"target": kind, "sent": ok, "said": said} for kind, ok, said in found]
        click.echo(json.dumps({"schema": "crossfade.notify/1", "targets": told}, indent=2))
    else:
        for kind, ok, said in found:
            click.echo(f"{kind:<9}{'sent' if ok else 'NOT SENT'}: {said}")
    if not all(ok for _, ok, _ in found):
        raise SystemExit(3)


async def _sent(settings: "NotifySettings") -> list[tuple[str, bool, str]]:
    import platform

    from router.clock import SystemClock
    from router.notify.alarms import trial
    from router.notify.channel import Channel, client, targets_of

    notice = trial(settings.router or platform.node(), time.time())
    async with client() as http:
        sent = [(each.kind, await Channel(each, http, SystemClock()).send(notice)) for each in targets_of(settings)]
    return [(kind, found.ok, found.said) for kind, found in sent]


commands: list[click.Command] = [notify]
