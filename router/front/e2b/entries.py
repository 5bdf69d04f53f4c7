"""Directory entries in envd's shape."""

import grp
import os
import posixpath
import pwd
from datetime import UTC, datetime
from typing import Any

from router.backends.local.tree import Entry, Tree

_TYPES = {"file": "FILE_TYPE_FILE", "dir": "FILE_TYPE_DIRECTORY", "symlink": "FILE_TYPE_SYMLINK"}
_XATTR = "user.e2b."


def entry_of(tree: Tree, path: str, owners: "Owners") -> dict[str, Any]:
    """An entry as Stat and ListDir give it: size and time of a link itself, type and mode of what it leads to.

    Raises FileNotFoundError when there is nothing, not even a broken link.
    """
    entry = tree.lstat(path)
    target: Entry | None = entry
    if entry.kind == "symlink":
        try:
            target = tree.stat(path)
        except OSError:
            target = None  # broken: envd gives it no type, and the SDKs drop it from lists
    message: dict[str, Any] = {
        "name": posixpath.basename(path) or "/",
        "path": path,
        "permissions": permissions(entry),
        "owner": owners.user(entry.uid),
        "group": owners.group(entry.gid),
        "modifiedTime": rfc3339(entry.modified_ns),
    }
    if target is not None and target.kind in _TYPES:
        message["type"] = _TYPES[target.kind]
    # Go's encoder leaves zero values out, and writes 64-bit integers as text.
    if entry.size:
        message["size"] = str(entry.size)
    if mode := (target or entry).mode & 0o777:
        message["mode"] = mode
    if entry.kind == "symlink":
        message["symlinkTarget"] = entry.link_target if target is None else target.path
    if metadata := metadata_of(tree, path):
        message["metadata"] = metadata
    return message


def permissions(entry: Entry) -> str:
    """Go's FileMode.String: `-rw-r--r--`, `drwxr-xr-x`, `Lrwxrwxrwx`, with `u`, `g`, `t` before the kind's letter."""
    letters = {"dir": "d", "symlink": "L"}.get(entry.kind, "")
    special = "".join(letter for bit, letter in ((0o4000, "u"), (0o2000, "g"), (0o1000, "t")) if entry.mode & bit)
    bits = "".join(letter if entry.mode & (1 << (8 - place)) else "-" for place, letter in enumerate("rwxrwxrwx"))
    # Go prints the letters in the order of its own bits: d, L, u, g, t.
    return (letters + special or "-") + bits


def rfc3339(nanoseconds: int) -> str:
    """A time with as many fractional digits as it needs: 0, 3, 6 or 9, as protobuf's JSON has it."""
    seconds, rest = divmod(nanoseconds, 1_000_000_000)
    text = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    if not rest:
        return f"{text}Z"
    digits = f"{rest:09d}"
    while digits.endswith("000"):
        digits = digits[:-3]
    return f"{text}.{digits}Z"


class Owners:
    """Names of users and groups; numbers where the machine has no name for them."""

    def __init__(self) -> None:
        self._users: dict[int, str] = {}
        self._groups: dict[int, str] = {}

    def user(self, uid: int) -> str:
        """The user's name."""
        if uid not in self._users:
            self._users[uid] = _user_name(uid)
        return self._users[uid]

    def group(self, gid: int) -> str:
        """The group's name."""
        if gid not in self._groups:
            self._groups[gid] = _group_name(gid)
        return self._groups[gid]


def metadata_of(tree: Tree, path: str) -> dict[str, str]:
    """What X-Metadata headers left on the file; nothing where the file system keeps no such attributes."""
    found: dict[str, str] = {}
    try:
        real = tree.real(path)
        for name in os.listxattr(real, follow_symlinks=False):
            if name.startswith(_XATTR):
                found[name.removeprefix(_XATTR)] = os.getxattr(real, name, follow_symlinks=False).decode(
                    "ascii", "replace"
                )
    except OSError:
        return {}
    return found


def set_metadata(tree: Tree, path: str, metadata: dict[str, str]) -> None:
    """Replace the file's metadata. Raises OSError where the file system cannot keep it."""
    known = metadata_of(tree, path)
    if not known and not metadata:
        return
    real = tree.real(path)
    for name in known.keys() - metadata.keys():
        os.removexattr(real, _XATTR + name)
    for name, value in metadata.items():
        os.setxattr(real, _XATTR + name, value.encode("ascii"))


def _user_name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _group_name(gid: int) -> str:
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)
