"""E2B's refusals in Daytona's words: of envd, of its edge, and requests that got no answer."""

import json
from collections.abc import Mapping

from crossfade.outcome import Outcome, refused, unknown
from crossfade.upstream import UpstreamFailed
from router.wire.connect import ConnectError

NOT_RUNNING = "failed to resolve container IP after 3 attempts: no IP address found. Is the Sandbox started?"


class Failed(Exception):
    """The provider's failure as the outcome it is; ends a call early."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome.message)
        self.outcome = outcome


def lost(error: UpstreamFailed) -> Outcome:
    """A request without answer: refused if no byte of it left, otherwise unknown."""
    if not error.sent:
        return refused(502, "BAD_GATEWAY", str(error))
    return unknown(str(error))


def is_missing(body: bytes) -> bool:
    """Whether the edge says that no such sandbox runs: the request reached nobody."""
    return b"not found" in body.lower()


# What the system says of a path that no file can have. envd calls it internal, yet it is the caller's doing, and must
# not look like a provider that fails.
_ABOUT_THE_PATH = ("file name too long", "not a directory", "too many levels of symbolic links")
_FORBIDDEN = ("permission denied", "operation not permitted", "read-only")


def _of_the_path(message: str) -> tuple[int, str] | None:
    """Status and code of what a path is to blame for."""
    low = message.lower()
    if any(words in low for words in _ABOUT_THE_PATH):
        return 400, "BAD_REQUEST"
    return (403, "FORBIDDEN") if is_forbidden(message) else None


def is_forbidden(message: str) -> bool:
    """Whether the system says that the file is not to be touched."""
    low = message.lower()
    return any(words in low for words in _FORBIDDEN)


# How Daytona's daemon begins what it says: clients without a status to look at look for these words.
_PREFIXES: Mapping[int, str] = {403: "forbidden: ", 404: "not found: "}


def edge_error(status: int, body: bytes) -> Outcome:
    """An error of the edge or of envd's REST, in Daytona's words."""
    try:
        message = str(json.loads(body).get("message") or "")
    except (ValueError, AttributeError):
        message = body.decode("utf-8", "replace")[:300]
    low = message.lower()
    if status == 502 and "not found" in low:
        return refused(400, "BAD_REQUEST", NOT_RUNNING)
    if status == 404:
        return refused(404, "NOT_FOUND", f"not found: {message}")
    if status == 507:
        return refused(507, "INSUFFICIENT_STORAGE", message or "no space left in the sandbox")
    if status in (400, 409, 429):
        return refused(status, {400: "BAD_REQUEST", 409: "CONFLICT", 429: "TOO_MANY_REQUESTS"}[status], message)
    if status in (401, 403):
        return refused(502, "BAD_GATEWAY", f"E2B refused our own key or token: {message}")
    if status == 500 and (told := _of_the_path(message)) is not None:
        return refused(*told, f"{_PREFIXES.get(told[0], '')}{message}")
    if status >= 500:
        return unknown(f"E2B answered {status}: {message}", status=502)
    return refused(502, "BAD_GATEWAY", f"E2B answered {status}: {message}")


_CODES: Mapping[str, tuple[int, str]] = {
    "not_found": (404, "NOT_FOUND"),
    "invalid_argument": (400, "BAD_REQUEST"),
    "failed_precondition": (400, "BAD_REQUEST"),
    "out_of_range": (400, "BAD_REQUEST"),
    "already_exists": (409, "CONFLICT"),
    "permission_denied": (403, "FORBIDDEN"),
    "resource_exhausted": (429, "TOO_MANY_REQUESTS"),
    "unimplemented": (501, "NOT_IMPLEMENTED"),
    "internal": (500, "INTERNAL_SERVER_ERROR"),
}


def refusal(error: ConnectError) -> Outcome:
    """envd's refusal in Daytona's words."""
    status, code = _CODES.get(error.code, (0, ""))
    if not status:
        return unknown(f"envd said {error.code}: {error.message}")
    if status == 500:
        status, code = _of_the_path(error.message) or (status, code)
    return refused(status, code, f"{_PREFIXES.get(status, '')}{error.message}")
