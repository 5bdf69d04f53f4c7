"""Operations: API calls free of any provider's wire format."""

from collections.abc import AsyncIterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Any


class Effect(StrEnum):
    """What a call may do to the sandbox it names."""

    READ = "read"
    WRITE = "write"  # sandbox-local, repeatable
    EXECUTE = "execute"  # runs code: local, external or unknown


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationKind:
    """What is known of an operation before any call of it is made."""

    name: str
    effect: Effect
    tool: str  # the tool a call belongs to when nothing says otherwise
    paths: tuple[str, ...] = ()  # arguments that name the files the call observes or changes
    bounded: bool = False  # touches just those paths, so a follower may answer it (twins.md §1)
    handle: str = ""  # argument whose value lives where it was made: session, pty
    stream: bool = False  # answered over a websocket


def _kinds(*kinds: OperationKind) -> Mapping[str, OperationKind]:
    return MappingProxyType({kind.name: kind for kind in kinds})


_READ, _WRITE, _EXECUTE = Effect.READ, Effect.WRITE, Effect.EXECUTE

# Argument names are part of the contract between fronts and backends; they stand beside each operation.
OPERATIONS: Mapping[str, OperationKind] = _kinds(
    # Sandbox lifecycle. create: snapshot, image, name, env, labels, public, target, user, auto_stop_minutes,
    # auto_archive_minutes, auto_delete_minutes, cpu, memory, disk, metadata, needs (names of what not
    # every provider has) -> SandboxInfo
    OperationKind(name="sandbox.create", effect=_WRITE, tool="lifecycle"),
    OperationKind(name="sandbox.get", effect=_READ, tool="lifecycle"),  # -> SandboxInfo
    OperationKind(name="sandbox.list", effect=_READ, tool="lifecycle"),  # labels, limit -> tuple[SandboxInfo, ...]
    OperationKind(name="sandbox.start", effect=_EXECUTE, tool="lifecycle"),  # -> SandboxInfo
    OperationKind(name="sandbox.stop", effect=_EXECUTE, tool="lifecycle"),  # -> SandboxInfo
    OperationKind(name="sandbox.archive", effect=_EXECUTE, tool="lifecycle"),  # -> SandboxInfo
    OperationKind(name="sandbox.delete", effect=_EXECUTE, tool="lifecycle"),  # -> SandboxInfo
    OperationKind(name="sandbox.labels", effect=_WRITE, tool="lifecycle"),  # labels -> Mapping[str, str]
    OperationKind(name="sandbox.interval", effect=_WRITE, tool="lifecycle"),  # kind, minutes -> SandboxInfo
    OperationKind(name="sandbox.preview", effect=_READ, tool="expose"),  # port -> PreviewLink
    OperationKind(name="sandbox.ssh", effect=_EXECUTE, tool="lifecycle"),  # verb, minutes -> Mapping
    OperationKind(name="sandbox.work_dir", effect=_READ, tool="lifecycle"),  # -> str
    OperationKind(name="sandbox.home_dir", effect=_READ, tool="lifecycle"),  # -> str
    # Files. Paths are as the client wrote them.
    OperationKind(name="fs.info", effect=_READ, tool="files", paths=("path",), bounded=True),  # -> FileInfo
    # depth: levels, left out where it is one -> tuple[FileInfo, ...]
    OperationKind(name="fs.list", effect=_READ, tool="files", paths=("path",), bounded=True),
    # range, if_range: headers of those names, as they came -> Content
    OperationKind(name="fs.download", effect=_READ, tool="files", paths=("path",), bounded=True),
    OperationKind(name="fs.upload", effect=_WRITE, tool="files", paths=("path",), bounded=True),  # body -> None
    OperationKind(name="fs.mkdir", effect=_WRITE, tool="files", paths=("path",), bounded=True),  # mode (str) -> None
    OperationKind(name="fs.delete", effect=_WRITE, tool="files", paths=("path",), bounded=True),  # recursive -> None
    OperationKind(name="fs.chmod", effect=_WRITE, tool="files", paths=("path",), bounded=True),  # mode, owner, group
    OperationKind(name="fs.move", effect=_WRITE, tool="files", paths=("source", "destination")),  # -> None
    OperationKind(name="fs.find", effect=_READ, tool="files"),  # path, pattern -> tuple[TextMatch, ...]
    OperationKind(name="fs.search", effect=_READ, tool="files"),  # path, pattern -> tuple[str, ...]
    OperationKind(name="fs.replace", effect=_WRITE, tool="files"),  # files, pattern, new_value -> tuple[Replaced, ...]
    # Processes. exec: command, cwd, env, timeout (s, None = none) -> ExecResult
    OperationKind(name="process.exec", effect=_EXECUTE, tool="shell"),
    OperationKind(name="process.code", effect=_EXECUTE, tool="shell"),  # code, language, argv, env, timeout
    OperationKind(name="session.create", effect=_EXECUTE, tool="shell", handle="session"),  # -> None
    OperationKind(name="session.list", effect=_READ, tool="shell"),  # -> tuple[SessionInfo, ...]
    OperationKind(name="session.get", effect=_READ, tool="shell", handle="session"),  # -> SessionInfo
    OperationKind(name="session.delete", effect=_EXECUTE, tool="shell", handle="session"),  # -> None
    # session.exec: command, run_async, quiet_input (what it is sent as input is not shown in its log) -> SessionExec
    OperationKind(name="session.exec", effect=_EXECUTE, tool="shell", handle="session"),
    OperationKind(name="session.command", effect=_READ, tool="shell", handle="session"),  # command_id -> CommandInfo
    OperationKind(name="session.logs", effect=_READ, tool="shell", handle="session"),  # command_id -> SessionLogs
    OperationKind(name="session.follow", effect=_READ, tool="shell", handle="session", stream=True),  # command_id
    OperationKind(name="session.input", effect=_EXECUTE, tool="shell", handle="session"),  # command_id, data
    OperationKind(name="pty.create", effect=_EXECUTE, tool="shell", handle="pty"),  # cols, rows, cwd, env -> PtyInfo
    OperationKind(name="pty.list", effect=_READ, tool="shell"),  # -> tuple[PtyInfo, ...]
    OperationKind(name="pty.get", effect=_READ, tool="shell", handle="pty"),  # -> PtyInfo
    OperationKind(name="pty.delete", effect=_EXECUTE, tool="shell", handle="pty"),  # -> None
    OperationKind(name="pty.resize", effect=_EXECUTE, tool="shell", handle="pty"),  # cols, rows -> PtyInfo
    OperationKind(name="pty.connect", effect=_EXECUTE, tool="shell", handle="pty", stream=True),
    # Interpreter contexts. Their ids are made by the side they live on, which is the seat.
    OperationKind(name="interpreter.create", effect=_EXECUTE, tool="shell"),  # cwd, language -> ContextInfo
    OperationKind(name="interpreter.list", effect=_READ, tool="shell"),  # -> tuple[ContextInfo, ...]
    OperationKind(name="interpreter.delete", effect=_EXECUTE, tool="shell"),  # context -> None
    # A channel: the first message sent is the request, output is Daytona's messages, JSON each.
    OperationKind(name="interpreter.execute", effect=_EXECUTE, tool="shell", stream=True),
    # Git, run in the sandbox. What reaches another machine, or cannot be made twice the same, counts as execute.
    # clone: url, path, branch, commit, username, password, depth, skip_tls -> None
    OperationKind(name="git.clone", effect=_EXECUTE, tool="shell"),
    OperationKind(name="git.init", effect=_WRITE, tool="shell"),  # path, bare, initial_branch -> None
    OperationKind(name="git.status", effect=_READ, tool="shell"),  # path -> GitStatus
    OperationKind(name="git.branches", effect=_READ, tool="shell"),  # path -> GitBranches
    OperationKind(name="git.history", effect=_READ, tool="shell"),  # path -> tuple[GitCommit, ...], newest first
    OperationKind(name="git.remotes", effect=_READ, tool="shell"),  # path -> tuple[GitRemote, ...]
    OperationKind(name="git.config", effect=_READ, tool="shell"),  # key, scope, path -> GitConfig
    OperationKind(name="git.add", effect=_WRITE, tool="shell"),  # path, files -> None
    OperationKind(name="git.commit", effect=_EXECUTE, tool="shell"),  # path, message, author, email, allow_empty
    OperationKind(name="git.branch_create", effect=_WRITE, tool="shell"),  # path, name; checks it out -> None
    OperationKind(name="git.branch_delete", effect=_WRITE, tool="shell"),  # path, name -> None
    OperationKind(name="git.checkout", effect=_EXECUTE, tool="shell"),  # path, branch (or a commit) -> None
    OperationKind(name="git.reset", effect=_EXECUTE, tool="shell"),  # path, mode, target, files -> None
    OperationKind(name="git.restore", effect=_EXECUTE, tool="shell"),  # path, files, staged, worktree, source -> None
    # push: path, username, password, branch, remote, set_upstream -> None; pull: the same but set_upstream
    OperationKind(name="git.push", effect=_EXECUTE, tool="shell"),
    OperationKind(name="git.pull", effect=_EXECUTE, tool="shell"),
    OperationKind(name="git.remote_add", effect=_EXECUTE, tool="shell"),  # path, name, url, fetch, overwrite -> None
    OperationKind(name="git.config_set", effect=_WRITE, tool="shell"),  # key, value, scope, path -> None
    OperationKind(name="git.user", effect=_WRITE, tool="shell"),  # name, email, scope, path -> None
    OperationKind(name="git.credentials", effect=_EXECUTE, tool="shell"),  # username, password, host, protocol -> None
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One call. `sandbox` is the id known to whoever performs it; create and list leave it empty."""

    name: str
    sandbox: str = ""
    arguments: Mapping[str, Any] = field(default_factory=dict)
    body: AsyncIterable[bytes] | bytes | None = None  # fs.upload only

    @property
    def kind(self) -> OperationKind:
        return OPERATIONS[self.name]

    @property
    def paths(self) -> tuple[str, ...]:
        """The files the call names, as the client wrote them."""
        return tuple(str(self.arguments[name]) for name in self.kind.paths if name in self.arguments)
