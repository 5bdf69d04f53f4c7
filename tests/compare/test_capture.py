"""router/compare/capture.py: digests of contents that pass."""

from collections.abc import AsyncIterator
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossfade import Fate, Origin, Outcome, done
from crossfade.results import SAMPLE_LIMIT, Content, ContentDigest, ExecResult
from crossfade.upstream import UpstreamFailed
from router.compare.capture import TooLarge, captured, digest_of, tee


async def chunks(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


async def breaking(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        yield part
    raise UpstreamFailed("reset by peer", sent=True)


@given(parts=st.lists(st.binary(max_size=20), max_size=6))
async def test_bytes_pass_untouched_and_the_digest_is_theirs(parts: list[bytes]) -> None:
    whole = b"".join(parts)
    content, capture = tee(Content(stream=chunks(*parts), size=len(whole)), sample_limit=8)
    passed = [chunk async for chunk in content.stream]

    assert passed == parts
    assert content.size == len(whole)
    assert capture.complete
    assert capture.digest == ContentDigest(size=len(whole), sha256=sha256(whole).hexdigest(), sample=whole[:8])


async def test_a_content_past_the_limit_is_closed_and_is_no_digest() -> None:
    stream = chunks(*[b"x" * 10] * 5)

    with pytest.raises(TooLarge):
        await captured(done(Content(stream=stream)), limit=25)
    assert await anext(stream, None) is None
    assert (await captured(done(Content(stream=chunks(b"x" * 25))), limit=25)).value.size == 25


async def test_a_reader_that_leaves_leaves_the_capture_incomplete() -> None:
    content, capture = tee(Content(stream=chunks(b"a", b"b", b"c")))
    await anext(content.stream)

    assert not capture.complete
    assert capture.size == 1


async def test_a_content_becomes_its_digest_and_keeps_who_said_it() -> None:
    outcome = Outcome(fate=Fate.OK, value=Content(stream=chunks(b"ab", b"c")), origin=Origin.NEW, seconds=2.5)
    result = await captured(outcome)

    assert result.value == digest_of(b"abc")
    assert (result.origin, result.seconds, result.status) == (Origin.NEW, 2.5, 200)


async def test_a_content_that_breaks_off_is_unknown_not_another_content() -> None:
    outcome = Outcome(fate=Fate.OK, value=Content(stream=breaking(b"ab")), origin=Origin.OLD)
    result = await captured(outcome)

    assert result.fate is Fate.UNKNOWN
    assert "after 2 bytes" in result.message
    assert result.origin is Origin.OLD


async def test_other_outcomes_are_left_alone() -> None:
    outcome = done(ExecResult(exit_code=0, output=b""))

    assert await captured(outcome) is outcome


@pytest.mark.parametrize("size", [SAMPLE_LIMIT - 1, SAMPLE_LIMIT, SAMPLE_LIMIT + 1])
async def test_the_sample_is_capped(size: int) -> None:
    assert len(digest_of(b"x" * size).sample) == min(size, SAMPLE_LIMIT)


async def test_closing_what_was_handed_on_closes_the_stream_itself_read_or_not() -> None:
    closed = []

    class Body:
        def __init__(self, name: str) -> None:
            self.name = name

        def __aiter__(self) -> "Body":
            return self

        async def __anext__(self) -> bytes:
            return b"more"

        async def aclose(self) -> None:
            closed.append(self.name)

    unread, _ = tee(Content(stream=Body("unread")))
    begun, _ = tee(Content(stream=Body("begun")))
    await anext(begun.stream)
    for content in (unread, begun):
        await content.stream.aclose()  # type: ignore[attr-defined]

    assert closed == ["unread", "begun"]
