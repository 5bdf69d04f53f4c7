"""How Daytona's websockets end, told apart: what is not said is never a success."""

from collections.abc import AsyncIterator

import pytest

from crossfade.results import StreamEnd
from crossfade.upstream import UpstreamFailed
from router.backends.daytona.channel import ExecutionChannel, SocketChannel


class Socket:
    """A websocket that says what it is told to, and then closes or breaks off."""

    subprotocol = None

    def __init__(self, *messages: str | bytes, code: int = 1000, reason: str = "", broken: bool = False) -> None:
        self._messages, self.closed, self._broken = messages, (code, reason), broken
        self.sent: list[str | bytes] = []

    async def send(self, message: str | bytes) -> None:
        if self._broken:
            raise UpstreamFailed("gone", sent=True)
        self.sent.append(message)

    async def messages(self) -> AsyncIterator[str | bytes]:
        for message in self._messages:
            yield message
        if self._broken:
            raise UpstreamFailed("connection reset", sent=True)

    async def close(self, code: int = 1000, reason: str = "") -> None:
        pass


async def read(channel: SocketChannel | ExecutionChannel) -> tuple[list[bytes], StreamEnd]:
    return [data async for data in channel.output()], channel.end


EXITED = '{"type":"control","status":"exited","exitCode":3,"exitReason":"non-zero exit"}'
THREE = StreamEnd(exit_code=3, reason="non-zero exit")


@pytest.mark.parametrize(
    ("socket", "end"),
    [
        (Socket(code=1000, reason='{"exitCode":0}'), StreamEnd(exit_code=0)),
        (Socket(code=1011, reason='{"exitCode":3,"exitReason":"non-zero exit"}'), THREE),
        (Socket(EXITED, code=1000), THREE),
        (Socket(EXITED, code=1005), THREE),
        (Socket(code=1005), StreamEnd(reason="closed with 1005")),
        (Socket(code=1008, reason="slow reader"), StreamEnd(reason="slow reader")),
        (Socket(code=1011, reason='{"error":"no shell"}'), StreamEnd(reason="no shell")),
        (Socket('{"type":"control","status":"error","error":"bad"}', code=1000), StreamEnd(reason="bad")),
        (Socket(broken=True), StreamEnd(reason="connection reset")),
    ],
)
async def test_a_terminals_end_is_what_was_said_of_it(socket: Socket, end: StreamEnd) -> None:
    assert (await read(SocketChannel(socket, terminal=True)))[1] == end


@pytest.mark.parametrize(
    ("socket", "end"),
    [
        (Socket(b"out"), StreamEnd(exit_code=0)),
        (Socket(b"out", code=1005), StreamEnd(exit_code=0)),
        (Socket(b"out", code=1011, reason="keepalive"), StreamEnd(reason="keepalive")),
        (Socket(b"out", broken=True), StreamEnd(reason="connection reset")),
    ],
)
async def test_a_log_that_broke_off_did_not_end(socket: Socket, end: StreamEnd) -> None:
    assert await read(SocketChannel(socket, terminal=False)) == ([b"out"], end)


@pytest.mark.parametrize(
    ("socket", "end"),
    [
        (Socket("{}"), StreamEnd(exit_code=0)),
        (Socket("{}", code=4008, reason="late"), StreamEnd(reason="late", close=4008)),
        (Socket("{}", code=1008, reason="no"), StreamEnd(reason="no", close=1008)),
        (Socket("{}", code=1005), StreamEnd(close=1011)),
        (Socket("{}", code=1006), StreamEnd(close=1011)),
        (Socket("{}", broken=True), StreamEnd(reason="connection reset", close=1011)),
    ],
)
async def test_an_execution_without_a_normal_close_is_no_success(socket: Socket, end: StreamEnd) -> None:
    assert await read(ExecutionChannel(socket)) == ([b"{}"], end)


async def test_an_execution_is_asked_for_in_text_and_one_that_is_over_takes_it_quietly() -> None:
    socket = Socket()
    await ExecutionChannel(socket).send('{"code": "ü"}'.encode())
    await ExecutionChannel(Socket(broken=True)).send(b"{}")

    assert socket.sent == ['{"code": "ü"}']
