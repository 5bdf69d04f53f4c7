"""Git operations: each a few runs of git, and what they come to."""

import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from crossfade.operation import Operation
from crossfade.outcome import Outcome, done, refused, unknown
from crossfade.results import GitCommitted, GitConfig
from router.backends.git import reading
from router.backends.git.refusals import GitRefused, of_kind, refusal
from router.backends.git.running import Credentials, Git, GitProgram, Ran

_SCOPES = ("global", "local", "system")
_RESETS = ("soft", "mixed", "hard", "merge", "keep")
_COMMIT = re.compile(r"[0-9a-fA-F]{4,64}")
_NOT_SET = 1  # exit code of `git config --get`
Arguments = Mapping[str, Any]


async def perform(program: GitProgram, operation: Operation) -> Outcome:
    """Carry out one git.* operation."""
    arguments = operation.arguments
    if wrong := _wrong(operation.name, arguments):
        return refused(400, "BAD_REQUEST", f"bad request: {wrong}")
    work = _Work(Git(program, str(arguments.get("path") or "")), operation.name)
    try:
        return await _OPERATIONS[operation.name](work, arguments)
    except GitRefused as error:
        return error.outcome
    except ValueError as error:
        return unknown(f"{operation.name}: what git printed cannot be read: {error}")


class _Work:
    """One operation under way."""

    def __init__(self, git: Git, name: str) -> None:
        self.git = git
        self._name = name

    async def must(self, *arguments: str, secrets: tuple[str, ...] = (), **options: Any) -> bytes:
        """Run git; its output. Raises GitRefused."""
        ran = await self.git.run(*arguments, **options)
        if ran.code != 0:
            raise refusal(self._name, ran, secrets=secrets)
        return ran.output

    async def may(self, *arguments: str, no: int = 1) -> Ran:
        """Run what answers a question: exit code `no` is an answer too. Raises GitRefused."""
        ran = await self.git.run(*arguments)
        if ran.code not in (0, no):
            raise refusal(self._name, ran)
        return ran

    async def current(self) -> str:
        """The branch checked out. Raises GitRefused when none is."""
        ran = await self.may("symbolic-ref", "--short", "-q", "HEAD")
        if ran.code:
            raise of_kind(404, "GIT_BRANCH_NOT_FOUND", "not found: HEAD is detached; check out a branch")
        return reading.text(ran.output).strip()

    async def must_be_clean(self) -> None:
        """Daytona leaves a branch only when every change is staged. Raises GitRefused."""
        # Without this, a file that was only touched counts as changed.
        await self.git.run("update-index", "-q", "--refresh")
        if (await self.may("diff-files", "--quiet")).code:
            raise of_kind(409, "GIT_DIRTY_WORKTREE", "conflict: worktree contains unstaged changes")


# Repositories...


async def _clone(work: _Work, arguments: Arguments) -> Outcome:
    url, commit = str(arguments["url"]), str(arguments.get("commit") or "")
    options = ["--single-branch"]
    if branch := arguments.get("branch"):
        options += ["--branch", str(branch)]
    if depth := arguments.get("depth"):
        options += ["--depth", str(depth)]
    remote = _remote_options(arguments, url)
    if arguments.get("skip_tls"):
        remote["settings"] = ("http.sslVerify=false",)
    await work.must("clone", *options, "--", url, work.git.place, inside=False, **remote)
    if commit:
        await work.must("checkout", "--detach", _revision(commit), "--")
    return done()


async def _init(work: _Work, arguments: Arguments) -> Outcome:
    if (await work.git.run("rev-parse", "--git-dir")).code == 0:
        raise of_kind(409, "CONFLICT", "conflict: repository already exists")
    options = ["--bare"] if arguments.get("bare") else []
    if branch := arguments.get("initial_branch"):
        options.append(f"--initial-branch={branch}")
    settings = ("init.defaultBranch=master",)
    await work.must("init", "-q", *options, "--", work.git.place, inside=False, settings=settings)
    return done(status=201)


async def _status(work: _Work, _arguments: Arguments) -> Outcome:
    options = ("--porcelain=v2", "--branch", "-z", "--untracked-files=all", "--no-renames")
    return done(reading.status(await work.must("status", *options)))


async def _history(work: _Work, _arguments: Arguments) -> Outcome:
    output = await work.must("log", "-z", "--encoding=UTF-8", f"--format={reading.HISTORY_FORMAT}")
    return done(reading.history(output))


# Changes...


async def _add(work: _Work, arguments: Arguments) -> Outcome:
    await work.must("add", "--", *_files(arguments))
    return done()


async def _commit(work: _Work, arguments: Arguments) -> Outcome:
    author, email = str(arguments.get("author") or ""), str(arguments.get("email") or "")
    who = {f"GIT_{role}_{what}": text for role in ("AUTHOR", "COMMITTER") for what, text in
           (("NAME", author), ("EMAIL", email))}  # fmt: skip
    options = ["--allow-empty"] if arguments.get("allow_empty") else []
    # Word for word, and on standard input: a message may be of any size.
    message = str(arguments.get("message") or "").encode("utf-8", "surrogateescape")
    await work.must("commit", "-q", "--cleanup=verbatim", *options, "-F", "-", env=who, stdin=message)
    return done(GitCommitted(hash=reading.text(await work.must("rev-parse", "HEAD")).strip()))


async def _reset(work: _Work, arguments: Arguments) -> Outcome:
    mode, target = str(arguments.get("mode") or "mixed"), str(arguments.get("target") or "")
    if mode not in _RESETS:
        raise of_kind(400, "BAD_REQUEST", f"bad request: unsupported reset mode '{mode}'; known: {', '.join(_RESETS)}")
    files = [str(each) for each in arguments.get("files") or ()]
    options = [f"--{mode}"] if not files or mode != "mixed" else []
    await work.must("reset", "-q", *options, *([_revision(target)] if target else []), "--", *files)
    return done()


async def _restore(work: _Work, arguments: Arguments) -> Outcome:
    staged, worktree = arguments.get("staged"), arguments.get("worktree")
    if staged is None and worktree is None:
        worktree = True
    if not staged and not worktree:
        raise of_kind(400, "BAD_REQUEST", "bad request: at least one of staged and worktree must be true")
    options = [name for name, wanted in (("--staged", staged), ("--worktree", worktree)) if wanted]
    if source := arguments.get("source"):
        options.append(f"--source={source}")
    await work.must("restore", *options, "--", *_files(arguments))
    return done()


# Branches...


async def _branches(work: _Work, _arguments: Arguments) -> Outcome:
    names = await work.must("for-each-ref", "--format=%(refname:lstrip=2)", "refs/heads")
    current = await work.may("symbolic-ref", "--short", "-q", "HEAD")
    return done(reading.branches(names, current.output))


async def _branch_create(work: _Work, arguments: Arguments) -> Outcome:
    name = str(arguments["name"])
    if (await work.git.run("show-ref", "--verify", "--quiet", f"refs/heads/{name}")).code == 0:
        raise of_kind(409, "GIT_BRANCH_EXISTS", f"conflict: a branch named '{name}' already exists")
    await work.must_be_clean()
    await work.must("checkout", "-q", "-b", name)
    return done(status=201)


async def _branch_delete(work: _Work, arguments: Arguments) -> Outcome:
    await work.must("branch", "-q", "-D", "--", str(arguments["name"]))
    return done(status=204)


async def _checkout(work: _Work, arguments: Arguments) -> Outcome:
    name = str(arguments["branch"])
    await work.must("rev-parse", "--git-dir")
    known = (await work.git.run("show-ref", "--verify", "--quiet", f"refs/heads/{name}")).code == 0
    if not known and not _COMMIT.fullmatch(name):
        raise of_kind(404, "GIT_BRANCH_NOT_FOUND", f"not found: branch '{name}' not found")
    await work.must_be_clean()
    await work.must("checkout", "-q", *([] if known else ["--detach"]), name, "--")
    return done()


# Remotes...


async def _push(work: _Work, arguments: Arguments) -> Outcome:
    branch = str(arguments.get("branch") or "") or await work.current()
    remote = str(arguments.get("remote") or "origin")
    options = ["--set-upstream"] if arguments.get("set_upstream") else []
    given = _remote_options(arguments, await _address(work, remote, arguments, push=True))
    ref = f"refs/heads/{branch}"
    await work.must("push", "-q", *options, "--", remote, f"{ref}:{ref}", **given)
    return done()


async def _pull(work: _Work, arguments: Arguments) -> Outcome:
    branch = str(arguments.get("branch") or "") or await work.current()
    remote = str(arguments.get("remote") or "origin")
    given = _remote_options(arguments, await _address(work, remote, arguments, push=False))
    # As Daytona: what cannot be moved forward is a conflict, never a merge.
    await work.must("pull", "-q", "--ff-only", "--", remote, f"refs/heads/{branch}", **given)
    return done()


async def _address(work: _Work, remote: str, arguments: Arguments, *, push: bool) -> str:
    """A remote's address; asked for only where credentials are to be bound to it."""
    if not arguments.get("username") and not arguments.get("password"):
        return ""
    options = ["--push"] if push else []
    return reading.text(await work.must("remote", "get-url", *options, "--", remote)).strip()


async def _remotes(work: _Work, _arguments: Arguments) -> Outcome:
    await work.must("rev-parse", "--git-dir")
    ran = await work.may("config", "--local", "-z", "--get-regexp", r"^remote\..*\.url$", no=_NOT_SET)
    return done(reading.remotes(ran.output))


async def _remote_add(work: _Work, arguments: Arguments) -> Outcome:
    name, url = str(arguments["name"]), str(arguments["url"])
    known = await work.may("config", "--local", "--get", f"remote.{name}.url", no=_NOT_SET)
    if known.code == 0 and not arguments.get("overwrite"):
        raise of_kind(400, "BAD_REQUEST", f"bad request: remote '{name}' already exists; ask to overwrite it")
    await work.must("remote", *(("set-url",) if known.code == 0 else ("add",)), "--", name, url)
    if arguments.get("fetch"):
        await work.must("fetch", "-q", "--", name)
    return done(status=201)


# Settings...


async def _config(work: _Work, arguments: Arguments) -> Outcome:
    scope = _scope(arguments)
    ran = await work.git.run("config", scope, "-z", "--get", str(arguments["key"]))
    if ran.code == _NOT_SET and not ran.errors.strip():
        return done(GitConfig(value=None))
    if ran.code:
        raise refusal("git.config", ran)
    return done(GitConfig(value=reading.text(ran.output).removesuffix("\0")))


async def _config_set(work: _Work, arguments: Arguments) -> Outcome:
    await work.must(
        "config", _scope(arguments), "--replace-all", str(arguments["key"]), str(arguments.get("value") or "")
    )
    return done()


async def _user(work: _Work, arguments: Arguments) -> Outcome:
    scope = _scope(arguments)
    for name in ("name", "email"):
        await work.must("config", scope, "--replace-all", f"user.{name}", str(arguments[name]))
    return done()


async def _credentials(work: _Work, arguments: Arguments) -> Outcome:
    told = {
        "protocol": str(arguments.get("protocol") or "https"),
        "host": str(arguments.get("host") or "github.com"),
        "username": str(arguments["username"]),
        "password": str(arguments["password"]),
    }
    if any("\n" in value or "\0" in value for value in told.values()):
        raise of_kind(400, "BAD_REQUEST", "bad request: a credential cannot hold a line end")
    await work.must("config", "--global", "credential.helper", "store")
    lines = "".join(f"{name}={value}\n" for name, value in told.items())
    await work.must("credential", "approve", stdin=f"{lines}\n".encode(), secrets=(told["password"],))
    return done()


# Arguments...

_REQUIRED: Mapping[str, tuple[str, ...]] = {
    "git.clone": ("url",),
    "git.commit": ("message",),
    "git.branch_create": ("name",),
    "git.branch_delete": ("name",),
    "git.checkout": ("branch",),
    "git.remote_add": ("name", "url"),
    "git.config": ("key",),
    "git.config_set": ("key",),
    "git.user": ("name", "email"),
    "git.credentials": ("username", "password"),
}
_ANYWHERE = frozenset({"git.config", "git.config_set", "git.user", "git.credentials"})


def _wrong(name: str, arguments: Arguments) -> str:
    """What is wrong with these arguments; empty when nothing is."""
    needed = (*_REQUIRED.get(name, ()), *(() if name in _ANYWHERE else ("path",)))
    for each in needed:
        if not arguments.get(each):
            return f"{each} is required"
    for each, value in arguments.items():
        if any(isinstance(text, str) and "\0" in text for text in (value if isinstance(value, tuple) else (value,))):
            return f"{each} holds a NUL character"
    return ""


def _remote_options(arguments: Arguments, address: str) -> dict[str, Any]:
    """How to be known at a remote, and what must not be printed."""
    username, password = str(arguments.get("username") or ""), str(arguments.get("password") or "")
    if not username and not password:
        return {}
    known = Credentials(username=username, password=password)
    return {"credentials": known, "remote": address, "secrets": (password, username)}


def _files(arguments: Arguments) -> list[str]:
    files = [str(each) for each in arguments.get("files") or ()]
    if not files:
        raise of_kind(400, "BAD_REQUEST", "bad request: at least one file is required")
    return files


def _revision(text: str) -> str:
    """A revision that git cannot take for an option."""
    if text.startswith("-"):
        raise of_kind(404, "GIT_BRANCH_NOT_FOUND", f"not found: '{text}' is no revision")
    return text


def _scope(arguments: Arguments) -> str:
    scope = str(arguments.get("scope") or "global")
    if scope not in _SCOPES:
        raise of_kind(400, "BAD_REQUEST", f"bad request: unsupported scope '{scope}'; known: {', '.join(_SCOPES)}")
    if scope == "local" and not arguments.get("path"):
        raise of_kind(400, "BAD_REQUEST", "bad request: scope local needs the path of a repository")
    return f"--{scope}"


_OPERATIONS: Mapping[str, Callable[[_Work, Arguments], Awaitable[Outcome]]] = {
    "git.clone": _clone,
    "git.init": _init,
    "git.status": _status,
    "git.history": _history,
    "git.add": _add,
    "git.commit": _commit,
    "git.reset": _reset,
    "git.restore": _restore,
    "git.branches": _branches,
    "git.branch_create": _branch_create,
    "git.branch_delete": _branch_delete,
    "git.checkout": _checkout,
    "git.push": _push,
    "git.pull": _pull,
    "git.remotes": _remotes,
    "git.remote_add": _remote_add,
    "git.config": _config,
    "git.config_set": _config_set,
    "git.user": _user,
    "git.credentials": _credentials,
}
