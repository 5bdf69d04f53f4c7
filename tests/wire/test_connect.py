"""The Connect codec, fed in every way bytes can be split."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.wire.connect import END, STATUSES, FrameDecoder, encode_frame, stream_error, unary_error

messages = st.lists(st.dictionaries(st.text(max_size=8), st.text(max_size=40), max_size=4), max_size=6)


@given(messages, st.lists(st.integers(0, 2000), max_size=30))
def test_frames_survive_being_split_anywhere(sent: list[dict[str, str]], cuts: list[int]) -> None:
    stream = b"".join(encode_frame(message) for message in sent) + encode_frame({}, end=True)
    places = sorted({0, len(stream), *(cut for cut in cuts if cut < len(stream))})
    decoder = FrameDecoder()

    found = [frame for start, end in itertools.pairwise(places) for frame in decoder.feed(stream[start:end])]

    assert found == [(0, message) for message in sent] + [(END, {})]
    assert not decoder.partial


def test_every_split_of_one_stream_gives_the_same_frames() -> None:
    stream = encode_frame({"event": {"data": {"stdout": "aGk="}}}) + encode_frame(
        {"error": {"code": "canceled"}}, end=True
    )
    whole = FrameDecoder().feed(stream)

    for cut in range(len(stream) + 1):
        decoder = FrameDecoder()
        assert decoder.feed(stream[:cut]) + decoder.feed(stream[cut:]) == whole


@given(messages, st.sampled_from(sorted(STATUSES)), st.text(max_size=20))
def test_a_stream_fed_byte_by_byte_ends_with_its_error(sent: list[dict[str, str]], code: str, message: str) -> None:
    end = {"error": {"code": code, "message": message}}
    stream = b"".join(encode_frame(each) for each in sent) + encode_frame(end, end=True)
    decoder = FrameDecoder()

    *found, (flags, last) = [frame for byte in stream for frame in decoder.feed(bytes((byte,)))]

    assert found == [(0, each) for each in sent]
    assert flags == END
    error = stream_error(last)
    assert error is not None
    assert (error.code, error.message) == (code, message)


@given(messages, st.integers(0, 255).filter(lambda flags: flags & 1), st.binary(max_size=20), st.integers(0, 200))
def test_a_compressed_frame_is_refused_wherever_it_stands(
    sent: list[dict[str, str]], flags: int, body: bytes, cut: int
) -> None:
    whole = b"".join(encode_frame(each) for each in sent)
    stream = whole + bytes((flags,)) + len(body).to_bytes(4, "big") + body
    cut = min(cut, len(whole))
    decoder = FrameDecoder()
    decoder.feed(stream[:cut])

    with pytest.raises(ValueError, match="compressed"):
        decoder.feed(stream[cut:])


@given(messages.filter(bool), st.integers(1, 2000))
def test_every_stream_that_is_cut_inside_a_frame_is_partial(sent: list[dict[str, str]], lost: int) -> None:
    last = encode_frame(sent[-1])
    decoder = FrameDecoder()

    found = decoder.feed(b"".join(encode_frame(each) for each in sent[:-1]) + last[: -min(lost, len(last) - 1)])

    assert found == [(0, each) for each in sent[:-1]]
    assert decoder.partial


def test_a_cut_stream_is_known_to_be_cut() -> None:
    decoder = FrameDecoder()
    decoder.feed(encode_frame({"a": 1})[:-1])

    assert decoder.partial


@pytest.mark.parametrize("stream", [b"\x01\0\0\0\x02{}", b"\0\xff\xff\xff\xff", b"\0\0\0\0\x02[]", b"\0\0\0\0\x01{"])
def test_what_is_no_such_stream_is_refused(stream: bytes) -> None:
    with pytest.raises(ValueError):
        FrameDecoder().feed(stream)


def test_errors_are_told_from_the_edges_by_the_type_of_their_code() -> None:
    ours = unary_error(404, b'{"code":"not_found","message":"no such file"}')

    assert ours is not None
    assert ours.code == "not_found"
    assert unary_error(502, b'{"code":502,"message":"The sandbox was not found"}') is None
    assert unary_error(502, b"<html>") is None


def test_a_last_frame_without_error_is_no_error() -> None:
    assert stream_error({}) is None
    error = stream_error({"error": {"code": "deadline_exceeded", "message": "too long"}})
    assert error is not None
    assert (error.code, error.message) == ("deadline_exceeded", "too long")


def test_half_a_surrogate_pair_is_replaced_as_gos_json_does() -> None:
    (_, found), *rest = FrameDecoder().feed(encode_frame({"tag": "a\udcff", "args": ["\U0001f30d"]}))

    assert (found, rest) == ({"tag": "a\ufffd", "args": ["\U0001f30d"]}, [])
