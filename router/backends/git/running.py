"""Running git: the port that a backend offers, and the settings that every run has."""

import posixpath
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol
from urllib.parse import urlsplit, urlunsplit

MISSING = 127  # exit code where there is no git

# Read by the helper below: what is secret stands neither in arguments, which all in the sandbox can see, nor on disk.
_USERNAME, _PASSWORD = "CROSSFADE_GIT_USERNAME", "CROSSFADE_GIT_PASSWORD"
_HELPER = f'!f() {{ test "$1" = get && printf "username=%s\\npassword=%s\\n" "${_USERNAME}" "${_PASSWORD}"; }}; f'
_ENVIRONMENT: Mapping[str, str] = {
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_LITERAL_PATHSPECS": "1",
    "LC_ALL": "C",  # what it says is read
}
# Daytona's own git runs no hooks, signs nothing and asks nobody whose a repository is.
_SETTINGS = ("core.hooksPath=/dev/null", "commit.gpgSign=false", "safe.directory=*", "advice.detachedHead=false")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """A run of git that has ended."""

    code: int
    output: bytes
    errors: bytes


class GitProgram(Protocol):
    """The git of one sandbox."""

    def place(self, path: str) -> str:
        """A client's path as processes in the sandbox know it, absolute."""

    async def run(self, arguments: Sequence[str], *, env: Mapping[str, str], stdin: bytes) -> Ran:
        """Run it to its end, in the root directory. Code MISSING where there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """Who to be at a remote."""

    username: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Git:
    """Git in one repository of a sandbox; in none where `path` is empty."""

    program: GitProgram
    path: str = ""

    @property
    def place(self) -> str:
        """Where the repository is, for processes."""
        return self.program.place(self.path)

    async def run(
        self,
        *arguments: str,
        credentials: Credentials | None = None,
        remote: str = "",
        settings: Collection[str] = (),
        env: Mapping[str, str] | None = None,
        stdin: bytes = b"",
        inside: bool = True,
    ) -> Ran:
        """Run it. Credentials are given to the server of the `remote` address only; `inside`: in the repository."""
        line = [word for setting in (*_SETTINGS, *settings) for word in ("-c", setting)]
        around = dict(_ENVIRONMENT) | dict(env or {})
        if self.path and inside:
            line += ["-C", self.place]
            # Daytona opens the repository at the path, and looks for none above it.
            around["GIT_CEILING_DIRECTORIES"] = posixpath.dirname(self.place)
        if credentials is not None and (server := server_of(remote)):
            # The empty one drops helpers that are set, which would keep what they are told.
            line += ["-c", "credential.helper=", "-c", f"credential.{server}.helper={_HELPER}"]
            around |= {_USERNAME: credentials.username, _PASSWORD: credentials.password}
        return await self.program.run([*line, *arguments], env=around, stdin=stdin)


def server_of(address: str) -> str:
    """https://host[:port] of a remote that is reached by HTTP; empty for any other."""
    try:
        parts = urlsplit(address)
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return ""
    return f"{parts.scheme}://{parts.hostname}{port}" if parts.scheme in ("http", "https") and parts.hostname else ""


def without_password(address: str) -> str:
    """A remote's address as it may be shown."""
    try:
        parts = urlsplit(address)
        secret = parts.password
    except ValueError:
        return address
    if not parts.scheme or secret is None:
        return address
    return urlunsplit(parts._replace(netloc=f"{parts.username or ''}@{parts.netloc.rpartition('@')[2]}"))
