"""A request's head, from values to bytes: raw names and order kept, what is meant for one connection left out."""

import re
from collections.abc import Iterable
from enum import IntEnum
from typing import Final

from router.wire.headers import HOP_BY_HOP


class Field(IntEnum):
    """What a request header is to the connection that carries it."""

    PASS = 0
    DROP = 1  # meant for one connection only
    CONNECTION = 2  # dropped, with what it names
    LENGTH = 3  # of the body; framing is the serialiser's, so it is dropped where it would contradict
    HOST = 4
    EXPECT = 5


_FIELDS: Final = {
    **dict.fromkeys(HOP_BY_HOP, Field.DROP),
    b"connection": Field.CONNECTION,
    b"content-length": Field.LENGTH,
    b"host": Field.HOST,
    b"expect": Field.EXPECT,
}
# Header names as callers spell them, so that no name is lower-cased twice. Bounded: names come from outside.
_MOST_NAMES: Final = 1000
_LONGEST_NAME: Final = 64
_names: dict[bytes, Field] = {}
_PASS, _LENGTH, _HOST = Field.PASS, Field.LENGTH, Field.HOST
_CHUNKED_LINE: Final = re.compile(rb"\r\ntransfer-encoding:[ \t]*chunked[ \t]*\r\n", re.IGNORECASE)
_TOKEN: Final = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_TARGET: Final = re.compile(rb"[\x21-\x7e\x80-\xff]+")


class Unsendable(ValueError):
    """A request that cannot be written as one HTTP message. The text holds nothing of it but a header's name."""


def request_head(
    method: bytes,
    target: bytes,
    headers: Iterable[tuple[bytes, bytes]],
    *,
    host: bytes,
    length: int | None = None,
    chunked: bool = False,
    upgrade: bytes = b"",
) -> bytes:
    """The head of one request, up to and with its empty line. Raises Unsendable.

    `host` is used unless the headers bring one. The body's framing is said once: `chunked`, or `length` bytes, or
    neither (no body). `upgrade`: the protocol asked for instead of HTTP.
    """
    if not _TOKEN.fullmatch(method) or not _TARGET.fullmatch(target):
        raise Unsendable("method or target cannot stand in a request line")
    lines = [b"%b %b HTTP/1.1\r\n" % (method, target), b""]
    hosts = 0
    headers = list(headers)
    named = _named_by_connection(headers)
    for name, value in headers:
        kind = _names.get(name)
        if kind is None:
            kind = _known(name)
        if kind is _PASS:
            if named and name.lower() in named:
                continue
        elif kind is _HOST:
            hosts += 1
        elif kind is not Field.EXPECT:
            continue
        lines.append(b"%b: %b\r\n" % (name, value))
    if hosts > 1:
        raise Unsendable("more than one Host header")
    if not hosts:
        lines[1] = b"Host: %b\r\n" % host
    if chunked:
        lines.append(b"Transfer-Encoding: chunked\r\n")
    elif length is not None:
        lines.append(b"Content-Length: %d\r\n" % length)
    if upgrade:
        lines.append(b"Connection: Upgrade\r\nUpgrade: %b\r\n" % upgrade)
    lines.append(b"\r\n")
    head = b"".join(lines)
    # A line break inside a value would begin a header, or a request, of its own.
    breaks = len(lines) - (1 if hosts else 0) + (1 if upgrade else 0)
    if head.count(b"\n") != breaks or head.count(b"\r") != breaks or b"\0" in head:
        raise Unsendable("a header holds a line break")
    return head


def content_length(headers: Iterable[tuple[bytes, bytes]]) -> int | None:
    """The length that the headers announce, None without one. Raises Unsendable when they are not of one mind."""
    found: int | None = None
    for name, value in headers:
        if _kind(name) is _LENGTH:
            if not value.isdigit() or (found is not None and found != int(value)):
                raise Unsendable("Content-Length is not one number")
            found = int(value)
    return found


def expects_continue(headers: Iterable[tuple[bytes, bytes]]) -> bool:
    """Whether the body is to wait for the origin's 100."""
    return any(_kind(name) is Field.EXPECT and value.lower() == b"100-continue" for name, value in headers)


def is_chunked(head: bytes) -> bool:
    """Whether this head says that its body comes in chunks."""
    # The plain look first: it is a tenth of the pattern's cost, and nearly every head ends here.
    return b"CHUNKED" in head.upper() and _CHUNKED_LINE.search(head) is not None


def _named_by_connection(headers: Iterable[tuple[bytes, bytes]]) -> frozenset[bytes]:
    named: frozenset[bytes] = frozenset()
    for name, value in headers:
        if _kind(name) is Field.CONNECTION:
            named |= {part.strip().lower() for part in value.split(b",")}
    return named


def _kind(name: bytes) -> Field:
    kind = _names.get(name)
    return _known(name) if kind is None else kind


def _known(name: bytes) -> Field:
    if not _TOKEN.fullmatch(name):
        raise Unsendable(f"{name[:40]!r} is no header name")
    kind = _FIELDS.get(name.lower(), Field.PASS)
    if len(_names) < _MOST_NAMES and len(name) <= _LONGEST_NAME:
        _names[name] = kind
    return kind
