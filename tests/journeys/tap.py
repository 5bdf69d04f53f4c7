"""A tap: a TCP relay before an origin that belongs to the test and counts the requests that arrive.

It parses what goes by and changes nothing, so its counts owe nothing to the program under test.
"""

import asyncio
import contextlib
import time
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

import httptools


@dataclass(slots=True)
class Seen:
    """One request that arrived."""

    method: str
    target: str
    purpose: str  # X-Crossfade-Purpose, "answer" without one
    call: str  # X-Crossfade-Call of the request, or of its answer where a client asked
    tool: str  # X-Crossfade-Tool
    upgrade: bool  # a websocket handshake
    at: float  # monotonic
    status: int = 0  # of the answer; 0: none yet


@dataclass(eq=False)
class Tap:
    """Relays 127.0.0.1:port to the target and keeps what it saw. Can hang, refuse, slow, cut or garble."""

    target: str  # host:port
    seen: list[Seen] = field(default_factory=list)
    bytes_up: int = 0
    bytes_down: int = 0
    port: int = 0
    hung: bool = False
    delay_seconds: float = 0.0
    garbage: bytes = b""  # answered to everything, and the connection closed
    cut_up: int = 0  # bytes of a request after which its connection is cut; 0: never
    cut_down: int = -1  # bytes of an answer after which it is; 0: before the first; -1: never
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
            requests = _Requests(self.seen)
            answers = _Answers(requests)
            way = _Way()
            up = asyncio.create_task(self._up(reader, there_writer, requests, way))
            down = asyncio.create_task(self._down(there_reader, writer, answers, way))
            cut = asyncio.create_task(way.cut.wait())
            both = asyncio.gather(up, down)
            try:
                await asyncio.wait({both, cut}, return_when=asyncio.FIRST_COMPLETED)
                if way.cut.is_set():
                    writer.transport.abort()
                    there_writer.transport.abort()
            finally:
                for each in (both, cut):
                    each.cancel()
                await asyncio.gather(both, cut, return_exceptions=True)
        except asyncio.CancelledError:
            pass  # the tap closes; asyncio would log a cancelled connection as an error
        finally:
            writer.close()
            there_writer.close()
            self._tasks.discard(task)

    async def _up(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, requests: "_Requests", way: "_Way"
    ) -> None:
        with _ending(sink):
            while data := await source.read(262_144):
                self.bytes_up += len(data)
                requests.feed(data)
                room = self.cut_up - way.up
                way.up += len(data)
                if self.cut_up and room < len(data):
                    sink.write(data[: max(0, room)])
                    await sink.drain()
                    way.cut.set()
                    return
                sink.write(data)
                await sink.drain()

    async def _down(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, answers: "_Answers", way: "_Way"
    ) -> None:
        with _ending(sink):
            while data := await source.read(262_144):
                self.bytes_down += len(data)
                way.up = 0
                if self.garbage or self.cut_down >= 0:
                    sink.write(self.garbage or data[: self.cut_down])
                    await sink.drain()
                    way.cut.set()
                    return
                while self.hung:
                    await asyncio.sleep(0.02)
                if self.delay_seconds:
                    await asyncio.sleep(self.delay_seconds)
                answers.feed(data)
                sink.write(data)
                await sink.drain()


@dataclass(slots=True)
class _Way:
    """One connection: bytes that went up since the last answer, and whether it is cut."""

    up: int = 0
    cut: asyncio.Event = field(default_factory=asyncio.Event)


@contextlib.contextmanager
def _ending(sink: asyncio.StreamWriter) -> Iterator[None]:
    """Pass the end of one direction on, however it came."""
    try:
        yield
    except (ConnectionError, asyncio.CancelledError):
        pass
    finally:
        if not sink.is_closing():
            with contextlib.suppress(OSError, RuntimeError):
                sink.write_eof()


class _Requests:
    """Counts request heads in a byte stream; goes quiet after an upgrade."""

    def __init__(self, seen: list[Seen]) -> None:
        self.seen = seen
        self.parser: httptools.HttpRequestParser | None = httptools.HttpRequestParser(self)
        self.unanswered: deque[Seen] = deque()
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
        seen = Seen(
            method=self.parser.get_method().decode(),
            target=self.target.decode("latin-1"),
            purpose=self.fields.get(b"x-crossfade-purpose", b"answer").decode(),
            call=self.fields.get(b"x-crossfade-call", b"").decode(),
            tool=self.fields.get(b"x-crossfade-tool", b"").decode(),
            upgrade=b"upgrade" in self.fields,
            at=time.monotonic(),
        )
        self.seen.append(seen)
        self.unanswered.append(seen)


class _Answers:
    """Reads answer heads in a byte stream and notes them with their requests; nobody here asks HEAD."""

    def __init__(self, requests: _Requests) -> None:
        self.requests = requests
        self.parser: httptools.HttpResponseParser | None = httptools.HttpResponseParser(self)
        self.call = b""

    def feed(self, data: bytes) -> None:
        if self.parser is None:
            return
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self.parser = None

    def on_message_begin(self) -> None:
        self.call = b""

    def on_header(self, name: bytes, value: bytes) -> None:
        if name.lower() == b"x-crossfade-call":
            self.call = value

    def on_headers_complete(self) -> None:
        assert self.parser is not None
        status = self.parser.get_status_code()
        if 100 <= status < 200 and status != 101:
            return
        seen = self.requests.unanswered.popleft()
        seen.status = status
        seen.call = seen.call or self.call.decode()
