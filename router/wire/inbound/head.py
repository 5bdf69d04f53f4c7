"""A request head as the relay needs it: looked through once, name by name, without touching what is passed on."""

from collections.abc import Sequence
from enum import IntEnum
from typing import Any, Final

from router.wire.headers import HOP_BY_HOP, LOOP_GUARD

Pairs = Sequence[tuple[bytes, bytes]]


class Field(IntEnum):
    """What a header is to the relay."""

    PASS = 0
    DROP = 1  # meant for one connection only
    HOST = 2
    LENGTH = 3
    CHUNKED = 4  # Transfer-Encoding
    CONNECTION = 5
    SPECIAL = 6  # Expect, Upgrade: left to the application
    ENCODING = 7  # Accept-Encoding, left out where we must read the answer
    VIA = 8


_FIELDS: Final = {
    **dict.fromkeys(HOP_BY_HOP, Field.DROP),
    b"host": Field.HOST,
    b"content-length": Field.LENGTH,
    b"transfer-encoding": Field.CHUNKED,
    b"connection": Field.CONNECTION,
    b"expect": Field.SPECIAL,
    b"upgrade": Field.SPECIAL,
    b"accept-encoding": Field.ENCODING,
    LOOP_GUARD: Field.VIA,
}
# Names as clients spell them, so that no name is lower-cased twice. Bounded: names come from outside.
_MOST_NAMES: Final = 1000
_LONGEST_NAME: Final = 64
_PASS: Final = Field.PASS
_names: dict[bytes, tuple[Field, bytes]] = {}


def known(name: bytes) -> tuple[Field, bytes]:
    """What a header is, and its name in lower case."""
    low = name.lower()
    found = _FIELDS.get(low, Field.PASS), low
    if len(_names) < _MOST_NAMES and len(name) <= _LONGEST_NAME:
        _names[name] = found
    return found


class Head:
    """One request head. `fields` by lower-case name, the last of duplicates, as ASGI applications see them."""

    __slots__ = (
        "_encoding",
        "_lines",
        "chunked",
        "fields",
        "headers",
        "hosts",
        "length",
        "made",
        "plain",
        "size",
        "via",
    )

    def __init__(self, headers: Pairs) -> None:
        names = _names
        self.headers = headers
        self.fields: dict[bytes, bytes] = {}
        fields = self.fields
        lines: list[bytes] = []
        self.hosts = size = 0
        self.length = 0  # of the body, as announced
        self.chunked = False
        self.plain = True  # False: something is asked that the relay does not do
        self.via = b""
        self._encoding = -1
        for name, value in headers:
            size += len(name) + len(value)
            kind, low = names.get(name) or known(name)
            fields[low] = value
            if kind is _PASS:
                lines.append(b"%b: %b\r\n" % (name, value))
            elif kind is Field.HOST:
                self.hosts += 1
            elif kind is Field.LENGTH:
                lines.append(b"%b: %b\r\n" % (name, value))
                if value.isdigit():
                    self.length = int(value)
                else:
                    self.plain = False
            elif kind is Field.ENCODING:
                self._encoding = len(lines)
                lines.append(b"%b: %b\r\n" % (name, value))
            elif kind is Field.CONNECTION:
                # A header that it names must not travel on either: rare, and known to the application's side.
                self.plain = self.plain and value.lower() in (b"keep-alive", b"close")
            elif kind is Field.CHUNKED:
                self.chunked = True
                self.plain = self.plain and value.lower() == b"chunked"
            elif kind is Field.VIA:
                self.via = value
                self.plain = False  # from a router: the guards of all on the way must travel on
            elif kind is Field.SPECIAL:
                self.plain = False
        self.size = size
        self._lines = lines
        # What others derived of this head, for the next request that has the same: one client sends it thousands
        # of times.
        self.made: dict[object, Any] = {}

    def lines(self, *, readable: bool) -> bytes:
        """The headers that travel on, in order. `readable`: the answer must come unencoded."""
        if readable and self._encoding >= 0:
            return b"".join(line for at, line in enumerate(self._lines) if at != self._encoding)
        return b"".join(self._lines)


# Heads by their own bytes. What came once through the parser and was taken comes again, byte for byte the same, with
# every further request of that client: it need not be parsed again. Bounded, because it comes from outside.
_MOST_BLOCKS: Final = 4096
_LONGEST_BLOCK: Final = 4096
_TARGET: Final = bytes(range(0x21, 0x7F))  # octets of a request target (RFC 9112 §3.2; those beyond ASCII left out)
_METHODS: Final = frozenset((b"GET", b"HEAD", b"POST", b"PUT", b"PATCH", b"DELETE", b"OPTIONS"))
_blocks: dict[bytes, Head] = {}


class Whole:
    """A request that came in one piece: what stands before, in and behind its header lines."""

    __slots__ = ("block", "body", "line")

    def __init__(self, data: bytes) -> None:
        self.line, _, rest = data.partition(b"\r\n")
        self.block, _, self.body = rest.partition(b"\r\n\r\n")

    def known(self) -> tuple[bytes, bytes, Head] | None:
        """Method, target and head, if these very header lines were parsed before and this is the whole request."""
        head = _blocks.get(self.block)
        if head is None or head.length != len(self.body):
            return None
        parts = self.line.split(b" ")
        if len(parts) != 3 or parts[2] != b"HTTP/1.1" or parts[0] not in _METHODS:
            return None
        if parts[1].translate(None, _TARGET) or parts[1][:1] != b"/":
            return None
        return parts[0], parts[1], head

    def learn(self, head: Head) -> None:
        """The parser has taken these header lines, and this is what they say."""
        block = self.block
        if (
            len(block) > _LONGEST_BLOCK
            # An empty line before a request is skipped by the parser: then these are not its header lines.
            or self.line.count(b" ") != 2
            or not self.line.endswith(b" HTTP/1.1")
            or not head.plain
            or head.chunked
            or head.hosts != 1
            or b"connection" in head.fields
            or block.count(b"\n") != block.count(b"\r\n")
            or b"\r\n " in block
            or b"\r\n\t" in block
        ):
            return
        if len(_blocks) >= _MOST_BLOCKS:
            _blocks.clear()
        _blocks[block] = head
