"""The same answers as h11 reads them, and the rules that explain every deliberate difference from it."""

import re
from dataclasses import dataclass
from typing import Final

import h11

from tests.wire.http1.answer_cases import REQUESTED_UPGRADE, Case
from tests.wire.http1.reading import Pairs, Told


@dataclass
class ByH11(Told):
    """What h11 tells, in the reader's terms."""


def by_h11(case: Case) -> ByH11:
    """Read it as a client that sent the request this case answers."""
    # Larger than any case: limits are tested by themselves.
    connection = h11.Connection(h11.CLIENT, max_incomplete_event_size=1_000_000)
    headers = [(b"Host", b"h"), *(REQUESTED_UPGRADE if case.upgrade else [])]
    connection.send(h11.Request(method=b"HEAD" if case.head_only else b"GET", target=b"/", headers=headers))
    connection.send(h11.EndOfMessage())
    told = ByH11()
    connection.receive_data(case.data)
    ended = False
    try:
        if not _events(connection, told) and case.eof:
            ended = True
            if told.head is not None and told.head[0] == 101:
                told.complete = True  # h11 leaves the tunnel's end to its user
            else:
                connection.receive_data(b"")
                if not _events(connection, told):
                    told.refused = "closed without an answer"
    except h11.RemoteProtocolError as error:
        told.refused = str(error)
    if told.complete and not told.refused:
        told.surplus = not ended and bool(connection.trailing_data[0])
        told.keep_alive = connection.their_state is h11.DONE and not ended
    return told


def _events(connection: h11.Connection, told: ByH11) -> bool:
    """True at the end of the answer, False when more bytes are needed."""
    while True:
        event = connection.next_event()
        if event is h11.NEED_DATA:
            return False
        if isinstance(event, h11.ConnectionClosed):
            told.refused = "closed without an answer"
            return True
        if event is h11.PAUSED:  # a tunnel: what follows is raw
            told.body = connection.trailing_data[0]
            return False
        if isinstance(event, h11.InformationalResponse) and event.status_code != 101:
            told.interim.append((event.status_code, event.reason, _raw(event)))
        elif isinstance(event, (h11.InformationalResponse, h11.Response)):
            told.head = (event.status_code, event.reason, _raw(event))
        elif isinstance(event, h11.Data):
            told.body += bytes(event.data)
        elif isinstance(event, h11.EndOfMessage):
            told.complete = True
            return True


def _raw(event: h11.Response | h11.InformationalResponse) -> Pairs:
    return [(bytes(name), bytes(value)) for name, value in event.headers.raw_items()]


def in_small_letters(head: tuple[int, bytes, Pairs] | None) -> tuple[int, bytes, Pairs] | None:
    """Rule: h11 tells the value of Transfer-Encoding in small letters, we as it came."""
    return head and (head[0], head[1], [(name, _small(name, value)) for name, value in head[2]])


def _small(name: bytes, value: bytes) -> bytes:
    return value.lower() if name.lower() == b"transfer-encoding" else value


# We refuse what h11 takes: our word for it, and what must stand in the bytes to explain it.
_LF = rb"(?<!\r)\n"
_CR = rb"\r(?!\n)"
STRICTER: Final[tuple[tuple[str, str, bytes], ...]] = (
    ("two framings", "(Content-Length|Transfer-Encoding) can't be present", rb"transfer-encoding:.*content-length:"),
    ("two framings", "(Content-Length|Transfer-Encoding) can't be present", rb"content-length:.*transfer-encoding:"),
    ("two lengths", "Duplicate Content-Length", rb"content-length:.*content-length:"),
    ("a list of lengths", "Invalid character in Content-Length", rb"content-length:\s*\d+\s*,"),
    ("a tab behind chunked", "Transfer-Encoding is not chunked", rb"transfer-encoding:[ \t]*chunked *\t"),
    ("bare line feed", "Missing expected CR|Expected LF|Invalid header|Invalid response status", _LF),
    ("bare carriage return", "Missing expected LF|Expected LF|Invalid header|Missing expected CR", _CR),
    ("folded line", "Unexpected whitespace after header|Unexpected space after start|Invalid header", rb"\n[ \t]"),
    ("interim that closes", "Data after `Connection: close`", rb"HTTP/1\.0 1\d\d"),
    ("interim that closes", "Data after `Connection: close`", rb"HTTP/1\.1 1\d\d.*connection:[^\r]*close"),
    ("control byte in a value", "Invalid header value char", rb"[\x01-\x08\x0b\x0c\x0e-\x1f\x7f]"),
    ("control byte in the reason", "control bytes in the reason", rb"HTTP/1\.\d \d\d\d [^\n]*[\x01-\x1f\x7f]"),
    ("another version", "Invalid HTTP version|neither HTTP/1.0 nor", rb"HTTP/(?!1\.[01])\d\.\d"),
    ("space behind a chunk size", "Invalid character in chunk size", rb"[0-9a-f][ \t]+\r\n"),
    ("101 unasked for or bare", "101 that was not asked for|Pause on CONNECT", rb"HTTP/1\.\d 101"),
    ("odd chunk extension", "Invalid character in chunk extensions", rb";"),
)


def stricter(refused: str, data: bytes) -> bool:
    """Whether a rule says why we refuse what h11 takes."""
    return any(re.match(word, refused) and re.search(bytes_, data, re.I | re.S) for _, word, bytes_ in STRICTER)


# We refuse at the first wrong byte what h11 looks at when the line or the head is whole.
SOONER: Final = re.compile(
    "Expected (HTTP/|dot|space)|Invalid (status|response status|major|minor|HTTP version|header token|header value|"
    "header field|character in (chunk size|Content-Length))|Missing expected|Expected LF|Unexpected (white)?space|"
    "Empty (Content-Length|Transfer-Encoding)|Transfer-Encoding is not|Chunk size overflow"
)
# llhttp skips blank lines before an answer; h11 takes them for a broken status line.
BLANK_BEFORE: Final = re.compile(rb"^[\r\n]|\r\n\r\n[\r\n]")
