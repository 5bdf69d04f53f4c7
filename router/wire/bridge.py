"""A websocket passed on: messages both ways between a client over ASGI and an origin, until one side closes."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from crossfade.upstream import UpstreamFailed, UpstreamSocket
from router import tasks
from router.wire.asgi import Receive, Send

# Of a handshake: each of the two has its own.
HANDSHAKE = (b"sec-websocket-key", b"sec-websocket-version", b"sec-websocket-extensions", b"sec-websocket-protocol")


@dataclass(slots=True)
class Passed:
    """Bytes of messages that went by, so far."""

    up: int = 0
    down: int = 0


async def bridge(socket: UpstreamSocket, receive: Receive, send: Send, passed: Passed) -> None:
    """Pass messages on until one side closes; the close travels on, and both are closed at the end."""

    async def upwards() -> None:
        while (message := await receive())["type"] == "websocket.receive":
            data = message.get("bytes")
            data = message.get("text") if data is None else data
            if data is not None:
                passed.up += len(data)
                await socket.send(data)
        await socket.close(sendable(message.get("code")))

    async def downwards() -> None:
        async for message in socket.messages():
            passed.down += len(message)
            await send({"type": "websocket.send", "bytes" if isinstance(message, bytes) else "text": message})
        code, reason = socket.closed
        await send({"type": "websocket.close", "code": sendable(code), "reason": reason})

    ways = [tasks.spawn(_quiet(way), name="websocket") for way in (upwards, downwards)]
    try:
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for way in ways:
            way.cancel()
        await asyncio.wait(ways)
        await socket.close()


def sendable(code: int | None) -> int:
    """A close code that may be sent: 1005, 1006 and 1015 stand for what no frame said (RFC 6455 §7.4.1)."""
    if code is not None and (1000 <= code <= 1003 or 1007 <= code <= 1014 or 3000 <= code <= 4999):
        return code
    return 1000


async def _quiet(way: Callable[[], Awaitable[None]]) -> None:
    # A peer that has gone ends the bridge; the server raises its own kinds of error for a send too late.
    with contextlib.suppress(UpstreamFailed, OSError, RuntimeError):
        await way()
