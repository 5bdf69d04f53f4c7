"""Websockets of sandboxes on old, at a real router before a real origin."""

import json
from pathlib import Path

import pytest
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import InvalidStatus

from tests.engine.running import WAYS, free_port, router
from tests.wire.origin import Peer, origin

pytestmark = pytest.mark.parametrize("way", WAYS)
# Not below /toolbox, so that no /config has to be asked.
PATH = "/api/sandbox/s1/stream?x=%2F"


def dial(port: int, **options: object) -> connect:
    return connect(f"ws://127.0.0.1:{port}{PATH}", compression=None, proxy=None, **options)  # type: ignore[arg-type]


async def test_a_websocket_is_bridged_with_our_guard_and_closed_as_old_closed_it(way: str, tmp_path: Path) -> None:
    seen: list[tuple[str, list[str]]] = []

    async def old(connection: ServerConnection) -> None:
        assert connection.request is not None
        seen.append((connection.request.path, connection.request.headers.get_all("X-Crossfade-Via")))
        await connection.send(await connection.recv())
        await connection.close(4001, "enough")

    async with serve(old, "127.0.0.1", 0, compression=None) as server:
        port = server.sockets[0].getsockname()[1]
        async with router(tmp_path, f"http://127.0.0.1:{port}", way=way) as it, dial(it.port) as client:
            await client.send("hello")
            assert await client.recv() == "hello"
            await client.wait_closed()

    assert (client.close_code, client.close_reason) == (4001, "enough")
    assert seen == [(PATH, [it.app.engine.forward.instance])]


async def test_a_refusal_of_old_is_passed_on_as_it_is(way: str, tmp_path: Path) -> None:
    body = b'{"code":"SESSION_NOT_FOUND"}'

    async def refuse(peer: Peer) -> None:
        await peer.request()
        head = b"HTTP/1.1 404 Not Found\r\nX-Request-Id: r\r\nContent-Type: application/json\r\nContent-Length: "
        await peer.say(head + b"%d\r\n\r\n" % len(body) + body)

    async with origin(refuse) as old, router(tmp_path, old.url, way=way) as it:
        with pytest.raises(InvalidStatus) as refused:
            await dial(it.port)

    answer = refused.value.response
    assert (answer.status_code, answer.body) == (404, body)
    assert answer.headers["X-Request-Id"] == "r"
    assert "X-Crossfade-Origin" not in answer.headers


async def test_routers_that_ask_each_other_end_a_handshake(way: str, tmp_path: Path) -> None:
    one, other = free_port(), free_port()
    async with (
        router(tmp_path / "one", f"http://127.0.0.1:{other}", way=way, port=one),
        router(tmp_path / "other", f"http://127.0.0.1:{one}", way=way, port=other),
    ):
        with pytest.raises(InvalidStatus) as refused:
            await dial(one)

    assert refused.value.response.status_code == 508
    assert "asked by itself" in json.loads(refused.value.response.body)["message"]
