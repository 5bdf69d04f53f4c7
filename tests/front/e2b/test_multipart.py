import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.front.e2b.multipart import BadMultipart, MultipartReader, PartBegins, PartData, PartEnds

PARTS = st.lists(
    st.tuples(st.sampled_from(["/a b.txt", "/ä.txt", 'q"uote.txt', "back\\slash"]), st.binary(max_size=90))
)
CONTENT_TYPE = 'multipart/form-data; boundary="b0und"'


def body_of(parts: list[tuple[str, bytes]]) -> bytes:
    whole = b""
    for name, data in parts:
        quoted = name.replace("\\", "\\\\").replace('"', '\\"')
        head = f'--b0und\r\nContent-Disposition: form-data; name="file"; filename="{quoted}"\r\nX: y\r\n\r\n'
        whole += head.encode() + data + b"\r\n"
    return whole + b"--b0und--\r\n"


def read(reader: MultipartReader, chunks: list[bytes]) -> list[tuple[str, bytes]]:
    found: list[tuple[str, bytes]] = []
    name, data = "", b""
    for chunk in chunks:
        for event in reader.feed(chunk):
            match event:
                case PartBegins():
                    name, data = event.filename or "", b""
                case PartData():
                    data += event.data
                case PartEnds():
                    found.append((name, data))
    return found


@given(PARTS, st.integers(1, 40), st.booleans())
def test_files_come_out_as_they_went_in_wherever_the_body_is_split(parts, size, tricky):
    if tricky:
        parts = [(name, data + b"\r\n--b0un\r\n--b0und"[:13] + data) for name, data in parts]
    body = body_of(parts)
    reader = MultipartReader(CONTENT_TYPE)

    assert read(reader, [body[at : at + size] for at in range(0, len(body), size)]) == parts
    assert reader.complete


def test_a_large_part_is_not_held_in_memory():
    reader = MultipartReader(CONTENT_TYPE)
    list(reader.feed(b'--b0und\r\nContent-Disposition: form-data; name="file"\r\n\r\n'))
    for _ in range(100):
        passed = sum(len(event.data) for event in reader.feed(b"x" * 10_000))
        assert passed >= 10_000 - 64
        assert len(reader._buffer) < 64


def test_names_in_rfc_5987_form_are_understood():
    head = b"--b0und\r\nContent-Disposition: form-data; name=file; filename*=UTF-8''%C3%A4%20b.txt\r\n\r\n"
    (begins,) = MultipartReader(CONTENT_TYPE).feed(head)

    assert begins == PartBegins("file", "ä b.txt")


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("multipart/form-data", b""),
        ("text/plain; boundary=x", b""),
        (CONTENT_TYPE, b"--b0und\r\nX: y\r\n\r\n"),
        (CONTENT_TYPE, b"--b0undXX"),
        (CONTENT_TYPE, b"--b0und\r\n" + b"x" * 20_000),
    ],
    ids=["no boundary", "not multipart", "no disposition", "boundary goes on", "endless head"],
)
def test_what_is_not_multipart_is_refused(content_type, body):
    with pytest.raises(BadMultipart):
        list(MultipartReader(content_type).feed(body))


def test_a_body_cut_short_is_not_complete():
    reader = MultipartReader(CONTENT_TYPE)
    read(reader, [body_of([("/a", b"data")])[:-8]])

    assert not reader.complete
