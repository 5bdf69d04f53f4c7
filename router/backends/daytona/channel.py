"""Channels over Daytona's websockets: terminals, followed logs, executions."""

import json
from collections.abc import AsyncIterator

from crossfade.results import StreamEnd
from crossfade.upstream import UpstreamFailed, UpstreamSocket

_GOING_AWAY = 1005  # stands for "no code"; a log's end
_NORMAL, _SAID, _LOST = 1000, 1006, 1011


class SocketChannel:
    """A websocket as a channel. Text frames of a terminal are control messages, never output."""

    def __init__(self, socket: UpstreamSocket, *, terminal: bool) -> None:
        self._socket = socket
        self._terminal = terminal
        self._end = StreamEnd(reason="not ended")

    async def output(self) -> AsyncIterator[bytes]:
        """Bytes as they come, until the end."""
        told = StreamEnd()
        try:
            async for message in self._socket.messages():
                if isinstance(message, bytes):
                    yield message
                elif self._terminal:
                    told = _control(message) or told
                else:
                    yield message.encode()
        except UpstreamFailed as error:
            self._end = StreamEnd(reason=str(error))
            return
        code, reason = self._socket.closed
        self._end = _ended(code, reason, told, terminal=self._terminal)

    async def send(self, data: bytes) -> None:
        """Input; ignored where there is none, or when it is over."""
        if self._terminal:
            try:
                await self._socket.send(data)
            except UpstreamFailed:
                pass  # output() tells the end

    async def close(self) -> None:
        """Detach. What runs behind it goes on."""
        await self._socket.close()

    @property
    def end(self) -> StreamEnd:
        """How it ended, once output() has."""
        return self._end


class ExecutionChannel:
    """An interpreter's websocket as a channel: text messages both ways, the end told by its close code."""

    def __init__(self, socket: UpstreamSocket) -> None:
        self._socket = socket
        self._end = StreamEnd(reason="not ended")

    async def output(self) -> AsyncIterator[bytes]:
        """Messages as they come, until the end."""
        try:
            async for message in self._socket.messages():
                yield message.encode() if isinstance(message, str) else message
        except UpstreamFailed as error:
            self._end = StreamEnd(reason=str(error), close=_LOST)
            return
        code, reason = self._socket.closed
        # 1005 and 1006 are no codes that anybody sends: the connection went without a word, which is no end.
        ended = code == _NORMAL
        self._end = StreamEnd(exit_code=0) if ended else StreamEnd(reason=reason, close=code if code > _SAID else _LOST)

    async def send(self, data: bytes) -> None:
        """The request; lost when it is over, which output() tells."""
        try:
            await self._socket.send(data.decode("utf-8", "replace"))
        except UpstreamFailed:
            pass

    async def close(self) -> None:
        """Detach."""
        await self._socket.close()

    @property
    def end(self) -> StreamEnd:
        """How it ended, once output() has."""
        return self._end


def _control(message: str) -> StreamEnd | None:
    try:
        value = json.loads(message)
    except ValueError:
        return None
    if not isinstance(value, dict) or value.get("type") != "control":
        return None
    match value.get("status"):
        case "exited":
            return StreamEnd(exit_code=value.get("exitCode"), reason=str(value.get("exitReason") or ""))
        case "error":
            return StreamEnd(reason=str(value.get("error") or "terminal failed"))
        case _:
            return None


def _ended(code: int, reason: str, told: StreamEnd, *, terminal: bool) -> StreamEnd:
    try:
        value = json.loads(reason) if reason else {}
    except ValueError:
        value = {}
    if isinstance(value, dict) and isinstance(value.get("exitCode"), int):
        return StreamEnd(exit_code=value["exitCode"], reason=str(value.get("exitReason") or ""))
    if told.exit_code is not None or told.reason:
        return told
    # A terminal that is closed without a word may have ended in any way; a log then has just ended.
    if code == _NORMAL or (code == _GOING_AWAY and not terminal):
        return StreamEnd(exit_code=0)
    said = value.get("error") if isinstance(value, dict) else None
    return StreamEnd(reason=str(said or reason or f"closed with {code}"))
