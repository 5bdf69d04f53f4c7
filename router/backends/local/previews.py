"""Preview links of embedded sandboxes: a loopback port here for a port in there."""

import asyncio
import secrets
from contextlib import suppress

from crossfade.results import PreviewLink
from router import tasks
from router.backends.local.sandboxes import LocalSandbox

CHUNK = 64 * 1024


class Previews:
    """Forwards from 127.0.0.1 to ports of sandboxes; opened when first asked for, closed with the sandbox's stop.

    Nothing checks the token: these sandboxes isolate nothing, and the forwards listen on loopback only.
    """

    def __init__(self) -> None:
        self._servers: dict[tuple[str, int], asyncio.Server] = {}
        self._tokens: dict[str, str] = {}

    async def link(self, sandbox: LocalSandbox, port: int) -> PreviewLink:
        """The link for a port; stays the same until the sandbox stops."""
        key = sandbox.id, port
        if key not in self._servers:

            async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                await join(sandbox, port, reader, writer)

            self._servers[key] = await asyncio.start_server(forward, "127.0.0.1", 0)
        here = self._servers[key].sockets[0].getsockname()[1]
        token = self._tokens.setdefault(sandbox.id, secrets.token_urlsafe(16))
        return PreviewLink(url=f"http://127.0.0.1:{here}", token=token)

    def close(self, sandbox: str) -> None:
        """Close a sandbox's forwards and forget its token."""
        for key in [key for key in self._servers if key[0] == sandbox]:
            self._servers.pop(key).close()
        self._tokens.pop(sandbox, None)


async def join(sandbox: LocalSandbox, port: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Copy both ways until both ends are done."""
    try:
        far_reader, far_writer = await sandbox.connect(port)
    except OSError:
        writer.write(b"HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
        writer.close()
        return
    there = tasks.spawn(copy(reader, far_writer), name=f"to port {port} of {sandbox.id}")
    await copy(far_reader, writer)
    await there
    for end in (writer, far_writer):
        end.close()


async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while data := await reader.read(CHUNK):
            writer.write(data)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()
