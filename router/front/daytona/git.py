"""Git on Daytona's wire: requests and answers of the toolbox's /git."""

from collections.abc import Callable, Mapping
from typing import Any

from crossfade.results import GitStatus
from router.front.daytona.errors import BadRequest
from router.front.daytona.fields import Arguments, Decoder, Fields, Query, given, object_of, text_of

# Argument -> field and how it is read. Only what is given is passed on.
_TEXT, _FLAG, _COUNT, _FILES = "text", "flag", "count", "files"
_Named = dict[str, tuple[str, str]]


def _body(required: tuple[str, ...], optional: _Named | None = None) -> Decoder:
    """A decoder of a JSON body: texts that must be there, under their own names, and what may be."""

    def decode_body(_query: Query, body: bytes, _captures: Query) -> Arguments:
        fields = object_of(body)
        arguments: Arguments = {name: text_of(fields, name) for name in required}
        for name, (field, kind) in (optional or {}).items():
            if (value := _optional(fields, field, kind)) is not None:
                arguments[name] = value
        return arguments

    return decode_body


def _optional(fields: Fields, field: str, kind: str) -> Any:
    value = fields.get(field)
    if value is None or (kind == _TEXT and value == ""):
        return None
    match kind:
        case "flag" if isinstance(value, bool):
            return value
        case "count" if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
            return value or None
        case "files" if isinstance(value, list) and all(isinstance(each, str) for each in value):
            return tuple(value)
        case "text" if isinstance(value, str):
            return value
    meant = {"flag": "true or false", "count": "a whole number", "files": "a list of paths", "text": "a string"}[kind]
    raise BadRequest(f"{field} must be {meant}")


def _path(query: Query, _body: bytes, _captures: Query) -> Arguments:
    return {"path": given(query, "path")}


def _config(query: Query, _body: bytes, _captures: Query) -> Arguments:
    return {"key": given(query, "key")} | {name: query[name] for name in ("scope", "path") if query.get(name)}


def _files(query: Query, body: bytes, captures: Query) -> Arguments:
    arguments = _body(("path",), {"files": ("files", _FILES)})(query, body, captures)
    if not arguments.get("files"):
        raise BadRequest("files must be a list of at least one path")
    return arguments


def _restore(query: Query, body: bytes, captures: Query) -> Arguments:
    named = {"staged": ("staged", _FLAG), "worktree": ("worktree", _FLAG), "source": ("source", _TEXT)}
    return _files(query, body, captures) | _body((), named)(query, body, captures)


def _config_set(query: Query, body: bytes, captures: Query) -> Arguments:
    value = text_of(object_of(body), "value", empty=True)
    return _body(("key",), _SCOPE)(query, body, captures) | {"value": value}


_LOGIN: _Named = {name: (name, _TEXT) for name in ("username", "password")}
_REMOTE: _Named = _LOGIN | {name: (name, _TEXT) for name in ("branch", "remote")}
_SCOPE: _Named = {name: (name, _TEXT) for name in ("scope", "path")}

DECODERS: Mapping[str, Decoder] = {
    "git.status": _path,
    "git.branches": _path,
    "git.history": _path,
    "git.remotes": _path,
    "git.config": _config,
    "git.clone": _body(
        ("url", "path"),
        _LOGIN
        | {
            "branch": ("branch", _TEXT),
            "commit": ("commit_id", _TEXT),
            "depth": ("depth", _COUNT),
            "skip_tls": ("insecure_skip_tls", _FLAG),
        },
    ),
    "git.init": _body(("path",), {"bare": ("bare", _FLAG), "initial_branch": ("initial_branch", _TEXT)}),
    "git.add": _files,
    "git.commit": _body(("path", "message", "author", "email"), {"allow_empty": ("allow_empty", _FLAG)}),
    "git.branch_create": _body(("path", "name")),
    "git.branch_delete": _body(("path", "name")),
    "git.checkout": _body(("path", "branch")),
    "git.reset": _body(("path",), {"mode": ("mode", _TEXT), "target": ("target", _TEXT), "files": ("files", _FILES)}),
    "git.restore": _restore,
    "git.push": _body(("path",), _REMOTE | {"set_upstream": ("set_upstream", _FLAG)}),
    "git.pull": _body(("path",), _REMOTE),
    "git.remote_add": _body(("path", "name", "url"), {name: (name, _FLAG) for name in ("fetch", "overwrite")}),
    "git.config_set": _config_set,
    "git.user": _body(("name", "email"), _SCOPE),
    "git.credentials": _body(("username", "password"), {name: (name, _TEXT) for name in ("host", "protocol")}),
}


def _status(value: GitStatus) -> dict[str, Any]:
    files = [
        {"name": each.name, "extra": each.extra, "staging": each.staging, "worktree": each.worktree}
        for each in value.files
    ]
    return {
        "currentBranch": value.branch,
        "fileStatus": files,
        "branchPublished": value.published,
        "ahead": value.ahead,
        "behind": value.behind,
        "upstream": value.upstream,
        "detached": value.detached,
    }


# What an outcome's value becomes as JSON.
OBJECTS: Mapping[str, Callable[[Any], Any]] = {
    "git.status": _status,
    "git.branches": lambda value: {"branches": list(value.names), "current": value.current},
    "git.history": lambda value: [
        {"hash": each.hash, "author": each.author, "email": each.email, "message": each.message, "timestamp": each.at}
        for each in value
    ],
    "git.remotes": lambda value: {"remotes": [{"name": each.name, "url": each.url} for each in value]},
    "git.config": lambda value: {"value": value.value},
    "git.commit": lambda value: {"hash": value.hash},
}
