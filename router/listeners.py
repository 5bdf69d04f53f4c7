"""Listeners: HTTP servers of this process, each on an address of its own."""

import asyncio
import contextlib
import logging
from collections.abc import Iterator
from pathlib import Path

import uvicorn
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.exceptions import InvalidState

from crossfade.errors import SettingsError, Unreachable
from router.settings import Settings

_CLIENTS_DOING = "Invalid UTF-8 sequence received from client."


def _without_traceback(record: logging.LogRecord) -> bool:
    # uvicorn logs a client's text message that is no text as if it were a defect; the connection is closed with 1007.
    if record.msg == _CLIENTS_DOING:
        record.exc_info, record.levelno, record.levelname = None, logging.INFO, "INFO"
    return True


class WebsocketProtocol(WebSocketsSansIOProtocol):
    """uvicorn's own, which lets go in peace of a client that breaks the rules while it is being closed."""

    def send_receive_event_to_app(self) -> None:
        """A message is whole. One that is no text closes the connection, unless it is being closed already."""
        with contextlib.suppress(InvalidState):
            super().send_receive_event_to_app()


class Listener(uvicorn.Server):
    """A server among others: signals are handled once, for all."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def listener(
    app: object, address: str, setting: str, settings: Settings, http: "type[asyncio.Protocol] | str" = "httptools"
) -> Listener:
    """A listener that is not started yet. `setting` names the address in errors. Raises SettingsError."""
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit():
        raise SettingsError(f"{settings.file}: {setting} is '{address}'; write host:port, such as 127.0.0.1:8800")
    config = uvicorn.Config(
        app,  # type: ignore[arg-type]  # uvicorn's own types are stricter than ASGI
        host=host.strip("[]"),
        port=int(port),
        http=http,
        ws=WebsocketProtocol,
        lifespan="off",
        access_log=False,
        log_config=None,
        server_header=False,
        date_header=False,
        timeout_keep_alive=75,
        ws_max_size=64 * 1024 * 1024,
        ws_per_message_deflate=False,
        timeout_graceful_shutdown=int(settings.listen.drain_seconds) or 1,
    )
    logging.getLogger("uvicorn.error").addFilter(_without_traceback)  # the same one once, however often
    return Listener(config)


async def started(serving: list["asyncio.Task[None]"], servers: list[tuple[uvicorn.Server, str]]) -> None:
    """Returns once every server serves. Raises Unreachable."""
    while not all(server.started for server, _ in servers):
        for task, (_, address) in zip(serving, servers, strict=True):
            if task.done():
                raise Unreachable(f"cannot listen on {address}; is another program using it?")
        await asyncio.sleep(0.01)


def announce(server: uvicorn.Server, ready_file: str | None) -> None:
    """Say where it serves: on stdout, and in the file."""
    host, port = server.servers[0].sockets[0].getsockname()[:2]
    print(f"listening on http://{host}:{port}", flush=True)
    if ready_file:
        Path(ready_file).write_text(f"http://{host}:{port}\n", encoding="utf-8")
