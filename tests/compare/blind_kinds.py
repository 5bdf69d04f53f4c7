"""Kinds of difference to inject blind, each with the names that a report has to give it; none: it is to be ignored."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache

from crossfade import Outcome, done, refused
from crossfade.results import ExecResult, FileInfo, GitFile, GitStatus, PreviewLink, SandboxInfo, SessionExec, TextMatch
from router.compare.capture import digest_of
from tests.comparators.content_examples import answer, drawn, encoded, gzipped, tarred, with_block, zipped

IGNORED: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """Two answers of one operation. `named` is what a report has to say of the pair, nothing less and nothing more."""

    operation: str
    old: Outcome
    new: Outcome
    named: tuple[str, ...]


OUT, ERR = b"\1\1\1", b"\2\2\2"
LINE = "process.exec output line"
PROSE = b"first\n  second third\ncaf\xc3\xa9\nlast\n"
NOTE = FileInfo(name="note.txt", path="/workspace/note.txt", size=40, modified_ns=10**18)
LISTING = tuple(replace(NOTE, name=f"{name}.txt", path=f"/workspace/{name}.txt") for name in "abc")
BOX = SandboxInfo(id="box-1", state="started", labels={"team": "a"})
STATUS = GitStatus(branch="main", files=(GitFile(name="a.py", staging="Unmodified", worktree="Modified"),))
FILES = {"a.txt": b"one", "b/c.txt": b"two" * 90}
DOCUMENT = {"name": "x", "sizes": [1, 2, 3], "share": 0.3}
BIG_BYTES = 50_000_000


def printed(old: bytes, new: bytes, *named: str) -> Kind:
    return Kind(
        operation="process.exec",
        old=done(ExecResult(exit_code=0, output=old)),
        new=done(ExecResult(exit_code=0, output=new)),
        named=named,
    )


def ended(old: int, new: int, *named: str) -> Kind:
    ran = ExecResult(exit_code=old, output=b"working\n")
    return Kind(operation="process.exec", old=done(ran), new=done(replace(ran, exit_code=new)), named=named)


def in_session(old: bytes, new: bytes, *named: str) -> Kind:
    return Kind(
        operation="session.exec",
        old=done(SessionExec(command_id="1", marked=old, exit_code=0)),
        new=done(SessionExec(command_id="b-2", marked=new, exit_code=0)),
        named=named,
    )


def downloaded(old: bytes, new: bytes, *named: str) -> Kind:
    return Kind(operation="fs.download", old=done(digest_of(old)), new=done(digest_of(new)), named=named)


def valued(operation: str, old: object, new: object, *named: str) -> Kind:
    return Kind(operation=operation, old=done(old), new=done(new), named=named)


def _json(document: object, **how: object) -> bytes:
    return json.dumps(document, **how).encode()  # type: ignore[arg-type]


def _commands() -> dict[str, Kind]:
    document, turned = _json(DOCUMENT), _json(dict(reversed(DOCUMENT.items())))
    page = encoded(drawn())
    return {
        "wrong exit code": ended(0, 1, "process.exec exit_code value"),
        "killed by a signal": ended(137, -1),
        "line changed": printed(PROSE, PROSE.replace(b"first", b"fist"), f"{LINE} value"),
        "output truncated": printed(PROSE, PROSE[: PROSE.index(b"last")], f"{LINE} missing"),
        "line more": printed(PROSE, PROSE + b"more\n", f"{LINE} extra"),
        "blank line more": printed(PROSE, PROSE + b"\n", f"{LINE} extra"),
        "output empty": printed(b"done\n", b"", f"{LINE} missing"),
        "order of lines": printed(b"a\nb\nc\n", b"b\nc\na\n"),
        "trailing newline": printed(PROSE, PROSE[:-1]),
        "carriage returns": printed(PROSE, PROSE.replace(b"\n", b"\r\n"), f"{LINE} value"),
        "tab for spaces": printed(PROSE, PROSE.replace(b"  ", b"\t"), f"{LINE} value"),
        "trailing space": printed(PROSE, PROSE.replace(b"third\n", b"third \n"), f"{LINE} value"),
        "unicode form": printed(PROSE, PROSE.replace(b"\xc3\xa9", b"e\xcc\x81"), f"{LINE} value"),
        "byte order mark": printed(PROSE, b"\xef\xbb\xbf" + PROSE, f"{LINE} value"),
        "locale": printed(b"1,234.50\n", b"1.234,50\n", f"{LINE} value"),
        "language": printed(b"No such file\n", b"Datei nicht gefunden\n", f"{LINE} value"),
        "time zone": printed(b"zone UTC\n", b"zone MSK\n", f"{LINE} value"),
        "time of day": printed(b"2026-11-23T10:00:00Z ok\n", b"2026-11-23T10:00:09Z ok\n"),
        "colours": printed(PROSE, PROSE.replace(b"first", b"\x1b[31mfirst\x1b[0m")),
        "progress bar": printed(b" 10%\r 60%\r100%\nok\n", b" 35%\r100%\nok\n"),
        "progress bar ends elsewhere": printed(b" 10%\r100%\n", b" 10%\r 99%\n", f"{LINE} value"),
        "process id": printed(b"started, pid 812\n", b"started, pid 4711\n"),
        "port": printed(b"on 127.0.0.1:40123\n", b"on 127.0.0.1:51234\n"),
        "port that was asked for": printed(b"on 127.0.0.1:8080\n", b"on 127.0.0.1:8081\n", f"{LINE} value"),
        "temporary name": printed(b"/tmp/tmp.Ab3dE6f7\n", b"/tmp/tmp.Zz3dE6f7\n"),
        "duration": printed(b"3 passed in 0.12s\n", b"3 passed in 0.98s\n"),
        "count beside a duration": printed(b"3 passed in 0.12s\n", b"2 passed in 0.12s\n", f"{LINE} value"),
        "tag of a file": printed(b'HTTP/1.1 200\r\nETag: "5f-1"\r\n', b'HTTP/1.1 200\r\nETag: "60-2"\r\n'),
        "status beside a tag": printed(b"HTTP/1.1 200\r\nETag: 1\r\n", b"HTTP/1.1 404\r\nETag: 1\r\n", f"{LINE} value"),
        "sandbox's name": printed(b"host dt-1\n", b"host e2b.local\n"),
        "name of the shell": printed(b"bash: line 1: x: command not found\n", b"sh: 1: x: not found\n"),
        "printed key order": printed(document, turned),
        "printed value": printed(document, turned.replace(b'"x"', b'"y"'), f"{LINE} value"),
        "printed float noise": printed(b'{"a": 0.3}\n', b'{"a": 0.30000000000000004}\n'),
        "float noise in prose": printed(b"sum 0.3\n", b"sum 0.30000000000000004\n", f"{LINE} value"),
        "screenshot's block": printed(
            answer(page), answer(encoded(with_block(drawn(), (80, 40, 88, 48)))), "process.exec screenshot value"
        ),
        "screenshot encoded anew": printed(answer(page), answer(encoded(drawn(), compress_level=1))),
        "screenshot lost": printed(answer(page), answer(b""), "process.exec screenshot type"),
        "streams swapped": in_session(
            OUT + b"a\n" + ERR + b"b\n",
            ERR + b"a\n" + OUT + b"b\n",
            "session.exec output line value",
        ),
        "streams interleaved": in_session(OUT + b"a\n" + ERR + b"b\n", ERR + b"b\n" + OUT + b"a\n"),
        "all on the other stream": in_session(
            OUT + b"a\n", ERR + b"a\n", "session.exec output line missing", "session.exec output line extra"
        ),
    }  # fmt: skip


def _files() -> dict[str, Kind]:
    pixels, block = drawn(), with_block(drawn(), (10, 10, 18, 18))
    big = bytes(BIG_BYTES)
    return {
        "file missing": Kind(
            operation="fs.info",
            old=done(NOTE),
            new=refused(404, "NOT_FOUND", "gone"),
            named=("fs.info status new 404",),
        ),
        "mode bit": valued("fs.info", NOTE, replace(NOTE, mode=0o645), "fs.info mode value"),
        "sticky bit": valued("fs.info", NOTE, replace(NOTE, mode=0o1644)),
        "mtime only": valued("fs.info", NOTE, replace(NOTE, modified_ns=5)),
        "owner": valued("fs.info", NOTE, replace(NOTE, owner="1000")),
        "size": valued("fs.info", NOTE, replace(NOTE, size=41), "fs.info size value"),
        "a directory": valued(
            "fs.info", NOTE, replace(NOTE, is_dir=True), "fs.info is_dir value", "fs.info size missing"
        ),
        "entry missing": valued("fs.list", LISTING, LISTING[1:], "fs.list entry missing"),
        "entry more": valued("fs.list", LISTING[1:], LISTING, "fs.list entry extra"),
        "order of entries": valued("fs.list", LISTING, LISTING[::-1]),
        "entry's mode": valued(
            "fs.list", LISTING, (*LISTING[:2], replace(LISTING[2], mode=0o600)), "fs.list entry.mode value"
        ),
        "entry in other letters": valued(
            "fs.list", LISTING, (*LISTING[:2], replace(LISTING[2], name="C.txt")),
            "fs.list entry missing", "fs.list entry extra",
        ),
        "match missing": valued(
            "fs.find", (TextMatch(path="a", line=3, content="x"),), (), "fs.find match missing"
        ),
        "path missing": valued("fs.search", ("a", "b"), ("a",), "fs.search path missing"),
        "order of paths": valued("fs.search", ("a", "b"), ("b", "a")),
        "one byte at 50 MB": downloaded(big, big[:-1] + b"\1", "fs.download content value"),
        "50 MB cut short": downloaded(big, big[:-1], "fs.download content size"),
        "file's line ending": downloaded(PROSE, PROSE.replace(b"\n", b"\r\n"), "fs.download content line ending value"),
        "file's mark": downloaded(PROSE, b"\xef\xbb\xbf" + PROSE, "fs.download content byte order mark value"),
        "file's spaces": downloaded(PROSE, PROSE.replace(b"  ", b"\t"), "fs.download content spaces value"),
        "file's unicode form": downloaded(
            PROSE, PROSE.replace(b"\xc3\xa9", b"e\xcc\x81"), "fs.download content unicode form value"
        ),
        "file's order": downloaded(b"a\nb\n", b"b\na\n", "fs.download content line order"),
        "file's last newline": downloaded(PROSE, PROSE[:-1], "fs.download content size"),
        "file's times": downloaded(b"at 10:00:01\n", b"at 10:00:07\n"),
        "file's key order": downloaded(_json(DOCUMENT), _json(dict(reversed(DOCUMENT.items())))),
        "file's indent": downloaded(_json(DOCUMENT), _json(DOCUMENT, indent=2)),
        "file's float noise": downloaded(_json({"a": 0.3}), _json({"a": 0.1 + 0.2})),
        "file's value": downloaded(_json(DOCUMENT), _json({**DOCUMENT, "name": "y"}), "fs.download content json value"),
        "file's type": downloaded(_json(DOCUMENT), _json({**DOCUMENT, "name": 1}), "fs.download content json type"),
        "file's key missing": downloaded(_json(DOCUMENT), _json({"share": 0.3}), "fs.download content json missing"),
        "picture's block": downloaded(encoded(pixels), encoded(block), "fs.download content picture value"),
        "picture encoded anew": downloaded(encoded(pixels), encoded(pixels, compress_level=1)),
        "picture's size": downloaded(
            encoded(pixels), encoded(pixels.resize((100, 50))), "fs.download content picture size"
        ),
        "archive packed later": downloaded(gzipped(tarred(FILES)), gzipped(tarred(FILES, mtime=7), mtime=7)),
        "archive's member": downloaded(
            zipped(FILES), zipped({**FILES, "a.txt": b"eno"}), "fs.download content member value"
        ),
        "archive's member missing": downloaded(
            gzipped(tarred(FILES)), gzipped(tarred({"a.txt": b"one"})), "fs.download content member missing"
        ),
    }  # fmt: skip


def _others() -> dict[str, Kind]:
    return {
        "state": valued("sandbox.get", BOX, replace(BOX, state="error"), "sandbox.get state value"),
        "state on its way": valued("sandbox.get", BOX, replace(BOX, state="starting", id="other")),
        "label": valued("sandbox.get", BOX, replace(BOX, labels={"team": "b"}), "sandbox.get labels.* value"),
        "preview lost": valued(
            "sandbox.preview", PreviewLink(url="u"), PreviewLink(url=""), "sandbox.preview url value"
        ),
        "preview's host": valued("sandbox.preview", PreviewLink(url="a", token="k"), PreviewLink(url="b", token="l")),
        "home": valued("sandbox.home_dir", "/home/a", "/home/b", "sandbox.home_dir path value"),
        "new fails": Kind(
            operation="fs.mkdir",
            old=done(status=201),
            new=refused(500, "", "broken"),
            named=("fs.mkdir status new 500",),
        ),
        "refused for another reason": Kind(
            operation="fs.mkdir",
            old=refused(409, "CONFLICT", "exists"),
            new=refused(409, "GONE", "exists"),
            named=("fs.mkdir code value",),
        ),
        "refused in other words": Kind(
            operation="fs.mkdir", old=refused(409, "CONFLICT", "exists"), new=refused(409, "CONFLICT", "is there"),
            named=IGNORED,
        ),
        "file's git state": valued(
            "git.status", STATUS, replace(STATUS, files=(replace(STATUS.files[0], worktree="Deleted"),)),
            "git.status file.worktree value",
        ),
        "branch": valued("git.status", STATUS, replace(STATUS, branch="dev"), "git.status branch value"),
    }  # fmt: skip


@cache
def kinds() -> Mapping[str, Kind]:
    """All of them, by a name of their own."""
    return {**_commands(), **_files(), **_others()}
