"""Outcomes to compare: any outcome of any operation, and pairs of one call on two healthy wires."""

from collections.abc import Mapping
from typing import Any

from hypothesis import strategies as st

from comparators import UNCOMPARED, plain
from crossfade import OPERATIONS, Outcome, Pair, done, refused, unknown, unsupported
from crossfade.results import (
    CommandInfo,
    ContentDigest,
    ExecResult,
    FileInfo,
    GitBranches,
    GitCommit,
    GitCommitted,
    GitConfig,
    GitFile,
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

COMPARED = sorted(OPERATIONS.keys() - UNCOMPARED.keys())

texts = st.text(max_size=12)
names = st.text(st.characters(blacklist_characters="/\0", blacklist_categories=("Cs",)), min_size=1, max_size=8)
fragments = st.sampled_from(
    [
        *(b"a\n", b"b", b"\n", b"\xff", b"\xc3", b"\0", b"\x1b[0m", b"\x1b[", b"\x1b", b"0m", b"\x01\x01\x01"),
        *(b"bash: line 3: ", b"/bin/sh: 1: ", b"sh: 1: foo: not found\n", b"zsh: command not found: foo\n"),
        *(b"[1] 4242\n", b"12:30:59", b"<shell>: ", b"Killed", b"CROSSFADE_SHADOW=1\n", b"\x02\x02\x02"),
        *(b"fork/exec /bin/sh: ", b"drwxr-xr-x 2 a b 40 c\n"),
    ]
)
outputs = st.lists(st.one_of(fragments, st.binary(max_size=6)), max_size=8).map(b"".join)
exit_codes = st.sampled_from([-1, 0, 1, 2, 126, 127, 137, 143, 255])
files = st.builds(
    FileInfo,
    name=names,
    path=texts,
    is_dir=st.booleans(),
    size=st.integers(0, 9000),
    mode=st.integers(0, 0o7777),
    modified_ns=st.integers(0, 2**60),
    owner=st.sampled_from(["0", "root", "1000", "user"]),
    group=st.sampled_from(["0", "root", "007", "staff"]),
)
digests = st.builds(
    ContentDigest, size=st.integers(0, 99), sha256=st.sampled_from(["a" * 64, "b" * 64]), sample=st.binary(max_size=20)
)
commands = st.builds(CommandInfo, id=texts, command=texts, exit_code=st.none() | exit_codes)
sessions = st.builds(SessionInfo, id=names, commands=st.lists(commands, max_size=3).map(tuple))
labels = st.dictionaries(names, texts, max_size=3)
sandboxes = st.builds(
    SandboxInfo, id=names, state=st.sampled_from(["started", "starting", "paused", "stopped", "error"]), labels=labels,
    public=st.booleans(), env=labels,
)  # fmt: skip
states = st.sampled_from(["Modified", "Unmodified", "Untracked", "Deleted"])
terminals = st.builds(PtyInfo, id=names, cwd=texts, env=labels, cols=st.integers(1, 3), rows=st.integers(1, 3))


def _several(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.lists(values, max_size=4).map(tuple)


VALUES: Mapping[str, st.SearchStrategy[Any]] = {
    "sandbox.labels": labels,
    "sandbox.preview": st.builds(PreviewLink, url=texts, token=texts),
    "sandbox.work_dir": texts,
    "sandbox.home_dir": texts,
    "fs.info": files,
    "fs.list": _several(files),
    "fs.download": digests,
    "fs.find": _several(st.builds(TextMatch, path=names, line=st.integers(1, 9), content=texts)),
    "fs.search": _several(names),
    "fs.replace": _several(st.builds(Replaced, path=names, success=st.booleans(), error=texts)),
    "process.exec": st.builds(ExecResult, exit_code=exit_codes, output=outputs),
    "process.code": st.builds(ExecResult, exit_code=exit_codes, output=outputs),
    "session.list": _several(sessions),
    "session.get": sessions,
    "session.exec": st.builds(
        SessionExec, command_id=texts, marked=st.none() | outputs, exit_code=st.none() | exit_codes
    ),
    "session.logs": st.builds(SessionLogs, marked=outputs),
    "session.command": commands,
    "pty.create": terminals,
    "pty.get": terminals,
    "pty.resize": terminals,
    "pty.list": _several(terminals),
    **dict.fromkeys(
        ("sandbox.create", "sandbox.get", "sandbox.start", "sandbox.stop", "sandbox.archive", "sandbox.delete"),
        sandboxes,
    ),
    "sandbox.interval": sandboxes,
    "git.status": st.builds(
        GitStatus,
        branch=names,
        files=_several(st.builds(GitFile, name=names, staging=states, worktree=states, extra=texts)),
        ahead=st.integers(0, 3),
        published=st.booleans(),
    ),
    "git.branches": st.builds(GitBranches, names=_several(names), current=names),
    "git.history": _several(st.builds(GitCommit, hash=texts, author=texts, email=texts, message=texts, at=texts)),
    "git.remotes": _several(st.builds(GitRemote, name=names, url=texts)),
    "git.config": st.builds(GitConfig, value=st.none() | texts),
    "git.commit": st.builds(GitCommitted, hash=texts),
}
failures = st.one_of(
    st.builds(
        refused,
        st.sampled_from([400, 404, 408, 409, 500]),
        st.sampled_from(["", "NOT_FOUND", "Not Found", "FILE_NOT_FOUND", "ODD"]),
        st.sampled_from(["", "not found: /a/b", "not found: not found: x", "failed to list files: Not Found", "other"])
        | texts,
    ),
    st.builds(unknown, texts),
    st.just(unsupported("x", "y")),
)


def outcomes(operation: str) -> st.SearchStrategy[Outcome]:
    values = VALUES.get(operation, st.none())
    return st.builds(done, values, status=st.sampled_from([200, 201, 204])) | failures


@st.composite
def pairs(draw: st.DrawFn) -> Pair:
    operation = draw(st.sampled_from(COMPARED))
    either = outcomes(operation)
    old = draw(either)
    new = draw(st.just(old) | either)
    return Pair(operation=operation, old=plain(operation, old), new=plain(operation, new))


def pair(operation: str, old: Outcome, new: Outcome, **more: Any) -> Pair:
    return Pair(operation=operation, old=plain(operation, old, **more), new=plain(operation, new, **more))
