"""comparators/contents.py: what two contents are is found out, and each kind has a name of its own."""

import json
from hashlib import sha256

import pytest
from comparison_examples import pair
from content_examples import Named, drawn, encoded, gzipped, tarred, with_block, zipped
from hypothesis import given
from hypothesis import strategies as st

from comparators import compare
from crossfade import Change, Comparison, Outcome, Severity, done
from crossfade.results import SAMPLE_LIMIT, ContentDigest

CONTENT, COSMETIC = Severity.CONTENT, Severity.COSMETIC
TEXT = b"one\ntwo three\n\tfour\n"
FILES = {"a.txt": b"1", "b/c.txt": b"2" * 300}
PAGE = encoded(drawn())


def file(content: bytes) -> Outcome:
    sample = content[:SAMPLE_LIMIT]
    return done(ContentDigest(size=len(content), sha256=sha256(content).hexdigest(), sample=sample))


def compared(old: bytes, new: bytes) -> Comparison:
    return compare(pair("fs.download", file(old), file(new)))


def named(old: bytes, new: bytes) -> Named:
    return {(each.path, each.change, each.severity) for each in compared(old, new).differences}


@pytest.mark.parametrize(
    ("old", "new", "place", "change", "severity"),
    [
        (TEXT, b"\xef\xbb\xbf" + TEXT, "content byte order mark", Change.VALUE, CONTENT),
        (TEXT, TEXT.replace(b"\n", b"\r\n"), "content line ending", Change.VALUE, CONTENT),
        (TEXT, TEXT.replace(b"\t", b"    "), "content spaces", Change.VALUE, CONTENT),
        ("é\n".encode(), "e\u0301\n".encode(), "content unicode form", Change.VALUE, CONTENT),
        (b"a\nb\nc\n", b"c\nb\na\n", "content line", Change.ORDER, CONTENT),
        (b"at 12:30:01\n", b"at 12:31:07\n", "content", Change.VALUE, COSMETIC),
        (b"a\nb\n", b"a\nb", "content", Change.SIZE, CONTENT),
        (b"a\nb\n", b"a\nc\n", "content", Change.VALUE, CONTENT),
        (b'{"a": 1, "b": 2}', b'{"b": 2, "a": 1}', "content json", Change.ORDER, COSMETIC),
        (b'{"a": 1, "b": 2}', b'{"a":1,"b":2}', "content json", Change.VALUE, COSMETIC),
        (b'{"a": 0.3}', b'{"a": 0.30000000000000004}', "content json", Change.VALUE, COSMETIC),
        (b'{"a": 0.3}', b'{"a": 0.31}', "content json", Change.VALUE, CONTENT),
        (b'{"a": 1}', b'{"a": true}', "content json", Change.TYPE, CONTENT),
        (b'{"a": 1, "b": 2}', b'{"a": 1}', "content json", Change.MISSING, CONTENT),
        (b'{"a": 1}', b'{"a": 1, "b": 2}', "content json", Change.EXTRA, CONTENT),
        (b"[1, 2, 3]", b"[2, 3]", "content json", Change.SIZE, CONTENT),
        (b"[1, 2, 3]", b"[1, 3, 2]", "content json", Change.VALUE, CONTENT),
        (b'{"a": 1, "a": 2}', b'{"a": 3, "a": 2}', "content", Change.VALUE, CONTENT),
        (PAGE, encoded(drawn(), compress_level=1), "content picture", Change.VALUE, COSMETIC),
        (PAGE, encoded(with_block(drawn(), (50, 50, 58, 58))), "content picture", Change.VALUE, CONTENT),
        (PAGE, encoded(drawn((200, 101))), "content picture", Change.SIZE, CONTENT),
        (tarred(FILES), tarred(FILES, mtime=9), "content member", Change.VALUE, COSMETIC),
        (tarred(FILES), tarred(FILES, mode=0o755), "content member", Change.VALUE, CONTENT),
        (tarred(FILES), tarred({"a.txt": b"1"}), "content member", Change.MISSING, CONTENT),
        (gzipped(TEXT), gzipped(TEXT, mtime=5, level=1), "content member", Change.VALUE, COSMETIC),
        (gzipped(TEXT), gzipped(TEXT + b"."), "content member", Change.VALUE, CONTENT),
        (zipped(FILES), zipped(FILES, year=2021), "content member", Change.VALUE, COSMETIC),
        (zipped(FILES), zipped({**FILES, "d": b""}), "content member", Change.EXTRA, CONTENT),
        (zipped(FILES), zipped(dict(reversed(FILES.items()))), "content member", Change.ORDER, COSMETIC),
    ],
)
def test_each_kind_has_one_name(old: bytes, new: bytes, place: str, change: Change, severity: Severity) -> None:
    assert named(old, new) == {(place, change, severity)}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (PAGE[:-40] + b"x" * 40, PAGE[:-40] + b"y" * 40),
        (b"\x1f\x8b" + b"x" * 50, b"\x1f\x8b" + b"y" * 50),
        (b"PK\x03\x04" + b"x" * 50, b"PK\x03\x04" + b"y" * 50),
        (b"{" * 3000, b"{" * 2999 + b"["),
        (b"\xff\xfe\x00a", b"\xff\xfe\x00b"),
        (gzipped(b"0" * 50_000_000), gzipped(b"0" * 49_999_999 + b"1")),
        (tarred(FILES), gzipped(tarred(FILES))),
        (PAGE, encoded(drawn(), "BMP")),
    ],
    ids=("picture", "gzip", "zip", "json", "binary", "bomb", "packed otherwise", "another format"),
)
def test_what_cannot_be_decoded_differs_by_its_bytes(old: bytes, new: bytes) -> None:
    found = compared(old, new)

    assert found.severity is CONTENT
    assert {each.path for each in found.differences} == {"content"}


@given(st.binary(max_size=200), st.binary(max_size=200))
def test_contents_that_differ_are_never_silent(old: bytes, new: bytes) -> None:
    assert compared(old, new).matched == (old == new)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=20,
)


@given(st.dictionaries(st.text(max_size=4), json_values, min_size=1, max_size=5))
def test_how_a_document_is_written_down_is_cosmetic_whatever_it_says(document: dict[str, object]) -> None:
    compact = json.dumps(document, separators=(",", ":")).encode()
    indented = json.dumps(dict(reversed(document.items())), indent=1, ensure_ascii=False).encode(errors="replace")

    if json.loads(compact) == json.loads(indented):
        assert {severity for _, _, severity in named(compact, indented)} <= {COSMETIC}


def test_a_content_longer_than_its_sample_is_not_judged_by_the_sample() -> None:
    filler = b" " * SAMPLE_LIMIT
    old, new = b'{"a": 1, "b": 2}' + filler, b'{"b": 2, "a": 1}' + filler

    assert named(old, new) == {("content", Change.VALUE, CONTENT)}


def test_nothing_that_was_packed_is_shown() -> None:
    secret = b"hunter2-in-the-archive"
    for packed in (lambda body: gzipped(tarred(body)), zipped):
        for difference in compared(packed({"x": secret}), packed({"x": secret + b"!", "hunter2": b""})).differences:
            assert "hunter2" not in difference.old + difference.new


def test_an_unescaped_secret_is_not_shown_where_the_file_holds_it_escaped() -> None:
    """Secrets are masked as they stand in the file; taking a document's strings apart must not bring one to light."""
    old, new = (json.dumps({"a": number, "b": "hunter2"}).replace("hunter2", "\\u0068unter2") for number in (1, 2))

    assert all("hunter2" not in each.old + each.new for each in compared(old.encode(), new.encode()).differences)
