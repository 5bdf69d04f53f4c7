"""A server that tests run inside a sandbox: plain Python, started as `python3 inside.py NAME HTTP_PORT WS_PORT`.

It tells who it is and what it was asked, byte for byte, so that a test sees what a preview makes of a request.
"""

import asyncio
import hashlib
import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

NAME = sys.argv[1] if len(sys.argv) > 3 else ""
go_on = threading.Event()


class Page(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        path, _, query = self.path.partition("?")
        if path.startswith("/redirect"):
            self.answer(302, b"", [("Location", query)])
        elif path == "/cookies":
            self.answer(200, b"", [("Set-Cookie", each) for each in query.split("&")])
        elif path == "/stream":
            self.stream()
        elif path == "/go":
            go_on.set()
            self.answer(200, b"going")
        elif path.startswith("/status/"):
            self.answer(int(path.removeprefix("/status/")), b"as asked")
        elif path == "/cors":
            self.answer(200, b"", [("Access-Control-Allow-Origin", "https://only.example")])
        elif path == "/page.html":
            self.answer(200, query.encode(), [("Content-Type", "text/html")])
        else:
            target = self.requestline.split(" ")[1]  # .path is tidied up
            told = {"name": NAME, "target": target, "method": self.command, "headers": self.headers.items()}
            self.answer(200, json.dumps(told).encode())

    do_HEAD = do_DELETE = do_OPTIONS = do_GET

    def do_POST(self):
        digest, size = hashlib.sha256(), 0
        for data in self.body():
            digest.update(data)
            size += len(data)
        self.answer(200, json.dumps({"name": NAME, "size": size, "sha256": digest.hexdigest()}).encode())

    def body(self):
        if "chunked" in self.headers.get("Transfer-Encoding", ""):
            while size := int(self.rfile.readline(), 16):
                yield self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return
        left = int(self.headers.get("Content-Length", 0))
        while left:
            data = self.rfile.read(min(left, 65536))
            if not data:
                return
            left -= len(data)
            yield data

    def stream(self):
        """One piece at once, the next when /go was asked for: a proxy that waits for the end never gets there."""
        go_on.clear()
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for piece in (b"data: one\n\n", b"data: two\n\n"):
            self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
            self.wfile.flush()
            go_on.wait(60)
        self.wfile.write(b"0\r\n\r\n")

    def answer(self, status, body, headers=()):
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        if status != 204:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD" and status not in (204, 304):
            self.wfile.write(body)

    def log_message(self, *_):
        pass


async def echo(socket):
    """Tells what the handshake held, then sends everything back; `close 4321 why` closes so."""
    told = {
        "name": NAME,
        "target": socket.request.path,
        "headers": list(socket.request.headers.raw_items()),
        "subprotocol": socket.subprotocol,
    }
    await socket.send(json.dumps(told))
    async for message in socket:
        if isinstance(message, str) and message.startswith("close "):
            _, code, reason = message.split(" ", 2)
            await socket.close(int(code), reason)
            return
        await socket.send(message)


async def sockets(port):
    from websockets.asyncio.server import serve

    def choose(_, offered):
        return next((each for each in offered if each in ("binary", "vite-hmr")), None)

    async with serve(echo, "127.0.0.1", port, select_subprotocol=choose, max_size=None, compression=None):
        await asyncio.get_running_loop().create_future()


if __name__ == "__main__":
    page = ThreadingHTTPServer(("127.0.0.1", int(sys.argv[2])), Page)
    threading.Thread(target=page.serve_forever, daemon=True).start()
    asyncio.run(sockets(int(sys.argv[3])))
