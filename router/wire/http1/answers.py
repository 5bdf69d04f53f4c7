"""An origin's answer, from bytes to events; no I/O. Strictness is llhttp's, with the rules below added.

Refused beyond llhttp: versions other than 1.0 and 1.1, a status below 100, control bytes in the reason, a
Transfer-Encoding that is not exactly one `chunked`, a 101 nobody asked for, more than 64 KiB or 500 lines of head, more
chunk framing than chunks explain. Trailers are dropped. Blank lines between two answers are skipped, as llhttp does.
"""

import re
from typing import Final

import httptools

from router.wire.http1.exchange import Exchange, Framing, Interim, Pairs

HEAD_LIMIT: Final = 65_536  # bytes of all heads of one answer, interim ones included
MOST_HEADERS: Final = 500
_PER_CHUNK: Final = 32  # bytes of framing that a chunk may have without eating into the head's limit

_NONE, _LENGTH, _CHUNKED = Framing.NONE, Framing.LENGTH, Framing.CHUNKED
_CONTENT_LENGTH, _TRANSFER_ENCODING, _CONNECTION = 1, 2, 3
_SPECIAL: Final = {
    b"content-length": _CONTENT_LENGTH,
    b"transfer-encoding": _TRANSFER_ENCODING,
    b"connection": _CONNECTION,
}
# Header names as origins spell them -> what they are to framing (0: nothing). Bounded: names come from outside.
_MOST_NAMES: Final = 1000
_LONGEST_NAME: Final = 64
_names: dict[bytes, int] = {}
_reasons: set[bytes] = set()
_CONTROL: Final = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")


class BadAnswer(Exception):
    """What came is no answer that may be passed on. The text is for people and holds nothing of the answer."""


class _Nobody:
    """Hears the rest of an answer that nobody wants any more."""

    def on_head(self, status: int, reason: bytes, headers: Pairs, framing: Framing, /) -> None: ...
    def on_body(self, data: bytes, /) -> None: ...
    def on_end(self) -> None: ...
    def on_lost(self, lost: object, /) -> None: ...
    def on_paused(self) -> None: ...
    def on_resumed(self) -> None: ...


_NOBODY: Final = _Nobody()


class AnswerReader:
    """Reads the answers of one connection, one after the other: `expect`, then `feed` until `complete`."""

    def __init__(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._exchange: Exchange = _NOBODY
        self._interim: Interim | None = None
        self._head_only = self._upgrade = False
        self._headers: Pairs = []
        self._reason = b""
        self._in_head = True
        self._outside = 0  # bytes fed that are not body, while they are counted
        self._chunks = -1  # -1: not chunked
        self._until_eof = False
        self._is_interim = False
        self.complete = True
        self.keep_alive = False
        self.surplus = False  # more came than the answer: the connection may carry nothing else
        self.started = False  # a byte of the answer came
        self.tunnel = False

    def expect(
        self, exchange: Exchange, *, head_only: bool = False, upgrade: bool = False, interim: Interim | None = None
    ) -> None:
        """The next bytes answer this exchange's request. `head_only`: it was HEAD; `upgrade`: a 101 is welcome."""
        self._exchange = exchange
        self._interim = interim
        self._upgrade = upgrade
        self._in_head = True
        self._headers = []  # the trailers of the answer before are dropped here
        self._outside = 0
        self._chunks = -1
        self.complete = self.started = False
        if self._head_only:
            # llhttp still waits for the body that a HEAD's answer only announced.
            self._parser = httptools.HttpResponseParser(self)
        self._head_only = head_only

    def forget(self) -> None:
        """Nobody wants the rest."""
        self._exchange = _NOBODY
        self._interim = None

    def feed(self, data: bytes) -> None:
        """Bytes of the origin. Raises BadAnswer, or what the exchange raised."""
        self.started = True
        if self.tunnel:
            self._exchange.on_body(data)
        elif self._in_head:
            self._outside += len(data)
            if self._outside > HEAD_LIMIT:
                self._feed_long_head(data)
            elif self._head_only:
                self._feed_lines(data)
            else:
                self._parse(data)
        elif self._chunks >= 0:
            self._outside += len(data)
            self._parse(data)
            if self._outside > HEAD_LIMIT + _PER_CHUNK * self._chunks:
                raise BadAnswer("chunk framing is too large")
        else:
            self._parse(data)

    def eof(self) -> None:
        """The origin's last byte was fed. Raises BadAnswer when that cuts an answer."""
        if self.tunnel or self._until_eof:
            self.complete = True
        elif not self.complete:
            raise BadAnswer("the connection was closed in the middle of an answer" if self.started else "no answer")

    def _feed_long_head(self, data: bytes) -> None:
        room = HEAD_LIMIT - (self._outside - len(data))
        # Cut at the limit, so that what is refused does not depend on how the bytes were delivered.
        self._outside -= len(data) - room
        self._feed_lines(data[:room]) if self._head_only else self._parse(data[:room])
        if self.complete:
            self.surplus = True
        elif self._in_head:
            raise BadAnswer("head is larger than 64 KiB")
        else:
            self.feed(data[room:])

    def _feed_lines(self, data: bytes) -> None:
        # A HEAD's answer ends with its head, which llhttp does not know: what follows is found line by line.
        lines = data.splitlines(keepends=True)
        for at, line in enumerate(lines):
            self._parse(line)
            if self.complete or self.tunnel:
                rest = b"".join(lines[at + 1 :])
                self.surplus = self.complete and bool(rest)
                if self.tunnel and rest:
                    self._exchange.on_body(rest)
                return

    def _parse(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            if rest := data[upgrade.args[0] :]:
                self._exchange.on_body(rest)
        except httptools.HttpParserError as error:
            if self.complete:
                self.surplus = True
                return
            ours = error.__context__
            if isinstance(error, httptools.HttpParserCallbackError) and ours is not None:
                raise ours from None
            raise BadAnswer(str(error) or "no HTTP") from None

    # The parser's callbacks

    def on_message_begin(self) -> None:
        """The first byte of an answer."""
        if self.complete:
            self.surplus = True
            raise BadAnswer("more than one answer")

    def on_status(self, reason: bytes) -> None:
        """A piece of the reason."""
        self._reason += reason

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header, or a trailer: those are dropped with the list."""
        if value and value[-1] <= 32:
            value = _trimmed(name, value)
        self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        """The head is whole: how the body ends is decided here, for llhttp forgets it at the end of the message."""
        headers, self._headers = self._headers, []
        reason, self._reason = self._reason, b""
        parser = self._parser
        status: int = parser.get_status_code()
        self.keep_alive = parser.should_keep_alive()
        length = chunked = special = 0
        for name, value in headers:
            kind = _names.get(name)
            if kind is None:
                kind = _known(name)
            if kind == _CONTENT_LENGTH:
                length = 1
            elif kind:
                special = 1
                if kind == _CONNECTION:
                    # llhttp lets keep-alive win over close in 1.0.
                    if b"close" in value.lower():
                        self.keep_alive = False
                else:
                    chunked += 1
                    if value.lower() != b"chunked":
                        raise BadAnswer("Transfer-Encoding is not chunked")
        if special or not self.keep_alive or reason not in _reasons or len(headers) > MOST_HEADERS:
            self._check(status, reason, len(headers), chunked)
        if status < 200:
            self._interim_head(status, reason, headers)
            return
        self._in_head = False
        if self._head_only or status == 204 or status == 304:
            framing = _NONE
            if not self.keep_alive and self._head_only:
                self.keep_alive = self._persistent(headers)
        elif length:
            framing = _LENGTH
        elif chunked:
            framing = _CHUNKED
            self._chunks = 0
        else:
            framing = Framing.UNTIL_EOF
            self._until_eof = True
            self.keep_alive = False
        self._exchange.on_head(status, reason, headers, framing)
        if self._head_only:
            self.complete = True

    def on_body(self, data: bytes) -> None:
        """A piece of the body."""
        if self._chunks >= 0:
            self._outside -= len(data)
        self._exchange.on_body(data)

    def on_chunk_header(self) -> None:
        """A chunk's size line is whole."""
        self._chunks += 1

    def on_message_complete(self) -> None:
        """The end of an answer, or of an interim one."""
        if self._is_interim:
            self._is_interim = False
        elif not self.tunnel:
            self.complete = True

    def _interim_head(self, status: int, reason: bytes, headers: Pairs) -> None:
        if status == 101:
            if not self._upgrade or not self._parser.should_upgrade():
                raise BadAnswer("101 that was not asked for")
            self._in_head = self.keep_alive = False
            self.tunnel = True
            self._exchange.on_head(status, reason, headers, Framing.TUNNEL)
            return
        if status < 100:
            raise BadAnswer("status below 100")
        self._is_interim = True
        if self._interim is not None:
            self._interim(status, reason, headers)

    def _check(self, status: int, reason: bytes, headers: int, chunked: int) -> None:
        if self._parser.get_http_version() not in ("1.0", "1.1"):
            raise BadAnswer("neither HTTP/1.0 nor HTTP/1.1")
        if headers > MOST_HEADERS:
            raise BadAnswer(f"more than {MOST_HEADERS} headers")
        if chunked > 1:
            raise BadAnswer("Transfer-Encoding twice")
        if _CONTROL.search(reason):
            raise BadAnswer("control bytes in the reason")
        if len(_reasons) < _MOST_NAMES and len(reason) <= _LONGEST_NAME:
            _reasons.add(reason)

    def _persistent(self, headers: Pairs) -> bool:
        # Without a length llhttp would wait for the end of the connection; a HEAD's answer need not announce one.
        closes = any(name.lower() == b"connection" and b"close" in value.lower() for name, value in headers)
        return not closes and self._parser.get_http_version() == "1.1"


def _trimmed(name: bytes, value: bytes) -> bytes:
    """Spaces behind a value are not part of it (RFC 9112 §5)."""
    if b"\t" in value and name.lower() == b"transfer-encoding":
        # llhttp does not know `chunked` with a tab behind it, and would give the chunks out raw.
        raise BadAnswer("Transfer-Encoding is not chunked")
    return value.rstrip(b" \t")


def _known(name: bytes) -> int:
    kind = _SPECIAL.get(name.lower(), 0)
    if len(_names) < _MOST_NAMES and len(name) <= _LONGEST_NAME:
        _names[name] = kind
    return kind
