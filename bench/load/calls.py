"""The same call again and again on one connection, by a blocking socket: seconds of each.

`python -m bench.load.calls` reads an order as JSON from stdin and prints what it found as JSON.
"""

import json
import socket
import sys
import time

import httptools


class Answer:
    """httptools' callbacks for one answer."""

    complete = False

    def on_message_complete(self) -> None:
        """For httptools."""
        self.complete = True


def calls(address: tuple[str, int], request: bytes, *, seconds: float, count: int) -> list[float]:
    """Seconds of each call, for that long or that many; the first is not counted. Raises SystemExit if not 200."""
    found: list[float] = []
    with socket.create_connection(address, timeout=60) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        _call(connection, request)
        end = time.perf_counter() + seconds
        while len(found) < count - 1 if count else time.perf_counter() < end:
            started = time.perf_counter()
            _call(connection, request)
            found.append(time.perf_counter() - started)
    return found


def _call(connection: socket.socket, request: bytes) -> None:
    answer = Answer()
    parser = httptools.HttpResponseParser(answer)
    connection.sendall(request)
    while not answer.complete:
        data = connection.recv(262_144)
        if not data:
            sys.exit("closed before the end of an answer")
        parser.feed_data(data)
    if parser.get_status_code() != 200:
        sys.exit(f"answered {parser.get_status_code()}")


def main() -> None:
    """Carry out the order on stdin."""
    order = json.load(sys.stdin)
    host, _, port = order["address"].rpartition(":")
    request, seconds, count = order["request"].encode(), order.get("seconds", 0.0), order.get("count", 0)
    json.dump({"latencies": calls((host, int(port)), request, seconds=seconds, count=count)}, sys.stdout)


if __name__ == "__main__":
    main()
