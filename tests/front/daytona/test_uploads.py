"""Multipart uploads, cut at any byte."""

import itertools
from collections.abc import AsyncIterator

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from router.front.daytona.errors import BadRequest
from router.front.daytona.uploads import uploads

BOUNDARY = b"b0undary"
TYPE = {b"content-type": b'multipart/form-data; boundary="' + BOUNDARY + b'"'}
Files = list[tuple[str, bytes]]

paths = st.text(st.characters(exclude_characters="\r\n\0", exclude_categories=["Cs"]), min_size=1, max_size=12)
# Content that looks like delimiters is the interesting one.
contents = st.lists(
    st.sampled_from([b"\r\n", b"--", BOUNDARY, b"\r", b"\n", b"-", b"x", b"\0\xff", b"--" + BOUNDARY + b"z"]),
    max_size=8,
).map(b"".join)


def part(name: str, content: bytes, filename: str | None = None) -> bytes:
    shown = "" if filename is None else f'; filename="{filename}"'
    head = f'Content-Disposition: form-data; name="{name}"{shown}\r\n\r\n'.encode()
    return b"--" + BOUNDARY + b"\r\n" + head + content + b"\r\n"


def body_of(files: Files, *, paths_first: bool) -> bytes:
    named = [part(f"files[{n}].path", path.encode()) for n, (path, _) in enumerate(files)]
    filled = [part(f"files[{n}].file", content, "f") for n, (_, content) in enumerate(files)]
    parts = named + filled if paths_first else [each for pair in zip(named, filled, strict=True) for each in pair]
    return b"".join(parts) + b"--" + BOUNDARY + b"--\r\n"


async def pieces(body: bytes, cuts: list[int]) -> AsyncIterator[bytes]:
    edges = [0, *sorted(cut % (len(body) + 1) for cut in cuts), len(body)]
    for start, end in itertools.pairwise(edges):
        if start < end:
            yield body[start:end]


async def read(body: bytes, cuts: list[int]) -> Files:
    found: Files = []
    async for path, content in uploads(TYPE, pieces(body, cuts)):
        found.append((path, b"".join([chunk async for chunk in content])))
    return found


def is_clean(content: bytes) -> bool:
    # A sender picks a boundary that its content does not hold as a line.
    return b"\r\n--" + BOUNDARY not in b"\r\n" + content


@given(
    st.lists(st.tuples(paths, contents.filter(is_clean)), min_size=1, max_size=3),
    st.booleans(),
    st.lists(st.integers(0, 10_000), max_size=30),
)
@example([("a", b"")], True, list(range(400)))
@example([("a", b"\r\n--b0undar"), ("ü b", b"\r\n")], False, list(range(500)))
async def test_files_come_out_as_they_went_in_wherever_the_body_is_cut(
    files: Files, paths_first: bool, cuts: list[int]
) -> None:
    assert await read(body_of(files, paths_first=paths_first), cuts) == files


@given(st.integers(1, 400))
async def test_a_body_cut_short_is_refused(missing: int) -> None:
    body = body_of([("a", b"one"), ("b", b"two")], paths_first=True).removesuffix(b"\r\n")

    with pytest.raises(BadRequest, match=r"closing boundary|no Content-Disposition"):
        await read(body[: max(0, len(body) - missing)], [])


async def test_a_file_left_unread_is_skipped() -> None:
    body = body_of([("a", b"x" * 1000), ("b", b"two")], paths_first=True)

    found = [path async for path, _ in uploads(TYPE, pieces(body, [100, 500]))]

    assert found == ["a", "b"]


async def test_a_file_before_its_path_is_refused_with_the_fix() -> None:
    body = part("files[0].file", b"x", "f") + part("files[0].path", b"a") + b"--" + BOUNDARY + b"--\r\n"

    with pytest.raises(BadRequest, match="send the path first"):
        await read(body, [])


async def test_another_content_type_is_refused() -> None:
    with pytest.raises(BadRequest, match="multipart/form-data"):
        _ = [each async for each in uploads({b"content-type": b"application/json"}, pieces(b"{}", []))]


async def test_a_single_upload_goes_where_the_query_says() -> None:
    body = part("file", b"content", "ignored") + b"--" + BOUNDARY + b"--\r\n"

    found = []
    async for path, content in uploads(TYPE, pieces(body, []), path="/w/a"):
        found.append((path, b"".join([chunk async for chunk in content])))

    assert found == [("/w/a", b"content")]


@given(st.binary(max_size=60), st.lists(st.integers(0, 100), max_size=5))
async def test_a_single_upload_may_be_the_file_itself(data: bytes, cuts: list[int]) -> None:
    found = []
    headers = {b"content-type": b"application/octet-stream"}
    async for path, content in uploads(headers, pieces(data, cuts), path="/w/a"):
        found.append((path, b"".join([chunk async for chunk in content])))

    assert found == [("/w/a", data)]


async def test_a_bulk_upload_is_a_form() -> None:
    with pytest.raises(BadRequest, match="multipart/form-data"):
        _ = [each async for each in uploads({b"content-type": b"application/octet-stream"}, pieces(b"x", []))]
