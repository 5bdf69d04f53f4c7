"""Reading multipart/form-data as it arrives, without holding a file in memory; sans-io."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from email.message import Message
from urllib.parse import unquote

HEAD_LIMIT = 16 * 1024
_PARAMETER = re.compile(r';\s*([A-Za-z0-9*_-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^;]*))')


class BadMultipart(ValueError):
    """The body is not multipart/form-data as RFC 7578 has it."""


@dataclass(frozen=True, slots=True)
class PartBegins:
    """A part's head: its name, and its file name as it was sent."""

    name: str
    filename: str | None


@dataclass(frozen=True, slots=True)
class PartData:
    """Bytes of the part that began last."""

    data: bytes


@dataclass(frozen=True, slots=True)
class PartEnds:
    """The part is complete."""


Event = PartBegins | PartData | PartEnds


class MultipartReader:
    """Turns chunks, split anywhere, into events. `complete` says whether the closing boundary was seen."""

    def __init__(self, content_type: str) -> None:
        head = Message()
        head["content-type"] = content_type
        boundary = head.get_param("boundary")
        if head.get_content_type() != "multipart/form-data" or not isinstance(boundary, str) or not boundary:
            raise BadMultipart("Content-Type is not multipart/form-data with a boundary")
        self._mark = b"\r\n--" + boundary.encode("latin-1")
        # The first boundary has no line break before it: give it one, so that all look alike.
        self._buffer = bytearray(b"\r\n")
        self._state = "preamble"
        self.complete = False

    def feed(self, chunk: bytes) -> Iterator[Event]:
        """Events of this chunk. Raises BadMultipart."""
        self._buffer += chunk
        while not self.complete:
            if self._state == "head":
                event = self._head()
                if event is None:
                    return
                yield event
                continue
            place = self._buffer.find(self._mark)
            if place < 0:
                # The end of what is there may be the beginning of a boundary: keep as much back.
                sure = len(self._buffer) - len(self._mark) + 1
                if sure > 0:
                    if self._state == "body":
                        yield PartData(bytes(self._buffer[:sure]))
                    del self._buffer[:sure]
                return
            after = place + len(self._mark)
            if len(self._buffer) < after + 2:
                return
            if self._state == "body":
                if place:
                    yield PartData(bytes(self._buffer[:place]))
                    del self._buffer[:place]
                    after -= place
                yield PartEnds()
            self._boundary(after)

    def _boundary(self, after: int) -> None:
        if self._buffer[after : after + 2] == b"--":
            self.complete = True
        elif self._buffer[after : after + 2] == b"\r\n":
            self._state = "head"
            # The line break stays: with it, a head without lines ends like any other.
            del self._buffer[:after]
        else:
            raise BadMultipart("a boundary is followed by neither a line break nor --")

    def _head(self) -> PartBegins | None:
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            if len(self._buffer) > HEAD_LIMIT:
                raise BadMultipart(f"a part's head is longer than {HEAD_LIMIT} bytes")
            return None
        text = bytes(self._buffer[:end])
        del self._buffer[: end + 4]
        self._state = "body"
        return _disposition(text)


def _disposition(text: bytes) -> PartBegins:
    for line in text.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.strip().lower() == b"content-disposition":
            parameters = _parameters(value.decode("utf-8", "surrogateescape"))
            if "name" in parameters:
                return PartBegins(parameters["name"], parameters.get("filename"))
    raise BadMultipart("a part has no Content-Disposition with a name")


def _parameters(value: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, quoted, plain in _PARAMETER.findall(value):
        text = re.sub(r"\\(.)", r"\1", quoted) if quoted else plain.strip()
        if name.endswith("*"):  # RFC 5987: charset'language'percent-encoded
            charset, _, rest = text.partition("'")
            text = unquote(rest.partition("'")[2], encoding=charset or "utf-8", errors="surrogateescape")
        found[name.lower().rstrip("*")] = text
    return found
