"""A tap: a TCP relay before an origin that belongs to the test and counts the requests that arrive.

It parses what goes by and changes nothing, so its counts owe nothing to the program under test.
"""

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

import httptools


@dataclass(frozen=True, slots=True)
class Seen:
    """One request that arrived."""

    method: str
    target: str
    purpose: str  # X-Crossfade-Purpose, "answer" without one
    call: str  # X-Crossfade-Call
    tool: str  # X-Crossfade-Tool


@dataclass(eq=False)
class Tap:
    """Relays 127.0.0.1:port to the target and keeps what it saw. Can hang, refuse or slow the way down."""

    target: str  # host:port
    seen: list[Seen] = field(default_factory=list)
    bytes_up: int = 0
    bytes_down: int = 0
    port: int = 0
    hung: bool = False
    delay_seconds: float = 0.0
    _server: asyncio.Server | None = None
    _tasks: set["asyncio.Task[None]"] = field(default_factory=set)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._connection, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Refuse new connections and cut those that are open."""
        if self._server is not None:
            self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def counts(self) -> Counter[str]:
        """Requests by purpose."""
        return Counter(each.purpose for each in self.seen)

    def calls(self, purpose: str) -> set[str]:
        """Distinct client calls that arrived for this purpose."""
        return {each.call for each in self.seen if each.purpose == purpose and each.call}

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            host, port = self.target.rsplit(":", 1)
            there_reader, there_writer = await asyncio.open_connection(host, int(port))
        except OSError:
            writer.close()
            self._tasks.discard(task)
            return
        try:
            parser = _Requests(self.seen)
            up = asyncio.create_task(self._copy(reader, there_writer, parser))
            down = asyncio.create_task(self._copy(there_reader, writer, None))
            try:
                await asyncio.wait({up, down}, return_when=asyncio.ALL_COMPLETED)
            finally:
                up.cancel()
                down.cancel()
        finally:
            writer.close()
            there_writer.close()
            self._tasks.discard(task)

    async def _copy(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, parser: "_Requests | None") -> None:
        try:
            while data := await source.read(262_144):
                if parser is not None:
                    self.bytes_up += len(data)
                    parser.feed(data)
                else:
                    self.bytes_down += len(data)
                    while self.hung:
                        await asyncio.sleep(0.02)
                    if self.delay_seconds:
                        await asyncio.sleep(self.delay_seconds)
                sink.write(data)
                await sink.drain()
        except (ConnectionError, asyncio.CancelledError):
            pass
        finally:
            if not sink.is_closing():
                try:
                    sink.write_eof()
                except (OSError, RuntimeError):
                    pass


class _Requests:
    """Counts request heads in a byte stream; goes quiet after an upgrade."""

    def __init__(self, seen: list[Seen]) -> None:
        self.seen = seen
        self.parser: httptools.HttpRequestParser | None = httptools.HttpRequestParser(self)
        self.target = b""
        self.fields: dict[bytes, bytes] = {}

    def feed(self, data: bytes) -> None:
        if self.parser is None:
            return
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self.parser = None

    def on_message_begin(self) -> None:
        self.target, self.fields = b"", {}

    def on_url(self, url: bytes) -> None:
        self.target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self.fields[name.lower()] = value

    def on_headers_complete(self) -> None:
        assert self.parser is not None
        self.seen.append(
            Seen(
                method=self.parser.get_method().decode(),
                target=self.target.decode("latin-1"),
                purpose=self.fields.get(b"x-crossfade-purpose", b"answer").decode(),
                call=self.fields.get(b"x-crossfade-call", b"").decode(),
                tool=self.fields.get(b"x-crossfade-tool", b"").decode(),
            )
        )
