"""envd's filesystem.Filesystem: stat, list, make, move, remove."""

import asyncio
import posixpath
from collections.abc import Callable
from typing import Any, TypeVar

from router.backends.local.sandboxes import LocalSandbox
from router.backends.local.tree import Entry, Tree
from router.front.e2b.entries import Owners, entry_of
from router.front.e2b.messages import Request
from router.front.e2b.paths import check_user, resolve
from router.front.e2b.rpc import Message
from router.wire.connect import ConnectError

T = TypeVar("T")


class Filesystem:
    """The calls of filesystem.Filesystem for one sandbox. Every one acts as root, whatever user is named."""

    def __init__(self, sandbox: LocalSandbox) -> None:
        self._sandbox = sandbox

    async def stat(self, request: Request, message: dict[str, Any]) -> Message:
        """One entry; links are not followed, but their type and mode are the target's."""
        return {"entry": await self._do(request, message, "path", _stat)}

    async def make_dir(self, request: Request, message: dict[str, Any]) -> Message:
        """With its parents."""
        return {"entry": await self._do(request, message, "path", _make_dir)}

    async def remove(self, request: Request, message: dict[str, Any]) -> Message:
        """With all below it; nothing there is success."""
        await self._do(request, message, "path", _remove)
        return {}

    async def move(self, request: Request, message: dict[str, Any]) -> Message:
        """A rename, which overwrites files; parents of the destination are made."""
        check_user(request)
        destination = resolve(self._sandbox, _text(message, "destination"))
        return {"entry": await self._do(request, message, "source", lambda tree, path: _move(tree, path, destination))}

    async def list_dir(self, request: Request, message: dict[str, Any]) -> Message:
        """A flat list of what is at most `depth` levels below, in lexical order."""
        depth = message.get("depth", 0)
        if not isinstance(depth, int) or depth < 0:
            raise ConnectError("invalid_argument", "depth must be a number, 1 or more")
        entries = await self._do(request, message, "path", lambda tree, path: _list_dir(tree, path, depth or 1))
        return {"entries": entries} if entries else {}

    async def _do(self, request: Request, message: dict[str, Any], name: str, act: Callable[[Tree, str], T]) -> T:
        check_user(request)
        path = resolve(self._sandbox, _text(message, name))
        return await asyncio.to_thread(_guarded, self._sandbox.tree, path, act)


def _text(message: dict[str, Any], name: str) -> str:
    value = message.get(name, "")
    if not isinstance(value, str) or "\0" in value:
        raise ConnectError("invalid_argument", f"{name} must be a path")
    return value


def _guarded(tree: Tree, path: str, act: Callable[[Tree, str], T]) -> T:
    try:
        return act(tree, path)
    except OSError as error:
        raise ConnectError("internal", f"{path}: {error.strerror or error}") from error


def _stat(tree: Tree, path: str) -> dict[str, Any]:
    try:
        return entry_of(tree, path, Owners())
    except (FileNotFoundError, NotADirectoryError) as error:
        raise ConnectError("not_found", f"file not found: lstat {path}: no such file or directory") from error


def _make_dir(tree: Tree, path: str) -> dict[str, Any]:
    try:
        existing = tree.stat(path)
    except FileNotFoundError:
        tree.mkdir(path, parents=True)
        return entry_of(tree, path, Owners())
    except NotADirectoryError as error:
        raise ConnectError("internal", f"error getting file info: stat {path}: not a directory") from error
    if existing.kind == "dir":
        raise ConnectError("already_exists", f"directory already exists: {path}")
    raise ConnectError("invalid_argument", f"path already exists but it is not a directory: {path}")


def _remove(tree: Tree, path: str) -> None:
    try:
        tree.remove(path, recursive=True)
    except (FileNotFoundError, NotADirectoryError):
        pass  # as os.RemoveAll: what is not there is removed


def _move(tree: Tree, source: str, destination: str) -> dict[str, Any]:
    try:
        tree.lstat(source)
    except (FileNotFoundError, NotADirectoryError) as error:
        message = f"source file not found: rename {source} {destination}: no such file or directory"
        raise ConnectError("not_found", message) from error
    parent = posixpath.dirname(destination)
    try:
        tree.stat(parent)
    except FileNotFoundError:
        tree.mkdir(parent, parents=True)
    try:
        tree.rename(source, destination)
    except OSError as error:
        raise ConnectError("internal", f"error renaming: rename {source} {destination}: {error.strerror}") from error
    return entry_of(tree, destination, Owners())


def _list_dir(tree: Tree, root: str, depth: int) -> list[dict[str, Any]]:
    try:
        if tree.stat(root).kind != "dir":
            raise ConnectError("invalid_argument", f"path is not a directory: {root}")
    except (FileNotFoundError, NotADirectoryError) as error:
        raise ConnectError("not_found", f"directory not found: stat {root}: no such file or directory") from error
    owners, found = Owners(), []
    levels = [(iter(_sorted(tree.list(root))), root)]
    while levels:
        entry = next(levels[-1][0], None)
        if entry is None:
            levels.pop()
            continue
        path = posixpath.join(levels[-1][1], entry.name)
        try:
            found.append(entry_of(tree, path, owners))
            children = _sorted(tree.list(path)) if entry.kind == "dir" and len(levels) < depth else []
        except FileNotFoundError:
            continue  # gone since it was listed
        levels.append((iter(children), path))
    return found


def _sorted(entries: list[Entry]) -> list[Entry]:
    return sorted(entries, key=lambda entry: entry.name.encode(errors="surrogateescape"))
