"""Outcomes: what one origin did with one call."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from crossfade.stage import Origin


class Fate(StrEnum):
    """ok: done. failed: refused by the origin. unsupported: it cannot. unknown: it may or may not have happened."""

    OK = "ok"
    FAILED = "failed"
    UNSUPPORTED = "unsupported"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What one origin did. `status` speaks Daytona's vocabulary of HTTP statuses, whatever the wire.

    `value` is one of crossfade.results when ok. `code` and `message` say why not, as Daytona words it
    (NOT_FOUND, CONFLICT, BAD_REQUEST, REQUEST_TIMEOUT, ...).
    """

    fate: Fate
    status: int = 200
    value: Any = None
    code: str = ""
    message: str = ""
    origin: Origin | None = None
    seconds: float = 0.0

    @property
    def ok(self) -> bool:
        return self.fate is Fate.OK


def done(value: Any = None, *, status: int = 200) -> Outcome:
    """An ok outcome."""
    return Outcome(fate=Fate.OK, status=status, value=value)


def refused(status: int, code: str, message: str) -> Outcome:
    """The origin refused: a fact about the call, counted, not an exception."""
    return Outcome(fate=Fate.FAILED, status=status, code=code, message=message)


def unsupported(operation: str, backend: str) -> Outcome:
    """The backend has no way to do it; answered 501, never faked."""
    message = f"not supported: {operation} has no equivalent on {backend}; keep this tool on the old origin"
    return Outcome(fate=Fate.UNSUPPORTED, status=501, code="NOT_IMPLEMENTED", message=message)


def unknown(message: str, *, status: int = 502) -> Outcome:
    """The call may have been carried out: the answer was lost. Never reported as success."""
    return Outcome(fate=Fate.UNKNOWN, status=status, code="BAD_GATEWAY", message=message)
