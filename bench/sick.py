"""A sick E2B: slow, hung or flooding. `python -m bench.sick MODE PORT`. A dead one needs no program.

On SIGTERM it prints how often it was asked and how much it sent.
"""

import asyncio
import json
import signal
import sys
from typing import cast

import httptools
import uvloop

from bench import work

SLOW_SECONDS = 0.1  # old answers the same in well under a millisecond
FLOOD_BYTES = 10 * 1024**2
_CHUNK = b"x" * 65_536
_ANSWERS = {
    b"/filesystem.Filesystem/Stat": work.envd_stat().encode(),
    b"/filesystem.Filesystem/ListDir": work.envd_list().encode(),
    b"/files": work.TEXT.encode(),
    b"/process.Process/Start": work.envd_exec(),
}


class Sick(asyncio.Protocol):
    """One connection."""

    asked = 0
    bytes_sent = 0

    def __init__(self, mode: str) -> None:
        self._mode = mode
        self._parser = httptools.HttpRequestParser(self)
        self._url = b""
        self._may_write = asyncio.Event()
        self._may_write.set()
        self._tasks: set[asyncio.Task[None]] = set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is none by its class

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def pause_writing(self) -> None:
        self._may_write.clear()

    def resume_writing(self) -> None:
        self._may_write.set()

    def connection_lost(self, _error: Exception | None) -> None:
        for task in self._tasks:
            task.cancel()

    def on_url(self, url: bytes) -> None:
        """For httptools."""
        self._url = url

    def on_message_complete(self) -> None:
        """For httptools."""
        Sick.asked += 1
        if self._mode == "hung":
            return
        answer = _ANSWERS.get(self._url.partition(b"?")[0], b"{}")
        answering = self._flood() if self._mode == "flood" else self._late(answer)
        task = asyncio.get_running_loop().create_task(answering)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _late(self, body: bytes) -> None:
        await asyncio.sleep(SLOW_SECONDS)
        kind = b"application/connect+json" if body.startswith(b"\0") else b"application/json"
        self._write(b"HTTP/1.1 200 OK\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s" % (kind, len(body), body))

    async def _flood(self) -> None:
        head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % FLOOD_BYTES
        self._write(head)
        for _ in range(FLOOD_BYTES // len(_CHUNK)):
            await self._may_write.wait()
            self._write(_CHUNK)

    def _write(self, data: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.write(data)
            Sick.bytes_sent += len(data)


async def serve(mode: str, port: int) -> None:
    """Be sick until SIGTERM."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    server = await loop.create_server(lambda: Sick(mode), "127.0.0.1", port, backlog=4096)
    await stop.wait()
    server.close()
    print(json.dumps({"asked": Sick.asked, "bytes_sent": Sick.bytes_sent}), flush=True)


if __name__ == "__main__":
    uvloop.run(serve(sys.argv[1], int(sys.argv[2])))
