"""The benchmark's own clients, against a real server on a socket."""

import asyncio
import itertools
import json
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from bench.cpu import cpu_seconds, family, open_files, rss_bytes
from bench.load.client import order
from bench.programs import Broken
from bench.work import INFO, SMALL, write_requests

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"


@asynccontextmanager
async def server(answer: bytes, *, delay: float = 0.0) -> AsyncIterator[tuple[str, list[bytes]]]:
    """Answers every request so; its address, and the bodies it got."""
    bodies: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                size = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
                bodies.append(await reader.readexactly(int(size or 0)))
                await asyncio.sleep(delay)
                writer.write(answer)
        except asyncio.IncompleteReadError:
            writer.close()

    running = await asyncio.start_server(serve, "127.0.0.1", 0, limit=2**22)
    async with running:
        yield f"127.0.0.1:{running.sockets[0].getsockname()[1]}", bodies


def open_loop(address: str, directory: Path, **more: Any) -> dict[str, Any]:
    file = directory / "requests"
    write_requests(file, SMALL, ["one", "two"], address)
    return {"address": address, "requests": str(file), "rate": 200, "seconds": 0.5, "seed": 1, "start": 0, **more}


async def test_the_open_loop_counts_every_call_it_sends(tmp_path: Path) -> None:
    async with server(ANSWER) as (address, bodies):
        found = await order("openloop", open_loop(address, tmp_path), seconds=5)

    assert found["sent"] == len(found["latencies"]) == len(bodies) > 50
    assert found["failed"] == {}


async def test_the_open_loop_sends_when_a_call_is_due_and_waits_for_no_answer(tmp_path: Path) -> None:
    # One call at a time would make 5 calls at most in the time; these overlap.
    async with server(ANSWER, delay=0.1) as (address, bodies):
        found = await order("openloop", open_loop(address, tmp_path), seconds=5)

    assert len(bodies) > 50
    assert min(found["latencies"]) >= 0.1


async def test_the_same_seed_sends_the_same_number_of_calls(tmp_path: Path) -> None:
    async with server(ANSWER) as (address, _):
        found = [(await order("openloop", open_loop(address, tmp_path), seconds=5))["sent"] for _ in range(2)]

    assert found[0] == found[1]


async def test_the_open_loop_tells_of_refusals_and_broken_connections(tmp_path: Path) -> None:
    async with server(ANSWER.replace(b"200 OK", b"502 Bad Gateway")) as (address, _):
        refused = await order("openloop", open_loop(address, tmp_path), seconds=5)
    async with server(b"nonsense\r\n\r\n") as (address, _):
        broken = await order("openloop", open_loop(address, tmp_path), seconds=5)

    assert refused["failed"] == {"status 502": refused["sent"]}
    assert sum(broken["failed"].values()) == broken["sent"]


async def test_a_transfer_counts_the_bytes_of_bodies() -> None:
    size = 300_000
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size + b"x" * size
    async with server(answer) as (address, bodies):
        asked = {"address": address, "request": INFO.bytes("one", address).decode(), "tail": "", "up": 0, "seconds": 0}
        down = await order("transfer", asked, seconds=5)
        request = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 700004\r\n\r\n"
        up = await order("transfer", {**asked, "request": request, "tail": "tail", "up": 700_000}, seconds=5)

    assert (down["bytes"], down["calls"]) == (size, 1)
    assert (up["bytes"], len(bodies[1])) == (size + 700_000, 700_004)


async def test_a_transfer_that_is_cut_off_is_no_measurement() -> None:
    async def cut(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 9000\r\n\r\nx")
        writer.close()

    async with await asyncio.start_server(cut, "127.0.0.1", 0) as running:
        address = f"127.0.0.1:{running.sockets[0].getsockname()[1]}"
        asked = {"address": address, "request": "GET / HTTP/1.1\r\n\r\n", "tail": "", "up": 0, "seconds": 0}
        with pytest.raises(Broken, match="cut off 8999 bytes before its end"):
            await order("transfer", asked, seconds=5)


async def test_echoes_and_calls_are_timed_one_by_one() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    echo = await asyncio.create_subprocess_exec(sys.executable, "-m", "bench.load.echo", str(port))
    try:
        asked = {"address": f"127.0.0.1:{port}", "path": "/", "headers": {}, "keys": False, "seconds": 0.2}
        for _ in range(200):
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.close()
                break
            except OSError:
                await asyncio.sleep(0.05)
        echoes = (await order("sockets", asked, seconds=5))["latencies"]
    finally:
        echo.terminate()
        await echo.wait()
    async with server(ANSWER) as (address, bodies):
        asked = {"address": address, "request": INFO.bytes("one", address).decode(), "seconds": 0.2}
        calls = (await order("calls", asked, seconds=5))["latencies"]

    assert len(echoes) > 10 and all(seconds > 0 for seconds in echoes)
    assert len(calls) == len(bodies) - 1  # the first is not counted


def test_requests_go_round_all_sandboxes_and_kinds_and_neighbours_differ_in_both(tmp_path: Path) -> None:
    file = tmp_path / "requests"
    write_requests(file, SMALL, ["one", "two", "three"], "host:1")
    requests = file.read_bytes().split(b"\0")

    assert len(set(requests)) == 9
    for one, other in itertools.pairwise(requests):
        assert one.split(b"/")[2] != other.split(b"/")[2]
    for request in requests:
        head, _, body = request.partition(b"\r\n\r\n")
        assert head.count(b"\r\nHost: host:1") == 1
        assert (f"Content-Length: {len(body)}".encode() in head) is bool(body)
        assert not body or json.loads(body)


async def test_processor_time_counts_children_those_that_ended_too() -> None:
    burn = "import time; end = time.process_time() + 0.3\nwhile time.process_time() < end: pass"
    parent = (
        f"import subprocess, sys, time; subprocess.run([sys.executable, '-c', '''{burn}'''])\n"
        f"child = subprocess.Popen([sys.executable, '-c', '''{burn}\\ntime.sleep(60)'''])\n"
        f"{burn}\nprint('ready', flush=True); time.sleep(60); child.wait()"
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", parent, stdout=asyncio.subprocess.PIPE, start_new_session=True
    )
    assert process.stdout is not None
    try:
        await process.stdout.readline()
        deadline = asyncio.get_running_loop().time() + 20
        while cpu_seconds(process.pid) < 0.85 and asyncio.get_running_loop().time() < deadline:
            await asyncio.sleep(0.05)
        seconds, members, memory, files = (
            cpu_seconds(process.pid), family(process.pid), rss_bytes(process.pid), open_files(process.pid)
        )  # fmt: skip
    finally:
        for pid in family(process.pid)[::-1]:
            os.kill(pid, signal.SIGKILL)
        await process.wait()

    assert seconds >= 0.85  # three times 0.3, less a tick or two
    assert len(members) == 2
    assert memory > 5_000_000 and files >= 3
