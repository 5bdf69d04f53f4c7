"""Commands, sessions, terminals and interpreter contexts in Daytona's answers."""

from collections.abc import Callable, Mapping
from typing import Any

from crossfade.operation import Operation
from crossfade.results import CommandInfo, ContextInfo, ExecResult, PtyInfo, SessionExec, SessionInfo, SessionLogs
from router.backends.daytona.values import Headers, json_of


def _executed(body: bytes, _headers: Headers) -> ExecResult:
    value = json_of(body)
    code = value.get("exitCode", value.get("code", 0))
    return ExecResult(exit_code=int(code or 0), output=str(value.get("result") or "").encode("utf-8", "replace"))


def _sessions(body: bytes, _headers: Headers) -> tuple[SessionInfo, ...]:
    return tuple(_session_info(each) for each in json_of(body) or ())


def _session(body: bytes, _headers: Headers) -> SessionInfo:
    return _session_info(json_of(body))


def _session_info(value: Mapping[str, Any]) -> SessionInfo:
    commands = tuple(_command_info(each) for each in value.get("commands") or ())
    return SessionInfo(id=value["sessionId"], commands=commands)


def _command(body: bytes, _headers: Headers) -> CommandInfo:
    return _command_info(json_of(body))


def _command_info(value: Mapping[str, Any]) -> CommandInfo:
    code = value.get("exitCode")
    return CommandInfo(id=value["id"], command=value["command"], exit_code=None if code is None else int(code))


def _session_executed(body: bytes, _headers: Headers) -> SessionExec:
    value = json_of(body)
    code = value.get("exitCode")
    if code is None and value.get("output") is None:
        return SessionExec(command_id=value.get("cmdId") or "")
    output = str(value.get("output") or "").encode("utf-8", "replace")
    return SessionExec(command_id=value.get("cmdId") or "", marked=output, exit_code=code)


def _logs(body: bytes, headers: Headers) -> SessionLogs:
    if headers.get(b"content-type", b"").startswith(b"application/json"):
        value = json_of(body)
        if isinstance(value, dict):
            return SessionLogs(marked=str(value.get("output") or "").encode("utf-8", "replace"))
    return SessionLogs(marked=body)


def _ptys(body: bytes, _headers: Headers) -> tuple[PtyInfo, ...]:
    return tuple(_pty_info(each) for each in json_of(body)["sessions"] or ())


def _pty(body: bytes, _headers: Headers) -> PtyInfo:
    return _pty_info(json_of(body))


def pty_created(operation: Operation, body: bytes) -> PtyInfo:
    """A new terminal."""
    # The answer names the id only; the rest is as it was asked for.
    asked = operation.arguments
    return PtyInfo(
        id=json_of(body)["sessionId"],
        cwd=asked.get("cwd") or "",
        env=dict(asked.get("env") or {}),
        cols=asked.get("cols") or 80,
        rows=asked.get("rows") or 24,
    )


def _pty_info(value: Mapping[str, Any]) -> PtyInfo:
    return PtyInfo(
        id=value["id"],
        cwd=value.get("cwd") or "",
        env=dict(value.get("envs") or {}),
        cols=int(value.get("cols") or 80),
        rows=int(value.get("rows") or 24),
        created_at=value.get("createdAt") or "",
        active=bool(value.get("active")),
    )


def _contexts(body: bytes, _headers: Headers) -> tuple[ContextInfo, ...]:
    return tuple(_context_info(each) for each in json_of(body).get("contexts") or ())


def _context(body: bytes, _headers: Headers) -> ContextInfo:
    return _context_info(json_of(body))


def _context_info(value: Mapping[str, Any]) -> ContextInfo:
    return ContextInfo(
        id=value["id"],
        cwd=value.get("cwd") or "",
        language=value.get("language") or "python",
        created_at=value.get("createdAt") or "",
        active=bool(value.get("active")),
    )


DECODERS: Mapping[str, Callable[[bytes, Headers], Any]] = {
    "process.exec": _executed,
    "process.code": _executed,
    "session.list": _sessions,
    "session.get": _session,
    "session.exec": _session_executed,
    "session.command": _command,
    "session.logs": _logs,
    "pty.list": _ptys,
    "pty.get": _pty,
    "pty.resize": _pty,
    "interpreter.create": _context,
    "interpreter.list": _contexts,
}
