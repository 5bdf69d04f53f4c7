"""Objects of the Daytona API, made from results."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from crossfade.results import (
    CommandInfo,
    ContextInfo,
    ExecResult,
    FileInfo,
    PtyInfo,
    SandboxInfo,
    SessionExec,
    SessionInfo,
)
from router.front.daytona import artifacts, marks
from router.front.daytona.dialect import Dialect

DESIRED = frozenset({"started", "stopped", "archived", "destroyed"})
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_KIND_DIRECTORY, _TYPE_BITS = "d", "-"
API_VERSION = "0.205.1"  # the description of the API that these objects follow


def text(data: bytes) -> str:
    """Bytes as JSON can carry them: what is not UTF-8 becomes U+FFFD."""
    return data.decode("utf-8", "replace")


def sandbox(info: SandboxInfo, dialect: Dialect, public_url: str) -> dict[str, Any]:
    """A sandbox, with every field any SDK requires."""
    state = dialect.state(info.state)
    described: dict[str, Any] = {
        "id": info.id,
        "organizationId": info.organization,
        "name": info.name or info.id,
        "snapshot": info.snapshot,
        "user": info.user or "root",
        "env": dict(info.env),
        "labels": dict(info.labels),
        "public": info.public,
        "networkBlockAll": False,
        "target": info.target or "us",
        "cpu": info.cpu,
        "gpu": info.gpu,
        "memory": info.memory_gib,
        "disk": info.disk_gib,
        "kvm": False,
        "state": state,
        "autoStopInterval": info.auto_stop_minutes,
        "autoArchiveInterval": info.auto_archive_minutes,
        "autoDeleteInterval": info.auto_delete_minutes,
        "backupState": "None",
        "volumes": [],
        "createdAt": info.created_at,
        "updatedAt": info.updated_at or info.created_at,
        "toolboxProxyUrl": toolbox_url(public_url),
    }
    if state in DESIRED:
        described["desiredState"] = state
    if info.error_reason:
        described["errorReason"] = info.error_reason
    return described


def toolbox_url(public_url: str) -> str:
    """Where SDKs find the toolbox of any sandbox: they add the id."""
    return f"{public_url}/toolbox"


def config(public_url: str) -> dict[str, Any]:
    """The answer of GET /config; SDKs check every one of these fields."""
    return {
        "version": API_VERSION,
        "oidc": {"issuer": f"{public_url}/oidc", "clientId": "crossfade", "audience": "crossfade"},
        "linkedAccountsEnabled": False,
        "announcements": {},
        "proxyTemplateUrl": public_url,
        "proxyToolboxUrl": toolbox_url(public_url),
        "defaultSnapshot": "local",
        "dashboardUrl": public_url,
        "maxAutoArchiveInterval": 43_200,
        "maintananceMode": False,
        "environment": "local",
    }


def file(info: FileInfo) -> dict[str, Any]:
    """A file as the daemon describes it: Go's notation of mode and time beside the plain ones."""
    return {
        "name": info.name,
        "isDir": info.is_dir,
        "size": info.size,
        "mode": _go_mode(info),
        "permissions": f"{info.mode & 0o7777:04o}",
        "modTime": _go_time(info.modified_ns),
        "modifiedAt": _rfc3339(info.modified_ns),
        "owner": info.owner,
        "group": info.group,
    }


def executed(result: ExecResult) -> dict[str, Any]:
    return {"exitCode": result.exit_code, "result": text(result.output)}


def session(info: SessionInfo) -> dict[str, Any]:
    return {"sessionId": info.id, "commands": [command(each) for each in info.commands]}


def command(info: CommandInfo) -> dict[str, Any]:
    described: dict[str, Any] = {"id": info.id, "command": info.command}
    return described if info.exit_code is None else described | {"exitCode": info.exit_code}


def session_executed(result: SessionExec, dialect: Dialect) -> dict[str, Any]:
    """A session command's answer: marked, stripped or split, as the client's version expects."""
    answer: dict[str, Any] = {
        "cmdId": result.command_id,
        "output": None,
        "stdout": None,
        "stderr": None,
        "exitCode": result.exit_code,
    }
    if result.marked is None:
        return answer
    answer["output"] = text(result.marked if dialect.marked or dialect.split else marks.strip(result.marked))
    if dialect.split:
        stdout, stderr = marks.split(result.marked)
        answer |= {"stdout": text(stdout), "stderr": text(stderr)}
    return answer


def pty(info: PtyInfo) -> dict[str, Any]:
    return {
        "id": info.id,
        "cwd": info.cwd,
        "envs": dict(info.env),
        "cols": info.cols,
        "rows": info.rows,
        "createdAt": info.created_at,
        "active": info.active,
        "lazyStart": not info.active,
    }


def context(info: ContextInfo) -> dict[str, Any]:
    return {
        "id": info.id,
        "cwd": info.cwd,
        "language": info.language,
        "createdAt": info.created_at,
        "active": info.active,
    }


def code_executed(result: ExecResult) -> dict[str, Any]:
    output, charts = artifacts.split(result.output)
    return {"exitCode": result.exit_code, "result": text(output), "artifacts": {"charts": charts}}


def preview(sandbox_id: str, url: str, token: str) -> Mapping[str, str]:
    return {"sandboxId": sandbox_id, "url": url, "token": token}


def _go_mode(info: FileInfo) -> str:
    letters = "".join(letter if info.mode & (0o400 >> place) else "-" for place, letter in enumerate("rwxrwxrwx"))
    return (_KIND_DIRECTORY if info.is_dir else _TYPE_BITS) + letters


def _moment(nanoseconds: int) -> tuple[datetime, str]:
    seconds, rest = divmod(nanoseconds, 1_000_000_000)
    fraction = f".{rest:09d}".rstrip("0") if rest else ""
    return _EPOCH + timedelta(seconds=seconds), fraction


def _go_time(nanoseconds: int) -> str:
    moment, fraction = _moment(nanoseconds)
    return f"{moment:%Y-%m-%d %H:%M:%S}{fraction} +0000 UTC"


def _rfc3339(nanoseconds: int) -> str:
    moment, fraction = _moment(nanoseconds)
    return f"{moment:%Y-%m-%dT%H:%M:%S}{fraction}Z"
