"""Contents on their way past: what is needed to compare a stream, without holding it."""

import hashlib
from collections.abc import AsyncIterator
from dataclasses import replace

from crossfade.outcome import Outcome, unknown
from crossfade.results import SAMPLE_LIMIT, Content, ContentDigest
from crossfade.upstream import UpstreamFailed

TOO_LARGE = "the other side's answer is far larger"


class TooLarge(Exception):
    """More came than was to be read."""


class Capture:
    """Digests bytes as they pass. Memory is the sample, whatever the size."""

    def __init__(self, *, sample_limit: int = SAMPLE_LIMIT) -> None:
        self._hash = hashlib.sha256()
        self._sample = bytearray()
        self._sample_limit = sample_limit
        self.size = 0
        self.complete = False  # the stream was read to its end

    def add(self, chunk: bytes) -> None:
        """Take the next bytes into account."""
        self._hash.update(chunk)
        self.size += len(chunk)
        if (room := self._sample_limit - len(self._sample)) > 0:
            self._sample += chunk[:room]

    @property
    def digest(self) -> ContentDigest:
        """What has passed so far; only of a `complete` stream is it the content's digest."""
        return ContentDigest(size=self.size, sha256=self._hash.hexdigest(), sample=bytes(self._sample))

    async def passing(self, stream: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """The same bytes, untouched and at the reader's pace."""
        async for chunk in stream:
            self.add(chunk)
            yield chunk
        self.complete = True


class Tee:
    """A stream on its way past a capture; closing it closes the stream, read or not, unlike a generator's."""

    def __init__(self, stream: AsyncIterator[bytes], capture: Capture) -> None:
        self._stream = stream
        self._passing = capture.passing(stream)

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        return await anext(self._passing)

    async def aclose(self) -> None:
        """Let go of it."""
        if close := getattr(self._stream, "aclose", None):
            await close()


def tee(content: Content, *, sample_limit: int = SAMPLE_LIMIT) -> tuple[Content, Capture]:
    """A content to hand on, and what will know its digest once that has been read."""
    capture = Capture(sample_limit=sample_limit)
    return replace(content, stream=Tee(content.stream, capture)), capture


def digest_of(content: bytes, *, sample_limit: int = SAMPLE_LIMIT) -> ContentDigest:
    """The digest of bytes at hand."""
    capture = Capture(sample_limit=sample_limit)
    capture.add(content)
    return capture.digest


async def captured(outcome: Outcome, *, sample_limit: int = SAMPLE_LIMIT, limit: int | None = None) -> Outcome:
    """An outcome fit to be compared: a content is read to its end and only its digest kept.

    A content that breaks off makes the outcome unknown: half a digest would look like another content. Raises TooLarge
    past `limit` bytes, with the content closed.
    """
    if not isinstance(outcome.value, Content):
        return outcome
    capture = Capture(sample_limit=sample_limit)
    try:
        async for _ in capture.passing(outcome.value.stream):
            if limit is not None and capture.size > limit:
                await _close(outcome.value)
                raise TooLarge(TOO_LARGE)
    except UpstreamFailed as error:
        broken = unknown(f"the content broke off after {capture.size} bytes: {error}")
        return replace(broken, origin=outcome.origin, seconds=outcome.seconds)
    return replace(outcome, value=capture.digest)


async def _close(content: Content) -> None:
    close = getattr(content.stream, "aclose", None)
    if close is not None:
        await close()
