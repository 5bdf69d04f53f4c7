"""What scenarios give, whichever SDK runs them; errors are named by status, and each SDK has its own classes for it."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

# By SDK: 0.21 async raises its client's own errors, 0.115 has two classes, the newest one class per status and code.
_CLASSES_0_21 = {
    400: "BadRequestException",
    401: "UnauthorizedException",
    403: "ForbiddenException",
    404: "NotFoundException",
    409: "ConflictException",
}
_CLASSES_NEWEST = {
    400: "DaytonaBadRequestError",
    401: "DaytonaAuthenticationError",
    403: "DaytonaForbiddenError",
    404: "DaytonaNotFoundError",
    409: "DaytonaConflictError",
    410: "DaytonaGoneError",
}


class Refused(NamedTuple):
    """An error of this status; `newest` where the newest SDK has a class of its own for it."""

    status: int
    newest: str = ""

    def in_era(self, era: str) -> str:
        """The class that an SDK of this era raises."""
        if era == "0.21":
            return _CLASSES_0_21.get(self.status, "ServiceException" if self.status >= 500 else "ApiException")
        if era == "0.115":
            return "DaytonaNotFoundError" if self.status == 404 else "DaytonaError"
        return self.newest or _CLASSES_NEWEST.get(self.status, "DaytonaError")


def expected_in(era: str, expected: Any) -> Any:
    """The expectation in the words of one SDK."""
    match expected:
        case Refused():
            return expected.in_era(era)
        case Mapping():
            return {name: expected_in(era, each) for name, each in expected.items()}
        case list() | tuple():
            return [expected_in(era, each) for each in expected]
        case _:
            return expected


def told(result: Any) -> Any:
    """A result with each error as its class alone."""
    match result:
        case {"error": str(name), "message": _}:
            return name
        case Mapping():
            return {name: told(each) for name, each in result.items()}
        case list():
            return [told(each) for each in result]
        case _:
            return result


def session_said(era: str, text: str, code: int = 0) -> dict[str, Any]:
    """A session's answer with these lines of standard output: without marks, or marked and split."""
    if era == "0.21":
        return {"exit": code, "output": text}
    marked = "".join(f"\1\1\1{line}" for line in text.splitlines(keepends=True))
    return {"exit": code, "output": marked, "stdout": text, "stderr": ""}


def by_era(shape: Callable[[str], Any]) -> dict[str, Any]:
    """What a scenario gives under the SDKs of each era."""
    return {era: shape(era) for era in ("0.21", "0.115", "newest")}
