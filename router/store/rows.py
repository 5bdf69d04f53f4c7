"""Values as they are kept in a column of text, and back."""

import dataclasses
import json
from collections.abc import Mapping
from typing import Any

import orjson

from crossfade.comparison import Change, Difference, Severity
from crossfade.record import Record
from crossfade.stage import Origin
from crossfade.twin import FollowerState, TwinRow

_TWIN_FIELDS = frozenset(each.name for each in dataclasses.fields(TwinRow))


def json_of(value: Any) -> bytes:
    """A value, with dataclasses in it, as JSON. Raises TypeError for what JSON cannot say."""
    try:
        return orjson.dumps(value)
    except TypeError:
        # Half a surrogate pair in a text, or a number beyond 64 bits: rare, and no reason to lose a record.
        return json.dumps(value, ensure_ascii=False, default=dataclasses.asdict).encode("utf-8", "replace")


def record_of(text: str) -> Record:
    """A record from its text in a store of schema 1. Fields that this program does not know are left out."""
    values = Record._field_defaults | orjson.loads(text)
    values["signatures"] = tuple(values["signatures"])
    values["differences"] = tuple(map(difference_of, values["differences"]))
    return Record._make(map(values.__getitem__, Record._fields))


def difference_of(values: Mapping[str, Any]) -> Difference:
    """A difference from its names and values."""
    return Difference(
        path=values["path"],
        change=Change(values["change"]),
        severity=Severity(values["severity"]),
        old=values.get("old", ""),
        new=values.get("new", ""),
    )


def twin_text(row: TwinRow) -> str:
    """A twin's row as text, its dirty mark left out, which has a column of its own."""
    values = {each.name: getattr(row, each.name) for each in dataclasses.fields(row) if each.name != "dirty"}
    return json_of({name: dict(value) if hasattr(value, "items") else value for name, value in values.items()}).decode()


def twin_of(text: str, *, dirty: bool) -> TwinRow:
    """A twin's row from its text."""
    values = {name: value for name, value in orjson.loads(text).items() if name in _TWIN_FIELDS}
    values["seat"] = Origin(values["seat"])
    values["follower"] = FollowerState(values["follower"])
    values["lost"] = tuple(values.get("lost", ()))
    return TwinRow(**values, dirty=dirty)
