"""Why git would not, in Daytona's statuses and codes: read from what it printed."""

import re
from collections.abc import Collection

from crossfade.outcome import Outcome, refused, unsupported
from router.backends.git.running import MISSING, Ran

_LONGEST = 500


class GitRefused(Exception):
    """The operation is refused; carries the outcome."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome.message)
        self.outcome = outcome


# First hit wins; what nothing hits is a bad request, as Daytona has it.
_KINDS: tuple[tuple[re.Pattern[str], int, str], ...] = tuple(
    (re.compile(pattern, re.IGNORECASE), status, code)
    for pattern, status, code in (
        (
            r"authentication failed|invalid username or password|could not read (?:username|password)"
            r"|terminal prompts disabled|permission denied \(publickey",
            401,
            "GIT_AUTH_FAILED",
        ),
        (r"requested url returned error: 403|remote: permission .* denied", 403, "FORBIDDEN"),
        (
            r"could not resolve host|unable to access|connection (?:refused|timed out|reset)",
            502,
            "GIT_TRANSPORT_FAILED",
        ),
        (r"remote branch \S+ not found|couldn't find remote ref", 404, "GIT_BRANCH_NOT_FOUND"),
        (
            r"repository not found|repository '.*' (?:does not exist|not found)|remote: not found"
            r"|does not appear to be a git repository|not a git repository|cannot change to '",
            404,
            "GIT_REPO_NOT_FOUND",
        ),
        (
            r"pre-receive hook declined|hook declined|protected branch|branch is currently checked out",
            422,
            "GIT_REMOTE_REJECTED",
        ),
        (r"non-fast-forward|fetch first|updates were rejected|stale info", 409, "GIT_PUSH_REJECTED"),
        (
            r"local changes to the following files would be overwritten|commit your changes or stash them"
            r"|untracked working tree files would be overwritten|not uptodate. cannot merge",
            409,
            "GIT_DIRTY_WORKTREE",
        ),
        (
            r"not possible to fast-forward|merge conflict|needs merge|unmerged|automatic merge failed",
            409,
            "GIT_MERGE_CONFLICT",
        ),
        (r"a branch named '.*' already exists", 409, "GIT_BRANCH_EXISTS"),
        (r"already exists and is not an empty directory", 409, "CONFLICT"),
        (
            r"branch '.*' not found|src refspec .* does not match any|not currently on a branch|unknown revision"
            r"|does not have any commits yet|not a valid ref|reference is not a tree|bad revision|could not resolve"
            r"|not a valid object name|bad object|unable to read tree|invalid reference|failed to resolve",
            404,
            "GIT_BRANCH_NOT_FOUND",
        ),
    )
)
# Servers that answer with 404 say it within "unable to access".
_NOTHING = re.compile(r"^(?:nothing to commit|nothing added to commit|no changes added to commit)", re.MULTILINE)
_ABSENT = re.compile(r"returned error: 404|repository '.*' not found", re.IGNORECASE)


def refusal(operation: str, ran: Ran, *, secrets: Collection[str] = ()) -> GitRefused:
    """The refusal that a failed run stands for; `secrets` are left out of its words."""
    if ran.code == MISSING:
        return GitRefused(without_git(operation))
    said = (ran.errors + b"\n" + ran.output).decode("utf-8", "replace")
    for secret in secrets:
        said = said.replace(secret, "***") if secret else said
    if _ABSENT.search(said):
        return of_kind(404, "GIT_REPO_NOT_FOUND", words(said))
    for pattern, status, code in _KINDS:
        if pattern.search(said):
            return of_kind(status, code, words(said))
    return of_kind(400, "BAD_REQUEST", words(said) or f"git ended with {ran.code}")


def of_kind(status: int, code: str, message: str) -> GitRefused:
    """A refusal in our own words."""
    return GitRefused(refused(status, code, message))


def without_git(operation: str) -> Outcome:
    """There is no git in the sandbox: nothing can be done, and nothing is pretended."""
    outcome = unsupported(operation, "this sandbox")
    message = f"not supported: {operation} needs git, which this sandbox does not have; add it to its template"
    return type(outcome)(fate=outcome.fate, status=outcome.status, code=outcome.code, message=message)


def words(said: str) -> str:
    """What git gave as the reason: its lines that begin with fatal or error, else the first one."""
    if _NOTHING.search(said):
        return "cannot create empty commit: clean working tree"
    lines = [line.strip() for line in said.splitlines() if line.strip() and not line.startswith("hint:")]
    reasons = [line for line in lines if re.match(r"(?:fatal|error|remote|!)[: ]", line)] or lines[:1]
    return "; ".join(re.sub(r"^(?:fatal|error): ", "", line) for line in reasons)[:_LONGEST]
