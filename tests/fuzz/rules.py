"""What an answer may be, whatever was asked."""

import json
import re

from tests.fuzz.cases import Case
from tests.fuzz.client import Answer, Heard

_OF_OURS = re.compile(rb"Traceback \(most recent|File \"[^\"]+\.py\"|\.py:\d+|asyncio\.|object at 0x")
_SENDABLE = frozenset((*range(1000, 1004), *range(1007, 1015), *range(3000, 5000)))


def broken(case: Case, heard: Heard) -> str:
    """Which rule the server broke, or nothing."""
    if heard.late:
        return "no end within the deadline"
    if heard.problem:
        return f"no client can read the answer: {heard.problem}"
    if case.whole and not (heard.answers and heard.answers[-1].complete):
        return "a request that was whole got no whole answer"
    for answer in heard.answers:
        # What a program in the sandbox printed is its own matter.
        if answer.status >= 400 and (found := _OF_OURS.search(answer.body)):
            return f"the answer shows our insides: {found.group()!r} in {answer.body[:300]!r}"
        if answer.status >= 500 and not case.head and (wrong := _of_500(answer)):
            return wrong
    for kind, payload in heard.frames:
        if kind == 8 and payload and int.from_bytes(payload[:2], "big") not in _SENDABLE:
            return f"closed with {payload[:2].hex()}, which no frame may say"
        if found := _OF_OURS.search(payload):
            return f"a frame shows our insides: {found.group()!r}"
    return ""


def _of_500(answer: Answer) -> str:
    """A malformed request is its sender's fault: of ours, only what cannot be done here and what is not there now."""
    ours = answer.headers.get(b"x-crossfade-origin") == b"router"
    said = f"{answer.status} {answer.body[:300]!r}"
    if not ours:
        return "" if answer.status == 501 or _reason(answer) else f"an origin failed: {said}"
    if answer.status not in (501, 503):
        return f"the router's own failure: {said}"
    return "" if _reason(answer) else f"without a reason: {said}"


def _reason(answer: Answer) -> str:
    try:
        value = json.loads(answer.body)
    except ValueError:
        return ""
    message = value.get("message") if isinstance(value, dict) else None
    unexpected = not isinstance(message, str) or message == "An unexpected error occurred."
    return "" if unexpected else str(message)
