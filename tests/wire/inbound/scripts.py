"""What scripted origins do."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

Reader, Writer = asyncio.StreamReader, asyncio.StreamWriter
Handle = Callable[[bytes, bytes, Writer], Awaitable[None]]


async def request(reader: Reader) -> tuple[bytes, bytes]:
    """Head and body of one request. Raises IncompleteReadError at the end of the connection."""
    head = await reader.readuntil(b"\r\n\r\n")
    low = head.lower()
    if b"transfer-encoding: chunked" in low:
        body = b""
        while size := int((await reader.readuntil(b"\r\n")).split(b";")[0], 16):
            body += await reader.readexactly(size)
            await reader.readexactly(2)
        await reader.readuntil(b"\r\n")
        return head, body
    length = next((line for line in low.split(b"\r\n") if line.startswith(b"content-length:")), b":0")
    return head, await reader.readexactly(int(length.split(b":")[1]))


def answering(handle: Handle) -> Callable[[Reader, Writer], Awaitable[None]]:
    """A script that reads whole requests and lets `handle` answer each."""

    async def script(reader: Reader, writer: Writer) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head, body = await request(reader)
                await handle(head, body, writer)
                await writer.drain()
        writer.close()

    return script


def saying(answer: bytes, *, close: bool = False) -> Callable[[Reader, Writer], Awaitable[None]]:
    """A script that gives every request the same bytes."""

    async def handle(_head: bytes, _body: bytes, writer: Writer) -> None:
        writer.write(answer)
        if close:
            await writer.drain()
            writer.close()

    return answering(handle)


def ok(body: bytes, lines: bytes = b"") -> bytes:
    """A plain 200."""
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n%b\r\n%b" % (len(body), lines, body)


async def echo(head: bytes, body: bytes, writer: Writer) -> None:
    """The request's own target, and its body behind it."""
    writer.write(ok(head.split(b" ", 2)[1] + b" " + body))
