"""Users and paths as envd understands them."""

import base64
import binascii
import posixpath

from router.backends.local.sandboxes import LocalSandbox
from router.front.e2b.messages import Request
from router.wire.connect import ConnectError

# An embedded sandbox has one user. "user" is E2B's default name, which older SDKs send with every call.
USERS = ("root", "user")


def check_user(request: Request) -> None:
    """The call's user (HTTP basic, empty password) must be one the sandbox has. Raises ConnectError unauthenticated."""
    kind, _, encoded = request.headers.get("authorization", "").partition(" ")
    if kind.lower() != "basic":
        return
    try:
        name = base64.b64decode(encoded).decode().partition(":")[0]
    except (binascii.Error, ValueError) as error:
        raise ConnectError("unauthenticated", "the Authorization header is not HTTP basic") from error
    if name and name not in USERS:
        raise ConnectError("unauthenticated", f"invalid username: '{name}'")


def resolve(sandbox: LocalSandbox, path: str) -> str:
    """An absolute, lexically clean path: `~` is the home directory, a relative one starts at the work directory."""
    if path == "~" or path.startswith("~/"):
        return clean(posixpath.join(sandbox.home_dir, path[2:]))
    if path.startswith("~"):
        raise ConnectError("invalid_argument", "cannot expand user-specific home dir")
    return clean(posixpath.join(sandbox.work_dir, path))


def clean(path: str) -> str:
    """Without `.`, `..`, double or trailing slashes."""
    # normpath keeps two leading slashes, which POSIX gives a meaning that Linux does not.
    return "/" + posixpath.normpath(path).lstrip("/")
