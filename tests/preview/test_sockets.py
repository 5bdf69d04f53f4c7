"""Websockets through a preview, on either side: as noVNC and dev servers with hot reload use them."""

import asyncio

import pytest
import websockets

from tests.preview.rig import DOMAIN, KEY, Box, Rig, told, until

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_messages_pass_both_ways_in_order(box: Box) -> None:
    sent = ["text", "ümläut", b"\x00\xff" * 10, b"x" * 1_000_000, *(f"{number}" for number in range(200))]
    async with box.rig.socket(box.ws_host, "/websockify?token=%20", additional_headers=await box.token()) as socket:
        first = told(await socket.recv())
        for message in sent:
            await socket.send(message)
        got = [await socket.recv() for _ in sent]

    assert (first["name"], first["target"]) == (str(box.twin.seat), "/websockify?token=%20")
    assert got == sent


@pytest.mark.parametrize("subprotocol", ["binary", "vite-hmr"])
async def test_the_subprotocol_is_the_servers_choice(box: Box, subprotocol: str) -> None:
    protocols = [websockets.Subprotocol("other"), websockets.Subprotocol(subprotocol)]
    headers = await box.token()
    async with box.rig.socket(box.ws_host, additional_headers=headers, subprotocols=protocols) as socket:
        first = told(await socket.recv())

    assert socket.subprotocol == first["subprotocol"] == subprotocol


async def test_the_close_of_the_server_inside_keeps_code_and_reason(box: Box) -> None:
    async with box.rig.socket(box.ws_host, additional_headers=await box.token()) as socket:
        await socket.recv()
        await socket.send("close 4321 enough of it")
        with pytest.raises(websockets.ConnectionClosed):
            await socket.recv()

    assert (socket.close_code, socket.close_reason) == (4321, "enough of it")


async def test_the_origin_of_a_page_and_its_own_cookies_reach_the_server_inside(box: Box) -> None:
    headers = {**await box.token(), "Cookie": "session=1; daytona-sandbox-auth-x=2"}
    async with box.rig.socket(box.ws_host, additional_headers=headers, origin=f"http://{box.ws_host}") as socket:
        fields = told(await socket.recv())["fields"]

    assert fields["origin"] == f"http://{box.ws_host}"
    assert fields["x-forwarded-host"] == box.ws_host
    assert fields["cookie"] == "session=1"
    assert (await box.link())["token"] not in str(fields)


@pytest.mark.parametrize("way", ["bearer", "query", "cookie", "path"])
async def test_every_right_opens_a_websocket(box: Box, way: str) -> None:
    key = (await box.link())["token"]
    if way == "bearer":
        opened = box.rig.socket(box.ws_host, additional_headers={"Authorization": f"Bearer {KEY}"})
    elif way == "query":
        opened = box.rig.socket(box.ws_host, f"/x?DAYTONA_SANDBOX_AUTH_KEY={key}&a=1")
    elif way == "cookie":
        page = await box.rig.get(box.host, f"/?DAYTONA_SANDBOX_AUTH_KEY={key}")
        cookie = page.headers["set-cookie"].partition(";")[0]
        opened = box.rig.socket(box.ws_host, additional_headers={"Cookie": cookie})
    else:
        target = f"/preview/{box.ws_port}-{box.id}/socket"
        opened = box.rig.socket(box.rig.authority, target, additional_headers=await box.token())

    async with opened as socket:
        first = told(await socket.recv())

    assert first["name"] == str(box.twin.seat)
    assert key not in str(first)
    assert KEY not in str(first)


async def test_without_a_right_the_handshake_is_refused(box: Box) -> None:
    for headers in ({}, {"Authorization": "Bearer wrong"}, {"X-Daytona-Preview-Token": "wrong"}):
        with pytest.raises(websockets.InvalidStatus) as refused:
            await box.rig.socket(box.ws_host, additional_headers=headers)

        assert refused.value.response.status_code == 401
        assert refused.value.response.headers["X-Crossfade-Origin"] == "router"


async def test_unknown_hosts_refuse_the_handshake(rig: Rig) -> None:
    for host in (f"6080-unknown.{DOMAIN}", f"99999-x.{DOMAIN}"):
        with pytest.raises(websockets.InvalidStatus) as refused:
            await rig.socket(host, additional_headers={"Authorization": f"Bearer {KEY}"})

        assert refused.value.response.status_code == 404


async def test_a_port_that_speaks_no_websocket_refuses_the_handshake(box: Box) -> None:
    for host in (box.host, f"9-{box.id}.{DOMAIN}"):
        with pytest.raises(websockets.InvalidStatus) as refused:
            await box.rig.socket(host, additional_headers=await box.token())

        assert refused.value.response.status_code in (200, 502)


async def test_an_open_websocket_is_a_call_of_its_twin_until_it_closes(box: Box) -> None:
    preview = box.rig.app.preview
    assert preview is not None
    async with box.rig.socket(box.ws_host, additional_headers=await box.token()) as socket:
        await socket.recv()
        assert any(call.unbounded for call in box.twin.open.values())
        assert box.twin.hot
    await until(lambda: not box.twin.open and preview.visits.open == 0)


async def test_a_client_that_vanishes_frees_everything(box: Box) -> None:
    preview = box.rig.app.preview
    assert preview is not None
    sockets = [await box.rig.socket(box.ws_host, additional_headers=await box.token()) for _ in range(5)]
    await asyncio.gather(*(socket.recv() for socket in sockets))
    for socket in sockets:
        socket.transport.abort()

    await until(lambda: not box.twin.open and preview.visits.open == 0)
