"""Websocket clients that break the rules in ways that uvicorn does not bear."""

import asyncio
import logging
import os
import struct
from typing import Any

import pytest
import uvicorn

from router.listeners import WebsocketProtocol


def frame(opcode: int, data: bytes) -> bytes:
    mask = os.urandom(4)
    return bytes((0x80 | opcode, 0x80 | len(data))) + mask + bytes(b ^ mask[i % 4] for i, b in enumerate(data))


async def application(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "websocket.accept"})
    while (await receive())["type"] != "websocket.disconnect":
        pass


CLOSE, BROKEN = frame(8, struct.pack("!H", 1000)), frame(1, b"\xed")


@pytest.mark.parametrize(
    "sent",
    [CLOSE + BROKEN, BROKEN + BROKEN, BROKEN + CLOSE + BROKEN, BROKEN],
    ids=["while closing", "twice", "around a close", "once"],
)
async def test_text_that_is_none_ends_the_connection_and_nothing_else(
    sent: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    broken: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: broken.append(context))
    config = uvicorn.Config(application, port=0, ws=WebsocketProtocol, lifespan="off", log_config=None)
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.005)
    try:
        port = server.servers[0].sockets[0].getsockname()[1]
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(
            b"GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )
        async with asyncio.timeout(20):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(sent)
            await reader.read()  # to its end: the server closes
        writer.close()
    finally:
        server.should_exit = True
        await serving
    assert broken == []
    assert [record for record in caplog.records if record.levelno >= logging.ERROR and record.name == "asyncio"] == []
