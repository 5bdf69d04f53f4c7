"""A router on a socket before a scripted origin, its engine in this process."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import uvicorn

from crossfade.record import Record
from router.app import App, assembled
from router.engine.fast import refusal
from router.settings import parse
from router.store.calls import tail
from router.wire.inbound.protocol import relaying
from tests.wire.origin import PATIENCE

WAYS = ("relayed", "application")  # calls relayed by the listener's protocol where they can be, and not
KEY = "own-key"


@dataclass(eq=False)
class Router:
    """A running router."""

    app: App
    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def ask(self, *lines: str, body: bytes = b"", host: str = "router") -> tuple[int, dict[str, str], bytes]:
        """One request on a connection of its own, as raw lines: status, headers by lower-case name, body."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            head = [lines[0] + " HTTP/1.1", f"Host: {host}", "Connection: close", *lines[1:]]
            if body:
                head.append(f"Content-Length: {len(body)}")
            writer.write("\r\n".join([*head, "", ""]).encode() + body)
            async with asyncio.timeout(PATIENCE):
                answer = await reader.read()
        finally:
            writer.close()
        start, _, rest = answer.partition(b"\r\n\r\n")
        first, *others = start.decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in others)}
        return int(first.split()[1]), headers, rest

    async def recorded(self, count: int) -> list[Record]:
        """The records, in the order in which calls ended, once there are as many."""
        async with asyncio.timeout(PATIENCE):
            while True:
                await asyncio.to_thread(self.app.records.flush)
                found = await asyncio.to_thread(tail, self.app.database, limit=1000)
                if len(found) >= count:
                    return [each.record for each in found]
                await asyncio.sleep(0.02)


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self):  # type: ignore[no-untyped-def]
        yield


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.asynccontextmanager
async def router(
    directory: Path, old: str, *, way: str = "relayed", port: int = 0, extra: str = "", old_extra: str = ""
) -> AsyncIterator[Router]:
    """Start it; stop it. `old` is the origin's URL without /api."""
    directory.mkdir(exist_ok=True)
    settings = parse(
        f'[origins.old]\nurl = "{old}/api"\nkey = "{KEY}"\n{old_extra}'
        f'[origins.new]\nurl = "http://127.0.0.1:9"\nsandbox_url = "http://127.0.0.1:9"\nkey = "{KEY}"\n'
        f'[store]\nurl = "sqlite:///{directory / "crossfade.db"}"\n{extra}'
    )
    async with assembled(settings) as app:
        http = relaying(app.fast.plan, refusal) if way == "relayed" else "httptools"
        config = uvicorn.Config(
            app.engine,  # type: ignore[arg-type]  # uvicorn's own types are stricter than ASGI
            host="127.0.0.1", port=port, http=http, lifespan="off", log_config=None,
            server_header=False, date_header=False, timeout_graceful_shutdown=1,
        )  # fmt: skip
        server = _Server(config)
        serving = asyncio.create_task(server.serve())
        while not server.started:
            assert not serving.done(), "the server ended before it served"
            await asyncio.sleep(0.005)
        try:
            yield Router(app, int(server.servers[0].sockets[0].getsockname()[1]))
        finally:
            server.should_exit = True
            await serving
