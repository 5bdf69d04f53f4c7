"""File operations of embedded sandboxes, with Daytona's rules (facts: v0.190.0)."""

import asyncio
import grp
import os
import posixpath
import pwd
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator, Mapping
from typing import Any, BinaryIO

from crossfade.operation import Operation
from crossfade.outcome import Outcome, done, refused
from crossfade.results import Content, FileInfo
from crossfade.upstream import UpstreamFailed
from router.backends import modes
from router.backends.local.refusals import Refusal, bad_request, name_of, of_os_error, required_path
from router.backends.local.sandboxes import LocalSandbox
from router.backends.local.tree import Entry, Tree
from router.wire import conditions, ranges

SMALL = 128 * 1024  # read and written on the spot: a thread costs more than the page cache
Arguments = Mapping[str, Any]


async def perform(sandbox: LocalSandbox, operation: Operation) -> Outcome:
    """One fs.* operation but find, search and replace. Raises Refusal."""
    arguments = operation.arguments
    path = str(arguments.get("path") or arguments.get("source") or "")
    try:
        match operation.name:
            case "fs.upload":
                return await upload(sandbox.tree, required_path(path), operation.body)
            case "fs.download":
                return download(sandbox.tree, required_path(path), arguments)
            case "fs.delete":
                # A large tree takes a while.
                return await asyncio.to_thread(remove, sandbox.tree, arguments)
            case "fs.list" if "depth" in arguments:
                return await asyncio.to_thread(listing, sandbox.tree, arguments)
            case name:
                return _PLAIN[name](sandbox.tree, arguments)
    except OSError as error:
        refusal = of_os_error(error, path)
        if operation.name == "fs.upload" and refusal.status != 507:
            raise Refusal(400, str(refusal)) from error  # Daytona's answer to any upload that fails
        raise refusal from error


def info(tree: Tree, arguments: Arguments) -> Outcome:
    path = required_path(arguments.get("path"))
    return done(file_info(tree.stat(path), name_of(path), absolute(tree, path)))


def listing(tree: Tree, arguments: Arguments) -> Outcome:
    path = str(arguments.get("path") or "")
    return done(tuple(listed(tree, tree.list(path), absolute(tree, path), int(arguments.get("depth") or 1))))


def listed(tree: Tree, entries: Iterable[Entry], directory: str, depth: int) -> Iterator[FileInfo]:
    """Entries, and behind each directory what is in it, `depth` levels in all; links are told but not gone into."""
    levels = [(iter(entries), directory)]
    while levels:
        entry = next(levels[-1][0], None)
        if entry is None:
            levels.pop()
            continue
        target = entry if entry.kind != "symlink" else target_of(tree, entry.path)
        if target is None:
            continue
        path = posixpath.join(levels[-1][1], entry.name)
        yield file_info(target, entry.name, path)
        if entry.kind == "dir" and len(levels) < depth:
            levels.append((iter(children_of(tree, path)), path))


def make_directory(tree: Tree, arguments: Arguments) -> Outcome:
    path, mode = required_path(arguments.get("path")), octal(arguments.get("mode") or "755")
    try:
        tree.mkdir(path, mode, parents=True, exist_ok=True)
    except FileExistsError as error:
        raise bad_request(f"{path}: exists and is no directory") from error
    return done(status=201)


def remove(tree: Tree, arguments: Arguments) -> Outcome:
    path = required_path(arguments.get("path"))
    recursive = arguments.get("recursive") is True
    if tree.lstat(path).kind == "dir" and not recursive:
        raise bad_request(f"cannot delete directory {path} without recursive flag")
    tree.remove(path, recursive)
    return done(status=204)


def move(tree: Tree, arguments: Arguments) -> Outcome:
    source, destination = (required_path(arguments.get(name)) for name in ("source", "destination"))
    tree.lstat(source)
    try:
        tree.lstat(destination)
    except FileNotFoundError:
        tree.rename(source, destination)
        return done()
    raise FileExistsError(17, "destination already exists", destination)


def permissions(tree: Tree, arguments: Arguments) -> Outcome:
    path = required_path(arguments.get("path"))
    uid = number_of(arguments.get("owner"), lambda name: pwd.getpwnam(name).pw_uid, "user")
    gid = number_of(arguments.get("group"), lambda name: grp.getgrnam(name).gr_gid, "group")
    mode = octal(arguments["mode"]) if arguments.get("mode") else None
    tree.stat(path)
    if mode is not None:
        tree.chmod(path, mode)
    if (uid, gid) != (-1, -1):
        tree.chown(path, uid, gid)
    return done()


def download(tree: Tree, path: str, arguments: Arguments) -> Outcome:
    file = tree.open_read(path)
    found = os.fstat(file.fileno())
    if status := conditions.refusal(arguments.get("conditions") or {}, found.st_mtime_ns):
        file.close()
        withheld = status == conditions.NOT_MODIFIED
        return done(status=status) if withheld else refused(status, "PRECONDITION_FAILED", "precondition failed")
    asked = str(arguments.get("range") or "")
    if not ranges.holds(str(arguments.get("if_range") or ""), found.st_mtime_ns):
        asked = ""
    try:
        span = ranges.chosen(asked, found.st_size)
    except ranges.BadRange as error:
        file.close()
        return error.outcome
    start, end = span or (0, found.st_size)
    file.seek(start)
    content = Content(
        stream=Reading(file, end - start),
        size=end - start,
        part=ranges.content_range(start, end, found.st_size) if span else "",
        modified=ranges.http_date(found.st_mtime_ns),
    )
    return done(content, status=206 if span else 200)


async def upload(tree: Tree, path: str, body: AsyncIterable[bytes] | bytes | None) -> Outcome:
    with tree.open_write(path) as file:
        if isinstance(body, bytes):
            await write(file, body)
        elif body is not None:
            async for chunk in body:
                await write(file, chunk)
    return done()


class Reading(AsyncIterator[bytes]):
    """A file's bytes in chunks; closes itself at the end. Announced bytes only: a growing file is cut at its size.

    Raises UpstreamFailed for a file that became shorter meanwhile, or cannot be read on: what was sent is not it.
    """

    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file, self._left = file, size

    async def __anext__(self) -> bytes:
        if self._left <= 0 or self._file.closed:
            await self.aclose()
            raise StopAsyncIteration
        wanted = min(self._left, 256 * 1024)
        small = wanted <= SMALL
        try:
            data = self._file.read(wanted) if small else await asyncio.to_thread(self._file.read, wanted)
        except OSError as error:
            await self.aclose()
            raise UpstreamFailed(f"the file cannot be read on: {error.strerror}", sent=True) from error
        self._left -= len(data)
        if not data:
            await self.aclose()
            raise UpstreamFailed(f"the file became shorter by {self._left} bytes while it was read", sent=True)
        return data

    async def aclose(self) -> None:
        """Let go of the file."""
        self._file.close()


async def write(file: BinaryIO, data: bytes) -> None:
    view = memoryview(data)
    while view:
        part = view[: 4 * 1024 * 1024]
        view = view[file.write(part) if len(part) <= SMALL else await asyncio.to_thread(file.write, part) :]


def file_info(entry: Entry, name: str, path: str) -> FileInfo:
    return FileInfo(
        name=name,
        path=path,
        is_dir=entry.kind == "dir",
        size=entry.size,
        mode=entry.mode & 0o777,  # as Daytona and envd tell it
        modified_ns=entry.modified_ns,
        owner=str(entry.uid),
        group=str(entry.gid),
    )


def target_of(tree: Tree, path: str) -> Entry | None:
    try:
        return tree.stat(path)
    except OSError:  # dangling, a loop, or leading to what is not the sandbox's: Daytona leaves out what it cannot stat
        return None


def children_of(tree: Tree, path: str) -> list[Entry]:
    try:
        return tree.list(path)
    except OSError:  # removed since it was listed, or not the sandbox's to read
        return []


def absolute(tree: Tree, path: str) -> str:
    return posixpath.normpath(posixpath.join(tree.work_dir, path))


def octal(text: object) -> int:
    mode = modes.octal(str(text))
    if mode is None:
        raise bad_request(f"invalid mode {str(text)[:20]!r}: octal digits such as 755 are meant")
    return mode


def number_of(name: object, look_up: Callable[[str], int], kind: str) -> int:
    """A user's or group's number; -1 for none given."""
    if name is None or name == "":
        return -1
    if str(name).isascii() and str(name).isdigit():
        return int(str(name))
    try:
        return look_up(str(name))
    except KeyError:
        raise bad_request(f"unknown {kind} {str(name)[:40]!r}") from None


_PLAIN: Mapping[str, Callable[[Tree, Arguments], Outcome]] = {
    "fs.info": info,
    "fs.list": listing,
    "fs.mkdir": make_directory,
    "fs.move": move,
    "fs.chmod": permissions,
}
