"""An open loop: calls leave when they are due, whatever became of those before. wrk cannot do that.

`python -m bench.load.openloop` reads an order as JSON from stdin and prints what it found as JSON. Latency is counted
from the moment a call was due, not from when it could be sent: a stall is felt by every call that falls into it.
"""

import json
import random
import select
import socket
import sys
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httptools

_MOST_CONNECTIONS = 400  # select(2), which unlike epoll waits in microseconds, takes 1,024
_LAST_SECONDS = 30.0  # for answers after the last call has left


@dataclass(slots=True, eq=False)
class Connection:
    """A kept-alive connection with one call under way at most."""

    socket: socket.socket
    due: float = 0.0
    parser: Any = None
    complete: bool = False
    status: int = 0

    def on_message_complete(self) -> None:
        """For httptools."""
        self.complete = True
        self.status = self.parser.get_status_code()

    def fileno(self) -> int:
        """For select."""
        return self.socket.fileno()


class OpenLoop:
    """Sends requests in turn at Poisson moments."""

    def __init__(self, address: tuple[str, int], requests: Sequence[bytes], *, rate: float, seed: int) -> None:
        self._address, self._requests = address, requests
        self._rate, self._chance = rate, random.Random(seed)
        self._idle: list[Connection] = []
        self._busy: set[Connection] = set()
        self._waiting: deque[tuple[float, bytes]] = deque()
        self.latencies: list[float] = []
        self.dues: list[float] = []  # of the same calls, in seconds from the start
        self._begun = 0.0
        self.sent = 0
        self.failed: dict[str, int] = {}

    def run(self, seconds: float, start: int = 0) -> None:
        """Send for that long, then wait for the last answers."""
        self._begun = time.perf_counter()
        due, end = self._begun, self._begun + seconds
        while True:
            due += self._chance.expovariate(self._rate)
            if due >= end:
                break
            while (left := due - time.perf_counter()) > 0:
                self._receive(left)
            self._send(due, self._requests[(start + self.sent) % len(self._requests)])
        last = time.perf_counter() + _LAST_SECONDS
        while (self._busy or self._waiting) and time.perf_counter() < last:
            self._receive(0.1)
        for _ in self._busy:
            self._fail("no answer")
        for connection in (*self._idle, *self._busy):
            connection.socket.close()

    def _send(self, due: float, request: bytes) -> None:
        self.sent += 1
        if not self._idle and len(self._busy) < _MOST_CONNECTIONS:
            opened = socket.create_connection(self._address, timeout=10)
            opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            opened.setblocking(False)
            self._idle.append(Connection(opened))
        if not self._idle:
            self._waiting.append((due, request))
            return
        self._write(self._idle.pop(), due, request)

    def _write(self, connection: Connection, due: float, request: bytes) -> None:
        connection.due, connection.complete = due, False
        connection.parser = httptools.HttpResponseParser(connection)
        self._busy.add(connection)
        connection.socket.send(request)  # a few hundred bytes: the buffer of an idle connection takes them

    def _receive(self, seconds: float) -> None:
        ready, _, _ = select.select(list(self._busy), (), (), seconds)
        for connection in ready:
            try:
                data = connection.socket.recv(262_144)
                connection.parser.feed_data(data)
            except (OSError, httptools.HttpParserError) as error:
                self._broken(connection, type(error).__name__)
                continue
            if not data:
                self._broken(connection, "closed")
            elif connection.complete:
                self._answered(connection)

    def _answered(self, connection: Connection) -> None:
        self.latencies.append(time.perf_counter() - connection.due)
        self.dues.append(connection.due - self._begun)
        if connection.status != 200:
            self._fail(f"status {connection.status}")
        self._busy.discard(connection)
        if self._waiting:
            self._write(connection, *self._waiting.popleft())
        else:
            self._idle.append(connection)

    def _broken(self, connection: Connection, why: str) -> None:
        self._fail(why)
        self._busy.discard(connection)
        connection.socket.close()

    def _fail(self, why: str) -> None:
        self.failed[why] = self.failed.get(why, 0) + 1


def main() -> None:
    """Carry out the order on stdin."""
    order = json.load(sys.stdin)
    host, _, port = order["address"].rpartition(":")
    requests = Path(order["requests"]).read_bytes().split(b"\0")
    loop = OpenLoop((host, int(port)), requests, rate=order["rate"], seed=order["seed"])
    loop.run(order["seconds"], order["start"])
    found = {"sent": loop.sent, "failed": loop.failed, "latencies": loop.latencies, "dues": loop.dues}
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main()
