"""Operations that one request to envd carries out: what is sent, and what its answer means. Pure.

Most mirrored calls are of this kind, and need no task that waits: the answer is read where it arrives. What one answer
does not settle (a link to follow, an owner's number to look up, a sandbox that is paused) is left to `perform`.
"""

import posixpath
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol
from urllib.parse import urlencode

import orjson

from crossfade.operation import Operation
from crossfade.outcome import Outcome, done
from crossfade.results import FileInfo
from router.backends.e2b.files import missing, nanoseconds
from router.wire.connect import unary_error

Numbers = tuple[Mapping[str, str], Mapping[str, str]]  # users, groups: name -> number
NO_NUMBERS: Numbers = ({}, {})


class Decode(Protocol):
    """What an answer means; None when more has to be asked."""

    def __call__(self, status: int, body: bytes) -> Outcome | None: ...


@dataclass(frozen=True, slots=True)
class Single:
    """One request, and its answer's meaning. A download's value is its bytes."""

    line: bytes  # method and target
    body: bytes | None  # JSON
    decode: Decode


@dataclass(frozen=True, slots=True)
class Asked:
    """The same, addressed. `head` lacks its last, empty line."""

    base: str  # scheme://host[:port]
    head: bytes
    body: bytes | None
    decode: Decode


def single(operation: Operation, *, work_dir: str, user: str, numbers: Numbers = NO_NUMBERS) -> Single | None:
    """The one request that carries this operation out, or None."""
    asked = str(operation.arguments.get("path") or "")
    path = posixpath.join(work_dir, asked) if asked else work_dir
    match operation.name:
        case "fs.info" if asked:
            decode = partial(_info, path, numbers)
            return Single(b"POST /filesystem.Filesystem/Stat", orjson.dumps({"path": path}), decode)
        case "fs.list" if "depth" not in operation.arguments:
            decode = partial(_list, path, numbers)
            body = orjson.dumps({"path": path, "depth": 1})
            return Single(b"POST /filesystem.Filesystem/ListDir", body, decode)
        case "fs.download" if asked and not operation.arguments.keys() & {"range", "conditions"}:
            query = urlencode({"path": path, "username": user}, errors="surrogateescape")
            return Single(f"GET /files?{query}".encode("ascii"), None, _download)
    return None


def _info(path: str, numbers: Numbers, status: int, body: bytes) -> Outcome | None:
    if status != 200:
        return _missing(path, status, body)
    entry = (_object(body) or {}).get("entry")
    info = None if not isinstance(entry, dict) else _file(entry, numbers)
    return None if info is None else done(_renamed(info, path))


def _list(path: str, numbers: Numbers, status: int, body: bytes) -> Outcome | None:
    if status != 200:
        return _missing(path, status, body)
    answer = _object(body)
    if answer is None:
        return None
    found: list[FileInfo] = []
    for entry in answer.get("entries") or ():
        info = _file(entry, numbers)
        if info is None:
            return None
        found.append(info)
    return done(tuple(sorted(found, key=lambda info: info.name.encode("utf-8", "surrogateescape"))))


def _download(status: int, body: bytes) -> Outcome | None:
    return done(body) if status == 200 else None


def _missing(path: str, status: int, body: bytes) -> Outcome | None:
    error = unary_error(status, body)
    return missing(path) if error is not None and error.code == "not_found" else None


def _object(body: bytes) -> dict[str, Any] | None:
    try:
        value = orjson.loads(body)
    except ValueError:
        return None  # half a surrogate pair, or no JSON: the other reader decides
    return value if isinstance(value, dict) else None


def _file(entry: Mapping[str, Any], numbers: Numbers) -> FileInfo | None:
    """The entry, unless it is a link or its owners have no number yet."""
    if entry.get("symlinkTarget"):
        return None
    owner, group = _number(entry.get("owner"), numbers[0]), _number(entry.get("group"), numbers[1])
    if owner is None or group is None:
        return None
    path = str(entry.get("path") or "")
    return FileInfo(
        name=str(entry.get("name") or posixpath.basename(path)),
        path=path,
        is_dir=entry.get("type") == "FILE_TYPE_DIRECTORY",
        size=int(entry.get("size") or 0),
        mode=int(entry.get("mode") or 0) & 0o777,
        modified_ns=nanoseconds(str(entry.get("modifiedTime") or "")),
        owner=owner,
        group=group,
    )


def _number(name: object, known: Mapping[str, str]) -> str | None:
    if not name or name == "root":
        return "0"
    text = str(name)
    return text if text.isdigit() else known.get(text)


def _renamed(info: FileInfo, path: str) -> FileInfo:
    """Under the path that was asked for, as `perform` gives it."""
    if info.path == path:
        return info
    values = {name: getattr(info, name) for name in info.__slots__}
    return FileInfo(**{**values, "path": path})
