"""Change scan: what a side's roots hold, by one command there and one table here."""

import base64
import binascii
import itertools
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

# A text of this size, in base64 and wrapped, stays below the 128 KiB that Linux takes as one argument.
_TEXT_BYTES = 60_000
_LINE_BYTES = 8_000
_CLOSED = "x"  # in place of "d": a directory that cannot be looked into


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One path of a scan. `kind` is find's letter: f, d or l; others are left out and listed by nobody yet."""

    kind: str
    mode: int
    size: int
    modified: str  # seconds with fraction, as find prints them
    digest: str  # sha256 of a file, target of a link, empty for a directory


def command(roots: Sequence[str]) -> str:
    """A shell command that prints the scan, base64 so that odd names survive the wire. Needs GNU find."""
    names = " ".join(shlex.quote(root) for root in roots)
    tail = "/%m/%s/%T@/%l\\0%p\\0'"
    closed = f"-type d \\( ! -readable -o ! -executable \\) -printf '{_CLOSED}{tail}"
    return (
        "{ "
        f"find {names} -xdev \\( {closed} -o \\( -type f -o -type d -o -type l \\) -printf '%y{tail} \\) 2>/dev/null; "
        "printf '\\0\\0'; "
        f"find {names} -xdev -type f -print0 2>/dev/null | xargs -0 -r sha256sum -z 2>/dev/null; "
        "} | base64 -w0"
    )


def read(output: bytes) -> Mapping[str, Entry]:
    """Entries by path. Raises ValueError when the output is not a scan's, or not of the whole tree."""
    try:
        raw = base64.b64decode(output.strip(), validate=True)
    except binascii.Error as error:
        raise ValueError(f"scan is not base64: {error}") from None
    listing, found, sums = raw.partition(b"\0\0\0") if not raw.startswith(b"\0\0") else (b"", b"\0\0", raw[2:])
    if not found:
        raise ValueError("scan has no end of its listing")
    digests = dict(_digest(line) for line in sums.split(b"\0") if line)
    fields = listing.split(b"\0") if listing else []
    entries: dict[str, Entry] = {}
    for head, name in zip(fields[0::2], fields[1::2], strict=True):
        kind, mode, size, modified, target = head.decode("utf-8", "surrogateescape").split("/", 4)
        path = name.decode("utf-8", "surrogateescape")
        if kind == _CLOSED:
            # What is below it is unknown; as nothing, it would be deleted on the other side.
            raise ValueError(f"cannot look into {path}: no permission")
        digest = target if kind == "l" else digests.get(name, "") if kind == "f" else ""
        entries[path] = Entry(
            kind=kind, mode=int(mode, 8), size=int(size) if kind == "f" else 0, modified=modified, digest=digest
        )
    return entries


def _digest(line: bytes) -> tuple[bytes, str]:
    return line[66:], line[:64].decode("ascii")


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What makes the follower equal to the seat."""

    copy: tuple[str, ...]  # files whose bytes differ
    directories: tuple[str, ...]  # to be made, parents first
    links: Mapping[str, str]  # to be made, path -> target
    modes: Mapping[str, int]  # to be set
    delete: tuple[str, ...]  # to be removed before anything is made, children first

    @property
    def empty(self) -> bool:
        return not (self.copy or self.directories or self.links or self.modes or self.delete)


def plan(seat: Mapping[str, Entry], follower: Mapping[str, Entry], roots: Sequence[str] = ()) -> Plan:
    """Compare two scans. The roots themselves are never deleted or re-made as something else."""
    copy: list[str] = []
    directories: list[str] = []
    links: dict[str, str] = {}
    modes: dict[str, int] = {}
    delete = [path for path in follower if path not in seat and path not in roots]
    for path, want in seat.items():
        have = follower.get(path)
        if have is not None and have.kind != want.kind:
            delete.append(path)
            have = None
        if want.kind == "d":
            if have is None:
                directories.append(path)
            if have is None or have.mode != want.mode:
                modes[path] = want.mode
        elif want.kind == "l":
            if have is None or have.digest != want.digest:
                links[path] = want.digest
        else:
            if have is None or have.digest != want.digest or not want.digest:
                copy.append(path)
                modes[path] = want.mode
            elif have.mode != want.mode:
                modes[path] = want.mode
    return Plan(
        copy=tuple(sorted(copy)),
        directories=tuple(sorted(directories)),
        links=links,
        modes=modes,
        delete=tuple(sorted(delete, reverse=True)),
    )


def before(plan: Plan) -> Iterator[str]:
    """Shell texts to run in order before bytes are copied: deletes, then directories, then links."""
    links = (f"ln -sfn -- {shlex.quote(target)} {shlex.quote(path)}" for path, target in plan.links.items())
    return _texts([*_lines("rm -rf --", plan.delete), *_lines("mkdir -p --", plan.directories), *links])


def after(plan: Plan) -> Iterator[str]:
    """Shell texts to run in order once bytes are there: modes."""
    # Children first: a directory without the write bit must not keep its own children from being set.
    modes = sorted(plan.modes.items(), reverse=True)
    runs = itertools.groupby(modes, key=lambda path_and_mode: path_and_mode[1])
    return _texts(line for mode, run in runs for line in _lines(f"chmod {mode:o} --", (path for path, _ in run)))


def _lines(start: str, paths: Iterable[str]) -> Iterator[str]:
    line = start
    for path in paths:
        if len(line) > _LINE_BYTES:
            yield line
            line = start
        line = f"{line} {shlex.quote(path)}"
    if line != start:
        yield line


def _texts(lines: Iterable[str]) -> Iterator[str]:
    """As few texts as hold the lines. Each ends at the first line that fails, with its exit code."""
    text = b""
    for line in lines:
        encoded = line.encode("utf-8", "surrogateescape") + b"\n"
        if text and len(text) + len(encoded) > _TEXT_BYTES:
            yield _wrapped(text)
            text = b""
        text += encoded
    if text:
        yield _wrapped(text)


def _wrapped(text: bytes) -> str:
    # Names are bytes; the wire is JSON, which can hold only those that are UTF-8.
    return f"printf %s {base64.b64encode(text).decode()} | base64 -d | sh -e"
