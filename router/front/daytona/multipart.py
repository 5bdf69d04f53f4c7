"""Multipart bodies, parsed as they come and cut anywhere: no part is held in memory (RFC 7578)."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

_HEAD_LIMIT = 16_384


class MultipartError(ValueError):
    """A body that is not what its Content-Type says."""


@dataclass(frozen=True, slots=True)
class PartBegin:
    """A part's head."""

    name: str
    filename: str | None


@dataclass(frozen=True, slots=True)
class PartEnd:
    """A part is over."""


Event = PartBegin | bytes | PartEnd


class _State(Enum):
    PREAMBLE = 1
    HEAD = 2
    BODY = 3
    DONE = 4


def boundary_of(content_type: bytes) -> bytes:
    """The boundary a Content-Type names. Raises MultipartError."""
    if not content_type.lower().startswith(b"multipart/"):
        raise MultipartError("Content-Type is not multipart/form-data")
    found = re.search(rb';\s*boundary=(?:"([^"]+)"|([^;\s]+))', content_type, re.IGNORECASE)
    boundary = (found.group(1) or found.group(2)) if found else b""
    if not 0 < len(boundary) <= 200:
        raise MultipartError("Content-Type names no boundary of 1 to 200 characters")
    return boundary


class MultipartParser:
    """Feed it bytes, get events: PartBegin, bytes of the part, PartEnd."""

    def __init__(self, boundary: bytes) -> None:
        self._delimiter = b"\r\n--" + boundary
        # The first delimiter has no line end before it.
        self._buffer = bytearray(b"\r\n")
        self._state = _State.PREAMBLE

    def feed(self, data: bytes) -> Iterator[Event]:
        """The events that these bytes complete. Raises MultipartError."""
        self._buffer += data
        while True:
            match self._state:
                case _State.PREAMBLE | _State.BODY:
                    more, events = self._content()
                    yield from events
                    if not more:
                        return
                case _State.HEAD:
                    begin = self._head()
                    if begin is None:
                        return
                    yield begin
                case _State.DONE:
                    self._buffer.clear()
                    return

    def end(self) -> None:
        """Raises MultipartError when the closing boundary has not been seen."""
        if self._state is not _State.DONE:
            raise MultipartError("multipart body ends before its closing boundary; send the whole body")

    def _content(self) -> tuple[bool, list[Event]]:
        """Content up to the next delimiter; False: more bytes are needed."""
        events: list[Event] = []
        inside = self._state is _State.BODY
        position = 0
        while True:
            found = self._buffer.find(self._delimiter, position)
            if found < 0:
                # The delimiter may be cut: keep what could be its start.
                self._emit(len(self._buffer) - len(self._delimiter) + 1, inside, events)
                return False, events
            line_end = self._buffer.find(b"\r\n", found + len(self._delimiter))
            after = bytes(self._buffer[found + len(self._delimiter) :][:2])
            if after == b"--":
                self._emit(found, inside, events)
                self._state = _State.DONE
                break
            if line_end < 0:
                if len(self._buffer) - found > len(self._delimiter) + 256:
                    position = found + 1
                    continue  # no delimiter line is that long: it is content
                self._emit(found, inside, events)
                return False, events
            if self._buffer[found + len(self._delimiter) : line_end].strip(b" \t"):
                position = found + 1  # our boundary is the start of a longer word: content
                continue
            self._emit(found, inside, events)
            del self._buffer[: line_end - found + 2]
            self._state = _State.HEAD
            break
        if inside:
            events.append(PartEnd())
        return True, events

    def _emit(self, count: int, inside: bool, events: list[Event]) -> None:
        if count <= 0:
            return
        if inside:
            events.append(bytes(self._buffer[:count]))
        del self._buffer[:count]

    def _head(self) -> PartBegin | None:
        if self._buffer.startswith(b"\r\n"):
            raise MultipartError("a part has no Content-Disposition header")
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            if len(self._buffer) > _HEAD_LIMIT:
                raise MultipartError(f"a part's headers are longer than {_HEAD_LIMIT} bytes")
            return None
        head = bytes(self._buffer[:end])
        del self._buffer[: end + 4]
        self._state = _State.BODY
        return _disposition(head)


def _disposition(head: bytes) -> PartBegin:
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.strip().lower() == b"content-disposition":
            text = value.decode("utf-8", "replace")
            field = _parameter(text, "name")
            if field is None:
                break
            return PartBegin(name=field, filename=_parameter(text, "filename"))
    raise MultipartError("a part has no Content-Disposition header with a name")


def _parameter(text: str, name: str) -> str | None:
    found = re.search(rf';\s*{name}=(?:"((?:[^"\\]|\\.)*)"|([^;\s]*))', text, re.IGNORECASE)
    if not found:
        return None
    if found.group(1) is None:
        return found.group(2)
    return re.sub(r"\\(.)", r"\1", found.group(1))
