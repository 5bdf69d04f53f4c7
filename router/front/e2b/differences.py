"""The differences that may be injected: each changes one kind of answer, and shows in the outcome of one operation."""

from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal

from router.front.e2b.rpc import Message, decode_bytes, encode_bytes
from router.wire.connect import ConnectError

Chunks = AsyncIterator[bytes]
Messages = AsyncIterator[Message]
Point = Literal["file", "stat", "list", "exec", "mkdir"]


@dataclass(frozen=True, slots=True)
class File:
    """A file on its way out."""

    chunks: Chunks
    size: int


@dataclass(frozen=True, slots=True)
class Kind:
    """One difference: the operation in whose outcome it shows, the answers it changes, and how."""

    name: str
    operation: str
    says: str
    changes: Mapping[Point, Callable[[Any], Any]]


# The changes. Each is for one point, and takes and returns what is answered there.


def _file_byte(file: File) -> File:
    async def changed() -> Chunks:
        first = True
        async for chunk in file.chunks:
            yield bytes([chunk[0] ^ 1]) + chunk[1:] if first and chunk else chunk
            first = False

    return File(changed(), file.size)


def _file_truncated(file: File) -> File:
    async def changed() -> Chunks:
        held = b""
        async for chunk in file.chunks:
            if held:
                yield held
            held = chunk
        yield held[:-1]

    return File(changed(), max(0, file.size - 1))


def _file_missing(entry: dict[str, Any]) -> dict[str, Any]:
    path = entry["path"]
    raise ConnectError("not_found", f"file not found: lstat {path}: no such file or directory")


def _size_off_by_one(entry: dict[str, Any]) -> dict[str, Any]:
    if entry.get("type") == "FILE_TYPE_DIRECTORY":
        return entry  # sizes of directories mean nothing, nobody compares them
    return {**entry, "size": str(int(entry.get("size", "0")) + 1)}


def _mode_bit(entry: dict[str, Any]) -> dict[str, Any]:
    # The last bit: execution by others.
    permissions = entry["permissions"]
    flipped = permissions[:-1] + ("-" if permissions.endswith("x") else "x")
    return {**entry, "mode": entry.get("mode", 0) ^ 0o001, "permissions": flipped}


def _list_missing_entry(entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return entries[:-1]


def _list_extra_entry(entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    if not entries:
        return entries  # the list does not say of which directory it is
    like = entries[0]
    parent = like["path"].rpartition("/")[0]
    extra: dict[str, Any] = {
        **{name: like[name] for name in ("owner", "group", "modifiedTime") if name in like},
        "name": "zz-injected.txt",
        "path": f"{parent}/zz-injected.txt",
        "type": "FILE_TYPE_FILE",
        "size": "1",
        "mode": 0o644,
        "permissions": "-rw-r--r--",
    }
    return [*entries, extra]


def _error_status(entry: dict[str, Any]) -> dict[str, Any]:
    raise ConnectError("internal", "injected: the directory was made, and this answer says otherwise")


async def _exit_code(messages: Messages) -> Messages:
    async for message in messages:
        end = message.get("event", {}).get("end")
        if end is None:
            yield message
        elif end.get("exitCode", 0):
            yield {"event": {"end": {"exited": True, "status": "exit status 0"}}}
        else:
            changed = {"exitCode": 1, "exited": True, "status": "exit status 1", "error": "exit status 1"}
            yield {"event": {"end": changed}}


async def _stdout_line(messages: Messages) -> Messages:
    changed = False
    async for message in messages:
        data = _stdout(message)
        if data and not changed:
            changed = True
            message = _with_stdout(b"injected " + data)
        yield message


async def _line_missing(messages: Messages) -> Messages:
    held = b""  # the last line so far: it goes out only when another begins
    async for message in messages:
        data = _stdout(message)
        if data is None:
            yield message
            continue
        held += data
        last = held.rfind(b"\n", 0, len(held) - 1) + 1
        if last:
            yield _with_stdout(held[:last])
            held = held[last:]


def _session_file(file: File) -> File:
    async def changed() -> Chunks:
        async for chunk in file.chunks:
            yield chunk.translate(_VOWELS)

    return File(changed(), file.size)


def _stdout(message: Message) -> bytes | None:
    data = message.get("event", {}).get("data", {})
    return decode_bytes(data["stdout"]) if "stdout" in data else None


def _with_stdout(data: bytes) -> Message:
    return {"event": {"data": {"stdout": encode_bytes(data)}}}


_VOWELS = bytes.maketrans(b"aeou", b"AEOU")

KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        kind.name: kind
        for kind in (
            Kind("file-byte", "fs.download", "a file's first byte differs in one bit", {"file": _file_byte}),
            Kind("file-truncated", "fs.download", "a file lacks its last byte", {"file": _file_truncated}),
            Kind("file-missing", "fs.info", "stat says that nothing is there", {"stat": _file_missing}),
            Kind("list-missing-entry", "fs.list", "a list lacks its last entry", {"list": _list_missing_entry}),
            Kind("list-extra-entry", "fs.list", "a list that is not empty has one more", {"list": _list_extra_entry}),
            Kind("mode-bit", "fs.info", "stat flips execution by others", {"stat": _mode_bit}),
            Kind("size-off-by-one", "fs.info", "stat makes a file a byte larger", {"stat": _size_off_by_one}),
            Kind("exec-exit-code", "process.exec", "exit code 0 becomes 1, any other 0", {"exec": _exit_code}),
            Kind("exec-stdout", "process.exec", "the output begins with 'injected '", {"exec": _stdout_line}),
            Kind("exec-line-missing", "process.exec", "the last line of output is gone", {"exec": _line_missing}),
            Kind(
                "session-output",
                "session.exec",
                "a session command's output has its vowels in capitals",
                {"file": _session_file},  # adapters keep a session's output in a file and read it
            ),
            Kind(
                "error-status", "fs.mkdir", "a directory is made and the answer is an error", {"mkdir": _error_status}
            ),
        )
    }
)
