"""Request smuggling (RFC 9112 §11.2): what two parsers might read differently is refused, or leaves as one meaning.

The origin notes every request as it arrives. Each case is sent behind an ordinary request on the same connection, so
that heads which were seen before are looked up, and ahead of one, so that what is left over would be seen.
"""

import asyncio
from dataclasses import dataclass, field

import pytest

from tests.wire.inbound.kit import Relay, origin, relay
from tests.wire.inbound.scripts import Reader, Writer, answering, ok

FIRST = b"GET /first HTTP/1.1\r\nHost: h\r\nX-A: 1\r\n\r\n"
# The same header lines as many cases have: seen before, they are looked up and not parsed.
WARM = b"GET /warm HTTP/1.1\r\nHost: h\r\n\r\n"
HIDDEN = b"GET /hidden HTTP/1.1\r\nHost: h\r\n\r\n"


def post(*lines: bytes, body: bytes = b"") -> bytes:
    return b"POST /case HTTP/1.1\r\nHost: h\r\n" + b"".join(line + b"\r\n" for line in lines) + b"\r\n" + body


REFUSED = {
    "length and chunked": post(b"Content-Length: 4", b"Transfer-Encoding: chunked", body=b"0\r\n\r\n" + HIDDEN),
    "chunked and length": post(b"Transfer-Encoding: chunked", b"Content-Length: 4", body=b"0\r\n\r\n" + HIDDEN),
    "two lengths": post(b"Content-Length: 0", b"Content-Length: %d" % len(HIDDEN), body=HIDDEN),
    "two equal lengths": post(b"Content-Length: 1", b"Content-Length: 1", body=b"a"),
    "list of lengths": post(b"Content-Length: 1, 1", body=b"a"),
    "length with sign": post(b"Content-Length: +1", body=b"a"),
    "negative length": post(b"Content-Length: -1", body=b"a"),
    "length in hex": post(b"Content-Length: 0x1", body=b"a"),
    "length too large": post(b"Content-Length: 99999999999999999999", body=b"a"),
    "length with letters": post(b"Content-Length: 1a", body=b"a"),
    "empty length": post(b"Content-Length:", body=b"a"),
    "chunked not last": post(b"Transfer-Encoding: chunked, identity", body=b"0\r\n\r\n" + HIDDEN),
    "unknown coding": post(b"Transfer-Encoding: xchunked", body=b"0\r\n\r\n" + HIDDEN),
    "space before colon": post(b"Transfer-Encoding : chunked", body=b"0\r\n\r\n" + HIDDEN),
    "space in a name": post(b"X A: 1"),
    "control in a name": post(b"X\x01A: 1"),
    "no colon": post(b"Transfer-Encoding"),
    "folded line": post(b"X-A: 1", b" Transfer-Encoding: chunked"),
    "NUL in a value": post(b"X-A: a\x00b"),
    "bare CR in a value": post(b"X-A: a\rContent-Length: 9"),
    "bare LF": b"POST /case HTTP/1.1\nHost: h\nContent-Length: 0\n\n",
    "LF after a header": b"POST /case HTTP/1.1\r\nHost: h\nContent-Length: 0\r\n\r\n",
    "chunk size with prefix": post(b"Transfer-Encoding: chunked", body=b"0x1\r\na\r\n0\r\n\r\n"),
    "chunk size with sign": post(b"Transfer-Encoding: chunked", body=b"+1\r\na\r\n0\r\n\r\n"),
    "chunk size overflows": post(b"Transfer-Encoding: chunked", body=b"fffffffffffffffff\r\na\r\n0\r\n\r\n"),
    "empty chunk size": post(b"Transfer-Encoding: chunked", body=b"\r\na\r\n0\r\n\r\n"),
    "chunk without its line end": post(b"Transfer-Encoding: chunked", body=b"1\r\naX0\r\n\r\n"),
    "chunk line ends with LF": post(b"Transfer-Encoding: chunked", body=b"1\na\n0\n\n"),
    "length behind the body": post(
        b"Transfer-Encoding: chunked", body=b"1\r\na\r\n0\r\nX-T: 1\r\nContent-Length: 9\r\n\r\n"
    ),
    "no version": b"GET /case\r\nHost: h\r\n\r\n",
    "version 2": b"GET /case HTTP/2.0\r\nHost: h\r\n\r\n",
    "preface of HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "tabs in the request line": b"GET\t/case\tHTTP/1.1\r\nHost: h\r\n\r\n",
    "space in the target": b"GET /ca se HTTP/1.1\r\nHost: h\r\n\r\n",
    "control in the target": b"GET /ca\x01se HTTP/1.1\r\nHost: h\r\n\r\n",
    "unknown method": b"FOO /case HTTP/1.1\r\nHost: h\r\n\r\n",
    "method in small letters": b"get /case HTTP/1.1\r\nHost: h\r\n\r\n",
    "a request as the first header's name": b"GET /case HTTP/1.1\r\nGET /hidden HTTP/1.1\r\nHost: h\r\n\r\n",
}
# Taken, with one meaning: the origin sees one request to /case, framed anew.
NORMALISED = {
    "empty lines ahead": b"\r\n\r\n" + post(b"Content-Length: 1", body=b"a"),
    "chunk extensions": post(b"Transfer-Encoding: chunked", body=b'1;a=b;c="d"\r\na\r\n0\r\n\r\n'),
    "chunk size with zeros": post(b"Transfer-Encoding: chunked", body=b"0001\r\na\r\n000\r\n\r\n"),
    "trailers": post(b"Transfer-Encoding: chunked", body=b"1\r\na\r\n0\r\nX-T: 1\r\n\r\n"),
    "chunked in capitals": post(b"TRANSFER-ENCODING: Chunked", body=b"1\r\na\r\n0\r\n\r\n"),
    "a request as body": post(b"Content-Length: %d" % len(HIDDEN), body=HIDDEN),
}

BEFORE = [b"GET /warm HTTP/1.1", b"GET /warm HTTP/1.1", b"GET /first HTTP/1.1"]


@dataclass
class Seen:
    """Request lines as they came to the origin, with the bodies behind them."""

    requests: list[tuple[bytes, bytes]] = field(default_factory=list)

    async def handle(self, head: bytes, body: bytes, writer: Writer) -> None:
        assert b"content-length" not in head.lower() or b"transfer-encoding" not in head.lower()
        self.requests.append((head.split(b"\r\n")[0], body))
        writer.write(ok(b"fine"))


async def said(running: Relay, case: bytes) -> bytes:
    """Everything that comes back for the case between two ordinary requests."""
    wire = await running.connect()
    for before in (WARM, WARM, FIRST):
        await wire.send(before)
        assert (await wire.answer())[0] == 200
    await wire.send(case)
    await asyncio.sleep(0.02)
    try:
        await wire.send(FIRST.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
        return await wire.rest()
    except ConnectionError:
        return b""  # reset behind an answer that says close


@pytest.mark.parametrize("case", REFUSED.values(), ids=REFUSED.keys())
async def test_ambiguous_requests_reach_no_origin(case: bytes) -> None:
    seen = Seen()
    async with origin(answering(seen.handle)) as base, relay(base) as running:
        got = await said(running, case)
    lines = [line for line, _ in seen.requests]
    assert lines[:3] == BEFORE
    assert not any(b"hidden" in line for line in lines)
    assert not any(b"/case" in line and b"chunked" not in case for line in lines), lines
    assert b"HTTP/1.1 200" not in got, "the case, or what was hidden in it, was answered"
    assert got == b"" or got.startswith(b"HTTP/1.1 400")


@pytest.mark.parametrize("case", NORMALISED.values(), ids=NORMALISED.keys())
async def test_odd_but_clear_requests_leave_with_one_meaning(case: bytes) -> None:
    seen = Seen()
    async with origin(answering(seen.handle)) as base, relay(base) as running:
        got = await said(running, case)
    assert [line for line, _ in seen.requests] == [
        *BEFORE,
        b"POST /case HTTP/1.1",
        b"GET /first HTTP/1.1",
    ]
    assert seen.requests[3][1] in (b"a", HIDDEN)
    assert got.count(b"HTTP/1.1 200") == 2


@pytest.mark.parametrize("hosts", [b"", b"Host: a\r\nHost: b\r\n", b"Host: a\r\nhost: a\r\n"])
async def test_requests_without_one_host_are_left_to_the_application(hosts: bytes) -> None:
    seen = Seen()
    async with origin(answering(seen.handle)) as base, relay(base) as running:
        wire = await running.connect()
        await wire.send(b"GET /x HTTP/1.1\r\n%b\r\n" % hosts)
        assert b'"asgi"' in (await wire.answer())[2]
    assert seen.requests == []


async def test_oversized_chunk_extensions_are_not_swallowed_for_ever() -> None:
    async def script(reader: Reader, writer: Writer) -> None:
        await reader.read()
        writer.close()

    async with origin(script) as base, relay(base) as running:
        wire = await running.connect()
        await wire.send(post(b"Transfer-Encoding: chunked", body=b"1;"))
        try:
            for _ in range(64):
                await wire.send(b"x" * 65_536)
            got = await wire.rest()
        except ConnectionError:
            got = b"HTTP/1.1 400"
    assert got.startswith(b"HTTP/1.1 400")


async def test_header_lines_that_were_taken_once_are_not_taken_where_they_stand_for_something_else() -> None:
    """The same header bytes behind an empty line, without their end, with another length, on another version."""
    seen = Seen()
    block = b"Host: h\r\nX-Same: 1\r\nContent-Length: 1"
    async with origin(answering(seen.handle)) as base, relay(base) as running:
        for _ in range(2):
            wire = await running.connect()
            await wire.send(b"POST /case HTTP/1.1\r\n%b\r\n\r\na" % block)
            assert (await wire.answer())[0] == 200
        wire = await running.connect()
        await wire.send(b"POST /case HTTP/1.1\r\n%b\r\n\r\nab" % block)  # one byte too many: the next request's
        assert (await wire.answer())[0] == 200
        assert (await wire.rest()).startswith(b"HTTP/1.1 400")
        for line in (b"POST /case HTTP/1.0", b"POST  /case HTTP/1.1", b"POST /case HTTP/1.1 ", b"POST case HTTP/1.1"):
            wire = await running.connect()
            await wire.send(b"%b\r\n%b\r\n\r\na" % (line, block))
            status, head, _ = await wire.answer()
            assert status == 400 or (status == 200 and b"/case" in line)
            assert b"connection: close" in head.lower() or not line.endswith(b"1.0")
    assert all(body == b"a" for _, body in seen.requests)
