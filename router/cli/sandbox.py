"""Commands: sandbox."""

import asyncio
import logging
import shutil
import signal
import tempfile
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from crossfade.errors import SettingsError

if TYPE_CHECKING:
    from router.backends.local.sandboxes import LocalSandboxes

DEFAULT_KEY = "local-key"
_LOOPBACK = ("127.0.0.1", "::1", "localhost")
_UNITS = {"": 1, "k": 1024, "m": 1024**2, "g": 1024**3}
_GRACE_SECONDS = 3
Close = Callable[[], Awaitable[None]]


@click.command("sandbox")
@click.option("--api", type=click.Choice(["daytona", "e2b"]), required=True, help="The API to speak.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=8900, show_default=True, type=click.IntRange(0, 65535), help="0: any free port.")
@click.option("--dir", "directory", type=click.Path(path_type=Path, file_okay=False), help="Default: a temporary one.")
@click.option("--key", "keys", multiple=True, help=f"A key clients may use; repeatable.  [default: {DEFAULT_KEY}]")
@click.option("--disk-limit", help="Most bytes one sandbox may hold, such as 500M or 2G.")
@click.option("--inject", multiple=True, help="KIND[:SANDBOX|METADATA=VALUE]: make answers differ (e2b only).")
@click.option("--ready-file", type=click.Path(path_type=Path, dir_okay=False), help="Write the URL here once ready.")
def sandbox(
    api: str,
    host: str,
    port: int,
    directory: Path | None,
    keys: Sequence[str],
    disk_limit: str | None,
    inject: Sequence[str],
    ready_file: Path | None,
) -> None:
    """Serve embedded sandboxes: directories and processes on this machine, which isolate nothing.

    For demonstrations, development and tests. SIGTERM ends it, and every process in every sandbox with it.
    """
    limit = _bytes(disk_limit)
    if inject and api != "e2b":
        raise SettingsError("--inject works with --api e2b only: differences are looked for on the new side")
    given = directory or Path(tempfile.mkdtemp(prefix="crossfade-sandbox-"))
    try:
        asyncio.run(_serve(api, host, port, given, keys or (DEFAULT_KEY,), limit, inject, ready_file))
    finally:
        if directory is None:
            shutil.rmtree(given, ignore_errors=True)


commands: list[click.Command] = [sandbox]


async def _serve(
    api: str,
    host: str,
    port: int,
    directory: Path,
    keys: Sequence[str],
    disk_limit: int | None,
    inject: Sequence[str],
    ready_file: Path | None,
) -> None:
    # Imported here: building the command line must not load a server.
    import uvicorn

    from router.backends.local.sandboxes import LocalSandboxes
    from router.listeners import WebsocketProtocol

    class Announcing(uvicorn.Server):
        async def startup(self, sockets: list[Any] | None = None) -> None:
            try:
                await super().startup(sockets)
            except SystemExit:  # uvicorn's way to say that it cannot bind; it has said why
                raise SettingsError(
                    f"cannot listen on {host}:{port}; choose another --port, or 0 for any free one"
                ) from None
            if self.started:
                real_port = self.servers[0].sockets[0].getsockname()[1]
                _announce(api, host, real_port, keys, ready_file)

    sandboxes = LocalSandboxes(directory, disk_limit=disk_limit)
    app, close = _app(api, sandboxes, keys, inject)
    server = Announcing(
        uvicorn.Config(
            app,
            host=host,
            port=port,
            log_level="warning",
            ws=WebsocketProtocol,
            server_header=False,
            # Longer than a router's pool keeps a connection (PoolSettings.idle_seconds), as at providers' own edges:
            # else a write could meet a closing one.
            timeout_keep_alive=75,
            timeout_graceful_shutdown=_GRACE_SECONDS,
        )
    )
    logging.getLogger("uvicorn.error").addFilter(_is_news)
    # uvicorn raises the signal again once it has shut down; without handlers of ours that would end us before the
    # sandboxes' processes are killed.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    if api == "daytona":  # the other app opens and closes the sandboxes with its lifespan
        await sandboxes.open()
    try:
        await server.serve()
    finally:
        await close()


def _is_news(record: logging.LogRecord) -> bool:
    # uvicorn takes every handshake that is answered with a plain response for an incomplete one.
    return "without completing handshake" not in record.getMessage()


def _app(api: str, sandboxes: "LocalSandboxes", keys: Sequence[str], inject: Sequence[str]) -> tuple[Any, Close]:
    """The app, and what to do once it is served no longer."""
    if api == "e2b":
        from router.front.e2b.app import e2b_app
        from router.front.e2b.inject import Injector

        return e2b_app(sandboxes, keys=keys, inject=Injector.parse(inject) if inject else None), _nothing
    from router.backends.local.backend import LocalBackend
    from router.front.daytona.app import daytona_app

    backend = LocalBackend(sandboxes)

    async def close() -> None:
        await backend.close()
        await sandboxes.close()

    return daytona_app(backend, keys=keys), close


async def _nothing() -> None:
    pass


def _announce(api: str, host: str, port: int, keys: Sequence[str], ready_file: Path | None) -> None:
    shown = "127.0.0.1" if host in ("0.0.0.0", "::") else host
    url = f"http://[{shown}]:{port}" if ":" in shown else f"http://{shown}:{port}"
    if host not in _LOOPBACK:
        click.echo(f"warning: anyone who reaches {host} can run commands as you", err=True)
    click.echo("sandboxes here isolate nothing: their processes run as you, on this machine", err=True)
    # A key given on the command line is a secret; the default one is not.
    key = keys[0] if keys == (DEFAULT_KEY,) else "(one of --key)"
    if api == "daytona":
        click.echo(f"Daytona SDK: DAYTONA_API_URL={url}/api DAYTONA_API_KEY={key}", err=True)
    else:
        click.echo(f"E2B SDK: E2B_API_URL={url} E2B_SANDBOX_URL={url} E2B_API_KEY={key}", err=True)
    if ready_file is not None:
        unfinished = ready_file.with_name(ready_file.name + ".new")
        unfinished.write_text(url + "\n")
        unfinished.replace(ready_file)
    click.echo(f"listening on {url}")


def _bytes(text: str | None) -> int | None:
    """A size such as 500M as bytes. Raises SettingsError."""
    if text is None:
        return None
    number, unit = text.strip().lower().removesuffix("ib").removesuffix("b"), ""
    if number and number[-1] in _UNITS:
        number, unit = number[:-1], number[-1]
    if not number.isdecimal() or int(number) == 0:
        raise SettingsError(f"--disk-limit {text!r} is no size; write bytes, or a number with K, M or G, such as 500M")
    return int(number) * _UNITS[unit]
