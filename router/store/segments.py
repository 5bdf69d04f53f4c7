"""Segments: the records of one batch as one value, column by column. Pure.

A row per record costs an insert, three index entries and a JSON object with every name. Records of one batch are alike
in most fields, so that a column is mostly one value, or an index into a few: a tenth of the bytes and of the work.

Version 1, numbers little-endian:

    4 bytes  CRC-32 of everything behind it
    4 bytes  length of the JSON
    JSON     [version, count of records, [column, ...]], a column per field of Record, in their order
    rest     the binary parts of columns, in their order

A column is one of

    [value]                the same for all
    [value, ...]           one per record
    {"of": [value, ...]}   each one of these; binary part: an index per record, of 1 byte, or 2 beyond 256 values
    "float64"              binary part: 8 bytes per record
"""

import math
import struct
import sys
import zlib
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import orjson

from crossfade.record import Record
from router.store.rows import difference_of, json_of

_VERSION = 1
_HEAD = struct.Struct("<II")
_CHECKED = 4  # where begins what the checksum is of
_FLOATS = "float64"
_MOST_INDEXED = 1 << 16
_ALIKE = 4  # records per distinct value, from which on an index is shorter than the values


class Damaged(Exception):
    """A segment that cannot be read; says why."""


def pack(records: Sequence[Record]) -> bytes:
    """At least one record, as bytes. Raises TypeError or OverflowError for a value that no column can hold."""
    columns: list[Any] = []
    parts: list[bytes] = []
    for values in zip(*records, strict=True):
        column, part = _column(values)
        columns.append(column)
        parts.append(part)
    text = json_of([_VERSION, len(records), columns])
    checked = b"".join((len(text).to_bytes(4, "little"), text, *parts))
    return zlib.crc32(checked).to_bytes(4, "little") + checked


def unpack(body: bytes) -> list[Record]:
    """What was packed. Fields that this program does not know are left out. Raises Damaged."""
    try:
        checksum, length = _HEAD.unpack_from(body)
        if zlib.crc32(memoryview(body)[_CHECKED:]) != checksum:
            raise Damaged("its checksum differs")
        parts = _Parts(body, _HEAD.size)
        version, count, columns = orjson.loads(parts.bytes(length))
        if version != _VERSION:
            raise Damaged(f"its form {version} is of a newer crossfade")
        return _records(count, columns, parts)
    except (struct.error, ValueError, TypeError, LookupError) as error:
        raise Damaged(f"it holds no records: {error}") from error


def _column(values: tuple[Any, ...]) -> tuple[Any, bytes]:
    """What of a column goes into the JSON, and what behind it."""
    first, count = values[0], len(values)
    alike = values.count(first) == count
    if type(first) is float and not (alike and math.isfinite(first)):  # JSON has no infinity
        return _FLOATS, _little(array("d", values)).tobytes()
    if alike:
        return [first], b""
    place_of = {value: place for place, value in enumerate(dict.fromkeys(values))}
    if len(place_of) * _ALIKE > count or len(place_of) > _MOST_INDEXED:
        return values, b""
    indexes = array(_index_code(len(place_of)), map(place_of.__getitem__, values))
    return {"of": list(place_of)}, _little(indexes).tobytes()


class _Parts:
    """Reads a segment from front to back."""

    def __init__(self, body: bytes, at: int) -> None:
        self._body, self._at = memoryview(body), at

    def bytes(self, length: int) -> memoryview:
        taken = self._body[self._at : self._at + length]
        self._at += length
        return taken

    def numbers(self, code: str, count: int) -> Iterator[Any]:
        found = array(code)
        found.frombytes(self.bytes(count * found.itemsize))
        return iter(_little(found))


def _records(count: int, columns: Sequence[Any], parts: _Parts) -> list[Record]:
    known = zip(Record._fields, columns, strict=False)
    read = [_values(column, count, parts, _READ.get(name, list)) for name, column in known]
    return [Record(*row) for row in zip(*read, strict=True)]


def _values(column: Any, count: int, parts: _Parts, read: Callable[[Iterable[Any]], list[Any]]) -> Iterable[Any]:
    match column:
        case "float64":
            return parts.numbers("d", count)
        case {"of": [*values]}:
            return map(read(values).__getitem__, parts.numbers(_index_code(len(values)), count))
        case [_]:
            return read(column) * count
        case _:
            return read(column)


def _signatures(values: Iterable[Any]) -> list[Any]:
    return [tuple(each) for each in values]


def _differences(values: Iterable[Any]) -> list[Any]:
    return [tuple(map(difference_of, each)) for each in values]


_READ: dict[str, Callable[[Iterable[Any]], list[Any]]] = {"signatures": _signatures, "differences": _differences}


def _index_code(distinct: int) -> str:
    return "B" if distinct <= 256 else "H"


def _little(numbers: "array[Any]") -> "array[Any]":
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers
