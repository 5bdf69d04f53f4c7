"""Ports of a sandbox reached from outside: HTTP and websockets, passed on to 127.0.0.1:PORT inside."""

import asyncio
from collections.abc import AsyncIterator

import httptools
from starlette.types import Receive, Scope, Send
from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.uri import parse_uri

from router.backends.local.sandboxes import LocalSandbox
from router.front.e2b.messages import Answer, ApiError, ClientGone, Request
from router.tasks import spawn
from router.wire.bridge import sendable

CHUNK = 64 * 1024
CONNECT_SECONDS = 5.0

# Not passed on: they say how this connection works, not what the request is (RFC 9110 §7.6.1), or open the sandbox.
_NOT_ON = {
    *("connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"),
    *("e2b-sandbox-id", "e2b-sandbox-port", "e2b-traffic-access-token", "x-access-token"),
}
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def relay_http(request: Request, sandbox: LocalSandbox, port: int, host: str = "") -> Answer:
    """The answer of the server inside, asked under `host`. Raises ApiError 502: nothing listens, or it is nonsense."""
    reader, writer = await _connect(sandbox, port)
    sending = None
    try:
        writer.write(_head(request, host))
        sending = spawn(_send_body(request, writer), name=f"e2b request to port {port}")
        parser = _ResponseParser(request.method == "HEAD")
        while not parser.head_done:
            await _feed(parser, reader, sandbox, port)
    except BaseException:
        if sending is not None:
            sending.cancel()
        writer.close()
        raise
    return Answer(status=parser.status, headers=parser.headers, body=_body(parser, reader, writer, sending))


async def relay_websocket(
    request: Request, sandbox: LocalSandbox, port: int, host: str, receive: Receive, send: Send
) -> None:
    """A websocket to the server inside, until either side closes."""
    reader, writer = await _connect(sandbox, port)
    try:
        inner = _Inner(reader, writer, _uri(request.scope, port), request, host)
        await inner.handshake()
        await receive()  # websocket.connect
        await send({"type": "websocket.accept", "subprotocol": inner.protocol.subprotocol})
        outward = spawn(_outward(inner, send), name="e2b websocket out")
        inward = spawn(_inward(inner, receive), name="e2b websocket in")
        try:
            await asyncio.wait([outward, inward], return_when=asyncio.FIRST_COMPLETED)
        finally:
            outward.cancel()
            inward.cancel()
            await asyncio.wait([outward, inward])
    finally:
        writer.close()


class _ResponseParser:
    """httptools' callbacks, collected."""

    def __init__(self, head_only: bool) -> None:
        self.status = 0
        self.headers: list[tuple[str, str]] = []
        self.head_done = self.done = False
        self.chunks: list[bytes] = []
        self._head_only = head_only
        self._parser = httptools.HttpResponseParser(self)
        self.until_eof = False

    def feed(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_header(self, name: bytes, value: bytes) -> None:
        if name.lower().decode("latin-1") not in _NOT_ON:
            self.headers.append((name.decode("latin-1"), value.decode("latin-1")))

    def on_headers_complete(self) -> None:
        self.status = self._parser.get_status_code()
        if 100 <= self.status < 200:
            self.headers.clear()
            return
        self.head_done = True
        self.done = self._head_only or self.status in (204, 304)

    def on_body(self, data: bytes) -> None:
        self.chunks.append(data)

    def on_message_complete(self) -> None:
        self.done = self.head_done


async def _connect(sandbox: LocalSandbox, port: int) -> Streams:
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            return await sandbox.connect(port)
    except (OSError, TimeoutError) as error:
        more = {"sandboxId": sandbox.id, "port": port}
        raise ApiError(502, "The sandbox is running but port is not open", **more) from error


def _head(request: Request, host: str) -> bytes:
    scope = request.scope
    raw = scope.get("raw_path") or scope["path"].encode()
    target = raw.partition(b"?")[0] + (b"?" + scope["query_string"] if scope["query_string"] else b"")
    lines = [b"%s %s HTTP/1.1" % (request.method.encode("latin-1"), target)]
    chunked = False
    for name, value in scope["headers"]:
        lowered = name.decode("latin-1").lower()
        chunked = chunked or lowered == "transfer-encoding"
        if lowered not in _NOT_ON:
            lines.append(name + b": " + (host.encode() if host and lowered == "host" else value))
    if chunked:
        lines.append(b"transfer-encoding: chunked")
    lines.append(b"connection: close")
    return b"\r\n".join(lines) + b"\r\n\r\n"


async def _send_body(request: Request, writer: asyncio.StreamWriter) -> None:
    chunked = "transfer-encoding" in request.headers
    try:
        async for chunk in request.chunks():
            writer.write(b"%x\r\n%s\r\n" % (len(chunk), chunk) if chunked else chunk)
            await writer.drain()
        if chunked:
            writer.write(b"0\r\n\r\n")
    except ClientGone:
        writer.close()
    except OSError:
        pass  # the server inside closed before the whole body came; its answer says why


async def _feed(parser: _ResponseParser, reader: asyncio.StreamReader, sandbox: LocalSandbox, port: int) -> None:
    try:
        data = await reader.read(CHUNK)
        if not data:
            raise ConnectionResetError
        parser.feed(data)
    except (OSError, httptools.HttpParserError) as error:
        more = {"sandboxId": sandbox.id, "port": port}
        raise ApiError(502, f"the server on port {port} gave no HTTP answer", **more) from error


async def _body(
    parser: _ResponseParser, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, sending: asyncio.Task[None]
) -> AsyncIterator[bytes]:
    try:
        while True:
            for chunk in parser.chunks:
                yield chunk
            parser.chunks.clear()
            if parser.done:
                return
            data = await reader.read(CHUNK)
            if not data:
                if _announced(parser):
                    raise ConnectionResetError("the server inside closed in the middle of its answer")
                return
            parser.feed(data)
    finally:
        sending.cancel()
        writer.close()


def _announced(parser: _ResponseParser) -> bool:
    return any(name.lower() == "content-length" for name, _ in parser.headers)


def _uri(scope: Scope, port: int) -> str:
    raw = (scope.get("raw_path") or scope["path"].encode()).partition(b"?")[0].decode("latin-1")
    query = scope["query_string"].decode("latin-1")
    return f"ws://127.0.0.1:{port}{raw}" + (f"?{query}" if query else "")


class _Inner:
    """The sandbox's side of a websocket, spoken over the connection that the sandbox gave us."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, uri: str, request: Request, host: str
    ) -> None:
        self._reader, self._writer, self._request, self._host = reader, writer, request, host
        self.protocol = ClientProtocol(
            parse_uri(uri), subprotocols=request.scope.get("subprotocols") or None, max_size=None
        )
        self._parts: list[bytes] = []
        self._kind: Opcode = Opcode.TEXT

    async def handshake(self) -> None:
        """Raises ApiError 502 when the server inside does not speak websocket."""
        opening = self.protocol.connect()
        for raw, value in self._request.scope["headers"]:
            name = raw.decode("latin-1").lower()
            if name not in _NOT_ON and name != "host" and not name.startswith("sec-websocket-"):
                opening.headers[name.title()] = value.decode("latin-1")
        del opening.headers["Host"]
        opening.headers["Host"] = self._host or self._request.headers["host"]
        self.protocol.send_request(opening)
        await self.flush()
        while self.protocol.handshake_exc is None and self.protocol.state.name == "CONNECTING":
            await self._receive()
        if self.protocol.handshake_exc is not None:
            raise ApiError(502, f"the server inside refused the websocket: {self.protocol.handshake_exc}")

    async def messages(self) -> AsyncIterator[str | bytes]:
        """Whole messages until it closes."""
        while True:
            for event in self.protocol.events_received():
                if isinstance(event, Frame) and (message := self._message(event)) is not None:
                    yield message
            await self.flush()
            if self.protocol.close_expected() and self.protocol.state.name != "OPEN":
                return
            if not await self._receive():
                return

    async def send(self, message: str | bytes) -> None:
        """Send one message."""
        if isinstance(message, str):
            self.protocol.send_text(message.encode())
        else:
            self.protocol.send_binary(message)
        await self.flush()

    async def close(self, code: int) -> None:
        """Close, if it still is open."""
        if self.protocol.state.name == "OPEN":
            self.protocol.send_close(sendable(code))
            await self.flush()

    async def flush(self) -> None:
        for data in self.protocol.data_to_send():
            if data:
                self._writer.write(data)
        await self._writer.drain()

    async def _receive(self) -> bool:
        data = await self._reader.read(CHUNK)
        if data:
            self.protocol.receive_data(data)
        else:
            self.protocol.receive_eof()
        return bool(data)

    def _message(self, frame: Frame) -> str | bytes | None:
        if frame.opcode in (Opcode.TEXT, Opcode.BINARY):
            self._kind, self._parts = frame.opcode, []
        elif frame.opcode is not Opcode.CONT:
            return None
        self._parts.append(bytes(frame.data))
        if not frame.fin:
            return None
        data = b"".join(self._parts)
        return data.decode() if self._kind is Opcode.TEXT else data


async def _outward(inner: _Inner, send: Send) -> None:
    async for message in inner.messages():
        await send({"type": "websocket.send", "text" if isinstance(message, str) else "bytes": message})
    # Not close_code: that is known only once the connection is gone, too.
    close = inner.protocol.close_rcvd
    code, reason = (close.code, close.reason) if close is not None else (None, "")
    await send({"type": "websocket.close", "code": sendable(code), "reason": reason})


async def _inward(inner: _Inner, receive: Receive) -> None:
    while (message := await receive())["type"] != "websocket.disconnect":
        if message["type"] == "websocket.receive":
            await inner.send(message["text"] if message.get("text") is not None else message["bytes"])
    await inner.close(message.get("code") or 1000)
