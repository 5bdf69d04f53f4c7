"""Typed results of operations: what a backend says, whatever wire it came over."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxInfo:
    """A sandbox as its provider describes it. `state` is one of Daytona's words (started, stopped, ...)."""

    id: str
    state: str
    name: str = ""
    organization: str = ""
    snapshot: str = ""
    user: str = ""
    target: str = ""
    public: bool = False
    env: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    cpu: float = 1
    gpu: float = 0
    memory_gib: float = 1
    disk_gib: float = 3
    auto_stop_minutes: int = 15
    auto_archive_minutes: int = 10080
    auto_delete_minutes: int = -1
    created_at: str = ""  # RFC 3339
    updated_at: str = ""  # RFC 3339
    error_reason: str = ""
    raw: Mapping[str, Any] = field(default_factory=dict)  # the provider's own object, where there is one


@dataclass(frozen=True, slots=True, kw_only=True)
class PreviewLink:
    """Where a sandbox's port is reached, and the token that opens it."""

    url: str
    token: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileInfo:
    """A file or directory, links followed. `mode` holds permission bits; owner and group are numeric strings."""

    name: str
    path: str = ""
    is_dir: bool = False
    size: int = 0
    mode: int = 0o644
    modified_ns: int = 0  # Unix time, nanoseconds
    owner: str = "0"
    group: str = "0"


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """A file's bytes as a stream to be read once. `size` is theirs, None when not announced."""

    stream: AsyncIterator[bytes]
    size: int | None = None
    part: str = ""  # of a range: which bytes of the file, as Content-Range says it
    modified: str = ""  # when the file was changed last, an HTTP date; empty where it is not known


@dataclass(frozen=True, slots=True, kw_only=True)
class ContentDigest:
    """What is left of a Content after it passed: enough to compare, and a capped sample to show."""

    size: int
    sha256: str
    sample: bytes  # at most SAMPLE_LIMIT bytes from the start


SAMPLE_LIMIT = 65_536


@dataclass(frozen=True, slots=True, kw_only=True)
class TextMatch:
    """A line that holds the pattern."""

    path: str
    line: int
    content: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Replaced:
    """What became of one file of a replace call."""

    path: str
    success: bool
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecResult:
    """A finished command: both streams merged in order. Killed by a signal: exit code -1."""

    exit_code: int
    output: bytes


# A command's output is held whole until it ends; one that never stops writing must not take all memory.
OUTPUT_LIMIT = 64 * 1024 * 1024
OUTPUT_TOO_LARGE = f"the command wrote more than {OUTPUT_LIMIT} bytes and was ended; have it write to a file"


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionInfo:
    """A session and its commands."""

    id: str
    commands: tuple["CommandInfo", ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandInfo:
    """A command of a session; `exit_code` is None while it runs."""

    id: str
    command: str
    exit_code: int | None = None


# Log lines carry their stream as a prefix of three bytes (facts/daytona.md §5.3).
STDOUT_MARK = b"\x01\x01\x01"
STDERR_MARK = b"\x02\x02\x02"


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionLogs:
    """A command's output so far, with the prefix bytes STDOUT_MARK and STDERR_MARK."""

    marked: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionExec:
    """Answer to session.exec: marked output and exit code when synchronous, None for both when not."""

    command_id: str
    marked: bytes | None = None
    exit_code: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PtyInfo:
    """A pseudo-terminal."""

    id: str
    cwd: str = ""
    env: Mapping[str, str] = field(default_factory=dict)
    cols: int = 80
    rows: int = 24
    created_at: str = ""  # RFC 3339
    active: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamEnd:
    """How a channel ended: exit code of what ran behind it, None where there was none to tell."""

    exit_code: int | None = None
    reason: str = ""
    close: int = 0  # the websocket close code that tells it, where there is no exit code to


@dataclass(frozen=True, slots=True, kw_only=True)
class ContextInfo:
    """An interpreter context: a namespace in which code is executed, kept from one execution to the next."""

    id: str
    cwd: str = ""
    language: str = "python"
    created_at: str = ""  # RFC 3339
    active: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class GitFile:
    """A file that differs from the last commit, in Daytona's words: Modified, Untracked, Updated but unmerged, ..."""

    name: str
    staging: str
    worktree: str
    extra: str = ""  # of a rename: the name before


@dataclass(frozen=True, slots=True, kw_only=True)
class GitStatus:
    """A repository's state. `branch` is HEAD when none is checked out; ahead and behind count commits."""

    branch: str
    files: tuple[GitFile, ...] = ()
    ahead: int = 0
    behind: int = 0
    published: bool = False
    upstream: str = ""
    detached: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class GitBranches:
    """Local branches, and the one checked out (empty when none is)."""

    names: tuple[str, ...]
    current: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class GitCommitted:
    """A commit just made."""

    hash: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GitCommit:
    """A commit of the history; `at` is its author's time, RFC 3339."""

    hash: str
    author: str
    email: str
    message: str
    at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GitRemote:
    """A remote; a password in its address is left out."""

    name: str
    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GitConfig:
    """A setting's value; None when it is not set."""

    value: str | None
