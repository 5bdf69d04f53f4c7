"""Requests that must not travel on, and clients that do not stay, at a real router before a real origin."""

import asyncio
import contextlib
from pathlib import Path

import pytest

from tests.engine.running import WAYS, free_port, router
from tests.wire.origin import OK, Peer, answering, origin, until

pytestmark = pytest.mark.parametrize("way", WAYS)


async def test_a_router_whose_origin_is_itself_says_so_at_once(way: str, tmp_path: Path) -> None:
    port = free_port()
    async with router(tmp_path, f"http://127.0.0.1:{port}", way=way, port=port) as it:
        status, headers, body = await it.ask("GET /api/sandbox")
        records = await it.recorded(2)

    assert status == 508
    assert headers["x-crossfade-origin"] == "router"
    assert b"origins.old.url" in body
    assert [record.status for record in records] == [508, 508]


async def test_two_routers_that_ask_each_other_end_it(way: str, tmp_path: Path) -> None:
    ports = free_port(), free_port()
    async with contextlib.AsyncExitStack() as started:
        for number, port in enumerate(ports):
            other = f"http://127.0.0.1:{ports[1 - number]}"
            one = await started.enter_async_context(router(tmp_path / str(number), other, way=way, port=port))
        status, _, _ = await one.ask("GET /api/organizations")

    assert status == 508


async def test_another_routers_guard_is_passed_on_beside_ours(way: str, tmp_path: Path) -> None:
    async with origin(answering(OK)) as old, router(tmp_path, old.url, way=way) as it:
        status, _, _ = await it.ask("GET /api/organizations", "X-Crossfade-Via: another")

    assert status == 200
    theirs, ours = old.requests[0].named("x-crossfade-via")
    assert theirs == "another"
    assert ours not in ("", theirs)


@pytest.mark.parametrize(("host", "said"), [("a\r\nHost: b", "2 Host headers"), ("a\r\nhost: a", "2 Host headers")])
async def test_a_request_with_two_hosts_is_refused(way: str, host: str, said: str, tmp_path: Path) -> None:
    async with origin(answering(OK)) as old, router(tmp_path, old.url, way=way) as it:
        status, headers, body = await it.ask("GET /api/sandbox", host=host)

    assert status == 400
    assert headers["x-crossfade-origin"] == "router"
    assert said.encode() in body
    assert old.requests == []


async def test_a_request_without_a_host_is_refused(way: str, tmp_path: Path) -> None:
    async with origin(answering(OK)) as old, router(tmp_path, old.url, way=way) as it:
        reader, writer = await asyncio.open_connection("127.0.0.1", it.port)
        writer.write(b"GET /api/sandbox HTTP/1.1\r\nConnection: close\r\n\r\n")
        async with asyncio.timeout(20):
            answer = await reader.read()
        writer.close()

    assert answer.startswith(b"HTTP/1.1 400 ")
    assert old.requests == []


@pytest.mark.parametrize("where", ["header", "many headers", "address"])
async def test_a_head_too_large_is_refused(way: str, where: str, tmp_path: Path) -> None:
    lines = {
        "header": ["GET /api/sandbox", "X-Large: " + "x" * 66_000],
        "many headers": ["GET /api/sandbox", *(f"X-{n}: {'x' * 1000}" for n in range(66))],
        "address": ["GET /api/sandbox?x=" + "x" * 66_000],
    }[where]
    async with origin(answering(OK)) as old, router(tmp_path, old.url, way=way) as it:
        status, _, _ = await it.ask(*lines)

    assert status == (400 if where == "address" else 431)  # the parser takes no address as long
    assert old.requests == []


async def test_a_head_just_small_enough_is_passed_on(way: str, tmp_path: Path) -> None:
    async with origin(answering(OK)) as old, router(tmp_path, old.url, way=way) as it:
        status, _, _ = await it.ask("GET /api/organizations", "X-Large: " + "x" * 60_000)

    assert status == 200
    assert old.requests[0].named("x-large") == ["x" * 60_000]


async def test_a_client_that_goes_while_old_hangs_is_let_go_and_counts_against_nobody(way: str, tmp_path: Path) -> None:
    let_go: list[int] = []

    async def hang(peer: Peer) -> None:
        await peer.request()
        await peer.left()
        let_go.append(peer.number)

    async with origin(hang) as old, router(tmp_path, old.url, way=way) as it:
        _, writer = await asyncio.open_connection("127.0.0.1", it.port)
        writer.write(b"GET /api/organizations HTTP/1.1\r\nHost: r\r\n\r\n")
        await until(lambda: len(old.requests) == 1)
        writer.close()
        await until(lambda: let_go == [1])
        record = (await it.recorded(1))[0]

    assert (record.status, record.fate) == (499, "gone")


async def test_a_client_that_goes_in_the_middle_of_its_upload_leaves_no_whole_request(way: str, tmp_path: Path) -> None:
    ends: list[str] = []

    async def take(peer: Peer) -> None:
        try:
            await peer.request()
            ends.append("whole")
        except asyncio.IncompleteReadError:
            ends.append("cut")

    async with origin(take) as old, router(tmp_path, old.url, way=way) as it:
        _, writer = await asyncio.open_connection("127.0.0.1", it.port)
        writer.write(b"POST /api/organizations HTTP/1.1\r\nHost: r\r\nContent-Length: 100000\r\n\r\n" + b"x" * 5000)
        await until(lambda: old.connections == 1)
        writer.close()
        await until(lambda: bool(ends))
        record = (await it.recorded(1))[0]

    assert ends == ["cut"]
    assert record.fate == "gone"


async def test_an_origin_that_cuts_its_answer_leaves_the_client_with_a_cut_one(way: str, tmp_path: Path) -> None:
    async def cut(peer: Peer) -> None:
        await peer.request()
        await peer.say(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")

    async with origin(cut) as old, router(tmp_path, old.url, way=way) as it:
        status, headers, body = await it.ask("GET /api/organizations")
        record = (await it.recorded(1))[0]

    assert (status, headers["content-length"], body) == (200, "10", b"half")
    assert record.fate == "unknown"


async def test_an_origin_that_cannot_be_reached_is_a_bad_gateway_of_ours(way: str, tmp_path: Path) -> None:
    async with router(tmp_path, f"http://127.0.0.1:{free_port()}", way=way) as it:
        status, headers, body = await it.ask("GET /api/organizations")
        record = (await it.recorded(1))[0]

    assert status == 502
    assert headers["x-crossfade-origin"] == "router"
    assert b"old at http://127.0.0.1" in body
    assert (record.status, record.fate) == (502, "failed")


async def test_nothing_comes_back_but_the_origins_own_words_and_the_calls_id(way: str, tmp_path: Path) -> None:
    answer = b"HTTP/1.1 207 Several\r\nX-b: 1\r\nX-B: 2\r\nConnection: x-hop\r\nX-Hop: 1\r\nContent-Length: 2\r\n\r\nok"
    async with origin(answering(answer)) as old, router(tmp_path, old.url, way=way) as it:
        status, headers, body = await it.ask("GET /api/organizations?a=b%20c")

    assert (status, body) == (207, b"ok")
    assert headers["x-b"] == "2"
    assert "x-hop" not in headers
    assert "server" not in headers
    assert headers["x-crossfade-call"] == old.requests[0].named("x-crossfade-call")[0]
    assert old.requests[0].line == "GET /api/organizations?a=b%20c HTTP/1.1"
