"""What is no answer, or one that two readers may read in two ways: refused, in one piece and byte by byte."""

import pytest

from router.wire.http1.answers import HEAD_LIMIT, MOST_HEADERS
from tests.wire.http1.reading import bytewise, read

OK = b"HTTP/1.1 200 OK\r\n"
NONE = b"Content-Length: 0\r\n\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"

REFUSED = {
    "length and chunks": OK + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunks and length": OK + b"Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n",
    "two lengths": OK + b"Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
    "two equal lengths": OK + b"Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc",
    "a list of lengths": OK + b"Content-Length: 3, 3\r\n\r\nabc",
    "signed length": OK + b"Content-Length: +3\r\n\r\nabc",
    "negative length": OK + b"Content-Length: -3\r\n\r\nabc",
    "empty length": OK + b"Content-Length: \r\n\r\n",
    "length in hex": OK + b"Content-Length: 0x3\r\n\r\nabc",
    "length beyond 64 bits": OK + b"Content-Length: 99999999999999999999\r\n\r\nabc",
    "other coding": OK + b"Transfer-Encoding: gzip\r\n\r\nabc",
    "two codings": OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "chunked not last": OK + b"Transfer-Encoding: chunked, gzip\r\n\r\nabc",
    "chunked twice": OK + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "nearly chunked": OK + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "chunked and a tab": OK + b"Transfer-Encoding: chunked\t\r\n\r\n1\r\na\r\n0\r\n\r\n",
    "identity": OK + b"Transfer-Encoding: identity\r\n\r\nabc",
    "empty coding": OK + b"Transfer-Encoding:\r\n\r\nabc",
    "bare LF in the head": OK + b"A: b\n" + NONE,
    "bare LF behind the status": b"HTTP/1.1 200 OK\n" + NONE,
    "bare LF at the head's end": OK + b"Content-Length: 0\r\n\n",
    "bare CR": OK + b"A: b\rc\r\n" + NONE,
    "folded line": OK + b"A: b\r\n c\r\n" + NONE,
    "folded by a tab": OK + b"A: b\r\n\tc\r\n" + NONE,
    "fold before any header": OK + b" A: b\r\n" + NONE,
    "folded length": OK + b"Content-Length:\r\n 3\r\n\r\nabc",
    "space before the colon": OK + b"Content-Length : 0\r\n\r\n",
    "no name": OK + b": b\r\n" + NONE,
    "no colon": OK + b"abc\r\n" + NONE,
    "control byte in a name": OK + b"A\x01: b\r\n" + NONE,
    "high byte in a name": OK + b"A\xe4: b\r\n" + NONE,
    "control byte in a value": OK + b"A: b\x01\r\n" + NONE,
    "NUL in a value": OK + b"A: b\x00\r\n" + NONE,
    "NUL in the reason": b"HTTP/1.1 200 O\x00K\r\n" + NONE,
    "escape in the reason": b"HTTP/1.1 200 \x1b[1m\r\n" + NONE,
    "HTTP/2": b"HTTP/2.0 200 OK\r\n" + NONE,
    "HTTP/2 that keeps": b"HTTP/2.0 200 OK\r\nConnection: keep-alive\r\n" + NONE,
    "HTTP/0.9": b"HTTP/0.9 200 OK\r\n" + NONE,
    "HTTP/1.2": b"HTTP/1.2 200 OK\r\n" + NONE,
    "no HTTP": b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
    "small letters": b"http/1.1 200 OK\r\n" + NONE,
    "a request": b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    "two spaces": b"HTTP/1.1  200 OK\r\n" + NONE,
    "status of two digits": b"HTTP/1.1 20 OK\r\n" + NONE,
    "status of four digits": b"HTTP/1.1 2000 OK\r\n" + NONE,
    "status 0": b"HTTP/1.1 000 OK\r\n" + NONE,
    "status 99": b"HTTP/1.1 099 OK\r\n" + NONE,
    "101 nobody asked for": b"HTTP/1.1 101 Switching\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\nraw",
    "interim that closes": b"HTTP/1.1 103 Hints\r\nConnection: close\r\n\r\n" + OK + NONE,
    "chunk size beyond 64 bits": CHUNKED + b"11111111111111111\r\nabc",
    "chunk size in C's hex": CHUNKED + b"0x3\r\nabc\r\n0\r\n\r\n",
    "negative chunk": CHUNKED + b"-3\r\nabc\r\n0\r\n\r\n",
    "space behind a chunk size": CHUNKED + b"3 \r\nabc\r\n0\r\n\r\n",
    "no chunk size": CHUNKED + b"\r\nabc\r\n0\r\n\r\n",
    "bare LF behind a chunk size": CHUNKED + b"3\nabc\r\n0\r\n\r\n",
    "bare LF behind a chunk": CHUNKED + b"3\r\nabc\n0\r\n\r\n",
    "bare LF in a chunk extension": CHUNKED + b"3;a\nabc\r\n0\r\n\r\n",
    "chunk longer than its size": CHUNKED + b"3\r\nabcd\r\n0\r\n\r\n",
    "length among the trailers": CHUNKED + b"0\r\nContent-Length: 3\r\n\r\n",
    "folded trailer": CHUNKED + b"0\r\nA: b\r\n c\r\n\r\n",
}


@pytest.mark.parametrize("name", REFUSED)
def test_an_ambiguous_answer_is_refused(name: str) -> None:
    data = REFUSED[name]

    whole, single = read([data]), read(bytewise(data))

    assert whole.verdict == single.verdict == "refused"
    assert whole.body.startswith(single.body)
    assert not any(text in whole.refused for text in ("abc", "Hints", "OpenSSH"))


@pytest.mark.parametrize("upgrade", [False, True])
def test_a_101_without_the_upgrade_headers_is_refused(upgrade: bool) -> None:
    assert read([b"HTTP/1.1 101 Switching\r\n\r\nraw"], upgrade=upgrade).verdict == "refused"


def head_of(size: int) -> bytes:
    start, end = OK + b"A: ", b"\r\nContent-Length: 0\r\n\r\n"
    return start + b"a" * (size - len(start) - len(end)) + end


@pytest.mark.parametrize("more", [0, 1])
@pytest.mark.parametrize("head_only", [False, True])
def test_a_head_of_64_kib_is_read_and_a_byte_more_is_not(more: int, head_only: bool) -> None:
    data = head_of(HEAD_LIMIT + more)
    pieces = [data[at : at + 997] for at in range(0, len(data), 997)]

    verdicts = {read([data], head_only=head_only).verdict, read(pieces, head_only=head_only).verdict}

    assert verdicts == {"refused" if more else "complete"}


def test_a_head_that_never_ends_is_refused_at_its_limit() -> None:
    fed = 0

    def endless() -> object:
        nonlocal fed
        yield OK
        while True:
            fed += 1000
            yield b"A: " + b"a" * 995 + b"\r\n"

    assert read(endless()).refused == "head is larger than 64 KiB"  # type: ignore[arg-type]
    assert fed < HEAD_LIMIT + 2000


def test_a_large_body_behind_a_small_head_is_no_large_head() -> None:
    data = OK + b"Content-Length: 200000\r\n\r\n" + b"x" * 200_000

    assert read([data]).body == b"x" * 200_000
    assert read([CHUNKED + b"30D40\r\n" + b"x" * 200_000 + b"\r\n0\r\n\r\n"]).body == b"x" * 200_000


@pytest.mark.parametrize("count", [MOST_HEADERS, MOST_HEADERS + 1])
def test_only_so_many_headers_are_taken(count: int) -> None:
    data = OK + b"A: b\r\n" * (count - 1) + NONE

    assert read([data]).verdict == read(bytewise(data)).verdict == ("refused" if count > MOST_HEADERS else "complete")


def test_interim_answers_share_the_heads_limit() -> None:
    hints = b"HTTP/1.1 103 Hints\r\nLink: " + b"a" * 1000 + b"\r\n\r\n"

    assert read([hints] * 100).verdict == "refused"
    assert read([hints] * 10 + [OK + NONE]).verdict == "complete"


@pytest.mark.parametrize("size", [100_000, 1_000_000])
def test_oversized_chunk_extensions_and_trailers_are_refused(size: int) -> None:
    for tail in (
        b"3;" + b"a" * size + b"\r\nabc\r\n0\r\n\r\n",
        b"3;a=" + b"b" * size + b"\r\nabc\r\n0\r\n\r\n",
        b"0" * size + b"3\r\nabc\r\n0\r\n\r\n",
        b"0\r\nA: " + b"b" * size + b"\r\n\r\n",
        (b"1;" + b"a" * 200 + b"\r\nx\r\n") * (size // 200) + b"0\r\n\r\n",
    ):
        assert read([CHUNKED + tail]).verdict == "refused"
        assert read([CHUNKED, *(tail[at : at + 1000] for at in range(0, len(tail), 1000))]).verdict == "refused"


def test_very_many_small_chunks_are_no_oversized_framing() -> None:
    data = CHUNKED + b"1;a=b\r\nx\r\n" * 100_000 + b"0\r\n\r\n"

    assert read(data[at : at + 65_536] for at in range(0, len(data), 65_536)).body == b"x" * 100_000
