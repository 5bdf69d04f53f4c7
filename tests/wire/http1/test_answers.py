"""Answers by framing: what is told of them, in one piece and byte by byte."""

import pytest

from router.wire.http1.answers import AnswerReader
from router.wire.http1.exchange import Framing
from tests.wire.http1.reading import Told, bytewise, read

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
SWITCH = b"HTTP/1.1 101 Switching\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n"

# verdict and keep_alive
KEEPS, CLOSES, CUT, MORE = ("complete", True), ("complete", False), ("refused", False), ("more", False)
# bytes, how to read them, and then: status, framing, body, its end
WHOLE = {
    "length": (OK + b"Content-Length: 3\r\n\r\nabc", {}, 200, Framing.LENGTH, b"abc", KEEPS),
    "length 0": (OK + b"Content-Length: 0\r\n\r\n", {}, 200, Framing.LENGTH, b"", KEEPS),
    "length with spaces": (OK + b"content-length:  3 \r\n\r\nabc", {}, 200, Framing.LENGTH, b"abc", KEEPS),
    "length, cut": (OK + b"Content-Length: 3\r\n\r\nab", {"eof": True}, 200, Framing.LENGTH, b"ab", CUT),
    "length, not yet": (OK + b"Content-Length: 3\r\n\r\nab", {}, 200, Framing.LENGTH, b"ab", MORE),
    "close": (OK + b"Connection: close\r\nContent-Length: 1\r\n\r\na", {}, 200, Framing.LENGTH, b"a", CLOSES),
    "close in a list": (
        OK + b"Connection: x, Close\r\nContent-Length: 1\r\n\r\na", {}, 200, Framing.LENGTH, b"a", CLOSES,
    ),
    "1.0": (b"HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\na", {}, 200, Framing.LENGTH, b"a", CLOSES),
    "1.0 that keeps": (
        b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 1\r\n\r\na",
        {}, 200, Framing.LENGTH, b"a", KEEPS,
    ),
    "1.0 that keeps and closes": (
        b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nConnection: close\r\nContent-Length: 1\r\n\r\na",
        {}, 200, Framing.LENGTH, b"a", CLOSES,
    ),
    "chunked": (
        CHUNKED + b"3\r\nabc\r\nA\r\n0123456789\r\n0\r\n\r\n", {}, 200, Framing.CHUNKED, b"abc0123456789", KEEPS,
    ),
    "chunked in capitals": (
        OK + b"TRANSFER-ENCODING: CHUNKED\r\n\r\n1\r\na\r\n0\r\n\r\n", {}, 200, Framing.CHUNKED, b"a", KEEPS,
    ),
    "chunked, padded sizes": (CHUNKED + b"0003\r\nabc\r\n000\r\n\r\n", {}, 200, Framing.CHUNKED, b"abc", KEEPS),
    "chunk extensions": (CHUNKED + b'3;a=b;c="d"\r\nabc\r\n0;e\r\n\r\n', {}, 200, Framing.CHUNKED, b"abc", KEEPS),
    "trailers are dropped": (
        CHUNKED + b"3\r\nabc\r\n0\r\nX-Sum: 1\r\nX-More: 2\r\n\r\n", {}, 200, Framing.CHUNKED, b"abc", KEEPS,
    ),
    "chunked, cut in a chunk": (CHUNKED + b"3\r\nab", {"eof": True}, 200, Framing.CHUNKED, b"ab", CUT),
    "chunked, cut between chunks": (CHUNKED + b"3\r\nabc\r\n", {"eof": True}, 200, Framing.CHUNKED, b"abc", CUT),
    "chunked, cut in the trailers": (CHUNKED + b"0\r\nX: y\r\n", {"eof": True}, 200, Framing.CHUNKED, b"", CUT),
    "until the end": (OK + b"\r\nabc", {"eof": True}, 200, Framing.UNTIL_EOF, b"abc", CLOSES),
    "until the end, empty": (OK + b"\r\n", {"eof": True}, 200, Framing.UNTIL_EOF, b"", CLOSES),
    "until the end, not yet": (OK + b"\r\nabc", {}, 200, Framing.UNTIL_EOF, b"abc", MORE),
    "until the end, cut in the head": (OK + b"A: b\r\n", {"eof": True}, None, None, b"", CUT),
    "HEAD with a length": (OK + b"Content-Length: 3\r\n\r\n", {"head_only": True}, 200, Framing.NONE, b"", KEEPS),
    "HEAD with length 0": (OK + b"Content-Length: 0\r\n\r\n", {"head_only": True}, 200, Framing.NONE, b"", KEEPS),
    "HEAD of chunks": (CHUNKED, {"head_only": True}, 200, Framing.NONE, b"", KEEPS),
    "HEAD of nothing": (OK + b"\r\n", {"head_only": True}, 200, Framing.NONE, b"", KEEPS),
    "HEAD that closes": (OK + b"Connection: close\r\n\r\n", {"head_only": True}, 200, Framing.NONE, b"", CLOSES),
    "HEAD by 1.0": (b"HTTP/1.0 200 OK\r\n\r\n", {"head_only": True}, 200, Framing.NONE, b"", CLOSES),
    "HEAD behind a 103": (
        b"HTTP/1.1 103 Hints\r\nLink: a\r\n\r\n" + OK + b"Content-Length: 9\r\n\r\n",
        {"head_only": True}, 200, Framing.NONE, b"", KEEPS,
    ),
    "204": (b"HTTP/1.1 204 No Content\r\n\r\n", {}, 204, Framing.NONE, b"", KEEPS),
    "304 with a length": (b"HTTP/1.1 304 Same\r\nContent-Length: 3\r\n\r\n", {}, 304, Framing.NONE, b"", KEEPS),
    "304 of chunks": (
        b"HTTP/1.1 304 Same\r\nTransfer-Encoding: chunked\r\n\r\n", {}, 304, Framing.NONE, b"", KEEPS,
    ),
    "100, then the answer": (
        b"HTTP/1.1 100 Continue\r\n\r\n" + OK + b"Content-Length: 1\r\n\r\na", {}, 200, Framing.LENGTH, b"a", KEEPS,
    ),
    "103 twice": (
        b"HTTP/1.1 103 Hints\r\nLink: a\r\n\r\n" * 2 + OK + b"Content-Length: 1\r\n\r\na",
        {}, 200, Framing.LENGTH, b"a", KEEPS,
    ),
    "103 alone, cut": (b"HTTP/1.1 103 Hints\r\n\r\n", {"eof": True}, None, None, b"", CUT),
    "tunnel": (SWITCH + b"\x00raw\r\n", {"upgrade": True}, 101, Framing.TUNNEL, b"\x00raw\r\n", MORE),
    "tunnel, ended": (SWITCH + b"raw", {"upgrade": True, "eof": True}, 101, Framing.TUNNEL, b"raw", CLOSES),
    "upgrade declined": (
        b"HTTP/1.1 426 Other\r\nConnection: Upgrade\r\nUpgrade: y\r\nContent-Length: 1\r\n\r\na",
        {"upgrade": True}, 426, Framing.LENGTH, b"a", KEEPS,
    ),
    "nothing": (b"", {"eof": True}, None, None, b"", CUT),
}  # fmt: skip


@pytest.mark.parametrize("name", WHOLE)
def test_an_answer_by_its_framing(name: str) -> None:
    data, how, status, framing, body, end = WHOLE[name]

    for told in (read([data] if data else [], **how), read(bytewise(data), **how)):
        assert (told.head[0] if told.head else None) == status
        assert (told.framing, told.body, (told.verdict, told.keep_alive)) == (framing, body, end)
        assert not told.surplus


def test_the_head_is_told_byte_for_byte() -> None:
    data = b"HTTP/1.1 413 Too  Large \xe4\r\nX-a: 1 \t\r\nx-A:\t2\r\nEmpty:\r\nCookie: a=b\r\nContent-Length: 0\r\n\r\n"
    head = (
        413,
        b"Too  Large \xe4",
        [(b"X-a", b"1"), (b"x-A", b"2"), (b"Empty", b""), (b"Cookie", b"a=b"), (b"Content-Length", b"0")],
    )

    assert read([data]).head == read(bytewise(data)).head == head


def test_a_missing_reason_is_empty() -> None:
    for line in (b"HTTP/1.1 200\r\n", b"HTTP/1.1 200 \r\n"):
        assert read(bytewise(line + b"Content-Length: 0\r\n\r\n")).head == (200, b"", [(b"Content-Length", b"0")])


def test_interim_answers_are_told_with_their_headers_and_not_mixed_with_the_answers() -> None:
    data = b"HTTP/1.1 100 Go on\r\n\r\nHTTP/1.1 103 Hints\r\nLink: a\r\n\r\n" + OK + b"Content-Length: 0\r\n\r\n"

    for told in (read([data]), read(bytewise(data))):
        assert told.interim == [(100, b"Go on", []), (103, b"Hints", [(b"Link", b"a")])]
        assert told.head == (200, b"OK", [(b"Content-Length", b"0")])


SURPLUS = {
    "a second answer": (OK + b"Content-Length: 1\r\n\r\na" + OK + b"Content-Length: 6\r\n\r\nforged", {}),
    "half a byte of one": (OK + b"Content-Length: 1\r\n\r\naH", {}),
    "more body than announced": (OK + b"Content-Length: 1\r\n\r\nabc", {}),
    "behind the last chunk": (CHUNKED + b"0\r\n\r\nX", {}),
    "behind one that closes": (OK + b"Connection: close\r\nContent-Length: 1\r\n\r\nabc", {}),
    "a body for HEAD": (OK + b"Content-Length: 3\r\n\r\nabc", {"head_only": True}),
    "chunks for HEAD": (CHUNKED + b"0\r\n\r\n", {"head_only": True}),
    "a body for 204": (b"HTTP/1.1 204 No\r\nContent-Length: 3\r\n\r\nabc", {}),
    "a body for 304": (b"HTTP/1.1 304 Same\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", {}),
}


@pytest.mark.parametrize("name", SURPLUS)
def test_bytes_behind_an_answer_leave_it_whole_and_are_noticed(name: str) -> None:
    data, how = SURPLUS[name]

    for told in (read([data], **how), read(bytewise(data), **how)):
        assert told.verdict == "complete" and told.surplus
        assert told.head is not None and told.head[0] in (200, 204, 304)
        assert len(told.body) <= 1


def test_one_reader_reads_the_answers_of_its_connection_one_after_the_other() -> None:
    reader, seen = AnswerReader(), []
    for how, data in (
        ({}, CHUNKED + b"1\r\na\r\n0\r\nX: y\r\n\r\n"),
        ({"head_only": True}, OK + b"Content-Length: 5\r\n\r\n"),
        ({}, OK + b"Content-Length: 1\r\n\r\nb"),
        ({}, b"HTTP/1.1 103 H\r\n\r\nHTTP/1.1 204 No\r\nA: b\r\n\r\n"),
        ({}, CHUNKED + b"1\r\nc\r\n0\r\n\r\n"),
    ):
        told = Told()
        reader.expect(told, **how)
        for piece in bytewise(data):
            assert not reader.complete
            reader.feed(piece)
        assert reader.complete and reader.keep_alive and not reader.surplus
        seen.append((told.head and told.head[2][0], told.body))

    assert seen == [
        ((b"Transfer-Encoding", b"chunked"), b"a"),
        ((b"Content-Length", b"5"), b""),
        ((b"Content-Length", b"1"), b"b"),
        ((b"A", b"b"), b""),
        ((b"Transfer-Encoding", b"chunked"), b"c"),
    ]


def test_a_defect_of_the_exchange_is_raised_as_it_is() -> None:
    class Broken(Told):
        def on_body(self, data: bytes) -> None:
            raise LookupError("ours")

    reader = AnswerReader()
    reader.expect(Broken())
    with pytest.raises(LookupError, match="ours"):
        reader.feed(OK + b"Content-Length: 1\r\n\r\na")
