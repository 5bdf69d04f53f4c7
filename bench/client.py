"""A client that costs little, so that what is measured is not itself."""

import asyncio
import time
from dataclasses import dataclass
from typing import Self
from urllib.parse import urlsplit

import httptools


class Broken(Exception):
    """An answer that makes the measurement worthless."""


@dataclass(slots=True)
class _Answer:
    """httptools' callbacks for one answer."""

    complete: bool = False

    def on_message_complete(self) -> None:
        self.complete = True


class Connection:
    """One kept-alive connection that sends the same request again and again."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes) -> None:
        self._reader, self._writer, self._request = reader, writer, request

    @classmethod
    async def open(cls, url: str, target: str, key: str) -> Self:
        parts = urlsplit(url)
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        lines = (f"GET {target} HTTP/1.1", f"Host: {parts.netloc}", f"Authorization: Bearer {key}", "", "")
        return cls(reader, writer, "\r\n".join(lines).encode())

    async def call(self) -> float:
        """Seconds from the first byte out to the last byte in. Raises Broken on anything but 200."""
        started = time.perf_counter()
        answer = _Answer()
        parser = httptools.HttpResponseParser(answer)
        self._writer.write(self._request)
        while not answer.complete:
            data = await asyncio.wait_for(self._reader.read(65_536), 30)
            if not data:
                raise Broken("connection closed in the middle of an answer")
            parser.feed_data(data)
        seconds = time.perf_counter() - started
        if parser.get_status_code() != 200:
            raise Broken(f"answered {parser.get_status_code()} instead of 200")
        return seconds

    def close(self) -> None:
        self._writer.close()


async def measure(url: str, target: str, key: str, *, calls: int, connections: int) -> list[float]:
    """Seconds of each of `calls` calls, spread over connections that each wait for their answer."""
    opened = [await Connection.open(url, target, key) for _ in range(connections)]

    async def some(connection: Connection) -> list[float]:
        return [await connection.call() for _ in range(calls // connections)]

    try:
        return [seconds for each in await asyncio.gather(*map(some, opened)) for seconds in each]
    finally:
        for connection in opened:
            connection.close()
