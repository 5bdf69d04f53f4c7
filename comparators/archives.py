"""Archives compared by member: when they were packed and how tightly is no difference of content."""

import hashlib
import io
import tarfile
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass

from crossfade.comparison import Change, Severity

UNPACKED_BYTES = 4 * 1024 * 1024  # of one archive, all members: a few bytes may unpack to any number
MEMBERS = 1_000
_GZIP, _ZIP, _TAR, _TAR_AT = b"\x1f\x8b", b"PK\x03\x04", b"ustar", 257


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """What is compared of a member; not its time, nor its owner."""

    kind: str
    mode: int
    size: int
    sha256: str

    def __str__(self) -> str:
        # Not its name nor its content: nobody masked what was packed.
        return f"{self.kind} of {self.size} bytes, mode {self.mode:o}, {self.sha256[:12]}"


class _Unreadable(Exception):
    """Damaged, encrypted, too big, or not what it looked like."""


def is_archive(content: bytes) -> bool:
    """Whether the first bytes are those of a gzip, zip or tar file."""
    return content.startswith((_GZIP, _ZIP)) or content[_TAR_AT : _TAR_AT + len(_TAR)] == _TAR


def compare_archives(old: bytes, new: bytes) -> tuple[tuple[Change, Severity, str, str], ...] | None:
    """How two different archives differ, once per kind. None: at least one cannot be read in full within the caps."""
    one, other = members(old), members(new)
    # What unpacks the one does not unpack the other.
    if one is None or other is None or _packing(old) != _packing(new):
        return None
    found: list[tuple[Change, Severity, str, str]] = []
    for change, left, right in ((Change.MISSING, one, other), (Change.EXTRA, other, one)):
        if gone := sorted(left.keys() - right.keys()):
            shown = str(left[gone[0]])
            found.append((change, Severity.CONTENT, *((shown, "") if change is Change.MISSING else ("", shown))))
    if changed := sorted(name for name in one.keys() & other.keys() if one[name] != other[name]):
        found.append((Change.VALUE, Severity.CONTENT, str(one[changed[0]]), str(other[changed[0]])))
    if not found:
        change = Change.VALUE if list(one) == list(other) else Change.ORDER
        found.append((change, Severity.COSMETIC, f"{len(one)} members", f"{len(other)} members"))
    return tuple(found)


def members(content: bytes) -> Mapping[str, Member] | None:
    """Members by name, in order; of a gzip file that holds no tar, the one called ''. None: it cannot be read."""
    try:
        if content.startswith(_ZIP):
            return _of_zip(content)
        if not content.startswith(_GZIP):
            return _of_tar(content)
        inner = _unzipped(content)
        return _of_tar(inner) if inner[_TAR_AT : _TAR_AT + len(_TAR)] == _TAR else {"": _member("file", 0, inner)}
    except (_Unreadable, tarfile.TarError, zipfile.BadZipFile, zlib.error, OSError, EOFError, ValueError):
        return None
    except (RuntimeError, NotImplementedError):
        return None  # zipfile: encrypted, or packed in a way it does not know


def _packing(content: bytes) -> bytes:
    return next((head for head in (_GZIP, _ZIP) if content.startswith(head)), _TAR)


def _unzipped(content: bytes) -> bytes:
    reader = zlib.decompressobj(wbits=31)
    inner = reader.decompress(content, UNPACKED_BYTES + 1)
    if len(inner) > UNPACKED_BYTES or not reader.eof or reader.unused_data:
        raise _Unreadable
    return inner


def _of_tar(content: bytes) -> Mapping[str, Member]:
    found: dict[str, Member] = {}
    file = io.BytesIO(content)
    with tarfile.open(fileobj=file, mode="r:") as archive:
        for entry in archive:
            # A sparse file is made of holes: a kilobyte of archive may claim gigabytes.
            if entry.name in found or len(found) >= MEMBERS or entry.size > len(content) or entry.issparse():
                raise _Unreadable
            inner = archive.extractfile(entry) if entry.isfile() else None
            body = inner.read() if inner else entry.linkname.encode(errors="surrogateescape")
            found[entry.name] = _member(f"tar entry type {entry.type.decode('latin-1')}", entry.mode, body)
        if content[archive.offset :].strip(b"\0"):
            raise _Unreadable  # something behind the end, which nobody would see
    return found


def _of_zip(content: bytes) -> Mapping[str, Member]:
    found: dict[str, Member] = {}
    left = UNPACKED_BYTES
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        for entry in archive.infolist():
            with archive.open(entry) as inner:
                body = inner.read(left + 1)
            left -= len(body)
            if entry.filename in found or len(found) >= MEMBERS or left < 0:
                raise _Unreadable
            found[entry.filename] = _member("file", entry.external_attr >> 16 & 0o7777, body)
    return found


def _member(kind: str, mode: int, body: bytes) -> Member:
    return Member(kind=kind, mode=mode, size=len(body), sha256=hashlib.sha256(body).hexdigest())
