"""Offers to speak another protocol, and connections that end while the application answers."""

import asyncio

import pytest

from tests.wire.inbound.kit import PATIENCE, origin, relay
from tests.wire.inbound.scripts import answering, echo

UPGRADE = b"Host: h\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n"


@pytest.mark.parametrize("path", [b"/x", b"/asgi"])
async def test_an_offer_without_a_body_is_passed_over(path: bytes) -> None:
    async with origin(answering(echo)) as base, relay(base) as running:
        wire = await running.connect()
        await wire.send(b"GET %b HTTP/1.1\r\n%b\r\n" % (path, UPGRADE))
        assert (await wire.answer())[0] == 200


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"POST /x HTTP/1.1\r\n" + UPGRADE + b"Content-Length: 2\r\n\r\n{}",
        b"POST /asgi HTTP/1.1\r\n" + UPGRADE + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
        b"CONNECT h:80 HTTP/1.1\r\nHost: h:80\r\n\r\n",
    ],
    ids=["length", "chunked", "connect"],
)
async def test_an_offer_that_would_lose_the_body_is_refused(request_bytes: bytes) -> None:
    async with origin(answering(echo)) as base, relay(base) as running:
        wire = await running.connect()
        await wire.send(request_bytes)
        status, _, body = await wire.answer()
        assert (status, running.asgi) == (400, [])
        assert b"Upgrade" in body or b"CONNECT" in body


async def test_the_application_hears_that_its_client_left_though_another_request_came_behind() -> None:
    async with origin(answering(echo)) as base, relay(base) as running, asyncio.timeout(PATIENCE):
        wire = await running.connect()
        await wire.send(b"GET /asgi/held HTTP/1.1\r\nHost: h\r\n\r\nGET /asgi/2 HTTP/1.1\r\nHost: h\r\n\r\n")
        while not running.asgi:
            await asyncio.sleep(0.01)
        wire.writer.transport.abort()
        while not running.left:
            await asyncio.sleep(0.01)
    assert running.left == ["http.disconnect"]
    assert [path for path, _ in running.asgi] == ["/asgi/held"]
