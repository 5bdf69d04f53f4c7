"""Messages there and back on one websocket, by a blocking socket: echoes, or keystrokes in a terminal.

`python -m bench.load.sockets` reads an order as JSON from stdin and prints latencies in seconds as JSON.
"""

import base64
import json
import os
import socket
import sys
import time

_TEXT, _BINARY, _CLOSE, _PING, _PONG = 0x1, 0x2, 0x8, 0x9, 0xA
_LINE = 48  # keys before a newline, so that no line grows past the terminal's width
_QUIET_SECONDS = 0.05


class Socket:
    """The client's end. Raises SystemExit for a refused handshake and a close."""

    def __init__(self, address: tuple[str, int], path: str, headers: dict[str, str]) -> None:
        self._socket = socket.create_connection(address, timeout=20)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._rest = b""
        key = base64.b64encode(os.urandom(16)).decode()
        lines = [f"GET {path} HTTP/1.1", f"Host: {address[0]}:{address[1]}", "Upgrade: websocket",
                 "Connection: Upgrade", f"Sec-WebSocket-Key: {key}", "Sec-WebSocket-Version: 13"]  # fmt: skip
        lines += [f"{name}: {value}" for name, value in headers.items()]
        self._socket.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        while b"\r\n\r\n" not in self._rest:
            self._more()
        head, _, self._rest = self._rest.partition(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 101"):
            sys.exit(f"handshake answered {head[:60]!r}")

    def send(self, data: bytes, kind: int = _BINARY) -> None:
        """One short message. The mask is zero: it hides nothing on loopback."""
        self._socket.sendall(bytes((0x80 | kind, 0x80 | len(data))) + b"\0\0\0\0" + data)

    def receive(self) -> bytes:
        """The next message; pings are answered on the way."""
        while True:
            kind, data = self._frame()
            if kind == _PING:
                self.send(data, _PONG)
            elif kind == _CLOSE:
                sys.exit(f"closed: {data!r}")
            elif kind != _PONG:
                return data

    def drain(self) -> None:
        """Throw away what comes until nothing does for a moment."""
        self._socket.settimeout(_QUIET_SECONDS)
        try:
            while True:
                self._more()
        except TimeoutError:
            self._rest = b""
        self._socket.settimeout(20)

    def _frame(self) -> tuple[int, bytes]:
        self._need(2)
        kind, size, start = self._rest[0] & 0x0F, self._rest[1] & 0x7F, 2
        if size >= 126:
            width = 2 if size == 126 else 8
            self._need(2 + width)
            size, start = int.from_bytes(self._rest[2 : 2 + width], "big"), 2 + width
        self._need(start + size)
        data, self._rest = self._rest[start : start + size], self._rest[start + size :]
        return kind, data

    def _need(self, size: int) -> None:
        while len(self._rest) < size:
            self._more()

    def _more(self) -> None:
        data = self._socket.recv(65_536)
        if not data:
            sys.exit("connection closed")
        self._rest += data


def echoes(peer: Socket, seconds: float) -> list[float]:
    """Messages of 32 bytes."""
    message, found = b"x" * 32, []
    end = time.perf_counter() + seconds
    while (started := time.perf_counter()) < end:
        peer.send(message)
        if peer.receive() != message:
            sys.exit("the echo differs")
        found.append(time.perf_counter() - started)
    return found


def keystrokes(peer: Socket, seconds: float) -> list[float]:
    """Keys typed into `cat`: from each key to its echo by the terminal."""
    found: list[float] = []
    time.sleep(0.3)  # the shell's prompt
    peer.send(b"exec cat\n")
    time.sleep(0.3)
    peer.drain()
    end = time.perf_counter() + seconds
    while (started := time.perf_counter()) < end:
        peer.send(b"k")
        while b"k" not in peer.receive():
            pass
        found.append(time.perf_counter() - started)
        if len(found) % _LINE == 0:
            peer.send(b"\n")
            peer.drain()
    return found


def main() -> None:
    """Carry out the order on stdin."""
    order = json.load(sys.stdin)
    host, _, port = order["address"].rpartition(":")
    peer = Socket((host, int(port)), order["path"], order["headers"])
    measure = keystrokes if order["keys"] else echoes
    json.dump({"latencies": measure(peer, order["seconds"])}, sys.stdout)


if __name__ == "__main__":
    main()
