"""Marks: the prefix bytes that say which stream a session's output came from."""

import re

from crossfade.results import STDERR_MARK, STDOUT_MARK

_MARK = re.compile(rb"(\x01\x01\x01|\x02\x02\x02)")
_MARK_SIZE = 3


def strip(marked: bytes) -> bytes:
    """The output without its marks."""
    return _MARK.sub(b"", marked)


def split(marked: bytes) -> tuple[bytes, bytes]:
    """Stdout and stderr. What stands before the first mark belongs to neither."""
    pieces = _MARK.split(marked)
    streams = {STDOUT_MARK: bytearray(), STDERR_MARK: bytearray()}
    for mark, text in zip(pieces[1::2], pieces[2::2], strict=True):
        streams[mark] += text
    return bytes(streams[STDOUT_MARK]), bytes(streams[STDERR_MARK])


class Stripper:
    """Strips marks from a stream, wherever it is cut."""

    def __init__(self) -> None:
        self._held = b""

    def feed(self, data: bytes) -> bytes:
        """What can be given out so far."""
        data = self._held + data
        # A mark may be cut: hold back the run of equal mark bytes at the end that is no whole mark yet.
        kept = len(data)
        if data and data[-1] in (1, 2):
            run = len(data) - len(data.rstrip(data[-1:]))
            kept -= run % _MARK_SIZE
        self._held = data[kept:]
        return strip(data[:kept])

    def end(self) -> bytes:
        """What is left when the stream has ended."""
        held, self._held = self._held, b""
        return held
