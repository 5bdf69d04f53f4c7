"""Refusals: why an embedded sandbox does not do a thing, in Daytona's statuses and codes."""

import errno
import os
import posixpath

from crossfade.outcome import Outcome, refused
from router.backends.local.tree import DiskFull

CODES = {
    400: "BAD_REQUEST",
    403: "FORBIDDEN",
    404: "NOT_FOUND",
    408: "REQUEST_TIMEOUT",
    409: "CONFLICT",
    410: "GONE",
    500: "INTERNAL_SERVER_ERROR",
    507: "INSUFFICIENT_STORAGE",
}


class Refusal(Exception):
    """The operation is refused; becomes an outcome at the backend's edge."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status

    @property
    def outcome(self) -> Outcome:
        return refused(self.status, CODES[self.status], str(self))


def bad_request(message: str) -> Refusal:
    return Refusal(400, f"bad request: {message}")


def not_found(message: str) -> Refusal:
    return Refusal(404, f"not found: {message}")


def of_os_error(error: OSError, path: str) -> Refusal:
    """The refusal for a failed file call."""
    reason = f"{path}: {(error.strerror or os.strerror(error.errno or errno.EIO)).lower()}"
    match error:
        case DiskFull():
            return Refusal(507, f"insufficient storage: {reason}")
        case FileNotFoundError():
            return not_found(reason)
        case PermissionError():
            return Refusal(403, f"forbidden: {reason}")
        case FileExistsError():
            return Refusal(409, f"conflict: {reason}")
        case OSError(errno=errno.ENOSPC):
            return Refusal(507, f"insufficient storage: {reason}")
        case _:
            return bad_request(reason)


def required_path(path: object) -> str:
    """A path argument. Raises Refusal for none."""
    if not isinstance(path, str) or not path:
        raise bad_request("path is required")
    return path


def name_of(path: str) -> str:
    """The last name of a path as the client wrote it."""
    return posixpath.basename(posixpath.normpath(path))
