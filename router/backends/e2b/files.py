"""Files on envd, with Daytona's rules: what is missing, what exists, what is a directory."""

import base64
import posixpath
import secrets
import shlex
from collections.abc import AsyncIterable, AsyncIterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from crossfade.operation import Operation
from crossfade.outcome import Outcome, done, refused
from crossfade.results import Content, FileInfo, Replaced, TextMatch
from crossfade.upstream import Purpose, UpstreamResponse
from router.backends.e2b.commands import Commands
from router.backends.e2b.envd import Envd, Handle, edge_error
from router.wire.connect import ConnectError

_FILESYSTEM = "filesystem.Filesystem/"
_LINKS = 8
_UMASK = 0o022
_REPLACE_LIMIT = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Files:
    """File operations."""

    envd: Envd
    commands: Commands
    names: dict[str, tuple[dict[str, str], dict[str, str]]] = field(default_factory=dict)  # users, groups by sandbox

    async def perform(self, handle: Handle, operation: Operation, purpose: Purpose) -> Outcome:
        """Carry out one fs.* operation. Raises ConnectError, Failed."""
        method = getattr(self, "_" + operation.name.removeprefix("fs."))
        outcome: Outcome = await method(handle, operation, purpose)
        return outcome

    async def _info(self, handle: Handle, operation: Operation, purpose: Purpose) -> Outcome:
        path = self._path(operation)
        entry = await self._stat(handle, path, purpose)
        if entry is None:
            return _missing(path)
        return done(await self._file_info(handle, entry, purpose))

    async def _list(self, handle: Handle, operation: Operation, purpose: Purpose) -> Outcome:
        path = self._path(operation)
        try:
            answer = await self._fs(handle, "ListDir", {"path": path, "depth": 1}, purpose)
        except ConnectError as error:
            if error.code == "not_found":
                return _missing(path)
            if error.code == "invalid_argument":
                return refused(400, "BAD_REQUEST", f"bad request: {path} is not a directory")
            raise
        found = []
        for entry in answer.get("entries") or ():
            real = await self._followed(handle, entry, purpose)
            # A broken link has no type on the wire; Daytona leaves it out of listings.
            if real is not None and str(real.get("type", "")) in ("FILE_TYPE_FILE", "FILE_TYPE_DIRECTORY"):
                found.append(
                    await self._file_info(handle, {**real, "name": entry["name"], "path": entry["path"]}, purpose)
                )
        return done(tuple(sorted(found, key=lambda info: info.name.encode("utf-8", "surrogateescape"))))

    async def _download(self, handle: Handle, operation: Operation, purpose: Purpose) -> Outcome:
        path = self._path(operation)
        response = await self.envd.file(handle, "GET", path, purpose)
        if response.status != 200:
            body = await response.read(65_536)
            outcome = edge_error(response.status, body)
            if outcome.status == 404:
                return _missing(path)
            return (
                refused(400, "BAD_REQUEST", f"bad request: {path} is a directory") if outcome.status == 400 else outcome
            )
        length = next((int(value) for name, value in response.headers if name.lower() == b"content-length"), None)
        return done(Content(stream=_body(response), size=length))

    async def _upload(self, handle: Handle, operation: Operation, purpose: Purpose) -> Outcome:
        path = self._path(operation)
        boundary = secrets.token_hex(16)
        name = path.replace("\\", "\\\\").replace('"', '\\"')
        head = (
            f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n'
            "Content-Type: application/octet-stream\r\n\r\n"
        ).encode("utf-8", "surrogateescape")
        tail = f"\r\n--{boundary}--\r\n".encode()
        body = operation.body if operation.body is not None else b""
        whole = head + body + tail if isinstance(body, bytes) else _framed(head, body, tail)
        headers = ((b"Content-Type", f"multipart/form-data; boundary={boundary}".encode()),)
        response = await self.envd.file(handle, "POST", path, purpose, headers=headers, body=whole)
        text = await response.read(1_048_576)
        if response.status < 300:
            return done()
        outcome = edge_error(response.status, text)
        return refused(400, outcome.code, outcome.message) if outcome.status in (404, 409) else outcome

    async def _mkdir(self, handle: Handle, operation: Operation, purpose: Purpose) -> Outcome:
        path = self._path(operation)
        text = str(operation.arguments.get("mode") or "755")
        try:
            mode = int(text, 8) & ~_UMASK
        except ValueError:
            return refused(400, "BAD_REQUEST", f"invalid mode '{text}'; write octal digits, such as 755")
        try:
            await self._fs(handle, "MakeDir", {"path": path}, purpose)
        except ConnectError as error:
            if error.code == "already_exists":
                return done(status=201)
            if error.code == "invalid_argument":
                return refused(400, "BAD_REQUEST", f"bad request: {path} exists and is no directory")
            raise
        if mode != 0o755:
            await self.commands.shell(handle, f"chmod {mode:o} -- {shlex.quote(path)}", purpose)
        return done(status=201)

    async def _delete(self, handle: Handle, operation: Operation, purpose: Purpose) -> Outcome:
        path = self._path(operation)
        # envd removes what is not there without a word, and directories without being asked.
        entry = await self._lstat(handle, path, purpose)
        if entry is None:
            return _missing(path)
        is_dir = entry.get("type") == "FILE_TYPE_DIRECTORY" and not entry.get("symlinkTarget")
        if is_dir and not operation.arguments.get("recursive"):
            return refused(400, "BAD_REQUEST", "bad request: cannot delete directory without recursive flag")
        await self._fs(handle, "Remove", {"path": path}, purpose)
        return done(status=204)

    async def _chmod(self, handle: Handle, operation: Operation, purpose: Purpose) -> Outcome:
        path, arguments = self._path(operation), operation.arguments
        quoted = shlex.quote(path)
        lines = [f"test -e {quoted} || exit 44"]
        if mode := str(arguments.get("mode") or ""):
            if any(digit not in "01234567" for digit in mode):
                return refused(400, "BAD_REQUEST", f"invalid mode '{mode}'; write octal digits, such as 644")
            lines.append(f"chmod {mode} -- {quoted} || exit 45")
        owner, group = str(arguments.get("owner") or ""), str(arguments.get("group") or "")
        if owner or group:
            lines.append(f"chown {shlex.quote(owner + (':' + group if group else ''))} -- {quoted} || exit 46")
        ended = await self.commands.shell(handle, "{ " + "; ".join(lines) + "; } 2>&1", purpose)
        if ended.exit_code == 44:
            return _missing(path)
        if ended.exit_code:
            return refused(400, "BAD_REQUEST", f"bad request: {ended.output.decode('utf-8', 'replace').strip()}")
        return done()

    async def _move(self, handle: Handle, operation: Operation, purpose: Purpose) -> Outcome:
        source = self.commands.absolute(str(operation.arguments["source"]))
        target = self.commands.absolute(str(operation.arguments["destination"]))
        if await self._lstat(handle, source, purpose) is None:
            return _missing(source)
        if await self._lstat(handle, target, purpose) is not None:
            return refused(409, "CONFLICT", f"conflict: {target} already exists")
        if await self._stat(handle, posixpath.dirname(target), purpose) is None:
            return _missing(posixpath.dirname(target))
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

    async def _find(self, handle: Handle, operation: Operation, purpose: Purpose) -> Outcome:
        path, pattern = self._path(operation), str(operation.arguments["pattern"])
        text = f"grep -rnIF --null -e {shlex.quote(pattern)} -- {shlex.quote(path)} 2>/dev/null | base64 -w0"
        ended = await self.commands.shell(handle, text, purpose)
        found = []
        for line in base64.b64decode(ended.output).split(b"\n"):
            name, nul, rest = line.partition(b"\0")
            number, _, content = rest.partition(b":")
            if nul and number.isdigit():
                text = content.decode("utf-8", "replace")
                found.append(TextMatch(path=name.decode("utf-8", "surrogateescape"), line=int(number), content=text))
        return done(tuple(sorted(found, key=lambda match: (match.path, match.line))))

    async def _search(self, handle: Handle, operation: Operation, purpose: Purpose) -> Outcome:
        path, pattern = str(operation.arguments["path"]), str(operation.arguments["pattern"])
        # Go's filepath.Match negates a class by ^, the shell's patterns by !; * never crosses a slash in a name.
        name = pattern.replace("[^", "[!")
        where = shlex.quote(self.commands.absolute(path))
        ended = await self.commands.shell(
            handle, f"find {where} -name {shlex.quote(name)} -print0 2>/dev/null | base64 -w0", purpose
        )
        paths = [
            each.decode("utf-8", "surrogateescape") for each in base64.b64decode(ended.output).split(b"\0") if each
        ]
        if not path.startswith("/"):
            base = self.commands.absolute("").rstrip("/") + "/"
            paths = [each.removeprefix(base) for each in paths]
        return done(tuple(sorted(paths)))

    async def _replace(self, handle: Handle, operation: Operation, purpose: Purpose) -> Outcome:
        arguments = operation.arguments
        old, new = str(arguments["pattern"]).encode(), str(arguments["new_value"]).encode()
        results = []
        for path in arguments["files"]:
            results.append(await self._replace_one(handle, str(path), old, new, purpose))
        return done(tuple(results))

    async def _replace_one(self, handle: Handle, path: str, old: bytes, new: bytes, purpose: Purpose) -> Replaced:
        got = await self._download(handle, Operation(name="fs.download", arguments={"path": path}), purpose)
        if not got.ok:
            return Replaced(path=path, success=False, error=got.message)
        data = b"".join([chunk async for chunk in got.value.stream])
        if len(data) > _REPLACE_LIMIT:
            return Replaced(path=path, success=False, error=f"file is larger than {_REPLACE_LIMIT} bytes")
        upload = Operation(name="fs.upload", arguments={"path": path}, body=data.replace(old, new))
        put = await self._upload(handle, upload, purpose)
        return Replaced(path=path, success=put.ok, error="" if put.ok else put.message)

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

    async def _followed(self, handle: Handle, entry: dict[str, Any], purpose: Purpose) -> dict[str, Any] | None:
        """The entry that a link leads to: envd gives size and time of the link itself."""
        for _ in range(_LINKS):
            target = entry.get("symlinkTarget")
            if not target:
                return entry
            path = posixpath.join(posixpath.dirname(str(entry.get("path") or "/")), str(target))
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
            mode=int(entry.get("mode") or 0) & 0o7777,
            modified_ns=_nanoseconds(str(entry.get("modifiedTime") or "")),
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
        return self.names[handle.id][which].get(name, name)


def _ids(text: str) -> dict[str, str]:
    rows = [line.split(":") for line in text.splitlines()]
    return {row[0]: row[2] for row in rows if len(row) > 2}


def _nanoseconds(text: str) -> int:
    if not text:
        return 0
    whole, _, rest = text.partition(".")
    digits = rest.rstrip("Z").split("+")[0].split("-")[0]
    zone = rest[len(digits) :] if rest else ""
    at = datetime.fromisoformat((whole + zone) if rest else text)
    return int(at.timestamp()) * 1_000_000_000 + int((digits + "000000000")[:9])


def _missing(path: str) -> Outcome:
    return refused(404, "NOT_FOUND", f"not found: {path}: no such file or directory")


async def _framed(head: bytes, body: AsyncIterable[bytes], tail: bytes) -> AsyncIterator[bytes]:
    yield head
    async for chunk in body:
        yield chunk
    yield tail


async def _body(response: UpstreamResponse) -> AsyncIterator[bytes]:
    try:
        async for chunk in response.chunks():
            yield chunk
    finally:
        await response.close()
