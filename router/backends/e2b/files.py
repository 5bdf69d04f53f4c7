"""Files on envd, with Daytona's rules: what is missing, what exists, what is a directory."""

import asyncio
import posixpath
import shlex
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from crossfade.operation import Operation
from crossfade.outcome import Outcome, done, refused, unknown, unsupported
from crossfade.results import FileInfo
from crossfade.upstream import Purpose, UpstreamFailed
from router.backends import ranges
from router.backends.e2b.commands import Commands
from router.backends.e2b.envd import Envd, Handle
from router.backends.e2b.refusals import edge_error, is_forbidden
from router.backends.modes import octal
from router.wire.connect import ConnectError

_FILESYSTEM = "filesystem.Filesystem/"
_LINKS = 8
_UMASK = 0o022
_AT_ONCE = 16  # links of a listing that are looked up in parallel
_NEEDED = ("path", "source", "destination")


@dataclass(frozen=True, slots=True, kw_only=True)
class Files:
    """Operations on one path, and moves."""

    envd: Envd
    commands: Commands
    names: dict[str, tuple[dict[str, str], dict[str, str]]] = field(default_factory=dict)  # users, groups by sandbox

    async def perform(self, handle: Handle, operation: Operation, purpose: Purpose) -> Outcome:
        """Carry out one fs.* operation. Raises ConnectError, Failed."""
        # Without this an empty path would be the work dir, even to a delete.
        missing = [name for name in _NEEDED if operation.arguments.get(name) == ""]
        if missing and operation.name != "fs.list":
            return refused(400, "BAD_REQUEST", f"bad request: {missing[0]} is required")
        match operation.name:
            case "fs.info":
                return await self._info(handle, operation, purpose)
            case "fs.list":
                return await self._list(handle, operation, purpose)
            case "fs.download":
                return await self.download(handle, operation, purpose)
            case "fs.upload":
                return await self.upload(handle, operation, purpose)
            case "fs.mkdir":
                return await self._mkdir(handle, operation, purpose)
            case "fs.delete":
                return await self._delete(handle, operation, purpose)
            case "fs.chmod":
                return await self._chmod(handle, operation, purpose)
            case "fs.move":
                return await self._move(handle, operation, purpose)
            case name:
                return unsupported(name, "e2b")

    async def _info(self, handle: Handle, operation: Operation, purpose: Purpose) -> Outcome:
        path = self._path(operation)
        entry = await self._stat(handle, path, purpose)
        if entry is None:
            return missing(path)
        return done(await self._file_info(handle, entry, purpose))

    async def _list(self, handle: Handle, operation: Operation, purpose: Purpose) -> Outcome:
        path, depth = self._path(operation), int(operation.arguments.get("depth") or 1)
        try:
            answer = await self._fs(handle, "ListDir", {"path": path, "depth": depth}, purpose)
        except ConnectError as error:
            if error.code == "not_found":
                return missing(path)
            if error.code == "invalid_argument":
                return refused(400, "BAD_REQUEST", f"bad request: {path} is not a directory")
            raise
        entries = answer.get("entries") or ()
        turns = asyncio.Semaphore(_AT_ONCE)
        # Broken links lead nowhere; Daytona leaves them out of listings.
        followed = await asyncio.gather(*(self._followed(handle, entry, purpose, turns) for entry in entries))
        found = [
            await self._file_info(handle, {**real, "name": entry["name"], "path": entry["path"]}, purpose)
            for entry, real in zip(entries, followed, strict=True)
            if real is not None
        ]
        # By the names along the way: of one level by name, of several each directory before what is in it.
        return done(tuple(sorted(found, key=lambda info: info.path.encode("utf-8", "surrogateescape").split(b"/"))))

    async def download(self, handle: Handle, operation: Operation, purpose: Purpose) -> Outcome:
        """fs.download."""
        path = self._path(operation)
        response = await self.envd.download(handle, path, purpose, ranges.asked(operation.arguments))
        if response.status not in (200, 206):
            try:
                body = await response.read(65_536)
            except UpstreamFailed as error:
                return unknown(f"answer broke off: {error}")
            if withheld := ranges.withheld(response.status, response.headers):
                return withheld
            outcome = edge_error(response.status, body)
            if outcome.status == 400 and outcome.message.endswith("is a directory"):
                return refused(400, "BAD_REQUEST", f"bad request: {path}: is a directory")  # as Daytona words it
            return missing(path) if outcome.status == 404 else outcome
        return done(ranges.content_of(response), status=response.status)

    async def upload(self, handle: Handle, operation: Operation, purpose: Purpose) -> Outcome:
        """fs.upload."""
        path = self._path(operation)
        body = operation.body if operation.body is not None else b""
        status, text = await self.envd.upload(handle, path, body, purpose)
        if status < 300:
            return done()
        outcome = edge_error(status, text)
        # A file among the parents is 400 or 500, by envd's version.
        blocked = status == 500 and b"ensuring directories" in text
        # Daytona's answer to any upload that fails, but for one that finds no space.
        wrong = blocked or outcome.status in (403, 404, 409)
        return refused(400, "BAD_REQUEST", outcome.message) if wrong else outcome

    async def _mkdir(self, handle: Handle, operation: Operation, purpose: Purpose) -> Outcome:
        path = self._path(operation)
        text = str(operation.arguments.get("mode") or "755")
        mode = octal(text)
        if mode is None:
            return _bad_mode(text)
        try:
            await self._fs(handle, "MakeDir", {"path": path}, purpose)
        except ConnectError as error:
            if error.code == "already_exists":
                return done(status=201)
            if error.code == "invalid_argument" or "not a directory" in error.message:
                return refused(400, "BAD_REQUEST", f"bad request: {path}: not a directory")
            raise
        if (mode := mode & ~_UMASK) != 0o755:
            # The last directory alone: its parents are made 0755.
            ended = await self.commands.shell(handle, f"chmod {mode:o} -- {shlex.quote(path)} 2>&1", purpose)
            if ended.exit_code:
                return _failed(ended.output)
        return done(status=201)

    async def _delete(self, handle: Handle, operation: Operation, purpose: Purpose) -> Outcome:
        path = self._path(operation)
        # envd removes what is not there without a word, and directories without being asked.
        entry = await self._lstat(handle, path, purpose)
        if entry is None:
            return missing(path)
        is_dir = entry.get("type") == "FILE_TYPE_DIRECTORY" and not entry.get("symlinkTarget")
        if is_dir and not operation.arguments.get("recursive"):
            return refused(400, "BAD_REQUEST", "bad request: cannot delete directory without recursive flag")
        await self._fs(handle, "Remove", {"path": path}, purpose)
        return done(status=204)

    async def _chmod(self, handle: Handle, operation: Operation, purpose: Purpose) -> Outcome:
        path, arguments = self._path(operation), operation.arguments
        quoted = shlex.quote(path)
        lines = [f"test -e {quoted} || exit 44"]
        if text := str(arguments.get("mode") or ""):
            mode = octal(text)
            if mode is None:
                return _bad_mode(text)
            # Five digits: of a directory, fewer would leave its setgid bit as it is.
            lines.append(f"chmod {mode:05o} -- {quoted} || exit 45")
        owner, group = str(arguments.get("owner") or ""), str(arguments.get("group") or "")
        if owner or group:
            lines.append(f"chown {shlex.quote(owner + (':' + group if group else ''))} -- {quoted} || exit 46")
        ended = await self.commands.shell(handle, "{ " + "; ".join(lines) + "; } 2>&1", purpose)
        if ended.exit_code == 44:
            return missing(path)
        return _failed(ended.output) if ended.exit_code else done()

    async def _move(self, handle: Handle, operation: Operation, purpose: Purpose) -> Outcome:
        source = self.commands.absolute(str(operation.arguments["source"]))
        target = self.commands.absolute(str(operation.arguments["destination"]))
        if await self._lstat(handle, source, purpose) is None:
            return missing(source)
        if await self._lstat(handle, target, purpose) is not None:
            return refused(409, "CONFLICT", f"conflict: {target} already exists")
        if await self._stat(handle, posixpath.dirname(target), purpose) is None:
            return missing(posixpath.dirname(target))
        try:
            await self._fs(handle, "Move", {"source": source, "destination": target}, purpose)
        except ConnectError as error:
            if error.code != "internal":
                raise
            # rename(2) does not cross devices.
            ended = await self.commands.shell(handle, f"mv -- {shlex.quote(source)} {shlex.quote(target)}", purpose)
            if ended.exit_code:
                raise
        return done()

    # Entries...

    def _path(self, operation: Operation) -> str:
        return self.commands.absolute(str(operation.arguments.get("path") or ""))

    async def _fs(self, handle: Handle, method: str, message: dict[str, Any], purpose: Purpose) -> dict[str, Any]:
        return await self.envd.call(handle, _FILESYSTEM + method, message, purpose)

    async def _lstat(self, handle: Handle, path: str, purpose: Purpose) -> dict[str, Any] | None:
        try:
            answer = await self._fs(handle, "Stat", {"path": path}, purpose)
        except ConnectError as error:
            if error.code == "not_found":
                return None
            raise
        entry: dict[str, Any] = answer.get("entry") or {}
        return entry

    async def _stat(self, handle: Handle, path: str, purpose: Purpose) -> dict[str, Any] | None:
        entry = await self._lstat(handle, path, purpose)
        real = None if entry is None else await self._followed(handle, entry, purpose)
        return None if real is None or entry is None else {**real, "name": entry.get("name", ""), "path": path}

    async def _followed(
        self, handle: Handle, entry: dict[str, Any], purpose: Purpose, turns: asyncio.Semaphore | None = None
    ) -> dict[str, Any] | None:
        """The entry that a link leads to: envd gives size and time of the link itself. None: the link is broken."""
        for _ in range(_LINKS):
            target = entry.get("symlinkTarget")
            if not target:
                return entry
            here = str(entry.get("path") or "/")
            path = posixpath.join(posixpath.dirname(here), str(target))
            if path == here:
                return None  # how envd says that it leads nowhere
            async with turns or asyncio.Semaphore(1):
                following = await self._lstat(handle, path, purpose)
            if following is None:
                return None
            entry = following
        return None

    async def _file_info(self, handle: Handle, entry: dict[str, Any], purpose: Purpose) -> FileInfo:
        owner, group = str(entry.get("owner") or ""), str(entry.get("group") or "")
        return FileInfo(
            name=str(entry.get("name") or posixpath.basename(str(entry.get("path") or ""))),
            path=str(entry.get("path") or ""),
            is_dir=entry.get("type") == "FILE_TYPE_DIRECTORY",
            size=int(entry.get("size") or 0),
            mode=int(entry.get("mode") or 0) & 0o777,
            modified_ns=nanoseconds(str(entry.get("modifiedTime") or "")),
            owner=await self._number(handle, owner, 0, purpose),
            group=await self._number(handle, group, 1, purpose),
        )

    async def _number(self, handle: Handle, name: str, which: int, purpose: Purpose) -> str:
        """Daytona gives ids, envd names."""
        if name in ("root", ""):
            return "0"
        if name.isdigit():
            return name
        if handle.id not in self.names or name not in self.names[handle.id][which]:
            ended = await self.commands.shell(handle, "cat /etc/passwd; echo ::; cat /etc/group", purpose)
            passwd, _, groups = ended.output.decode("utf-8", "replace").partition("::\n")
            self.names[handle.id] = (_ids(passwd), _ids(groups))
        # A name that nobody knows is kept too, or every entry would ask for it again.
        return self.names[handle.id][which].setdefault(name, name)


def _ids(text: str) -> dict[str, str]:
    rows = [line.split(":") for line in text.splitlines()]
    return {row[0]: row[2] for row in rows if len(row) > 2}


def nanoseconds(text: str) -> int:
    """Unix nanoseconds of an RFC 3339 time; 0 for an empty one."""
    if not text:
        return 0
    whole, _, rest = text.partition(".")
    digits = rest.rstrip("Z").split("+")[0].split("-")[0]
    zone = rest[len(digits) :] if rest else ""
    at = datetime.fromisoformat((whole + zone) if rest else text)
    return int(at.timestamp()) * 1_000_000_000 + int((digits + "000000000")[:9])


def _bad_mode(text: str) -> Outcome:
    return refused(400, "BAD_REQUEST", f"bad request: invalid mode {text[:20]!r}; write octal digits, such as 755")


def _failed(said: bytes) -> Outcome:
    message = said.decode("utf-8", "replace").strip()
    if is_forbidden(message):
        return refused(403, "FORBIDDEN", f"forbidden: {message}")
    return refused(400, "BAD_REQUEST", f"bad request: {message}")


def missing(path: str) -> Outcome:
    """Nothing is there."""
    return refused(404, "NOT_FOUND", f"not found: {path}: no such file or directory")
