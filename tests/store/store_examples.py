"""Records as the engine makes them."""

import itertools
from typing import Any

from crossfade.comparison import Change, Difference, Severity
from crossfade.record import Record

NOON = 1_795_348_800.0  # a full hour
_numbers = itertools.count()


def record(**fields: Any) -> Record:
    """A compared file read of a tool that is live, unless told otherwise."""
    number = next(_numbers)
    values: dict[str, Any] = {
        "id": f"{number:012x}{number:014x}",
        "at": NOON + number % 1000 / 1000,
        "operation": "fs.info",
        "effect": "read",
        "tool": "files",
        "classified_by": "default",
        "sandbox": "sb-1",
        "stage": "live",
        "wish": "new",
        "answering": "new",
        "reason": "files is live",
        "status": 200,
        "origin_seconds": 0.010,
        "seconds": 0.012,
        "mirrored": True,
        "shadow_status": 200,
        "shadow_fate": "ok",
        "shadow_seconds": 0.020,
        "matched": True,
    }
    return Record(**(values | fields))


def differing(**fields: Any) -> Record:
    """A record of a call whose answers differ in a mode bit."""
    difference = Difference(path="mode", change=Change.VALUE, severity=Severity.CONTENT, old="0644", new="0600")
    values: dict[str, Any] = {
        "matched": False,
        "severity": "content",
        "signatures": ("fs.info mode value",),
        "differences": (difference,),
    }
    return record(**(values | fields))
