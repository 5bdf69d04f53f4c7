"""Names of parts, cut at any byte."""

import itertools
from collections.abc import AsyncIterator

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from router.front.daytona.part_names import PartNames, named_in_utf8

BOUNDARY = b"DAYTONA-FILE-BOUNDARY"
TYPE = b"multipart/form-data; boundary=" + BOUNDARY
MARK = b"\r\n--" + BOUNDARY
Parts = list[tuple[str, bytes]]

LATIN = st.characters(max_codepoint=0xFF, exclude_characters="\r\n\0")


def is_told_apart(name: str) -> bool:
    """Whether a name in Latin-1 cannot be taken for another one in UTF-8; such as `Ã©` can, and stay as they are."""
    return name.isascii() or "\ufffd" in name.encode("latin-1").decode("utf-8", "replace")


names = st.text(LATIN, min_size=1, max_size=8).filter(is_told_apart)
# What looks like a delimiter, and a head, is the interesting content.
contents = st.lists(
    st.sampled_from([MARK, b"\r\n", b"-", b"--", b"\xe9", b'\r\n\r\nname="\xfc"\r\n\r\n', BOUNDARY, b"x"]), max_size=8
).map(b"".join)


def body_of(parts: Parts, encoding: str) -> bytes:
    body = b""
    for name, content in parts:
        head = f'Content-Disposition: form-data; name="file"; filename="{name}"\r\n'.encode(encoding)
        length = b"Content-Type: text/plain\r\nContent-Length: %d\r\n\r\n" % len(content)
        body += b"--" + BOUNDARY + b"\r\n" + head + length + content + b"\r\n"
    return body + b"--" + BOUNDARY + b"--\r\n"


def pieces(body: bytes, cuts: list[int]) -> list[bytes]:
    edges = [0, *sorted(cut % (len(body) + 1) for cut in cuts), len(body)]
    return [body[start:end] for start, end in itertools.pairwise(edges)]


def repaired(body: bytes, cuts: list[int]) -> bytes:
    parser = PartNames(BOUNDARY)
    return b"".join([parser.feed(piece) for piece in pieces(body, cuts)]) + parser.end()


@given(st.lists(st.tuples(names, contents), max_size=3), st.lists(st.integers(0, 2000), max_size=20))
@example([("grüße.txt", b"\xfc"), ("\x85", MARK + b"--\r\n")], list(range(600)))
def test_names_become_utf8_and_contents_stay_wherever_the_answer_is_cut(parts: Parts, cuts: list[int]) -> None:
    assert repaired(body_of(parts, "latin-1"), cuts) == body_of(parts, "utf-8")


@given(st.lists(st.tuples(st.text(max_size=5), contents), max_size=3), st.lists(st.integers(0, 2000), max_size=20))
def test_names_in_utf8_stay(parts: Parts, cuts: list[int]) -> None:
    body = body_of([(name.encode("utf-8", "replace").decode(), content) for name, content in parts], "utf-8")

    assert repaired(body, cuts) == body


@given(st.binary(max_size=200), st.lists(st.integers(0, 200), max_size=10))
def test_what_is_no_multipart_passes_with_its_length(body: bytes, cuts: list[int]) -> None:
    assert repaired(body, cuts) == body


async def chunks(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


@pytest.mark.parametrize("kind", [b"application/json", b"multipart/form-data"])
async def test_another_answer_is_passed_on_as_it_is(kind: bytes) -> None:
    assert [chunk async for chunk in named_in_utf8(kind, chunks(b"a", b"\xff"))] == [b"a", b"\xff"]


async def test_an_answer_is_repaired_while_it_comes() -> None:
    body = body_of([("grüße", b"data")], "latin-1")
    got = [chunk async for chunk in named_in_utf8(TYPE, chunks(*pieces(body, [40, 150])))]

    assert b"".join(got) == body_of([("grüße", b"data")], "utf-8")
    assert len(got) > 1


def test_a_head_without_end_is_passed_on_and_not_held() -> None:
    parser = PartNames(BOUNDARY)

    assert parser.feed(b"--" + BOUNDARY + b"\r\n") == b"--" + BOUNDARY
    assert len(parser.feed(b"x" * 20_000)) > 20_000
