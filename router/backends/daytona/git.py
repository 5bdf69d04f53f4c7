"""Git on Daytona's wire: which request each operation is, and what its answer holds."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from crossfade.results import GitBranches, GitCommit, GitCommitted, GitConfig, GitFile, GitRemote, GitStatus

# Operation -> method and path.
REQUESTS: Mapping[str, tuple[str, str]] = {
    "git.status": ("GET", "/git/status"),
    "git.branches": ("GET", "/git/branches"),
    "git.branch_create": ("POST", "/git/branches"),
    "git.branch_delete": ("DELETE", "/git/branches"),
    "git.history": ("GET", "/git/history"),
    "git.remotes": ("GET", "/git/remotes"),
    "git.remote_add": ("POST", "/git/remotes"),
    "git.config": ("GET", "/git/config"),
    "git.config_set": ("POST", "/git/config"),
    "git.user": ("POST", "/git/config/user"),
    "git.credentials": ("POST", "/git/credentials"),
    "git.clone": ("POST", "/git/clone"),
    "git.init": ("POST", "/git/init"),
    "git.add": ("POST", "/git/add"),
    "git.commit": ("POST", "/git/commit"),
    "git.push": ("POST", "/git/push"),
    "git.pull": ("POST", "/git/pull"),
    "git.checkout": ("POST", "/git/checkout"),
    "git.reset": ("POST", "/git/reset"),
    "git.restore": ("POST", "/git/restore"),
}
_FIELDS = {"commit": "commit_id", "skip_tls": "insecure_skip_tls"}  # whose name on the wire is another


def body_of(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a request with a body."""
    return {
        _FIELDS.get(name, name): list(value) if isinstance(value, tuple) else value
        for name, value in arguments.items()
        if value is not None
    }


def _status(value: Mapping[str, Any]) -> GitStatus:
    files = tuple(
        GitFile(
            name=str(each["name"]),
            staging=str(each["staging"]),
            worktree=str(each["worktree"]),
            extra=str(each.get("extra") or ""),
        )
        for each in value["fileStatus"] or ()
    )
    return GitStatus(
        branch=str(value["currentBranch"]),
        files=files,
        ahead=int(value.get("ahead") or 0),
        behind=int(value.get("behind") or 0),
        published=bool(value.get("branchPublished")),
        upstream=str(value.get("upstream") or ""),
        detached=bool(value.get("detached")),
    )


def _branches(value: Mapping[str, Any]) -> GitBranches:
    return GitBranches(names=tuple(value["branches"] or ()), current=str(value.get("current") or ""))


def _history(value: Any) -> tuple[GitCommit, ...]:
    return tuple(
        GitCommit(
            hash=each["hash"],
            author=each["author"],
            email=each["email"],
            message=each["message"],
            at=each["timestamp"],
        )
        for each in value or ()
    )


def _remotes(value: Mapping[str, Any]) -> tuple[GitRemote, ...]:
    return tuple(GitRemote(name=each["name"], url=each["url"]) for each in value["remotes"] or ())


_VALUES: Mapping[str, Callable[[Any], Any]] = {
    "git.status": _status,
    "git.branches": _branches,
    "git.history": _history,
    "git.remotes": _remotes,
    "git.config": lambda value: GitConfig(value=value.get("value")),
    "git.commit": lambda value: GitCommitted(hash=value["hash"]),
}


def _decoder(describe: Callable[[Any], Any]) -> Callable[[bytes, Mapping[bytes, bytes]], Any]:
    return lambda body, _headers: describe(json.loads(body))


DECODERS = {name: _decoder(describe) for name, describe in _VALUES.items()}
