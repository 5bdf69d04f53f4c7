"""Segments: records in, the same records out, or an error."""

import base64
import zlib
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossfade.comparison import Change, Difference, Severity
from crossfade.record import Record
from router.store.segments import Damaged, pack, unpack
from tests.store.store_examples import differing, record

texts = st.text(max_size=8)
differences = st.builds(
    Difference,
    path=texts,
    change=st.sampled_from(Change),
    severity=st.sampled_from(Severity),
    old=texts,
    new=texts,
)
records = st.fixed_dictionaries(
    {
        "id": texts,
        "at": st.floats(allow_nan=False),
        "sandbox": st.sampled_from(["a", "b", "\0"]),
        "bytes_out": st.integers(0, 2**63 - 1),
        "mirrored": st.booleans(),
        "matched": st.sampled_from([None, True, False]),
        "signatures": st.lists(texts, max_size=2).map(tuple),
        "differences": st.lists(differences, max_size=2).map(tuple),
    }
).map(lambda fields: record(**fields))


def sealed(values: Any, *parts: bytes) -> bytes:
    """A segment with a right checksum, whatever is in it."""
    text = orjson.dumps(values)
    checked = b"".join((len(text).to_bytes(4, "little"), text, *parts))
    return zlib.crc32(checked).to_bytes(4, "little") + checked


@given(st.lists(records, min_size=1, max_size=12))
def test_records_come_back_as_they_went_in(several: list[Record]) -> None:
    assert unpack(pack(several)) == several


@pytest.mark.parametrize("distinct", [1, 2, 255, 256, 257, 1_000])
def test_columns_of_few_values_of_many_and_of_one_come_back(distinct: int) -> None:
    several = [record(sandbox=f"sandbox {place % distinct}", bytes_in=place % distinct) for place in range(4_000)]

    assert unpack(pack(several)) == several


def test_what_is_alike_costs_next_to_nothing() -> None:
    one, many = [record()], [record() for _ in range(1_000)]

    assert len(pack(many)) < len(pack(one)) + 1_000 * 60  # an id, a time and their share of the rest


def test_half_a_surrogate_pair_becomes_a_question_mark_and_a_huge_number_stays_one() -> None:
    (found,) = unpack(pack([record(route="a\ud800b", bytes_in=1 << 70)]))

    assert (found.route, found.bytes_in) == ("a?b", 1 << 70)


def test_what_no_column_can_hold_is_an_error_when_packing() -> None:
    with pytest.raises(TypeError):
        pack([record(reason=b"bytes")])


@given(st.data())
def test_a_changed_byte_is_noticed(data: st.DataObject) -> None:
    body = bytearray(pack([record(), differing(), record(seconds=0.5)]))
    body[data.draw(st.integers(0, len(body) - 1))] ^= data.draw(st.integers(1, 255))

    with pytest.raises(Damaged):
        unpack(bytes(body))


@pytest.mark.parametrize("length", [0, 3, 7, 8, 100, -1])
def test_a_segment_cut_short_is_noticed(length: int) -> None:
    with pytest.raises(Damaged):
        unpack(pack([record(), record()])[:length])


@pytest.mark.parametrize(
    ("values", "parts"),
    [
        ([], ()),
        ([1, 2, [["a", "b"], "float64"]], (b"\0" * 15,)),  # half a number
        ([1, 2, [["a", "b", "c"]]], ()),  # three ids for two records
        ([1, 5, [{"of": ["a", "b"]}]], (b"\0\1\2\0\1",)),  # an index beyond the values
        ([1, 1, [["only an id"]]], ()),
        ({"form": 1}, ()),
    ],
)
def test_what_makes_no_records_is_damaged_though_its_checksum_is_right(values: Any, parts: tuple[bytes, ...]) -> None:
    with pytest.raises(Damaged, match="it holds no records"):
        unpack(sealed(values, *parts))


def test_a_newer_form_is_named() -> None:
    with pytest.raises(Damaged, match="its form 2 is of a newer crossfade"):
        unpack(sealed([2, 0, []]))


def test_a_field_that_came_later_is_left_out_and_one_that_was_not_there_has_its_default() -> None:
    values = [["call", "other"], [5.0], ["fs.info"], ["read"], ["files"], ["default"]]
    newer = [*values, *([each] for each in record()[6:]), ["a field of tomorrow"]]

    assert unpack(sealed([1, 2, values]))[1] == Record("other", 5.0, "fs.info", "read", "files", "default")
    assert unpack(sealed([1, 2, newer]))[0][6:] == record()[6:]


def test_a_segment_of_the_first_program_that_wrote_any_can_be_read() -> None:
    # Never make this anew: it fails when fields of Record changed their places, and so did those of every store.
    body = base64.b64decode(_FIRST)

    assert unpack(body) == _THOSE


_THOSE = [
    differing(
        id=f"019a2b3c4d5eabcdef0000000{place}",
        at=1_795_348_800.0 + place / 7,
        sandbox=f"sb-{place % 2}",
        routing_key="key",
        organization="org",
        bucket=4711,
        flag_version=12,
        route="GET /toolbox/{id}/files/info",
        trace_parent="00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        ttfb=0.25 * place,
        bytes_in=3,
        bytes_out=10**place,
        validation_seconds=0.125,
        dropped="lane full",
    )
    for place in range(8)
]
_FIRST = (
    "FPJ3c+sCAABbMSw4LFtbIjAxOWEyYjNjNGQ1ZWFiY2RlZjAwMDAwMDAwIiwiMDE5YTJiM2M0ZDVlYWJjZGVmMDAwMDAwMDEiLCIwMTlhMmIzYz"
    "RkNWVhYmNkZWYwMDAwMDAwMiIsIjAxOWEyYjNjNGQ1ZWFiY2RlZjAwMDAwMDAzIiwiMDE5YTJiM2M0ZDVlYWJjZGVmMDAwMDAwMDQiLCIwMTlh"
    "MmIzYzRkNWVhYmNkZWYwMDAwMDAwNSIsIjAxOWEyYjNjNGQ1ZWFiY2RlZjAwMDAwMDA2IiwiMDE5YTJiM2M0ZDVlYWJjZGVmMDAwMDAwMDciXS"
    "wiZmxvYXQ2NCIsWyJmcy5pbmZvIl0sWyJyZWFkIl0sWyJmaWxlcyJdLFsiZGVmYXVsdCJdLHsib2YiOlsic2ItMCIsInNiLTEiXX0sWyJrZXki"
    "XSxbIm9yZyJdLFs0NzExXSxbMTJdLFsibGl2ZSJdLFsibmV3Il0sWyJuZXciXSxbImZpbGVzIGlzIGxpdmUiXSxbIkdFVCAvdG9vbGJveC97aW"
    "R9L2ZpbGVzL2luZm8iXSxbIjAwLTRiZjkyZjM1NzdiMzRkYTZhM2NlOTI5ZDBlMGU0NzM2LTAwZjA2N2FhMGJhOTAyYjctMDEiXSxbMjAwXSxb"
    "Im9rIl0sWzAuMDEyXSwiZmxvYXQ2NCIsWzNdLFsxLDEwLDEwMCwxMDAwLDEwMDAwLDEwMDAwMCwxMDAwMDAwLDEwMDAwMDAwXSxbMC4wMV0sWz"
    "AuMTI1XSxbdHJ1ZV0sWyJsYW5lIGZ1bGwiXSxbMjAwXSxbIm9rIl0sWzAuMDJdLFtmYWxzZV0sWyJjb250ZW50Il0sW1siZnMuaW5mbyBtb2Rl"
    "IHZhbHVlIl1dLFtbeyJwYXRoIjoibW9kZSIsImNoYW5nZSI6InZhbHVlIiwic2V2ZXJpdHkiOiJjb250ZW50Iiwib2xkIjoiMDY0NCIsIm5ldy"
    "I6IjA2MDAifV1dXV0AAABQtsDaQZIkCVC2wNpBJUkSULbA2kG3bRtQtsDaQUmSJFC2wNpB27YtULbA2kFu2zZQtsDaQQAAQFC2wNpBAAEAAQAB"
    "AAEAAAAAAAAAAAAAAAAAANA/AAAAAAAA4D8AAAAAAADoPwAAAAAAAPA/AAAAAAAA9D8AAAAAAAD4PwAAAAAAAPw/"
)
