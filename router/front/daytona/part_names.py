"""Names of parts in a relayed bulk download, repaired: daemons write names past ASCII in Latin-1, SDKs read UTF-8."""

import re
from collections.abc import AsyncIterator, Iterator

from router.front.daytona.multipart import MultipartError, boundary_of

_HEAD_LIMIT = 16_384
_LENGTH = re.compile(rb"(?im)^content-length:[ \t]*(\d+)[ \t]*\r?$")


class PartNames:
    """Takes a multipart answer cut anywhere and gives it out again, part headers in UTF-8, contents untouched.

    What cannot be read as parts is passed on as it is. Holds a part's head at most.
    """

    def __init__(self, boundary: bytes) -> None:
        self._mark = b"--" + boundary
        self._buffer = bytearray(b"\r\n")  # the first delimiter has no line end before it
        self._invented = 2
        self._skip = 0  # bytes of a content whose length was told: what looks like a delimiter in it is none
        self._in_head = False
        self._lost = False

    def feed(self, data: bytes) -> bytes:
        """What can be given out so far."""
        self._buffer += data
        return self._shown(b"".join(self._pieces()))

    def end(self) -> bytes:
        """What was held back when the answer ended, whole or not."""
        held, self._buffer = bytes(self._buffer), bytearray()
        return self._shown(held)

    def _shown(self, data: bytes) -> bytes:
        taken = min(self._invented, len(data))
        self._invented -= taken
        return data[taken:]

    def _pieces(self) -> Iterator[bytes]:
        while self._buffer:
            if self._lost:
                yield self._take(len(self._buffer))
            elif self._skip:
                size = min(self._skip, len(self._buffer))
                self._skip -= size
                yield self._take(size)
            elif self._in_head:
                end = self._buffer.find(b"\r\n\r\n")
                if end < 0:
                    self._lost = len(self._buffer) > _HEAD_LIMIT
                    if not self._lost:
                        return
                    continue
                head = self._take(end + 4)
                told = _LENGTH.search(head)
                self._in_head, self._skip = False, int(told[1]) if told else 0
                yield _in_utf8(head)
            else:
                found = self._buffer.find(b"\r\n" + self._mark)
                if found < 0:
                    # The delimiter may be cut: what could be its start is kept.
                    sure = len(self._buffer) - len(self._mark) - 1
                    if sure > 0:
                        yield self._take(sure)
                    return
                self._in_head = True
                yield self._take(found + 2 + len(self._mark))

    def _take(self, count: int) -> bytes:
        taken = bytes(self._buffer[:count])
        del self._buffer[:count]
        return taken


def _in_utf8(head: bytes) -> bytes:
    try:
        head.decode()
    except UnicodeDecodeError:
        return head.decode("latin-1").encode()
    return head


async def named_in_utf8(content_type: bytes, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """A bulk download's answer, its part names repaired; any other answer as it is."""
    try:
        names = PartNames(boundary_of(content_type))
    except MultipartError:
        async for chunk in chunks:
            yield chunk
        return
    async for chunk in chunks:
        if repaired := names.feed(chunk):
            yield repaired
    if rest := names.end():
        yield rest
