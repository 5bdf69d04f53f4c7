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


def calls(address: tuple[str, int], request: bytes, seconds: float) -> list[float]:
    """Seconds of each call; the first is not counted. Raises SystemExit for an answer that is not 200."""
    found = []
    with socket.create_connection(address, timeout=60) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        _call(connection, request)
        end = time.perf_counter() + seconds
        while (started := time.perf_counter()) < end:
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
    json.dump({"latencies": calls((host, int(port)), order["request"].encode(), order["seconds"])}, sys.stdout)


if __name__ == "__main__":
    main()
