"""A sandbox's files by the paths seen inside it; no path leaves it, symbolic links included."""

# ruff: noqa: PTH101, PTH208
# Everything here is relative to open directories, which pathlib cannot be.
import errno
import os
import stat as modes
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal

from router.backends.local.removal import remove_tree
from router.backends.local.view import SHADOWED

LINK_LIMIT = 40
RECOUNT_SECONDS = 2.0
Kind = Literal["file", "dir", "symlink", "other"]
_DIRECTORY = os.O_DIRECTORY | os.O_NOFOLLOW | os.O_PATH | os.O_CLOEXEC


class DiskFull(OSError):
    """The sandbox's disk limit is reached."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One file. `mode` holds permission bits; `link_target` is there for symbolic links only."""

    name: str
    path: str  # absolute, as seen inside, links in its directory resolved
    kind: Kind
    size: int
    mode: int
    modified_ns: int
    uid: int
    gid: int
    link_target: str | None = None


@dataclass(frozen=True, slots=True)
class Spot:
    """A resolved path: an open directory, a name in it ("." for the root itself), and its parts from the root."""

    directory: int
    name: str
    parts: tuple[str, ...]

    @property
    def path(self) -> str:
        return "/" + "/".join(self.parts)


class Tree:
    """Files below one directory. Every path is walked from there by open directories, one name at a time: neither `..`
    nor an absolute link nor a process that swaps a directory for a link meanwhile leads out.

    Functions block. Errors are those of os, with the path as seen inside, and DiskFull.
    """

    def __init__(self, root: Path, *, work_dir: str, disk_limit: int | None = None) -> None:
        self.root = root
        self.work_dir = work_dir
        self.disk_limit = disk_limit
        self._counted_at = float("-inf")
        self._used = 0

    # Looking...

    def stat(self, path: str) -> Entry:
        """What the path leads to, links followed."""
        with self._spot(path) as spot:
            return entry_at(spot)

    def lstat(self, path: str) -> Entry:
        """What is at the path, a link itself included."""
        with self._spot(path, follow=False) as spot:
            return entry_at(spot)

    def list(self, path: str) -> list[Entry]:
        """What a directory holds, links as links, sorted by the bytes of the names."""
        with self._spot(path) as spot:
            directory = os.open(spot.name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=spot.directory)
            try:
                names = sorted(os.listdir(directory), key=os.fsencode)
                found = [entry_or_none(Spot(directory, name, (*spot.parts, name))) for name in names]
            finally:
                os.close(directory)
        return [entry for entry in found if entry is not None]

    def real(self, path: str) -> Path:
        """Where the path is on the machine, links resolved; it need not exist, its directory must."""
        with self._spot(path) as spot:
            return self.root.joinpath(*spot.parts)

    # Reading and writing...

    def open_read(self, path: str) -> BinaryIO:
        """A regular file's bytes."""
        with self._spot(path) as spot:
            # Not blocking: a FIFO would hold the caller until somebody writes.
            flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
            return regular_file(os.open(spot.name, flags, dir_fd=spot.directory), "rb", path)

    def open_write(self, path: str) -> BinaryIO:
        """A regular file, emptied or created 0644, with parents 0755. Writing may raise DiskFull."""
        if self.disk_limit is not None and self.used() >= self.disk_limit:
            raise full(path)
        with self._spot(path, create_parents=True) as spot:
            self._own(spot)
            flags = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
            file = os.open(spot.name, flags, 0o644, dir_fd=spot.directory)
        plain = regular_file(file, "wb", path)
        before = os.fstat(file).st_size
        os.ftruncate(file, 0)
        self._used -= before
        return plain if self.disk_limit is None else Charged(plain, self, path)  # type: ignore[return-value]

    def used(self) -> int:
        """Bytes of all files: exact for what went through here, a few seconds old for what processes write."""
        now = time.monotonic()
        if now - self._counted_at > RECOUNT_SECONDS:
            self._used = bytes_below(self.root)
            self._counted_at = now
        return self._used

    def charge(self, size: int, path: str) -> None:
        """Count bytes about to be written. Raises DiskFull."""
        if self.disk_limit is not None and self.used() + size > self.disk_limit:
            raise full(path)
        self._used += size

    # Changing...

    def mkdir(self, path: str, mode: int = 0o755, *, parents: bool = False, exist_ok: bool = False) -> None:
        """Make a directory; `mode` is cut by umask 022."""
        with self._spot(path.rstrip("/") or "/", create_parents=parents) as spot:
            if exist_ok and spot.name == ".":
                return
            self._own(spot)
            try:
                os.mkdir(spot.name, mode & ~0o022, dir_fd=spot.directory)
            except FileExistsError:
                found = entry_at(spot)
                if found.kind != "dir":
                    raise NotADirectoryError(errno.ENOTDIR, "not a directory", path) from None
                if not exist_ok:
                    raise

    def remove(self, path: str, recursive: bool = False) -> None:
        """Remove a file, a link itself, an empty directory, or with `recursive` whatever is below."""
        with self._spot(path, follow=False) as spot:
            self._own(spot)
            if entry_at(spot).kind != "dir":
                os.unlink(spot.name, dir_fd=spot.directory)
            elif recursive:
                remove_tree(spot.name, spot.directory)
            else:
                os.rmdir(spot.name, dir_fd=spot.directory)
        self._counted_at = float("-inf")

    def rename(self, source: str, destination: str) -> None:
        """Move as rename(2) does: files are overwritten, links moved themselves."""
        with self._spot(source, follow=False) as old, self._spot(destination, follow=False) as new:
            self._own(old)
            self._own(new)
            os.rename(old.name, new.name, src_dir_fd=old.directory, dst_dir_fd=new.directory)

    def chmod(self, path: str, mode: int) -> None:
        """Set permission bits."""
        with self._spot(path) as spot, opened(spot) as file:
            self._own(spot)
            os.chmod(file, mode)

    def chown(self, path: str, uid: int, gid: int) -> None:
        """Set owner and group; -1 leaves one as it is."""
        with self._spot(path) as spot:
            self._own(spot)
            os.chown(spot.name, uid, gid, dir_fd=spot.directory, follow_symlinks=False)

    # Walking...

    @contextmanager
    def _spot(self, path: str, *, follow: bool = True, create_parents: bool = False) -> Iterator[Spot]:
        """Resolve a path. The last name need not exist. With `follow`, it is not a link."""
        if "\0" in path:
            raise OSError(errno.EINVAL, "a path cannot hold a NUL byte", path)
        if not follow:
            path = path.rstrip("/") or "/"  # what is at the name is meant, with or without a slash behind it
        full_path = path if path.startswith("/") else f"{self.work_dir}/{path}"
        waiting = full_path.split("/")[::-1]
        must_be_directory = path.endswith(("/", "/.", "/..")) or path in (".", "..", "")
        walk = Walk(self.root)
        links = 0
        try:
            while waiting:
                name = waiting.pop()
                if name in ("", "."):
                    continue
                if name == "..":
                    walk.up()
                    continue
                last = not any(part not in ("", ".") for part in waiting)
                target = link_target(name, walk.directory) if follow or not last else None
                if target is not None:
                    links += 1
                    if links > LINK_LIMIT:
                        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
                    if target.startswith("/"):
                        walk.home()
                    waiting.extend(target.split("/")[::-1])
                    continue
                if last and not must_be_directory:
                    yield Spot(walk.directory, name, (*walk.names, name))
                    return
                walk.down(name, create=create_parents and not last)
            yield Spot(walk.directory, ".", tuple(walk.names))
        except OSError as error:
            # The names tried on the way mean nothing to the caller.
            error.filename, error.filename2 = path, None
            raise
        finally:
            walk.close()

    def _own(self, spot: Spot) -> None:
        """Refuse to change what shows the machine, and the root itself."""
        if not spot.parts or spot.parts[0] in SHADOWED:
            raise PermissionError(errno.EACCES, "part of the machine, read-only in a sandbox", spot.path)


class Walk:
    """The open directories from the root to where a resolution stands; `..` goes back along them, never above."""

    def __init__(self, root: Path) -> None:
        self._open = [os.open(root, _DIRECTORY & ~os.O_NOFOLLOW)]
        self.names: list[str] = []

    @property
    def directory(self) -> int:
        return self._open[-1]

    def down(self, name: str, *, create: bool) -> None:
        try:
            child = os.open(name, _DIRECTORY, dir_fd=self.directory)
        except FileNotFoundError:
            if not create:
                raise
            if not self.names and name in SHADOWED:
                raise PermissionError(errno.EACCES, "part of the machine, read-only in a sandbox") from None
            os.mkdir(name, 0o755, dir_fd=self.directory)
            child = os.open(name, _DIRECTORY, dir_fd=self.directory)
        self._open.append(child)
        self.names.append(name)

    def up(self) -> None:
        if self.names:
            os.close(self._open.pop())
            self.names.pop()

    def home(self) -> None:
        while self.names:
            self.up()

    def close(self) -> None:
        for fd in self._open:
            os.close(fd)
        self._open.clear()


class Charged:
    """A file being written, every byte charged to its tree first."""

    def __init__(self, file: BinaryIO, tree: Tree, path: str) -> None:
        self._file, self._tree, self._path = file, tree, path

    def write(self, data: bytes) -> int:
        self._tree.charge(len(data), self._path)
        return self._file.write(data)

    def close(self) -> None:
        self._file.close()

    def __enter__(self) -> "Charged":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def link_target(name: str, directory: int) -> str | None:
    """Where a link leads; None for anything else, and for what is not there."""
    try:
        return os.readlink(name, dir_fd=directory)
    except OSError as error:
        if error.errno in (errno.EINVAL, errno.ENOENT):
            return None
        raise


def entry_at(spot: Spot) -> Entry:
    found = os.stat(spot.name, dir_fd=spot.directory, follow_symlinks=False)
    kind: Kind = next((name for name, test in KINDS if test(found.st_mode)), "other")
    return Entry(
        name=spot.parts[-1] if spot.parts else "/",
        path=spot.path,
        kind=kind,
        size=found.st_size,
        mode=modes.S_IMODE(found.st_mode),
        modified_ns=found.st_mtime_ns,
        # What our own user owns belongs to root inside: the view maps it so.
        uid=0 if found.st_uid == os.geteuid() else found.st_uid,
        gid=0 if found.st_gid == os.getegid() else found.st_gid,
        link_target=os.readlink(spot.name, dir_fd=spot.directory) if kind == "symlink" else None,
    )


KINDS: tuple[tuple[Kind, Callable[[int], bool]], ...] = (
    ("file", modes.S_ISREG),
    ("dir", modes.S_ISDIR),
    ("symlink", modes.S_ISLNK),
)


def entry_or_none(spot: Spot) -> Entry | None:
    try:
        return entry_at(spot)
    except FileNotFoundError:  # removed since it was listed
        return None


@contextmanager
def opened(spot: Spot) -> Iterator[int | str]:
    """The thing itself for calls that cannot be told not to follow links."""
    file = os.open(spot.name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=spot.directory)
    try:
        if modes.S_ISLNK(os.fstat(file).st_mode):
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
        yield f"/proc/self/fd/{file}"
    finally:
        os.close(file)


def regular_file(fd: int, mode: Literal["rb", "wb"], path: str) -> BinaryIO:
    found = os.fstat(fd).st_mode
    if modes.S_ISREG(found):
        os.set_blocking(fd, True)
        return os.fdopen(fd, mode, buffering=0)
    os.close(fd)
    if modes.S_ISDIR(found):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
    raise OSError(errno.EINVAL, "not a regular file", path)


def bytes_below(root: Path) -> int:
    total = 0
    for directory, _, files, fd in os.fwalk(root):
        del directory
        for name in files:
            try:
                found = os.stat(name, dir_fd=fd, follow_symlinks=False)
            except FileNotFoundError:
                continue
            total += found.st_size if modes.S_ISREG(found.st_mode) else 0
    return total


def full(path: str) -> DiskFull:
    return DiskFull(errno.ENOSPC, "no space left in the sandbox: its disk limit is reached", path)
