"""Repairs of relayed calls, at a real router before a scripted origin: off unless they are set."""

import base64
import hashlib
import json
from pathlib import Path

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus
from websockets.typing import Subprotocol

from tests.engine.running import WAYS, router
from tests.front.daytona.test_repairs import ran_by_a_shell, wrapped
from tests.wire.origin import OK, Peer, answering, origin

pytestmark = pytest.mark.parametrize("way", WAYS)
# Below /api, so that no /config has to be asked.
TOOLBOX = "/api/toolbox/s1/toolbox"
PTY = f"{TOOLBOX}/process/pty/create-connect?id=p%2F1&cols=100&rows=30&cwd=%2Fw"
OLD_SDK, NEW_SDK = (f"X-Daytona-SDK-Version: {version}" for version in ("0.115.0", "0.226.1"))
EXEC = json.dumps({"command": wrapped("echo $A", {"A": "a b"}), "timeout": 9}).encode()
EMPTY = b"HTTP/1.1 404 Not Found\r\nX-Daemon: d\r\nContent-Length: 0\r\n\r\n"
ENDED = [b"\x81\x05hello", b"\x88\x02\x03\xe8"]  # a text, then a close with 1000


def on(name: str) -> str:
    return f"[front.repairs]\n{name} = true\n"


async def upgraded(peer: Peer) -> None:
    """Accept a websocket handshake, say hello, close."""
    key = (await peer.request()).named("sec-websocket-key")[0]
    accept = base64.b64encode(hashlib.sha1(key.encode() + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())
    head = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    await peer.say(head + b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n", *ENDED)
    await peer.left()


@pytest.mark.parametrize("repaired", [True, False])
async def test_a_command_with_variables_is_repaired_only_where_it_is_set(
    way: str, repaired: bool, tmp_path: Path
) -> None:
    extra = on("exec_environment") if repaired else ""
    async with origin(answering(OK)) as old, router(tmp_path, old.url, way=way, extra=extra) as it:
        status, _, body = await it.ask(f"POST {TOOLBOX}/process/execute", OLD_SDK, body=EXEC)

    assert (status, body) == (200, b"ok")
    sent = old.requests[0]
    assert (sent.body == EXEC) is not repaired
    assert json.loads(sent.body)["timeout"] == 9
    assert ran_by_a_shell(json.loads(sent.body)["command"]) == (b"a b\n" if repaired else b"a\n")
    assert [len(sent.body)] == [int(each) for each in sent.named("content-length")]


@pytest.mark.parametrize(
    ("extra", "version", "told"),
    [
        (on("error_text"), OLD_SDK, True),
        ("", OLD_SDK, False),
        (on("error_text"), NEW_SDK, False),
    ],
)
async def test_an_error_without_a_body_gets_one_only_where_it_is_set(
    way: str, extra: str, version: str, told: bool, tmp_path: Path
) -> None:
    async with origin(answering(EMPTY)) as old, router(tmp_path, old.url, way=way, extra=extra) as it:
        answers = [await it.ask(f"GET {TOOLBOX}/files?path=%2Fx", version) for _ in range(2)]

    for status, headers, body in answers:
        assert (status, headers["x-daemon"]) == (404, "d")
        assert int(headers["content-length"]) == len(body)
        assert (json.loads(body)["message"] if body else "") == ("404 Not Found" if told else "")


async def test_an_error_that_says_something_is_passed_on_as_it_is(way: str, tmp_path: Path) -> None:
    said = b"HTTP/1.1 409 Conflict\r\nContent-Length: 4\r\n\r\nsaid"
    async with origin(answering(said)) as old, router(tmp_path, old.url, way=way, extra=on("error_text")) as it:
        status, _, body = await it.ask(f"GET {TOOLBOX}/files?path=%2Fx", OLD_SDK)

    assert (status, body) == (409, b"said")


def parts(encoding: str) -> bytes:
    names = [f'Content-Disposition: form-data; name="file"; filename="{name}"'.encode(encoding) for name in ("ü", "b")]
    return b"".join([b"--B\r\n" + name + b"\r\nContent-Length: 1\r\n\r\n\xfc\r\n" for name in names]) + b"--B--\r\n"


@pytest.mark.parametrize("repaired", [True, False])
@pytest.mark.parametrize("chunked", [True, False], ids=["chunked", "length"])
async def test_names_of_parts_become_utf8_only_where_it_is_set(
    way: str, repaired: bool, chunked: bool, tmp_path: Path
) -> None:
    body, kind = parts("latin-1"), b"Content-Type: multipart/form-data; boundary=B\r\n"
    said = b"HTTP/1.1 200 OK\r\n" + kind
    if chunked:
        said += b"Transfer-Encoding: chunked\r\n\r\n"
        said += b"".join([b"1\r\n%c\r\n" % byte for byte in body]) + b"0\r\n\r\n"
    else:
        said += b"Content-Length: %d\r\n\r\n" % len(body) + body
    extra = on("part_names") if repaired else ""
    async with origin(answering(said)) as old, router(tmp_path, old.url, way=way, extra=extra) as it:
        asked = f"POST {TOOLBOX}/files/bulk-download"
        status, headers, got = await it.ask(asked, OLD_SDK, body=b'{"paths":["\xc3\xbc","b"]}')

    wanted = parts("utf-8" if repaired else "latin-1")
    assert status == 200
    if "content-length" in headers:
        assert (int(headers["content-length"]), got) == (len(wanted), wanted)
    else:
        assert unchunked(got) == wanted


def unchunked(body: bytes) -> bytes:
    whole = b""
    while body:
        size, _, body = body.partition(b"\r\n")
        whole, body = whole + body[: int(size, 16)], body[int(size, 16) + 2 :]
    return whole


def dial(port: int) -> connect:
    return connect(
        f"ws://127.0.0.1:{port}{PTY}",
        compression=None,
        proxy=None,
        additional_headers={"Authorization": "Bearer k"},
        subprotocols=[
            Subprotocol("X-Daytona-Pty-Envs~" + base64.urlsafe_b64encode(b'{"A":"b c"}').decode().rstrip("="))
        ],
    )


async def test_a_terminal_is_made_and_opened_in_two_steps_where_one_is_unknown(way: str, tmp_path: Path) -> None:
    made = b'HTTP/1.1 201 Created\r\nContent-Length: 19\r\n\r\n{"sessionId":"p/1"}'
    waiting = [EMPTY, made]

    async def daemon(peer: Peer) -> None:
        while waiting:
            await peer.request()
            await peer.say(waiting.pop(0))
        await upgraded(peer)

    async with (
        origin(daemon) as old,
        router(tmp_path, old.url, way=way, extra=on("terminal_in_one")) as it,
        dial(it.port) as client,
    ):
        assert await client.recv() == "hello"
        await client.wait_closed()

    assert client.close_code == 1000
    first, created, connected = old.requests
    assert first.line == f"GET {PTY} HTTP/1.1"
    assert created.line == f"POST {TOOLBOX}/process/pty HTTP/1.1"
    assert connected.line == f"GET {TOOLBOX}/process/pty/p%2F1/connect HTTP/1.1"
    assert json.loads(created.body) == {
        "id": "p/1", "cols": 100, "rows": 30, "cwd": "/w", "envs": {"A": "b c"}, "lazyStart": True,
    }  # fmt: skip
    assert [each.named("authorization") for each in old.requests] == [["Bearer k"]] * 3


@pytest.mark.parametrize("extra", [on("terminal_in_one"), ""])
async def test_a_terminal_that_is_refused_is_refused_in_the_daemons_words(way: str, extra: str, tmp_path: Path) -> None:
    refused = b"HTTP/1.1 409 Conflict\r\nContent-Length: 5\r\n\r\ntaken"
    answers = [EMPTY, refused]

    async def daemon(peer: Peer) -> None:
        while answers:
            await peer.request()
            await peer.say(answers.pop(0))

    async with origin(daemon) as old, router(tmp_path, old.url, way=way, extra=extra) as it:
        with pytest.raises(InvalidStatus) as caught:
            await dial(it.port)

    answer = caught.value.response
    assert (answer.status_code, answer.body) == ((409, b"taken") if extra else (404, b""))
