"""As much of LaunchDarkly as its SDK talks to: the flag stream and the events endpoint, on a real socket.

Written after facts/stack.md §1.6, which ran the same protocol against the real SDK.
"""

import contextlib
import json
import queue
import threading
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

KEY = "sdk-test-key"


class Server:
    """Streams flags to every client that shows the key. It can be stopped and started again on its port."""

    def __init__(self) -> None:
        self.flags: dict[str, Any] = {}
        self.segments: dict[str, Any] = {}
        self.events: list[dict[str, Any]] = []
        self.garbage: bytes | None = None  # said instead of the first message
        self.refusing = 0  # a status to answer streams with
        self._streams: set[queue.SimpleQueue[bytes | None]] = set()
        self._lock = threading.Lock()
        self._http: ThreadingHTTPServer | None = None
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                server.stream(self)

            def do_POST(self) -> None:
                server.take(self)

            def log_message(self, *_: object) -> None:
                pass

        class Http(ThreadingHTTPServer):
            allow_reuse_address = True
            daemon_threads = True
            block_on_close = False

        self._http = Http(("127.0.0.1", self.port), Handler)
        self.port = self._http.server_address[1]
        threading.Thread(target=self._http.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self) -> None:
        """As killed: streams end, nobody listens."""
        if self._http is not None:
            self._http.shutdown()
            self._http.server_close()
            self._http = None
        with self._lock:
            for stream in self._streams:
                stream.put(None)

    @property
    def watching(self) -> int:
        with self._lock:
            return len(self._streams)

    # What a test says

    def put(self, *flags: Mapping[str, Any]) -> None:
        """Set flags, for who is there and for who comes."""
        for flag in flags:
            self.flags[flag["key"]] = flag
            self._tell("patch", {"path": f"/flags/{flag['key']}", "data": flag})

    def delete(self, key: str) -> None:
        version = self.flags.pop(key)["version"] + 1
        self._tell("delete", {"path": f"/flags/{key}", "version": version})

    def say(self, text: bytes) -> None:
        """Bytes as they are, to all streams."""
        with self._lock:
            for stream in self._streams:
                stream.put(text)

    def _tell(self, event: str, data: Mapping[str, Any]) -> None:
        self.say(b"event: %b\ndata: %b\n\n" % (event.encode(), json.dumps(data).encode()))

    # What the SDK asks

    def stream(self, request: BaseHTTPRequestHandler) -> None:
        status = self.refusing or (200 if request.headers["Authorization"] == KEY else 401)
        request.send_response(status)
        if status != 200 or request.path.partition("?")[0] != "/all":
            request.send_header("Content-Length", "0")
            request.end_headers()
            return
        request.send_header("Content-Type", "text/event-stream")
        request.send_header("Transfer-Encoding", "chunked")
        request.close_connection = True
        request.end_headers()
        mine: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        with self._lock:
            everything = {"path": "/", "data": {"flags": self.flags, "segments": self.segments}}
            first = b"event: put\ndata: %b\n\n" % json.dumps(everything).encode()
            mine.put(first if self.garbage is None else self.garbage)
            self._streams.add(mine)
        try:
            while (text := mine.get()) is not None:
                if text:
                    request.wfile.write(b"%x\r\n%b\r\n" % (len(text), text))
                    request.wfile.flush()
        except OSError:
            pass
        finally:
            with self._lock:
                self._streams.discard(mine)

    def take(self, request: BaseHTTPRequestHandler) -> None:
        body = request.rfile.read(int(request.headers["Content-Length"]))
        if request.path == "/bulk":
            with self._lock:
                self.events += json.loads(body)
        request.send_response(202)
        request.send_header("Content-Length", "0")
        request.end_headers()

    def told(self, kind: str) -> list[dict[str, Any]]:
        """Events of a kind that have arrived."""
        with self._lock:
            return [event for event in self.events if event["kind"] == kind]


@contextlib.contextmanager
def serving() -> Iterator[Server]:
    """One that listens."""
    server = Server()
    server.start()
    try:
        yield server
    finally:
        server.stop()
