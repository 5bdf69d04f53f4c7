"""Responses: from outcomes to Daytona's wire, in the shapes the client's SDK version expects."""

import json
import secrets
import urllib.parse
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from crossfade.operation import Operation
from crossfade.outcome import Outcome
from crossfade.results import Content, ContextInfo, PtyInfo, Replaced, SandboxInfo, SessionInfo, SessionLogs, TextMatch
from router.front.daytona import git, marks, objects
from router.front.daytona.dialect import Dialect
from router.front.daytona.errors import error_body
from router.front.daytona.routes import Route

_JSON = b"application/json; charset=utf-8"
_DEFAULT_PAGE = 100


@dataclass(slots=True)
class Response:
    """An answer ready to be sent; a body that is a stream is read once."""

    status: int
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    body: bytes | AsyncIterator[bytes] = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """What a response depends on besides the outcome: who asks, and how."""

    route: Route
    dialect: Dialect
    public_url: str  # ours, as the client reaches it; no trailing slash
    method: str = ""
    path: str = ""


def render(operation: Operation, outcome: Outcome, asking: Asking) -> Response:
    """The answer to one operation. A Content inside the outcome becomes the body and must be read."""
    if not outcome.ok:
        response = refusal(outcome.status, outcome.message, asking, code=outcome.code)
        if outcome.status == 416 and isinstance(outcome.value, str):
            response.headers.append((b"content-range", outcome.value.encode("latin-1")))
        return response
    return _RENDERERS.get(operation.name, _empty)(operation, outcome, asking)


def refusal(status: int, message: str, asking: Asking, *, code: str = "") -> Response:
    """An error in the format of the plane that was asked."""
    body = error_body(
        asking.route.plane,
        status,
        message,
        code=code,
        path=asking.path,
        method=asking.method,
        pty=asking.route.operation.startswith("pty."),
    )
    return Response(status, [(b"content-type", _JSON)], body)


def json_response(value: Any, status: int = 200) -> Response:
    """A JSON answer."""
    return Response(
        status, [(b"content-type", _JSON)], json.dumps(value, ensure_ascii=False).encode("utf-8", "replace")
    )


def uploaded(results: Sequence[tuple[Operation, Outcome, int]], asking: Asking) -> Response:
    """The answer to an upload of any number of files: what was written, and what was not (operation, outcome, size)."""
    failed = [(operation, outcome) for operation, outcome, _ in results if not outcome.ok]
    written = [
        {"path": operation.arguments["path"], "bytes": size} for operation, outcome, size in results if outcome.ok
    ]
    if not failed:
        path = str(results[0][0].arguments["path"])
        match asking.route.kind:
            case "bulk_upload" if asking.dialect.upload_report:
                return json_response({"files": written})
            case "upload_v2":
                return json_response({"name": path.rstrip("/").rpartition("/")[2], "path": path, "type": "file"})
            case _:
                return Response(200)
    if asking.route.kind != "bulk_upload":
        return refusal(failed[0][1].status, failed[0][1].message, asking, code=failed[0][1].code)
    errors = [f"{operation.arguments['path']}: {outcome.message}" for operation, outcome in failed]
    # A batch fails as a bad request, whatever the single reason; one that says the origin is down must not.
    worst = max(outcome.status for _, outcome in failed)
    status = worst if worst >= 500 else 400
    return json_response(
        {"errors": errors, "files": written, "message": "; ".join(errors), "statusCode": status}, status
    )


def downloaded(operations: Sequence[Operation], perform: "Fetch", asking: Asking) -> Response:
    """The answer to a bulk download: one part per file, fetched one after the other while the answer is read."""
    # The daemon's own boundary is always the same, so that a file that holds it breaks the answer. SDKs take any.
    boundary = b"DAYTONA-FILE-BOUNDARY-" + secrets.token_hex(12).encode()
    content_type = b"multipart/form-data; boundary=" + boundary
    return Response(200, [(b"content-type", content_type)], _parts(operations, perform, asking, boundary))


Fetch = Callable[[Operation], Any]  # an awaitable of Outcome


async def _parts(
    operations: Sequence[Operation], perform: "Fetch", asking: Asking, boundary: bytes
) -> AsyncIterator[bytes]:
    for operation in operations:
        outcome: Outcome = await perform(operation)
        path = str(operation.arguments["path"])
        if not outcome.ok:
            headers, body = _error_part(outcome, asking, path)
            yield _part_head(boundary, "error", path, asking.dialect) + headers + b"\r\n" + body
            continue
        content = outcome.value
        size = content.size if isinstance(content, Content) else None
        length = b"" if size is None else b"Content-Length: %d\r\n" % size
        head = _part_head(boundary, "file", path, asking.dialect)
        yield head + b"Content-Type: application/octet-stream\r\n" + length + b"\r\n"
        if isinstance(content, Content):
            try:
                async for chunk in content.stream:
                    yield chunk
            finally:
                # A client that leaves in the middle must not leave the origin talking to nobody.
                if close := getattr(content.stream, "aclose", None):
                    await close()
        yield b"\r\n"
    yield b"--" + boundary + b"--\r\n"


def _error_part(outcome: Outcome, asking: Asking, path: str) -> tuple[bytes, bytes]:
    if not asking.dialect.typed_errors:
        # SDKs before typed errors show the part's text as it is.
        return b"Content-Type: text/plain; charset=utf-8\r\n", (
            outcome.message or str(outcome.status)
        ).encode() + b"\r\n"
    body = error_body(
        "toolbox", outcome.status, outcome.message, code=outcome.code, path=asking.path, method=asking.method
    )
    return b"Content-Type: application/json\r\n", body + b"\r\n"


def _part_head(boundary: bytes, name: str, path: str, dialect: Dialect) -> bytes:
    # SDKs find the file by this name, so it must be the path they sent; they differ in how they read it.
    quoted = path.replace("\\", "\\\\").replace('"', '\\"')
    if not dialect.typed_errors and '"' not in path and not path.endswith("\\"):
        quoted = path  # these take a backslash for an escape only where one stands before a quote
    escaped = quoted.replace("\r", "%0D").replace("\n", "%0A")
    disposition = f'form-data; name="{name}"; filename="{escaped}"'
    if not path.isascii():
        disposition += f"; filename*=UTF-8''{urllib.parse.quote(path, safe='', errors='surrogateescape')}"
    head = f"Content-Disposition: {disposition}\r\n".encode("utf-8", "surrogateescape")
    return b"--" + boundary + b"\r\n" + head


# One per operation that answers with a body...


def _empty(_operation: Operation, outcome: Outcome, _asking: Asking) -> Response:
    return Response(outcome.status)


def _sandbox(_operation: Operation, outcome: Outcome, asking: Asking) -> Response:
    info: SandboxInfo = outcome.value
    # The control plane answers 200 whatever a backend calls it: SDKs up to 0.21 check.
    return json_response(objects.sandbox(info, asking.dialect, asking.public_url))


def _sandboxes(operation: Operation, outcome: Outcome, asking: Asking) -> Response:
    infos: Sequence[SandboxInfo] = outcome.value
    items = [objects.sandbox(info, asking.dialect, asking.public_url) for info in infos]
    arguments = operation.arguments
    limit = int(arguments.get("limit") or _DEFAULT_PAGE)
    if asking.route.kind == "list_paginated":
        page = int(arguments.get("page") or 1)
        start = (page - 1) * limit
        pages = -(-len(items) // limit)
        shown = items[start : start + limit]
        return json_response({"items": shown, "total": len(items), "page": page, "totalPages": pages})
    if not asking.dialect.cursor_lists:
        return json_response(items)
    start = _cursor(arguments)
    end = start + limit
    return json_response({"items": items[start:end], "nextCursor": str(end) if end < len(items) else None})


def _cursor(arguments: Mapping[str, Any]) -> int:
    text = str(arguments.get("cursor") or "0")
    return int(text) if text.isdecimal() else 0


def _labels(_operation: Operation, outcome: Outcome, _asking: Asking) -> Response:
    return json_response({"labels": dict(outcome.value or {})})


def _preview(operation: Operation, outcome: Outcome, asking: Asking) -> Response:
    return json_response(objects.preview(asking.route.sandbox, outcome.value.url, outcome.value.token))


def _mapping(_operation: Operation, outcome: Outcome, _asking: Asking) -> Response:
    return Response(outcome.status) if outcome.value is None else json_response(dict(outcome.value), outcome.status)


def _directory(_operation: Operation, outcome: Outcome, _asking: Asking) -> Response:
    return json_response({"dir": outcome.value})


def _file(_operation: Operation, outcome: Outcome, _asking: Asking) -> Response:
    return json_response(objects.file(outcome.value))


def _files(operation: Operation, outcome: Outcome, _asking: Asking) -> Response:
    if "depth" in operation.arguments:  # of several levels, names do not tell which
        return json_response([objects.file(info) | {"path": info.path} for info in outcome.value])
    return json_response([objects.file(info) for info in outcome.value])


def _content(_operation: Operation, outcome: Outcome, _asking: Asking) -> Response:
    if outcome.status == 304:
        return Response(304)
    content: Content = outcome.value
    headers = [(b"content-type", b"application/octet-stream"), (b"accept-ranges", b"bytes")]
    if content.size is not None:
        headers.append((b"content-length", b"%d" % content.size))
    if content.part:
        headers.append((b"content-range", content.part.encode("latin-1")))
    if content.modified:
        headers.append((b"last-modified", content.modified.encode("latin-1")))
    return Response(206 if content.part else 200, headers, content.stream)


def _matches(_operation: Operation, outcome: Outcome, _asking: Asking) -> Response:
    found: Sequence[TextMatch] = outcome.value
    return json_response([{"file": each.path, "line": each.line, "content": each.content} for each in found])


def _search(_operation: Operation, outcome: Outcome, _asking: Asking) -> Response:
    return json_response({"files": list(outcome.value)})


def _replaced(_operation: Operation, outcome: Outcome, _asking: Asking) -> Response:
    files: Sequence[Replaced] = outcome.value
    return json_response(
        [{"file": each.path, "success": each.success} | ({"error": each.error} if each.error else {}) for each in files]
    )


def _executed(_operation: Operation, outcome: Outcome, _asking: Asking) -> Response:
    return json_response(objects.executed(outcome.value))


def _code(_operation: Operation, outcome: Outcome, _asking: Asking) -> Response:
    return json_response(objects.code_executed(outcome.value))


def _sessions(_operation: Operation, outcome: Outcome, _asking: Asking) -> Response:
    sessions: Sequence[SessionInfo] = outcome.value
    return json_response([objects.session(info) for info in sessions])


def _session(_operation: Operation, outcome: Outcome, _asking: Asking) -> Response:
    return json_response(objects.session(outcome.value))


def _session_executed(_operation: Operation, outcome: Outcome, asking: Asking) -> Response:
    return json_response(objects.session_executed(outcome.value, asking.dialect), outcome.status)


def _command(_operation: Operation, outcome: Outcome, _asking: Asking) -> Response:
    return json_response(objects.command(outcome.value))


def _logs(_operation: Operation, outcome: Outcome, asking: Asking) -> Response:
    logs: SessionLogs = outcome.value
    if asking.dialect.split:
        stdout, stderr = marks.split(logs.marked)
        output = {"output": objects.text(logs.marked), "stdout": objects.text(stdout), "stderr": objects.text(stderr)}
        return json_response(output)
    shown = logs.marked if asking.dialect.marked else marks.strip(logs.marked)
    return Response(200, [(b"content-type", b"text/plain; charset=utf-8")], shown)


def _pty_created(operation: Operation, _outcome: Outcome, _asking: Asking) -> Response:
    return json_response({"sessionId": operation.arguments["pty"]}, 201)


def _ptys(_operation: Operation, outcome: Outcome, _asking: Asking) -> Response:
    ptys: Sequence[PtyInfo] = outcome.value
    return json_response({"sessions": [objects.pty(info) for info in ptys]})


def _pty(_operation: Operation, outcome: Outcome, _asking: Asking) -> Response:
    return json_response(objects.pty(outcome.value))


def _context(_operation: Operation, outcome: Outcome, _asking: Asking) -> Response:
    return json_response(objects.context(outcome.value))


def _contexts(_operation: Operation, outcome: Outcome, _asking: Asking) -> Response:
    infos: Sequence[ContextInfo] = outcome.value
    return json_response({"contexts": [objects.context(info) for info in infos]})


def _context_deleted(_operation: Operation, _outcome: Outcome, _asking: Asking) -> Response:
    return json_response({"message": "Context deleted successfully"})


def _object(describe: Callable[[Any], Any]) -> Callable[[Operation, Outcome, Asking], Response]:
    return lambda _operation, outcome, _asking: json_response(describe(outcome.value))


_RENDERERS: Mapping[str, Callable[[Operation, Outcome, Asking], Response]] = {
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
    "fs.download": _content,
    "fs.find": _matches,
    "fs.search": _search,
    "fs.replace": _replaced,
    "process.exec": _executed,
    "process.code": _code,
    "session.list": _sessions,
    "session.get": _session,
    "session.exec": _session_executed,
    "session.command": _command,
    "session.logs": _logs,
    "pty.create": _pty_created,
    "pty.list": _ptys,
    "pty.get": _pty,
    "pty.resize": _pty,
    "interpreter.create": _context,
    "interpreter.list": _contexts,
    "interpreter.delete": _context_deleted,
    **{name: _object(describe) for name, describe in git.OBJECTS.items()},
}
