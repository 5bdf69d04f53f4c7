"""One captured operation: what was asked, and what both sides said, with secrets masked."""

import base64
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from crossfade.errors import SettingsError

_BYTES = "$bytes"


@dataclass(frozen=True, slots=True, kw_only=True)
class CapturedCall:
    """A line of a capture. `old` and `new` are plain outcomes (comparators.plain); None: that side was not asked."""

    id: str  # of the call; one that was several operations is several lines
    at: float  # arrival, Unix seconds
    sandbox: str  # its mask
    own: tuple[str, ...] = ()  # masks of the ids by which the sides call themselves
    operation: str
    tool: str = ""
    arguments: Mapping[str, Any] = field(default_factory=dict)
    body: bytes | None = None
    complete: bool = True  # all that it takes to do it again is here
    answered_by: str = "old"
    old: Mapping[str, Any] | None = None
    new: Mapping[str, Any] | None = None
    signatures: tuple[str, ...] = ()  # of the whole call, as its record has them


def line(call: CapturedCall) -> bytes:
    """As it is written to a file. Raises TypeError for an argument that is no plain data."""
    return json.dumps(asdict(call), default=_tagged, separators=(",", ":")).encode() + b"\n"


def calls_in(path: Path) -> Iterator[CapturedCall]:
    """The calls of a file, as they were written. Raises SettingsError for what is no capture.

    A last line that breaks off is left out: the router may be writing it, or was ended while it did.
    """
    try:
        with path.open("rb") as file:
            for number, text in enumerate(file, 1):
                if text.endswith(b"\n"):
                    yield _read(text, path, number)
    except OSError as error:
        raise SettingsError(f"cannot read {path}: {error}") from None


def _read(text: bytes, path: Path, number: int) -> CapturedCall:
    try:
        found = json.loads(text, object_hook=_untagged)
        known = {each.name for each in fields(CapturedCall)}
        values = {name: value for name, value in found.items() if name in known}
        values |= {name: tuple(values.get(name, ())) for name in ("own", "signatures")}
        return CapturedCall(**values)
    except (ValueError, TypeError, AttributeError) as error:
        raise SettingsError(f"{path}:{number} is no captured call: {type(error).__name__}") from None


def _tagged(value: Any) -> Any:
    if isinstance(value, bytes):
        return {_BYTES: base64.b64encode(value).decode()}
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} is no plain data")


def _untagged(found: dict[str, Any]) -> Any:
    return base64.b64decode(found[_BYTES]) if found.keys() == {_BYTES} else found
