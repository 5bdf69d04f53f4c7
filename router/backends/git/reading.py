"""Reading what git prints: the forms made for programs, NUL between entries."""

from crossfade.results import GitBranches, GitCommit, GitFile, GitRemote, GitStatus
from router.backends.git.running import without_password

DETACHED = "HEAD"
_WORDS = {
    ".": "Unmodified",
    "M": "Modified",
    "T": "Modified",
    "A": "Added",
    "D": "Deleted",
    "R": "Renamed",
    "C": "Copied",
    "U": "Updated but unmerged",
    "?": "Untracked",
}
_FIELDS_BEFORE_NAME = {"1": 8, "2": 9, "u": 10}  # of an entry's line in status --porcelain=v2


def text(data: bytes) -> str:
    """Names need not be UTF-8."""
    return data.decode("utf-8", "replace")


def status(output: bytes) -> GitStatus:
    """Of `status --porcelain=v2 --branch -z`. Raises ValueError for anything else."""
    head: dict[str, str] = {}
    files: list[GitFile] = []
    entries = iter(output.split(b"\0"))
    for entry in entries:
        line = text(entry)
        kind, _, rest = line.partition(" ")
        if kind == "#":
            name, _, value = rest.partition(" ")
            head[name] = value
        elif kind == "?":
            files.append(GitFile(name=rest, staging=_WORDS["?"], worktree=_WORDS["?"]))
        elif kind in _FIELDS_BEFORE_NAME:
            before = text(next(entries)) if kind == "2" else ""
            files.append(_file(line.split(" ", _FIELDS_BEFORE_NAME[kind]), before))
        elif line:
            raise ValueError(f"git status said {line[:40]!r}")
    detached = head.get("branch.head") == "(detached)"
    ahead, behind = _counts(head.get("branch.ab", ""))
    return GitStatus(
        branch=DETACHED if detached else head.get("branch.head", ""),
        files=tuple(files),
        ahead=ahead,
        behind=behind,
        published="branch.ab" in head,  # not so when the upstream is set and yet not there
        upstream=head.get("branch.upstream", ""),
        detached=detached,
    )


def _file(fields: list[str], before: str) -> GitFile:
    changes = fields[1]
    return GitFile(name=fields[-1], staging=_WORDS[changes[0]], worktree=_WORDS[changes[1]], extra=before)


def _counts(text: str) -> tuple[int, int]:
    ahead, _, behind = text.partition(" ")
    return int(ahead or 0), -int(behind or 0)


def branches(names: bytes, current: bytes) -> GitBranches:
    """Of `for-each-ref --format=%(refname:lstrip=2) refs/heads` and `symbolic-ref --short HEAD`."""
    return GitBranches(names=tuple(text(names).split("\n")[:-1]), current=text(current).strip())


HISTORY_FORMAT = "%H%n%an%n%ae%n%aI%n%B"


def history(output: bytes) -> tuple[GitCommit, ...]:
    """Of `log -z` with HISTORY_FORMAT. Raises ValueError for anything else."""
    return tuple(_commit(text(entry)) for entry in output.split(b"\0") if entry)


def _commit(entry: str) -> GitCommit:
    hash, author, email, at, message = entry.split("\n", 4)
    moment = at.removesuffix("+00:00") + "Z" if at.endswith("+00:00") else at
    return GitCommit(hash=hash, author=author, email=email, message=message, at=moment)


def remotes(output: bytes) -> tuple[GitRemote, ...]:
    """Of `config -z --get-regexp ^remote\\..*\\.url$`: the first address of each, by name."""
    found: dict[str, str] = {}
    for entry in output.split(b"\0"):
        key, newline, url = text(entry).partition("\n")
        if newline:
            found.setdefault(key.removeprefix("remote.").removesuffix(".url"), url)
    return tuple(GitRemote(name=name, url=without_password(url)) for name, url in sorted(found.items()))
