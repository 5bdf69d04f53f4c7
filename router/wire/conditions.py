"""Conditional requests for a file (RFC 9110 §13), as Go's http.ServeContent has them: a file has a time and no tag."""

from collections.abc import Mapping
from email.utils import parsedate_to_datetime

NAMES = ("if-match", "if-unmodified-since", "if-none-match", "if-modified-since")
_NANO = 1_000_000_000
NOT_MODIFIED, FAILED = 304, 412


def refusal(conditions: Mapping[str, str], modified_ns: int) -> int:
    """304 or 412, where the file is not to be sent; 0 where it is. `conditions`: headers by lower-case name."""
    modified = modified_ns // _NANO
    if match := conditions.get("if-match"):
        if match.strip() != "*":
            return FAILED
    elif (moment := _moment(conditions.get("if-unmodified-since", ""))) is not None and modified > moment:
        return FAILED
    if none := conditions.get("if-none-match"):
        # The other condition does not count then, even where no tag is the same.
        return NOT_MODIFIED if none.strip() == "*" else 0
    moment = _moment(conditions.get("if-modified-since", ""))
    return NOT_MODIFIED if moment is not None and modified <= moment else 0


def _moment(text: str) -> float | None:
    """Unix seconds; None: no date, which is as if nothing was said."""
    try:
        return parsedate_to_datetime(text).timestamp()
    except (ValueError, OverflowError):
        return None
