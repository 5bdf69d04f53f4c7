"""Values as they are kept in a column of text, and back."""

import dataclasses
import json
from typing import Any

import orjson

from crossfade.comparison import Change, Difference, Severity
from crossfade.record import Record
from crossfade.stage import Origin
from crossfade.twin import FollowerState, TwinRow

_RECORD_FIELDS = frozenset(each.name for each in dataclasses.fields(Record))
_TWIN_FIELDS = frozenset(each.name for each in dataclasses.fields(TwinRow))


def text_of(value: Any) -> str:
    """A value (a dataclass too) as JSON text."""
    try:
        return orjson.dumps(value).decode()
    except TypeError:
        # Half a surrogate pair in a text, or a number beyond 64 bits: rare, and no reason to lose a record.
        plain = dataclasses.asdict(value) if dataclasses.is_dataclass(value) else value  # type: ignore[arg-type]
        return json.dumps(plain, ensure_ascii=False).encode("utf-8", "replace").decode()


def record_of(text: str) -> Record:
    """A record from its text. Fields that this program does not know are left out."""
    values = {name: value for name, value in orjson.loads(text).items() if name in _RECORD_FIELDS}
    values["signatures"] = tuple(values.get("signatures", ()))
    values["differences"] = tuple(
        Difference(
            path=each["path"],
            change=Change(each["change"]),
            severity=Severity(each["severity"]),
            old=each.get("old", ""),
            new=each.get("new", ""),
        )
        for each in values.get("differences", ())
    )
    return Record(**values)


def twin_text(row: TwinRow) -> str:
    """A twin's row as text, its dirty mark left out, which has a column of its own."""
    values = {each.name: getattr(row, each.name) for each in dataclasses.fields(row) if each.name != "dirty"}
    return text_of({name: dict(value) if hasattr(value, "items") else value for name, value in values.items()})


def twin_of(text: str, *, dirty: bool) -> TwinRow:
    """A twin's row from its text."""
    values = {name: value for name, value in orjson.loads(text).items() if name in _TWIN_FIELDS}
    values["seat"] = Origin(values["seat"])
    values["follower"] = FollowerState(values["follower"])
    return TwinRow(**values, dirty=dirty)
