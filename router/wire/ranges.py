"""Ranges of a file, as Go's http.ServeContent reads them, which Daytona's daemon and E2B's envd both use."""

import re
from dataclasses import replace
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime

from crossfade.outcome import Outcome, refused

_SPAN = re.compile(r"\s*(\d{0,18})\s*-\s*(\d{0,18})\s*", re.ASCII)
_NANO = 1_000_000_000


class BadRange(Exception):
    """A range that cannot be served: 416. `size` is there when it was understood, and nothing of it is in the file."""

    def __init__(self, size: int | None) -> None:
        super().__init__("invalid range" if size is None else "invalid range: failed to overlap")
        self.size = size

    @property
    def outcome(self) -> Outcome:
        """The refusal."""
        return unsatisfiable("" if self.size is None else f"bytes */{self.size}", str(self))


def chosen(text: str, size: int) -> tuple[int, int] | None:
    """Start and end (not included) that a Range header asks of a file of `size` bytes; None for the whole file.

    The whole is given for no range, for an empty file and, as RFC 9110 §14.2 allows, for several ranges.
    Raises BadRange.
    """
    if not text:
        return None
    unit, equals, wanted = text.partition("=")
    if unit != "bytes" or not equals:
        raise BadRange(None)
    spans = [_span(part, size) for part in wanted.split(",") if part.strip()]
    inside = [span for span in spans if span is not None]
    if size == 0 or not spans or len(inside) > 1:
        return None
    if not inside:
        raise BadRange(size)
    return inside[0]


def _span(part: str, size: int) -> tuple[int, int] | None:
    """One of the spans; None when nothing of it is in the file."""
    found = _SPAN.fullmatch(part)
    if found is None or not (found[1] or found[2]):
        raise BadRange(None)
    first, last = found.groups()
    if not first:
        start, end = max(0, size - int(last)), size
    else:
        start, end = int(first), min(size, int(last) + 1) if last else size
        if last and int(last) < start:
            raise BadRange(None)
    return (start, end) if start < end else None


def is_single(text: str) -> bool:
    """Whether a Range header asks for one range at most, so that the answer is no multipart/byteranges."""
    return "," not in text


def holds(if_range: str, modified_ns: int) -> bool:
    """Whether an If-Range header lets a part be given: a file has a time and no tag, and the time must be the same."""
    if not if_range:
        return True
    try:
        return parsedate_to_datetime(if_range).timestamp() == modified_ns // _NANO
    except ValueError:
        return False


def http_date(nanoseconds: int) -> str:
    """A Last-Modified header."""
    return format_datetime(datetime.fromtimestamp(nanoseconds // _NANO, UTC), usegmt=True)


def unsatisfiable(told: str, message: str = "") -> Outcome:
    """A download that a range refuses. `told` is the Content-Range header, `bytes */<size>`, or empty."""
    outcome = refused(416, "RANGE_NOT_SATISFIABLE", message or "invalid range: failed to overlap")
    return replace(outcome, value=told or None)


def content_range(start: int, end: int, size: int) -> str:
    """A Content-Range header for the bytes from start up to end."""
    return f"bytes {start}-{end - 1}/{size}"
