"""Outcomes as plain data: what is compared of them, in terms that cross a process boundary."""

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import asdict
from typing import Any

from comparators.redact import masked
from crossfade.outcome import Outcome
from crossfade.results import (
    CommandInfo,
    Content,
    ContentDigest,
    ExecResult,
    FileInfo,
    GitBranches,
    GitCommit,
    GitCommitted,
    GitConfig,
    GitRemote,
    GitStatus,
    PreviewLink,
    PtyInfo,
    Replaced,
    SandboxInfo,
    SessionExec,
    SessionInfo,
    SessionLogs,
    TextMatch,
)

NO_NAMES: Mapping[str, str] = {}


def plain(
    operation: str, outcome: Outcome, *, secrets: Collection[str] = (), names: Mapping[str, str] = NO_NAMES
) -> dict[str, Any]:
    """What there is to compare of an outcome: dicts, lists, scalars and bytes.

    `secrets` are values known to be secret for this call; they are replaced at once. `names` are this side's own
    names for things (host, home, sandbox id, preview host) and the placeholder that both sides share.
    A Content must have become a ContentDigest before: comparing must not consume the client's answer.
    """
    compared = {
        "status": outcome.status,
        "fate": str(outcome.fate),
        "code": outcome.code,
        "message": outcome.message,
        "value": _fields(operation, outcome.value),
    }
    hidden: dict[str, Any] = masked(compared, secrets) if secrets else compared
    # Left out when there are none, so that most equal answers are equal as they stand.
    return {**hidden, "names": dict(names)} if names else hidden


def _fields(operation: str, value: Any) -> dict[str, Any]:
    match value:
        case None:
            return {}
        case ExecResult():
            return {"exit_code": value.exit_code, "output": value.output}
        case SessionExec():
            return {"command_id": value.command_id, "output": value.marked, "exit_code": value.exit_code}
        case SessionLogs():
            return {"output": value.marked}
        case ContentDigest():
            return {"content": _flat(value)}
        case Content():
            raise TypeError(f"{operation}: digest the content first (router.compare.capture), its stream is read once")
        case CommandInfo():
            return _command(value)
        case SessionInfo():
            return _session(value)
        case PreviewLink():
            # A token is a key to the sandbox: only whether there is one may leave this function.
            return {"url": bool(value.url), "token": bool(value.token)}
        case SandboxInfo():
            return _sandbox(value)
        case PtyInfo():
            return _pty(value)
        case FileInfo():
            return _flat(value)
        case GitStatus():
            return asdict(value)
        case GitBranches():
            return {"names": dict.fromkeys(value.names, True), "current": value.current}
        case GitCommit() | GitCommitted() | GitRemote():
            return _flat(value)
        case GitConfig():
            # A setting may hold a key: whether it is the same is all that matters.
            return {"value": None if value.value is None else _digest(value.value)}
        case str():
            return {"path": value}
        case tuple() | list():
            return {"entries": [_row(operation, entry) for entry in value]}
        case Mapping():
            return {"fields": dict(value)}
        case _:
            raise TypeError(f"{operation}: no plain form for {type(value).__name__}; add it to comparators/plain.py")


def _flat(value: ContentDigest | FileInfo | GitCommit | GitCommitted | GitRemote) -> dict[str, Any]:
    """As asdict does it, without its deep copies: every field is a scalar, and every compared call comes through."""
    return {name: getattr(value, name) for name in value.__slots__}


def _row(operation: str, entry: Any) -> dict[str, Any]:
    return asdict(entry) if isinstance(entry, TextMatch | Replaced) else _fields(operation, entry)


def _command(command: CommandInfo) -> dict[str, Any]:
    # The text of a command may hold keys, and is the client's own: whether it is the same is all that matters.
    return {"id": command.id, "command": _digest(command.command), "exit_code": command.exit_code}


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()[:12]


def _session(session: SessionInfo) -> dict[str, Any]:
    return {"id": session.id, "commands": [_command(command) for command in session.commands]}


def _sandbox(sandbox: SandboxInfo) -> dict[str, Any]:
    # Environment values and the provider's own object never enter a comparison.
    return {
        "id": sandbox.id,
        "state": sandbox.state,
        "public": sandbox.public,
        "labels": dict(sandbox.labels),
        "env_names": dict.fromkeys(sandbox.env, True),
    }


def _pty(pty: PtyInfo) -> dict[str, Any]:
    return {
        "id": pty.id,
        "cwd": pty.cwd,
        "env_names": dict.fromkeys(pty.env, True),
        "cols": pty.cols,
        "rows": pty.rows,
        "active": pty.active,
    }
