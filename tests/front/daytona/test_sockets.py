"""Terminals and followed logs over real websockets."""

import asyncio
import json
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from crossfade.outcome import refused
from crossfade.results import StreamEnd
from tests.front.daytona.serving import KEY, ScriptedBackend, ScriptedChannel, front, raw, request, serving

CUT = StreamEnd(reason="log stream broke off")
Messages = list[str | bytes]
PTY = "/toolbox/s/process/pty/p/connect"
LOGS = "/toolbox/s/process/session/a/command/c/logs?follow=true"


async def talk(
    backend: ScriptedBackend, path: str, *sent: bytes, version: str = "0.115.0", **options: Any
) -> tuple[Messages, int, str]:
    """Connect, send, read to the close: messages, close code, reason."""
    headers = {"Authorization": f"Bearer {KEY}", "X-Daytona-SDK-Version": version}
    received: Messages = []
    async with (
        serving(front(backend)) as (host, port),
        asyncio.timeout(10),
        connect(f"ws://{host}:{port}{path}", additional_headers=headers, **options) as socket,
    ):
        for data in sent:
            await socket.send(data)
        try:
            while True:
                received.append(await socket.recv())
        except ConnectionClosed as closed:
            end = closed.rcvd
    assert end is not None
    return received, end.code, end.reason


@pytest.mark.parametrize(
    ("exit_code", "code", "told"),
    [(0, 1000, {"exitCode": 0}), (3, 1011, {"exitCode": 3, "exitReason": "non-zero exit"})],
)
async def test_a_terminal_says_connected_then_output_then_its_exit(exit_code: int, code: int, told: object) -> None:
    channel = ScriptedChannel([b"one", b"\xfftwo"], StreamEnd(exit_code=exit_code))
    received, close_code, reason = await talk(ScriptedBackend(channels={"pty.connect": channel}), PTY)

    assert json.loads(received[0]) == {"type": "control", "status": "connected"}
    assert received[1:] == [b"one", b"\xfftwo"]
    assert (close_code, json.loads(reason)) == (code, told)
    assert channel.closed


async def test_what_is_typed_reaches_the_terminal() -> None:
    channel = ScriptedChannel([], StreamEnd(exit_code=0), hold=asyncio.Event())
    await talk(ScriptedBackend(channels={"pty.connect": channel}), PTY, b"ls\n")

    assert channel.sent == [b"ls\n"]


async def test_input_past_the_limit_closes_the_socket() -> None:
    channel = ScriptedChannel([], StreamEnd(exit_code=0), hold=asyncio.Event())
    _, code, _ = await talk(ScriptedBackend(channels={"pty.connect": channel}), PTY, b"x" * 70_000)

    assert code == 1009
    assert channel.sent == []


async def test_the_newest_sdk_creates_and_connects_in_one_handshake() -> None:
    channel = ScriptedChannel([b"hi"], StreamEnd(exit_code=3))
    backend = ScriptedBackend(channels={"pty.connect": channel})
    path = "/toolbox/s/process/pty/create-connect?id=p&cols=100&rows=30"
    received, _, _ = await talk(backend, path, version="0.226.1", subprotocols=["X-Daytona-Pty-Exit-Control"])

    assert [(each.name, each.arguments["pty"]) for each in backend.asked] == [("pty.create", "p"), ("pty.connect", "p")]
    last = received[-1]
    assert json.loads(last) == {
        "type": "control", "status": "exited", "exitCode": 3, "exitReason": "non-zero exit",
    }  # fmt: skip


async def test_a_refused_terminal_is_a_plain_answer_with_its_status() -> None:
    backend = ScriptedBackend(channels={"pty.connect": refused(404, "NOT_FOUND", "PTY session p not found")})

    with pytest.raises(InvalidStatus) as caught:
        await talk(backend, PTY)

    assert caught.value.response.status_code == 404
    assert b"PTY session p not found" in caught.value.response.body


async def test_a_socket_needs_a_key() -> None:
    async with serving(front(ScriptedBackend())) as (host, port):
        with pytest.raises(InvalidStatus) as caught:
            await connect(f"ws://{host}:{port}{PTY}")

    assert caught.value.response.status_code == 401


@pytest.mark.parametrize(("version", "shown"), [("0.115.0", b"\1\1\1out\n\2\2\2err\n"), ("0.26.0", b"out\nerr\n")])
async def test_followed_logs_are_marked_by_version(version: str, shown: bytes) -> None:
    channel = ScriptedChannel([b"\1\1\1out\n\2\2", b"\2err\n"], StreamEnd())
    backend = ScriptedBackend(channels={"session.follow": channel})
    received, code, _ = await talk(backend, LOGS, version=version)

    assert b"".join(each for each in received if isinstance(each, bytes)) == shown
    assert code == 1000


async def test_a_client_that_leaves_detaches_only() -> None:
    channel = ScriptedChannel([b"x"], StreamEnd(), hold=asyncio.Event())
    headers = {"Authorization": f"Bearer {KEY}"}
    async with serving(front(ScriptedBackend(channels={"pty.connect": channel}))) as (host, port):
        async with connect(f"ws://{host}:{port}{PTY}", additional_headers=headers) as socket:
            await socket.recv()
        async with asyncio.timeout(5):
            while not channel.closed:
                await asyncio.sleep(0.005)

    assert channel.sent == []


@pytest.mark.parametrize(("end", "code"), [(StreamEnd(), 1000), (StreamEnd(exit_code=3), 1000), (CUT, 1011)])
async def test_a_log_that_broke_off_is_not_closed_as_if_it_were_whole(end: StreamEnd, code: int) -> None:
    backend = ScriptedBackend(channels={"session.follow": ScriptedChannel([b"out\n"], end)})

    assert (await talk(backend, LOGS))[1] == code


async def test_a_log_that_broke_off_leaves_an_answer_over_http_unfinished() -> None:
    backend = ScriptedBackend(channels={"session.follow": ScriptedChannel([b"out\n"], CUT)})

    async with serving(front(backend)) as address:
        answer = await raw(address, request("GET", LOGS, b"", "X-Daytona-SDK-Version: 0.21.0"))

    assert b"out\n" in answer
    assert not answer.endswith(b"0\r\n\r\n")


@pytest.mark.parametrize(
    ("end", "code", "reason"),
    [
        (StreamEnd(exit_code=0), 1000, ""),
        (StreamEnd(reason="context x not found", close=1008), 1008, "context x not found"),
        (StreamEnd(reason="execution timed out", close=4008), 4008, "execution timed out"),
        (StreamEnd(reason="ü" * 100), 1011, "ü" * 60),
    ],
)
async def test_an_execution_is_text_both_ways_and_its_end_a_close_code(end: StreamEnd, code: int, reason: str) -> None:
    channel = ScriptedChannel([b'{"type": "stdout"}'], end, hold=asyncio.Event())
    backend = ScriptedBackend(channels={"interpreter.execute": channel})

    assert await talk(backend, "/toolbox/s/process/interpreter/execute", b'{"code": "1"}') == (
        ['{"type": "stdout"}'], code, reason,
    )  # fmt: skip
    assert channel.sent == [b'{"code": "1"}']
