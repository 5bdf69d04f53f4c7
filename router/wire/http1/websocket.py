"""A websocket to an origin: websockets' frames inside a tunnel of ours."""

import asyncio
import base64
import contextlib
import secrets
from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING, Final

from websockets.exceptions import WebSocketException
from websockets.frames import Frame, Opcode
from websockets.protocol import OPEN, Protocol, Side
from websockets.utils import accept_key

from crossfade.upstream import Headers, UpstreamFailed, UpstreamSocket
from router.wire.http1.call import Call

_CLOSE_SECONDS: Final = 2.0  # a peer that never answers the close must not hold us
_ABNORMAL: Final = 1006


class Handshake:
    """What is asked for, and whether an answer grants it (RFC 6455 §4.1)."""

    def __init__(self, subprotocols: Sequence[str]) -> None:
        self._key = base64.b64encode(secrets.token_bytes(16)).decode()
        self._offered = subprotocols
        self.subprotocol: str | None = None
        self.headers = [(b"Sec-WebSocket-Version", b"13"), (b"Sec-WebSocket-Key", self._key.encode())]
        if subprotocols:
            self.headers.append((b"Sec-WebSocket-Protocol", ", ".join(subprotocols).encode("latin-1")))

    def problem(self, headers: Headers) -> str:
        """Why a 101 with these headers is no websocket; empty when it is one."""
        said = {name.lower(): value.decode("latin-1").strip() for name, value in headers}
        if said.get(b"upgrade", "").lower() != "websocket":
            return "switched to something that is no websocket"
        if said.get(b"sec-websocket-accept") != accept_key(self._key):
            return "the websocket's key was not accepted"
        if b"sec-websocket-extensions" in said:
            return "an extension that was not offered"
        self.subprotocol = said.get(b"sec-websocket-protocol")
        if self.subprotocol is not None and self.subprotocol not in self._offered:
            return "a subprotocol that was not offered"
        return ""


class Socket:
    """An open websocket. Pings are answered while messages are read."""

    def __init__(self, call: Call, subprotocol: str | None) -> None:
        self.subprotocol = subprotocol
        self._call = call
        # Pings are answered, and a close is, by websockets; no limit to a message, as on the way from the client.
        self._frames = Protocol(Side.CLIENT, state=OPEN, max_size=None)
        self._parts: list[bytes] = []
        self._text = False
        self._reading = False
        self._broken = False  # what came was no message: nothing more is waited for
        self._over = asyncio.Event()

    async def send(self, message: str | bytes) -> None:
        """Send one message. Raises UpstreamFailed when the websocket is closed."""
        try:
            if isinstance(message, bytes):
                self._frames.send_binary(message)
            else:
                self._frames.send_text(message.encode())
        except WebSocketException as error:
            raise UpstreamFailed(f"websocket lost: {type(error).__name__}", sent=True) from error
        if self._over.is_set():
            raise UpstreamFailed("websocket lost: closed", sent=True)
        await self._flush()

    async def messages(self) -> AsyncIterator[str | bytes]:
        """Messages until the origin closes."""
        self._reading = True
        try:
            with contextlib.suppress(UpstreamFailed):
                async for data in self._call.chunks():
                    self._frames.receive_data(data)
                    for message in self._messages():
                        yield message
                    await self._flush()
                    if self._frames.close_rcvd is not None or self._frames.parser_exc is not None or self._broken:
                        break
        finally:
            self._reading = False
        self._frames.receive_eof()
        await self._end()

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Close, at most once. Never raises."""
        with contextlib.suppress(TimeoutError, WebSocketException, UpstreamFailed):
            async with asyncio.timeout(_CLOSE_SECONDS):
                if self._frames.state is OPEN:
                    self._frames.send_close(code, _short(reason))
                    await self._flush()
                if self._reading:
                    await self._over.wait()
                elif not self._over.is_set():
                    async for _ in self.messages():
                        pass
        await self._end()

    @property
    def closed(self) -> tuple[int, str]:
        """The origin's close code and reason."""
        close = self._frames.close_rcvd
        return (close.code, close.reason) if close is not None else (_ABNORMAL, "")

    def _messages(self) -> list[str | bytes]:
        """Whole messages among the frames that came."""
        messages: list[str | bytes] = []
        for event in self._frames.events_received():
            if not isinstance(event, Frame) or event.opcode not in (Opcode.TEXT, Opcode.BINARY, Opcode.CONT):
                continue
            if event.opcode is not Opcode.CONT:
                self._text = event.opcode is Opcode.TEXT
            self._parts.append(bytes(event.data))
            if event.fin:
                whole = b"".join(self._parts)
                self._parts.clear()
                try:
                    messages.append(whole.decode() if self._text else whole)
                except UnicodeDecodeError:
                    self._frames.fail(1007, "text that is not UTF-8")
                    self._broken = True
                    break
        return messages

    async def _flush(self) -> None:
        for data in self._frames.data_to_send():
            if data:
                await self._call.write(data)

    async def _end(self) -> None:
        self._over.set()
        await self._call.close()


def _short(reason: str) -> str:
    return reason.encode()[:120].decode(errors="ignore")


if TYPE_CHECKING:
    _: type[UpstreamSocket] = Socket
