"""Change scan: what a side's roots hold, by one command there and one table here."""

import base64
import binascii
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass


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
    return (
        "set -o pipefail 2>/dev/null; { "
        f"find {names} -xdev \\( -type f -o -type d -o -type l \\) -printf '%y/%m/%s/%T@/%l\\0%p\\0' 2>/dev/null; "
        "printf '\\0\\0'; "
        f"find {names} -xdev -type f -print0 2>/dev/null | xargs -0 -r sha256sum -z 2>/dev/null; "
        "} | base64 -w0"
    )


def read(output: bytes) -> Mapping[str, Entry]:
    """Entries by path. Raises ValueError when the output is not a scan's."""
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


def script(before: Plan | None, after: Plan | None) -> str:
    """Shell text: deletes, directories and links of one plan, then modes of another (set once bytes are there)."""
    lines: list[str] = []
    if before is not None:
        lines += [f"rm -rf -- {shlex.quote(path)}" for path in before.delete]
        lines += [f"mkdir -p -- {shlex.quote(path)}" for path in before.directories]
        lines += [f"ln -sfn -- {shlex.quote(target)} {shlex.quote(path)}" for path, target in before.links.items()]
    if after is not None:
        # Children first: a directory without the write bit must not keep its own children from being set.
        lines += [f"chmod {mode:o} -- {shlex.quote(path)}" for path, mode in sorted(after.modes.items(), reverse=True)]
    return "\n".join(lines)
