"""Answers as outcomes: what the front renders for any SDK version, the adapter reads back."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossfade.operation import OPERATIONS, Operation
from crossfade.outcome import Fate, Outcome, done, refused
from crossfade.results import (
    CommandInfo,
    Content,
    ExecResult,
    FileInfo,
    PreviewLink,
    PtyInfo,
    Replaced,
    SandboxInfo,
    SessionExec,
    SessionInfo,
    SessionLogs,
    TextMatch,
)
from router.backends.daytona.decode import nanoseconds, outcome_of, outcomes_of
from router.backends.daytona.encode import encode
from router.front.daytona.dialect import Dialect, Version
from router.front.daytona.marks import strip
from router.front.daytona.requests import decode
from router.front.daytona.responses import Asking, Response, downloaded, render, uploaded
from router.front.daytona.routes import Route, match

VERSIONS: list[Version | None] = [(0, 21, 0), (0, 115, 0), (0, 226, 1), None]
versions = st.sampled_from(VERSIONS)
words = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\1\2"), max_size=12)
names = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="/"), min_size=1, max_size=10)
outputs = words.map(str.encode)
marked = st.lists(st.tuples(st.sampled_from([b"\1\1\1", b"\2\2\2"]), outputs), max_size=3).map(
    lambda lines: b"".join(mark + line for mark, line in lines)
)
codes = st.integers(-1, 255)
files = st.builds(
    FileInfo,
    name=names,
    is_dir=st.booleans(),
    size=st.integers(0, 2**40),
    mode=st.integers(0, 0o777),
    modified_ns=st.integers(0, 4_000_000_000_000_000_000),
    owner=st.just("1001"),
    group=st.just("0"),
)
commands = st.builds(CommandInfo, id=names, command=words, exit_code=st.none() | codes)
sessions = st.builds(SessionInfo, id=names, commands=st.lists(commands, max_size=2).map(tuple))
ptys = st.builds(
    PtyInfo,
    id=names,
    cwd=words,
    env=st.dictionaries(names, words, max_size=2),
    cols=st.integers(1, 999),
    rows=st.integers(1, 999),
    created_at=st.just("2026-01-01T00:00:00Z"),
    active=st.booleans(),
)
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "sandbox.labels": st.dictionaries(names, words, max_size=2),
    "sandbox.preview": st.builds(PreviewLink, url=st.just("http://x/"), token=words),
    "sandbox.work_dir": st.just("/workspace"),
    "sandbox.home_dir": st.just("/root"),
    "fs.info": files,
    "fs.list": st.lists(files, max_size=3).map(tuple),
    "fs.find": st.lists(st.builds(TextMatch, path=words, line=st.integers(1, 9), content=words), max_size=2).map(tuple),
    "fs.search": st.lists(words, max_size=3).map(tuple),
    "fs.replace": st.lists(st.builds(Replaced, path=words, success=st.booleans(), error=words), max_size=2).map(tuple),
    "process.exec": st.builds(ExecResult, exit_code=codes, output=outputs),
    "process.code": st.builds(ExecResult, exit_code=codes, output=outputs),
    "session.list": st.lists(sessions, max_size=2).map(tuple),
    "session.get": sessions,
    "session.command": commands,
    "pty.list": st.lists(ptys, max_size=2).map(tuple),
    "pty.get": ptys,
    "pty.resize": ptys,
}


def asking(operation: str, version: Version | None, kind: str = "") -> Asking:
    plane: Any = "control" if operation.startswith("sandbox.") else "toolbox"
    route = Route(operation, kind or operation, "s", {}, plane, False, "")
    return Asking(route=route, dialect=Dialect(version=version), public_url="http://front")


def read(operation: Operation, response: Response) -> Outcome:
    assert isinstance(response.body, bytes)
    return outcome_of(operation, response.status, dict(response.headers), response.body)


@given(st.data(), st.sampled_from(sorted(VALUES)), versions)
def test_every_value_survives_the_wire_of_every_version(
    data: st.DataObject, name: str, version: Version | None
) -> None:
    value = data.draw(VALUES[name])
    operation = Operation(name=name, sandbox="s")

    outcome = read(operation, render(operation, done(value), asking(name, version)))

    assert outcome == done(value)


@given(marked, codes, versions)
def test_session_output_survives_marked_where_the_version_has_marks(
    output: bytes, code: int, version: Version | None
) -> None:
    executed, logs = Operation(name="session.exec"), Operation(name="session.logs")
    expected = output if Dialect(version=version).marked else strip(output)

    got = read(executed, render(executed, done(SessionExec(command_id="c", marked=output, exit_code=code)),
               asking("session.exec", version)))  # fmt: skip
    text = read(logs, render(logs, done(SessionLogs(marked=output)), asking("session.logs", version)))

    assert got.value == SessionExec(command_id="c", marked=expected, exit_code=code)
    assert text.value == SessionLogs(marked=expected)


@pytest.mark.parametrize("version", VERSIONS)
def test_an_asynchronous_exec_has_neither_output_nor_code(version: Version | None) -> None:
    operation = Operation(name="session.exec")
    response = render(operation, done(SessionExec(command_id="c"), status=202), asking("session.exec", version))

    assert read(operation, response) == done(SessionExec(command_id="c"), status=202)


@given(st.lists(names, max_size=4, unique=True), versions)
def test_lists_of_every_shape_are_read(ids: list[str], version: Version | None) -> None:
    operation = Operation(name="sandbox.list")
    infos = tuple(SandboxInfo(id=id, state="started") for id in ids)
    for kind in ("list", "list_paginated"):
        outcome = read(operation, render(operation, done(infos), asking("sandbox.list", version, kind)))

        assert [info.id for info in outcome.value] == ids


@given(
    st.sampled_from([(400, "BAD_REQUEST"), (404, "NOT_FOUND"), (409, "CONFLICT"), (408, "REQUEST_TIMEOUT")]),
    st.sampled_from(["fs.info", "pty.get", "sandbox.get", "session.exec", "process.exec"]),
    words.filter(str.strip),
    versions,
)  # fmt: skip
def test_refusals_keep_status_code_and_words(
    kind: tuple[int, str], name: str, message: str, version: Version | None
) -> None:
    operation = Operation(name=name)
    refusal = refused(*kind, message)

    assert read(operation, render(operation, refusal, asking(name, version))) == refusal


def test_an_empty_error_body_says_what_its_status_says() -> None:
    outcome = outcome_of(Operation(name="fs.info"), 404, {}, b"")

    assert (outcome.fate, outcome.status, outcome.code) == (Fate.FAILED, 404, "NOT_FOUND")
    assert outcome.message == "not found"


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"{}", b"null"])
def test_an_answer_that_cannot_be_read_is_of_unknown_fate(body: bytes) -> None:
    assert outcome_of(Operation(name="fs.info"), 200, {}, body).fate is Fate.UNKNOWN


async def whole(stream: AsyncIterator[bytes]) -> bytes:
    return b"".join([chunk async for chunk in stream])


@given(
    st.dictionaries(names, st.binary(max_size=60) | st.none(), min_size=1, max_size=4),
    versions,
    st.booleans(),
)
async def test_bulk_downloads_are_taken_apart_file_by_file(
    tree: dict[str, bytes | None], version: Version | None, sized: bool
) -> None:
    operations = [Operation(name="fs.download", arguments={"path": path}) for path in tree]

    async def fetch(operation: Operation) -> Outcome:
        content = tree[operation.arguments["path"]]
        if content is None:
            return refused(404, "NOT_FOUND", "not found: no such file or directory")

        async def stream() -> AsyncIterator[bytes]:
            yield content

        return done(Content(stream=stream(), size=len(content) if sized else None))

    response = downloaded(operations, fetch, asking("fs.download", version, "bulk_download"))
    assert not isinstance(response.body, bytes)
    body = await whole(response.body)

    outcomes = outcomes_of(operations, 200, dict(response.headers), body)

    assert [outcome.value for outcome in outcomes] == list(tree.values())
    assert [outcome.status for outcome in outcomes] == [
        200 if content is not None else 404 for content in tree.values()
    ]


def test_a_part_of_a_file_is_told_from_the_whole_and_from_several_parts() -> None:
    operation = Operation(name="fs.download", arguments={"path": "/a", "range": "bytes=0-1"})
    kind = {b"content-type": b"application/octet-stream"}

    whole = outcome_of(operation, 200, kind, b"ab")
    part = outcome_of(operation, 206, {**kind, b"content-range": b"bytes 0-1/9"}, b"ab")
    several = outcome_of(operation, 206, {b"content-type": b"multipart/byteranges; boundary=b"}, b"--b")
    beyond = outcome_of(operation, 416, kind, b"invalid range: failed to overlap")

    assert [(each.status, each.value) for each in (whole, part)] == [(200, b"ab"), (206, b"ab")]
    assert several.fate is Fate.UNKNOWN
    assert (beyond.status, beyond.code, beyond.message) == (
        416,
        "RANGE_NOT_SATISFIABLE",
        "invalid range: failed to overlap",
    )


@pytest.mark.parametrize("version", VERSIONS)
def test_of_a_batch_upload_every_file_has_its_own_outcome(version: Version | None) -> None:
    operations = [Operation(name="fs.upload", arguments={"path": path}) for path in ("/a", "/b")]
    results = [(operations[0], done(), 3), (operations[1], refused(400, "BAD_REQUEST", "is a directory"), 0)]
    response = uploaded(results, asking("fs.upload", version, "bulk_upload"))
    assert isinstance(response.body, bytes)

    outcomes = outcomes_of(operations, response.status, dict(response.headers), response.body)

    assert [(each.ok, each.status) for each in outcomes] == [(True, 200), (False, 400)]
    assert "is a directory" in outcomes[1].message


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-01-02T03:04:05Z", 1767323045_000000000),
        ("2026-01-02 03:04:05.123456789 +0000 UTC", 1767323045_123456789),
        ("2026-01-02 04:04:05.5 +0100 CET", 1767323045_500000000),
        ("2026-01-02T03:04:05.1+00:00", 1767323045_100000000),
        ("yesterday", 0),
    ],
)
def test_times_are_read_in_both_notations(text: str, expected: int) -> None:
    assert nanoseconds(text) == expected


ARGUMENTS: dict[str, dict[str, Any]] = {
    "sandbox.create": {
        "snapshot": "i",
        "env": {"A": "b"},
        "labels": {"l": "1"},
        "public": True,
        "auto_stop_minutes": 5,
    },
    "sandbox.list": {"labels": {"a": "ü b"}, "limit": 5},
    "sandbox.labels": {"labels": {"a": "b"}},
    "sandbox.interval": {"kind": "auto_stop", "minutes": 5},
    "sandbox.preview": {"port": 8080},
    "interpreter.create": {"cwd": "/w", "language": "python"},
    "interpreter.delete": {"context": "c/1"},
    "sandbox.ssh": {"verb": "create", "minutes": 5},
    "fs.info": {"path": "/a b/ü&?#%2F+"},
    "fs.list": {"path": "rel"},
    "fs.download": {"path": "/x"},
    "fs.mkdir": {"path": "/x", "mode": "700"},
    "fs.delete": {"path": "/x", "recursive": True},
    "fs.chmod": {"path": "/x", "mode": "644", "owner": "root", "group": "root"},
    "fs.move": {"source": "/a", "destination": "/b"},
    "fs.find": {"path": "/x", "pattern": "a+b"},
    "fs.search": {"path": "/x", "pattern": "*.py"},
    "fs.replace": {"files": ("/a",), "pattern": "x", "new_value": ""},
    "process.exec": {"command": "ls", "cwd": "/w", "env": {"A": "b c"}, "timeout": 5},
    "process.code": {"code": "1", "language": "python", "argv": ("a",), "env": {}, "timeout": None},
    "session.create": {"session": "a/b"},
    "session.get": {"session": "a/b"},
    "session.delete": {"session": "a b"},
    "session.exec": {"session": "s", "command": "ls", "run_async": True},
    "session.command": {"session": "s", "command_id": "c"},
    "session.logs": {"session": "s", "command_id": "c"},
    "session.follow": {"session": "s", "command_id": "c"},
    "session.input": {"session": "s", "command_id": "c", "data": "x\n"},
    "pty.create": {"pty": "p", "cols": 90, "rows": 30, "cwd": "/w", "env": {"A": "b"}},
    "pty.get": {"pty": "p"},
    "pty.delete": {"pty": "p"},
    "pty.resize": {"pty": "p", "cols": 9, "rows": 3},
    "pty.connect": {"pty": "p"},
    **{f"git.{name}": {"path": "a b"} for name in ("status", "branches", "history", "remotes")},
    "git.config": {"key": "user.name", "scope": "local", "path": "/r"},
    "git.config_set": {"key": "user.name", "value": "", "scope": "local", "path": "/r"},
    "git.user": {"name": "Ann", "email": "a@b", "scope": "global"},
    "git.credentials": {"username": "a", "password": "b", "host": "h", "protocol": "http"},
    "git.clone": {
        "url": "u",
        "path": "/r",
        "branch": "b",
        "commit": "c",
        "username": "a",
        "password": "p",
        "depth": 1,
        "skip_tls": True,
    },
    "git.init": {"path": "/r", "bare": True, "initial_branch": "b"},
    "git.add": {"path": "/r", "files": ("a", "b")},
    "git.commit": {"path": "/r", "message": "m", "author": "Ann", "email": "a@b", "allow_empty": True},
    **{f"git.branch_{what}": {"path": "/r", "name": "b"} for what in ("create", "delete")},
    "git.checkout": {"path": "/r", "branch": "b"},
    "git.reset": {"path": "/r", "mode": "hard", "target": "HEAD~1", "files": ("a",)},
    "git.restore": {"path": "/r", "files": ("a",), "staged": False, "worktree": True, "source": "s"},
    "git.push": {
        "path": "/r",
        "username": "a",
        "password": "p",
        "branch": "b",
        "remote": "o",
        "set_upstream": True,
    },
    "git.pull": {"path": "/r", "username": "a", "password": "p", "branch": "b", "remote": "o"},
    "git.remote_add": {"path": "/r", "name": "o", "url": "u", "fetch": True, "overwrite": False},
}


@pytest.mark.parametrize("name", sorted(OPERATIONS.keys() - {"fs.upload"}))
def test_every_operation_sent_by_the_adapter_is_the_one_the_front_reads(name: str) -> None:
    operation = Operation(name=name, sandbox="s 1", arguments=ARGUMENTS.get(name, {}))

    wire = encode(operation)

    path, _, query = wire.path.partition("?")
    prefix = "/api" if wire.plane == "control" else "/toolbox/s%201"
    route = match(wire.method, prefix + path)
    assert route is not None
    got = decode(route, query.encode(), {}, wire.content or b"")
    scoped = "" if name in ("sandbox.create", "sandbox.list") else "s 1"
    assert (got.name, got.sandbox, got.arguments) == (name, scoped, operation.arguments)


def test_a_file_that_did_not_change_is_no_failure() -> None:
    same = read(Operation(name="fs.download", arguments={"path": "f"}), Response(304))
    failed = read(Operation(name="fs.download", arguments={"path": "f"}), Response(412))

    assert (same.ok, same.status, same.value) == (True, 304, None)
    assert (failed.ok, failed.status, failed.code) == (False, 412, "PRECONDITION_FAILED")
