"""Errors in Daytona's formats: the toolbox daemon's (up to 0.147: always with a body) and the control plane's."""

import json
import time
from datetime import UTC, datetime
from http import HTTPStatus

from router.front.daytona.routes import Plane


class BadRequest(Exception):
    """A request that cannot be meant; `message` names the thing and the fix."""

    def __init__(self, message: str, *, status: int = 400, code: str = "BAD_REQUEST") -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message


def status_text(status: int) -> str:
    """The words of a status: "Not Found"."""
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Error"


def timestamp() -> str:
    """Now, as both planes write it."""
    return datetime.fromtimestamp(time.time(), UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def error_body(
    plane: Plane, status: int, message: str, *, code: str = "", path: str = "", method: str = "", pty: bool = False
) -> bytes:
    """An error as its plane words it. PTY routes have a format of their own, which older SDKs show as it is.

    The message never is empty: SDKs up to 0.115 know the text only, and their callers look for words in it.
    """
    message = message or status_text(status)
    if pty:
        # `message` is not in the daemon's answer, but without it SDK 0.115 shows the raw JSON.
        return json.dumps({"error": message, "message": message, "statusCode": status}).encode()
    if plane == "control":
        return json.dumps(
            {
                "path": path,
                "timestamp": timestamp(),
                "statusCode": status,
                "error": status_text(status),
                "message": message,
                "source": "DAYTONA_API",
            }
        ).encode()
    return json.dumps(
        {
            "statusCode": status,
            "message": message,
            "code": code or status_text(status),
            "timestamp": timestamp(),
            "path": path,
            "method": method,
            "source": "DAYTONA_DAEMON",  # with the code, what the newest SDKs choose an error's class by
        }
    ).encode()
