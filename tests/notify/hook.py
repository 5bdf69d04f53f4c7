"""A hook: an HTTP server that keeps what it gets and answers what it is told to."""

import contextlib
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PATH = "/services/T0001/hushhush"  # a part of it is as secret as a key


@dataclass(frozen=True)
class Got:
    """One request."""

    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass
class Hook:
    """`script`: statuses to answer with, in order; then 200. `hanging`: answers nothing until it is set."""

    url: str = ""
    script: list[int] = field(default_factory=list)
    retry_after: str = ""
    got: list[Got] = field(default_factory=list)
    hanging: threading.Event | None = None


@contextlib.contextmanager
def hook(port: int = 0) -> Iterator[Hook]:
    """Serve it."""
    found = Hook()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            found.got.append(Got(self.path, dict(self.headers), body))
            if found.hanging is not None:
                found.hanging.wait(60)
            status = found.script.pop(0) if found.script else 200
            with contextlib.suppress(OSError):
                self.send_response(status)
                if found.retry_after:
                    self.send_header("Retry-After", found.retry_after)
                if 300 <= status < 400:
                    self.send_header("Location", f"{found.url}/elsewhere")
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"ok")

        do_GET = do_POST

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    server.daemon_threads = True
    found.url = f"http://127.0.0.1:{server.server_address[1]}{PATH}"
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield found
    finally:
        if found.hanging is not None:
            found.hanging.set()
        server.shutdown()
        server.server_close()
