"""Decoding: Daytona's answers as outcomes, whatever SDK version they were shaped for."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from crossfade.operation import Operation
from crossfade.outcome import Outcome, done, refused, unknown
from crossfade.results import (
    FileInfo,
    PreviewLink,
    Replaced,
    SandboxInfo,
    TextMatch,
)
from router.backends.daytona import git, processes
from router.backends.daytona.parts import Part, split_parts
from router.backends.daytona.values import Headers, json_of

_CODES = {
    400: "BAD_REQUEST",
    401: "UNAUTHORIZED",
    403: "FORBIDDEN",
    404: "NOT_FOUND",
    408: "REQUEST_TIMEOUT",
    409: "CONFLICT",
    410: "GONE",
    412: "PRECONDITION_FAILED",
    416: "RANGE_NOT_SATISFIABLE",
    422: "UNPROCESSABLE_ENTITY",
    429: "TOO_MANY_REQUESTS",
    500: "INTERNAL_SERVER_ERROR",
    501: "NOT_IMPLEMENTED",
    502: "BAD_GATEWAY",
    503: "SERVICE_UNAVAILABLE",
    504: "GATEWAY_TIMEOUT",
    507: "INSUFFICIENT_STORAGE",
}
# Error parts of old daemons are plain text: what kind they are is told by their words only. First hit wins.
_TEXT_KINDS = (
    (re.compile(r"not found|no such file|does not exist", re.IGNORECASE), 404),
    (re.compile(r"permission denied|forbidden", re.IGNORECASE), 403),
)


def outcome_of(operation: Operation, status: int, headers: Headers, body: bytes) -> Outcome:
    """One answer as an outcome. `headers` by lower-case name. Contents are bytes.

    For a bulk download of several files (argument `paths`) the value is a mapping from path to outcome.
    """
    if operation.arguments.get("paths"):
        split = [Operation(name=operation.name, arguments={"path": path}) for path in operation.arguments["paths"]]
        outcomes = outcomes_of(split, status, headers, body)
        return done(dict(zip(operation.arguments["paths"], outcomes, strict=True)), status=status)
    return outcomes_of((operation,), status, headers, body)[0]


def outcomes_of(operations: Sequence[Operation], status: int, headers: Headers, body: bytes) -> tuple[Outcome, ...]:
    """One answer as the outcomes of all operations it speaks of, in their order: files of an up- or download."""
    name = operations[0].name if operations else ""
    if name == "fs.upload":
        return _uploaded(operations, status, body)
    if name == "fs.download" and status == 304:
        return (done(status=status),) * len(operations)
    if status >= 300 or status < 200:
        return (failure(status, body),) * len(operations)
    try:
        if name == "fs.download":
            return _downloaded(operations, headers, body)
        if name == "pty.create":
            return (done(processes.pty_created(operations[0], body), status=status),)
        value = _DECODERS[name](body, headers) if name in _DECODERS else None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        lost = unknown(f"the origin's answer to {name} cannot be read: {type(error).__name__}")
        return (lost,) * len(operations)
    return (done(value, status=status),) * len(operations)


def failure(status: int, body: bytes) -> Outcome:
    """An error answer as a refused outcome; an empty body says what its status says."""
    code, message = "", ""
    try:
        value = json.loads(body) if body.strip() else {}
    except ValueError:
        value = {"message": body.decode("utf-8", "replace")[:2000]}
    if isinstance(value, dict):
        said = value.get("message") or value.get("error") or value.get("errors") or ""
        message = "; ".join(map(str, said)) if isinstance(said, list) else str(said)
        given = value.get("code")
        code = given if isinstance(given, str) and given.isupper() else ""
    code = code or _CODES.get(status, "ERROR")
    return refused(status, code, message or code.replace("_", " ").lower())


# Files...


def _uploaded(operations: Sequence[Operation], status: int, body: bytes) -> tuple[Outcome, ...]:
    if 200 <= status < 300:
        return (done(status=200),) * len(operations)
    failed = failure(status, body)
    try:
        value = json.loads(body)
        written = {each["path"] for each in value.get("files") or ()}
        errors = [str(each) for each in value.get("errors") or ()]
    except (ValueError, KeyError, TypeError, AttributeError):
        return (failed,) * len(operations)
    if not errors:
        return (failed,) * len(operations)
    return tuple(_one_upload(str(each.arguments["path"]), written, errors, failed) for each in operations)


def _one_upload(path: str, written: set[str], errors: list[str], failed: Outcome) -> Outcome:
    if path in written:
        return done(status=200)
    own = [error for error in errors if path in error]
    return refused(failed.status, failed.code, own[0] if own else failed.message)


def _downloaded(operations: Sequence[Operation], headers: Headers, body: bytes) -> tuple[Outcome, ...]:
    content_type = headers.get(b"content-type", b"")
    if content_type.startswith(b"multipart/byteranges"):
        return (unknown("an answer of several ranges is not taken apart"),) * len(operations)
    if not content_type.startswith(b"multipart/"):
        return (done(body, status=206 if b"content-range" in headers else 200),) * len(operations)
    found = split_parts(content_type, body)
    # Whether a backslash is an escape depends on whom the answer was made for.
    parts = {part.spelled: part for part in found} | {part.filename: part for part in found}
    return tuple(_one_download(str(each.arguments["path"]), parts) for each in operations)


def _one_download(path: str, parts: Mapping[str, Part]) -> Outcome:
    part = parts.get(path)
    if part is None and len(set(map(id, parts.values()))) == 1:
        part = next(iter(parts.values()))  # a name that did not survive its encoding
    if part is None:
        return unknown(f"the origin's download has no part for {path}")
    if part.name != "error":
        return done(part.content)
    text = part.content.decode("utf-8", "replace").strip()
    try:
        status = int(json.loads(text)["statusCode"])
        return failure(status, part.content)
    except (ValueError, KeyError, TypeError):
        status = next((status for words, status in _TEXT_KINDS if words.search(text)), 400)
        return refused(status, _CODES[status], text)


# One per operation whose answer has a value...


def sandbox(value: Mapping[str, Any]) -> SandboxInfo:
    """A sandbox object."""
    return SandboxInfo(
        id=str(value["id"]),
        state=str(value.get("state") or "unknown"),
        name=str(value.get("name") or ""),
        organization=str(value.get("organizationId") or ""),
        snapshot=str(value.get("snapshot") or ""),
        user=str(value.get("user") or ""),
        target=str(value.get("target") or ""),
        public=bool(value.get("public")),
        env=dict(value.get("env") or {}),
        labels=dict(value.get("labels") or {}),
        cpu=value.get("cpu") or 0,
        gpu=value.get("gpu") or 0,
        memory_gib=value.get("memory") or 0,
        disk_gib=value.get("disk") or 0,
        auto_stop_minutes=_number(value, "autoStopInterval", 15),
        auto_archive_minutes=_number(value, "autoArchiveInterval", 10_080),
        auto_delete_minutes=_number(value, "autoDeleteInterval", -1),
        created_at=str(value.get("createdAt") or ""),
        updated_at=str(value.get("updatedAt") or ""),
        error_reason=str(value.get("errorReason") or ""),
        raw=value,
    )


def _number(value: Mapping[str, Any], name: str, default: int) -> int:
    given = value.get(name)
    return default if given is None else int(given)


def _sandbox(body: bytes, _headers: Headers) -> SandboxInfo:
    return sandbox(json_of(body))


def _sandboxes(body: bytes, _headers: Headers) -> tuple[SandboxInfo, ...]:
    value = json_of(body)
    items = value["items"] if isinstance(value, dict) else value
    return tuple(sandbox(each) for each in items)


def _labels(body: bytes, _headers: Headers) -> dict[str, str]:
    return dict(json_of(body)["labels"])


def _preview(body: bytes, _headers: Headers) -> PreviewLink:
    value = json_of(body)
    return PreviewLink(url=value["url"], token=value.get("token") or "")


def _mapping(body: bytes, _headers: Headers) -> dict[str, Any] | None:
    return dict(json_of(body)) if body.strip() else None


def _directory(body: bytes, _headers: Headers) -> str:
    return str(json_of(body)["dir"])


def _file(body: bytes, _headers: Headers) -> FileInfo:
    return file(json_of(body))


def _files(body: bytes, _headers: Headers) -> tuple[FileInfo, ...]:
    return tuple(file(each) for each in json_of(body))


def file(value: Mapping[str, Any]) -> FileInfo:
    """A FileInfo object."""
    permissions = str(value.get("permissions") or "")
    return FileInfo(
        name=str(value["name"]),
        path=str(value.get("path") or ""),
        is_dir=bool(value["isDir"]),
        size=int(value["size"]),
        mode=int(permissions, 8) if permissions else _letters(str(value.get("mode") or "")),
        modified_ns=nanoseconds(str(value.get("modifiedAt") or value.get("modTime") or "")),
        owner=str(value.get("owner") or ""),
        group=str(value.get("group") or ""),
    )


def _letters(mode: str) -> int:
    return sum(0o400 >> place for place, letter in enumerate(mode[-9:]) if letter != "-")


_TIME = re.compile(r"(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d:\d\d)(?:\.(\d{1,9}))? ?(Z|[+-]\d\d:?\d\d)?")


def nanoseconds(text: str) -> int:
    """Unix nanoseconds of a time in RFC 3339 or Go's own notation; 0 when it is neither."""
    found = _TIME.match(text)
    if not found:
        return 0
    day, clock, fraction, zone = found.groups()
    # fromisoformat reads a day and a time three times as fast as strptime; listings hold hundreds.
    moment = datetime.fromisoformat(f"{day}T{clock}{'+00:00' if zone in (None, 'Z') else zone}")
    return int(moment.timestamp()) * 1_000_000_000 + int((fraction or "").ljust(9, "0"))


def _matches(body: bytes, _headers: Headers) -> tuple[TextMatch, ...]:
    return tuple(
        TextMatch(path=each["file"], line=int(each["line"]), content=each["content"]) for each in json_of(body) or ()
    )


def _search(body: bytes, _headers: Headers) -> tuple[str, ...]:
    return tuple(json_of(body)["files"] or ())


def _replaced(body: bytes, _headers: Headers) -> tuple[Replaced, ...]:
    return tuple(
        Replaced(path=each.get("file", ""), success=bool(each.get("success")), error=each.get("error") or "")
        for each in json_of(body) or ()
    )


_DECODERS: Mapping[str, Callable[[bytes, Headers], Any]] = {
    "sandbox.create": _sandbox,
    "sandbox.get": _sandbox,
    "sandbox.start": _sandbox,
    "sandbox.stop": _sandbox,
    "sandbox.archive": _sandbox,
    "sandbox.delete": _sandbox,
    "sandbox.interval": _sandbox,
    "sandbox.list": _sandboxes,
    "sandbox.labels": _labels,
    "sandbox.preview": _preview,
    "sandbox.ssh": _mapping,
    "sandbox.work_dir": _directory,
    "sandbox.home_dir": _directory,
    "fs.info": _file,
    "fs.list": _files,
    "fs.find": _matches,
    "fs.search": _search,
    "fs.replace": _replaced,
    **processes.DECODERS,
    **git.DECODERS,
}
