"""A mail server and a chat's webhook, real ones on sockets."""

import base64
import json
import socketserver
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Office:
    """What a mail server took."""

    port: int = 0
    tls: ssl.SSLContext | None = None
    password: str = ""  # asked for, where there is one
    refuses: str = ""  # a recipient
    letters: list[EmailMessage] = field(default_factory=list)
    shown: list[str] = field(default_factory=list)  # passwords, and whether over TLS


class _Mail(socketserver.StreamRequestHandler):
    """SMTP (RFC 5321) as far as a sender needs it, with STARTTLS and AUTH PLAIN."""

    def handle(self) -> None:
        office: Office = self.server.office  # type: ignore[attr-defined]
        secure, known = False, not office.password
        self._say("220 office")
        while line := self.rfile.readline():
            word, _, rest = line.decode().strip().partition(" ")
            match word.upper():
                case "EHLO":
                    self._say("250-office")
                    if office.tls and not secure:
                        self._say("250-STARTTLS")
                    self._say("250 AUTH PLAIN" if office.password else "250 8BITMIME")
                case "STARTTLS":
                    assert office.tls is not None
                    self._say("220 go on")
                    self.connection = office.tls.wrap_socket(self.connection, server_side=True)
                    self.rfile, self.wfile = self.connection.makefile("rb"), self.connection.makefile("wb", 0)
                    secure = True
                case "AUTH":
                    shown = base64.b64decode(rest.partition(" ")[2]).decode().rpartition("\0")[2]
                    office.shown.append(f"{shown} {'over TLS' if secure else 'in the open'}")
                    known = shown == office.password
                    self._say("235 welcome" if known else "535 wrong password")
                case "MAIL" if not known:
                    self._say("530 who are you")
                case "RCPT" if office.refuses and office.refuses in rest:
                    self._say("550 no such person")
                case "DATA":
                    self._say("354 go on")
                    lines = iter(self.rfile.readline, b".\r\n")
                    body = b"".join(each[1:] if each.startswith(b"..") else each for each in lines)
                    letter = message_from_bytes(body, policy=policy.default)
                    assert isinstance(letter, EmailMessage)
                    office.letters.append(letter)
                    self._say("250 kept")
                case "QUIT":
                    self._say("221 bye")
                    return
                case _:
                    self._say("250 ok")

    def _say(self, line: str) -> None:
        self.wfile.write(f"{line}\r\n".encode())


@contextmanager
def mail_server(**settings: Any) -> Iterator[Office]:
    """A mail server on 127.0.0.1."""
    office = Office(**settings)
    server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), _Mail)
    server.daemon_threads = True
    server.office = office  # type: ignore[attr-defined]
    office.port = server.server_address[1]
    with _serving(server):
        yield office


@dataclass
class Hook:
    """What a webhook was sent, and how it answers: one status after the other, the last for ever."""

    url: str = ""
    answers: list[int] = field(default_factory=lambda: [200])
    headers: Mapping[str, str] = field(default_factory=dict)
    bodies: list[Any] = field(default_factory=list)


class _Chat(BaseHTTPRequestHandler):
    def do_POST(self) -> None:  # its name is the library's
        hook: Hook = self.server.hook  # type: ignore[attr-defined]
        hook.bodies.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        answer = hook.answers.pop(0) if len(hook.answers) > 1 else hook.answers[0]
        self.send_response(answer)
        for name, value in hook.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        pass


@contextmanager
def webhook(secret: str, **settings: Any) -> Iterator[Hook]:
    """A webhook on 127.0.0.1, with a secret in its address."""
    hook = Hook(**settings)
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Chat)
    server.hook = hook  # type: ignore[attr-defined]
    hook.url = f"http://127.0.0.1:{server.server_address[1]}/services/{secret}"
    with _serving(server):
        yield hook


@contextmanager
def _serving(server: socketserver.TCPServer) -> Iterator[None]:
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
