"""Answers to requests whose body nobody wants: they arrive, though the client still sends."""

import asyncio

import pytest

from tests.front.daytona.serving import ScriptedBackend, front, serving


@pytest.mark.parametrize(
    ("line", "status"),
    [
        (b"PATCH /toolbox/s/files/info", b"405"),
        (b"POST /api/nothing/of/the/kind", b"404"),
        (b"POST /toolbox/s/process/execute", b"401"),
    ],
)
async def test_a_refusal_is_not_lost_with_the_body_behind_it(line: bytes, status: bytes) -> None:
    async with serving(front(ScriptedBackend())) as (host, port), asyncio.timeout(20):
        for _ in range(20):
            reader, writer = await asyncio.open_connection(host, port)
            writer.write(b"%b HTTP/1.1\r\nHost: h\r\nContent-Length: 300000\r\n\r\n" % line)
            await asyncio.sleep(0.002)  # the answer is under way before the body is
            for _ in range(30):
                writer.write(b"x" * 10_000)
                await asyncio.sleep(0)
            got = await reader.read(-1)
            writer.close()
            head, _, body = got.partition(b"\r\n\r\n")
            assert head.split(b" ")[1] == status and body.endswith(b"}")


async def test_who_announces_a_body_and_never_sends_it_is_let_go() -> None:
    async with serving(front(ScriptedBackend())) as (host, port), asyncio.timeout(20):
        reader, writer = await asyncio.open_connection(host, port)
        writer.write(b"PATCH /toolbox/s/files/info HTTP/1.1\r\nHost: h\r\nContent-Length: 300000\r\n\r\n")
        got = await reader.read(-1)
        writer.close()
    assert got.startswith(b"HTTP/1.1 405")
