"""Large bodies one after another on one connection, by a blocking socket: cheaper than wrk, and a body is timed whole.

`python -m bench.load.transfer` reads an order as JSON from stdin and prints what it found as JSON.
"""

import json
import socket
import sys
import time
from typing import Any

_BUFFER = 1024 * 1024
_CHUNK = 256 * 1024


def main() -> None:
    """Carry out the order on stdin: `up` bytes with each request, the answer read to its end, for `seconds`."""
    order = json.load(sys.stdin)
    host, _, port = order["address"].rpartition(":")
    request, tail, up = order["request"].encode(), order["tail"].encode(), order["up"]
    print(json.dumps(transfers((host, int(port)), request, tail, up, order["seconds"])))


def transfers(address: tuple[str, int], request: bytes, tail: bytes, up: int, seconds: float) -> dict[str, Any]:
    """Bytes moved, calls and seconds; at least one call. Raises SystemExit for an answer that is not 200."""
    buffer, chunk = bytearray(_BUFFER), memoryview(bytes(_CHUNK))
    moved = calls = 0
    with socket.create_connection(address, timeout=120) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        started = time.perf_counter()
        while not calls or time.perf_counter() - started < seconds:
            connection.sendall(request)
            for at in range(0, up, _CHUNK):
                connection.sendall(chunk[: min(_CHUNK, up - at)])
            if tail:
                connection.sendall(tail)
            moved += up + _answer(connection, buffer)
            calls += 1
        taken = time.perf_counter() - started
    return {"bytes": moved, "calls": calls, "seconds": taken}


def _answer(connection: socket.socket, buffer: bytearray) -> int:
    """Read one answer; the size of its body."""
    have = connection.recv_into(buffer)
    while (end := buffer.find(b"\r\n\r\n", 0, have)) < 0:
        more = connection.recv_into(memoryview(buffer)[have:])
        if not more:
            sys.exit("closed before an answer")
        have += more
    head = bytes(buffer[:end]).lower()
    if not head.startswith(b"http/1.1 200"):
        sys.exit(f"answered {head[:60]!r}")
    rest = have - end - 4
    if b"\r\ntransfer-encoding: chunked" in head:
        return _chunked(connection, bytes(buffer[end + 4 : have]))
    size = int(head.partition(b"\r\ncontent-length:")[2].partition(b"\r\n")[0])
    left = size - rest
    while left > 0:
        got = connection.recv_into(buffer, min(_BUFFER, left))
        if not got:
            sys.exit(f"cut off {left} bytes before its end")
        left -= got
    return size


def _chunked(connection: socket.socket, data: bytes) -> int:
    """A small chunked answer: the size of what came, framing included."""
    while not data.endswith(b"0\r\n\r\n"):
        more = connection.recv(_BUFFER)
        if not more:
            sys.exit("cut off in a chunk")
        data = data[-8:] + more
    return len(data)


if __name__ == "__main__":
    main()
