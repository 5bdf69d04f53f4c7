import asyncio

import pytest
import websockets

from tests.front.e2b.conftest import Sandbox, Server

# Echoes the request's body and some of its head; /slow sends its answer in two halves.
SERVER = r"""
import http.server, time
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Type", "text/plain")
        if self.path == "/chunked":
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            for part in (b"one ", b"two"):
                self.wfile.write(b"%x\r\n%s\r\n" % (len(part), part))
                self.wfile.flush()
            self.wfile.write(b"0\r\n\r\n")
            return
        body = (self.path + " " + self.headers["Host"] + " " + str(self.headers.get("E2b-Sandbox-Id"))).encode()
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def do_POST(self):
        if self.headers.get("Transfer-Encoding") == "chunked":
            data = b""
            while size := int(self.rfile.readline(), 16):
                data += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
        else:
            data = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(201)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)
    def log_message(self, *arguments):
        pass
import os
server = http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler)
print(server.server_address[1], flush=True)
server.serve_forever()
"""


async def serve(sandbox: Sandbox, program: str = SERVER) -> tuple[int, object]:
    """Run a server inside; its port, and the stream that must stay open."""
    message = {"process": {"cmd": "python3", "args": ["-c", program]}, "stdin": False}
    stream = sandbox.events("process.Process/Start", message)
    from tests.front.e2b.test_processes import output

    seen = b""
    async for one in stream:
        seen += output([one])
        if seen.endswith(b"\n"):
            return int(seen), stream
    raise AssertionError(seen)


def inside(sandbox: Sandbox, port: int) -> dict[str, str]:
    return {"E2b-Sandbox-Id": sandbox.id, "E2b-Sandbox-Port": str(port)}


async def test_http_reaches_a_server_inside(server: Server, sandbox: Sandbox):
    port, stream = await serve(sandbox)
    headers = inside(sandbox, port)
    got = await server.http.get("/path%20x?q=1", headers=headers)
    chunked = await server.http.get("/chunked", headers=headers)
    posted = await server.http.post("/", content=b"x" * 300_000, headers=headers)

    async def parts():
        for _ in range(10):
            yield b"y" * 1000

    streamed = await server.http.post("/", content=parts(), headers=headers)
    by_host = await server.http.get("/h", headers={"Host": f"{port}-{sandbox.id}.example.com"})
    await stream.aclose()

    assert got.text == f"/path%20x?q=1 {got.request.headers['host']} None"
    assert chunked.text == "one two"
    assert (posted.status_code, posted.content) == (201, b"x" * 300_000)
    assert streamed.content == b"y" * 10_000
    assert by_host.text.startswith("/h ")


async def test_a_closed_port_is_502_and_says_so(server: Server, sandbox: Sandbox):
    answer = await server.http.get("/", headers=inside(sandbox, 9))
    bad = await server.http.get("/", headers=inside(sandbox, 99999))

    assert answer.status_code == 502
    assert answer.json() == {
        "code": 502,
        "message": "The sandbox is running but port is not open",
        "sandboxId": sandbox.id,
        "port": 9,
    }
    assert bad.status_code == 400


async def test_private_ports_need_the_traffic_token(server: Server):
    sandbox = await server.create(network={"allowPublicTraffic": False})
    port, stream = await serve(sandbox)
    headers = inside(sandbox, port)
    refused = await server.http.get("/", headers=headers)
    token = {"e2b-traffic-access-token": sandbox.made["trafficAccessToken"]}
    opened = await server.http.get("/", headers=headers | token)
    await stream.aclose()

    assert (refused.status_code, opened.status_code) == (403, 200)


ECHO = r"""
import base64, hashlib, os, socket, struct
server = socket.create_server(("127.0.0.1", int(os.environ["PORT"])))
print(server.getsockname()[1], flush=True)
while True:
    peer, _ = server.accept()
    head = b""
    while b"\r\n\r\n" not in head:
        head += peer.recv(4096)
    key = [l.split(b": ", 1)[1] for l in head.split(b"\r\n") if l.lower().startswith(b"sec-websocket-key")][0]
    accept = base64.b64encode(hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())
    peer.sendall(b"HTTP/1.1 101 x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                 b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n")
    if head.startswith(b"GET /tell "):
        peer.sendall(b"\x82\x7e" + struct.pack(">H", len(head)) + head)
    def exact(n):
        data = b""
        while len(data) < n:
            more = peer.recv(n - len(data))
            if not more: raise SystemExit
            data += more
        return data
    while True:
        first, second = exact(2)
        size = second & 127
        if size == 126: size = struct.unpack(">H", exact(2))[0]
        mask = exact(4)
        data = bytes(b ^ mask[i % 4] for i, b in enumerate(exact(size)))
        opcode = first & 15
        length = bytes([len(data)]) if len(data) < 126 else b"\x7e" + struct.pack(">H", len(data))
        peer.sendall(bytes([first & 143]) + length + data)
        if opcode == 8: break
    peer.close()
"""


async def test_a_websocket_reaches_a_server_inside(server: Server, sandbox: Sandbox):
    port, stream = await serve(sandbox, ECHO)
    address = server.url.replace("http://", "ws://").rstrip("/") + "/socket?a=b"
    async with asyncio.timeout(10):
        async with websockets.connect(address, additional_headers=inside(sandbox, port), compression=None) as socket:
            await socket.send("text ä")
            text = await socket.recv()
            await socket.send(b"\0" * 2000)
            data = await socket.recv()
    await stream.aclose()

    assert (text, data) == ("text ä", b"\0" * 2000)


async def test_a_server_inside_is_asked_under_the_masked_host(server: Server):
    sandbox = await server.create(network={"maskRequestHost": "localhost:${PORT}"})
    port, stream = await serve(sandbox)
    page = await server.http.get("/h", headers=inside(sandbox, port))
    await stream.aclose()
    assert page.text == f"/h localhost:{port} None"

    # Another one: what serves in the first goes on though nobody listens to it, and has its port.
    sandbox = await server.create(network={"maskRequestHost": "localhost:${PORT}"})
    port, stream = await serve(sandbox, ECHO)
    address = server.url.replace("http://", "ws://").rstrip("/") + "/tell"
    async with asyncio.timeout(10), websockets.connect(address, additional_headers=inside(sandbox, port)) as socket:
        head = await socket.recv()
    await stream.aclose()

    assert f"\r\nHost: localhost:{port}\r\n".encode() in head


async def test_a_handshake_passes_with_its_headers_but_those_that_open_the_sandbox(server: Server, sandbox: Sandbox):
    port, stream = await serve(sandbox, ECHO)
    given = {"Origin": "https://front.example", "Cookie": "a=1", "X-Forwarded-Host": "front.example", "X-Mine": "2"}
    address = server.url.replace("http://", "ws://").rstrip("/") + "/tell"
    headers = inside(sandbox, port) | given
    async with asyncio.timeout(10), websockets.connect(address, additional_headers=headers) as socket:
        head = (await socket.recv()).decode().lower()
    await stream.aclose()

    assert all(f"\r\n{name}: {value}\r\n".lower() in head for name, value in given.items())
    assert "e2b-sandbox" not in head
    assert head.count("\r\nhost:") == head.count("\r\nsec-websocket-key:") == head.count("\r\nconnection:") == 1


async def test_a_websocket_to_nowhere_is_refused_with_the_reason(server: Server, sandbox: Sandbox):
    address = server.url.replace("http://", "ws://").rstrip("/") + "/"
    with pytest.raises(websockets.InvalidStatus) as caught:
        await websockets.connect(address, additional_headers=inside(sandbox, 9))

    assert caught.value.response.status_code == 502
    assert b"port is not open" in caught.value.response.body
