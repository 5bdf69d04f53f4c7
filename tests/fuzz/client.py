"""Sends a case within a deadline and reads what comes back: answers by h11, frames by hand."""

import asyncio
import contextlib
from dataclasses import dataclass, field

import h11

from tests.fuzz.cases import Case

DEADLINE_SECONDS = 40.0
_QUIET_SECONDS = 0.3  # a request that may be incomplete: after this silence the client has said all it will say
_MOST = 8 * 1024 * 1024


@dataclass(slots=True)
class Answer:
    """One answer."""

    status: int
    headers: dict[bytes, bytes]
    body: bytes = b""
    complete: bool = False


@dataclass(slots=True)
class Heard:
    """All that came back on a connection."""

    answers: list[Answer] = field(default_factory=list)
    frames: list[tuple[int, bytes]] = field(default_factory=list)
    problem: str = ""  # what no client could read
    late: bool = False  # nothing within the deadline


async def send(case: Case, host: str, port: int) -> Heard:
    """One case, on a connection of its own."""
    heard = Heard()
    try:
        async with asyncio.timeout(DEADLINE_SECONDS):
            reader, writer = await asyncio.open_connection(host, port)
            try:
                await _speak(case, reader, writer, heard)
            finally:
                writer.close()
    except TimeoutError:
        heard.late = True
    except ConnectionError:
        pass  # the server has said what it had to say and closed
    return heard


async def _speak(case: Case, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, heard: Heard) -> None:
    for piece in case.pieces:
        writer.write(piece)
        if len(case.pieces) > 2:
            await asyncio.sleep(0)
    if case.cut:
        return
    reading = _Reading(heard, upgrade=case.kind == "websocket", head=case.head)
    frames, waiting = case.frames, case.whole
    with contextlib.suppress(ConnectionError):
        while not reading.over:
            try:
                async with asyncio.timeout(None if waiting else _QUIET_SECONDS):
                    data = await reader.read(65_536)
            except TimeoutError:
                if reading.upgraded and not case.fatal:
                    return  # the frames were taken, and the socket may stay open
                if not reading.upgraded:
                    writer.write_eof()
                waiting = True
                continue
            reading.feed(data)
            if reading.upgraded and frames:
                writer.write(frames)
                frames = b""
            if not data or (case.whole and reading.answered):
                return


class _Reading:
    """Answers, one after the other, and frames behind an upgrade."""

    def __init__(self, heard: Heard, *, upgrade: bool, head: bool) -> None:
        self._heard, self._upgrade, self._head = heard, upgrade, head
        self._frames = bytearray()
        self.upgraded = False
        self.over = False
        self._connection = self._new()

    @property
    def answered(self) -> bool:
        return bool(self._heard.answers) and self._heard.answers[-1].complete

    def feed(self, data: bytes) -> None:
        if self.upgraded:
            self._feed_frames(data)
            return
        try:
            self._connection.receive_data(data)
            self._events(closed=not data)
        except h11.RemoteProtocolError as error:
            # Cut short is how an answer ends that cannot be finished; everything else is a fault.
            cut = not data and bool(self._heard.answers)
            begun = not data and not self._heard.answers
            self._heard.problem = "" if cut or begun else f"{error}"
            self.over = True

    def _events(self, *, closed: bool) -> None:
        while True:
            event = self._connection.next_event()
            if event is h11.NEED_DATA or isinstance(event, h11.ConnectionClosed):
                return
            if isinstance(event, h11.InformationalResponse) and event.status_code == 101:
                self.upgraded = True
                self._heard.answers.append(Answer(101, dict(event.headers), complete=True))
                self._feed_frames(self._connection.trailing_data[0])
                return
            if isinstance(event, h11.Response):
                self._heard.answers.append(Answer(event.status_code, dict(event.headers)))
            elif isinstance(event, h11.Data):
                answer = self._heard.answers[-1]
                answer.body += bytes(event.data) if len(answer.body) < _MOST else b""
            elif isinstance(event, h11.EndOfMessage):
                self._heard.answers[-1].complete = True
                rest = self._connection.trailing_data[0]
                if closed or self._connection.their_state is h11.MUST_CLOSE:
                    self._heard.problem = f"more behind the last answer: {rest[:60]!r}" if rest else ""
                    return
                self._connection = self._new()
                if not rest:
                    return
                self._connection.receive_data(rest)
            elif event is h11.PAUSED:
                return

    def _new(self) -> h11.Connection:
        """A reader of one answer. h11 wants to know what was asked: something that may have any answer."""
        connection = h11.Connection(h11.CLIENT, max_incomplete_event_size=262_144)
        headers = [("Host", "h"), *([("Connection", "Upgrade"), ("Upgrade", "websocket")] if self._upgrade else [])]
        connection.send(h11.Request(method="HEAD" if self._head else "GET", target="/", headers=headers))
        connection.send(h11.EndOfMessage())
        self._head = False
        return connection

    def _feed_frames(self, data: bytes) -> None:
        self._frames += data
        while len(self._frames) >= 2:
            first, size, at = self._frames[0], self._frames[1], 2
            if size & 0x80 or first & 0x70:
                self._heard.problem = f"frame head {first:02x} {size:02x}: masked, or with bits nobody agreed on"
                self.over = True
                return
            if size >= 126:
                at = 4 if size == 126 else 10
                if len(self._frames) < at:
                    return
                size = int.from_bytes(self._frames[2:at], "big")
            if len(self._frames) < at + size:
                return
            self._heard.frames.append((first & 0x0F, bytes(self._frames[at : at + min(size, 200)])))
            del self._frames[: at + size]
