"""comparators/structure.py: two healthy wires agree, and what differs is found once and shown."""

import random
from dataclasses import replace

import pytest
from comparison_examples import pair

from comparators import compare, plain, surely_agree
from crossfade import Change, Outcome, Pair, Severity, done, refused
from crossfade.results import (
    CommandInfo,
    ContentDigest,
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

# One call, answered by a healthy Daytona and, after translation, by a healthy E2B (facts/e2b.md §3.2-3.3).
HEALTHY: list[tuple[str, Outcome, Outcome]] = [
    (
        "fs.info",
        done(FileInfo(name="a", path="", size=3, mode=0o644, modified_ns=17, owner="0", group="0")),
        done(FileInfo(name="a", path="/workspace/a", size=3, mode=0o4644, modified_ns=99, owner="root", group="root")),
    ),
    (
        "fs.list",
        done((FileInfo(name="b", size=2), FileInfo(name="a", is_dir=True, size=4096, mode=0o755))),
        done((FileInfo(name="a", is_dir=True, size=60, mode=0o755, modified_ns=4), FileInfo(name="b", size=2))),
    ),
    (
        "fs.download",
        done(ContentDigest(size=3, sha256="c" * 64, sample=b"abc")),
        done(ContentDigest(size=3, sha256="c" * 64, sample=b"ab")),
    ),
    ("fs.info", refused(404, "Not Found", ""), refused(404, "NOT_FOUND", "not found: /workspace/a")),
    ("fs.delete", refused(404, "FILE_NOT_FOUND", "not found: /a/b"), refused(404, "NOT_FOUND", "not found: /c")),
    (
        "fs.find",
        done((TextMatch(path="./a", line=1, content="x"), TextMatch(path="b", line=2, content="x"))),
        done((TextMatch(path="b", line=2, content="x"), TextMatch(path="a", line=1, content="x"))),
    ),
    ("fs.search", done(("b", "./a")), done(("a", "b"))),
    ("fs.replace", done((Replaced(path="a", success=True),)), done((Replaced(path="a", success=True),))),
    (
        "process.exec",
        done(ExecResult(exit_code=-1, output=b"\x1b[31mred\x1b[0m\nsh: 1: x: not found")),
        done(ExecResult(exit_code=137, output=b"red\n/usr/bin/bash: line 1: x: command not found\n")),
    ),
    (
        "process.exec",
        done(ExecResult(exit_code=0, output=b"A=1\n")),
        done(ExecResult(exit_code=0, output=b"CROSSFADE_SHADOW=1\nA=1\n")),
    ),
    (
        "process.exec",
        done(ExecResult(exit_code=0, output="caf\ufffd\n".encode())),
        done(ExecResult(exit_code=0, output=b"caf\xe9\n")),
    ),
    (
        "session.exec",
        done(SessionExec(command_id="1", marked=b"\1\1\1a\n\2\2\2e\n\1\1\1b\n", exit_code=0)),
        done(SessionExec(command_id="9", marked=b"\2\2\2e\n\1\1\1a\n\1\1\1b", exit_code=0)),
    ),
    ("session.exec", done(SessionExec(command_id="1"), status=202), done(SessionExec(command_id="2"), status=202)),
    ("session.logs", done(SessionLogs(marked=b"\1\1\1a\0b\n")), done(SessionLogs(marked=b"\1\1\1ab\n"))),
    (
        "session.get",
        done(SessionInfo(id="s", commands=(CommandInfo(id="1", command="x"), CommandInfo(id="2", command="y")))),
        done(SessionInfo(id="s", commands=(CommandInfo(id="b", command="y"), CommandInfo(id="a", command="x")))),
    ),
    (
        "sandbox.get",
        done(SandboxInfo(id="one", state="starting", labels={"a": "b"}, cpu=2, env={"A": "b"})),
        done(SandboxInfo(id="two", state="started", labels={"a": "b", "crossfade.key": "k"}, cpu=4)),
    ),
    ("sandbox.preview", done(PreviewLink(url="https://a", token="b")), done(PreviewLink(url="https://c", token="d"))),
    ("pty.create", done(PtyInfo(id="cmd-1"), status=201), done(PtyInfo(id="44", created_at="x"), status=201)),
]


@pytest.mark.parametrize(("operation", "old", "new"), HEALTHY)
def test_two_healthy_wires_agree(operation: str, old: Outcome, new: Outcome) -> None:
    assert compare(pair(operation, old, new)).differences == ()
    assert compare(pair(operation, old, new)).matched


COSMETIC: list[tuple[str, Outcome, Outcome, str]] = [
    ("fs.info", done(FileInfo(name="a", owner="1000")), done(FileInfo(name="a", owner="user")), "owner"),
    ("fs.mkdir", refused(400, "", "not a directory"), refused(400, "", "path exists as a file"), "message"),
    ("pty.get", done(PtyInfo(id="a", cwd="/root")), done(PtyInfo(id="a", cwd="/app")), "cwd"),
    (
        "session.command",
        done(CommandInfo(id="1", command="x", exit_code=None)),
        done(CommandInfo(id="1", command="x", exit_code=0)),
        "exit_code",
    ),
]


@pytest.mark.parametrize(("operation", "old", "new", "path"), COSMETIC)
def test_what_no_client_acts_on_is_cosmetic(operation: str, old: Outcome, new: Outcome, path: str) -> None:
    comparison = compare(pair(operation, old, new))

    assert [(each.path, each.severity) for each in comparison.differences] == [(path, Severity.COSMETIC)]


def test_a_finished_command_that_ended_differently_is_a_broken_contract() -> None:
    old, new = (done(CommandInfo(id="1", command="x", exit_code=code)) for code in (0, 1))

    assert compare(pair("session.command", old, new)).severity is Severity.CONTRACT


def test_an_entry_shows_its_name_and_a_field_of_it_both_values() -> None:
    file = FileInfo(name="a.txt", size=10)
    missing = compare(pair("fs.list", done((file,)), done(()))).differences[0]
    changed = compare(pair("fs.list", done((file,)), done((replace(file, size=11),)))).differences[0]

    assert (missing.path, missing.change, missing.new) == ("entry", Change.MISSING, "")
    assert missing.old.startswith("a.txt: ")
    assert (changed.path, changed.change, changed.old, changed.new) == ("entry.size", Change.VALUE, "10", "11")


def test_one_entry_at_the_head_is_one_difference_not_a_thousand() -> None:
    files = tuple(FileInfo(name=f"{at:04}") for at in range(1000))
    comparison = compare(pair("fs.list", done(files), done((FileInfo(name="!"), *files))))

    assert [(each.path, each.change) for each in comparison.differences] == [("entry", Change.EXTRA)]


def test_many_places_of_one_kind_are_one_difference() -> None:
    old, new = (done(tuple(FileInfo(name=f"{at}", size=size) for at in range(300))) for size in (1, 2))

    assert len(compare(pair("fs.list", old, new)).differences) == 1


def test_other_bytes_of_another_length_are_told_apart_from_a_cut() -> None:
    content = ContentDigest(size=6, sha256="a" * 64, sample=b"abcdef")
    cut = replace(content, size=5, sha256="b" * 64, sample=b"abcde")
    other = replace(content, size=5, sha256="c" * 64, sample=b"abXde")

    def changes(new: ContentDigest) -> set[Change]:
        return {each.change for each in compare(pair("fs.download", done(content), done(new))).differences}

    assert changes(cut) == {Change.SIZE}
    assert changes(other) == {Change.SIZE, Change.VALUE}


def test_of_many_places_the_first_by_name_is_shown() -> None:
    names = [f"{at:03}" for at in range(100)]
    random.Random(3).shuffle(names)
    comparison = compare(pair("fs.list", done(tuple(FileInfo(name=name) for name in names)), done(())))

    assert comparison.differences[0].old.startswith("000: ")


def tree(root: str, *places: str, **sizes: int) -> tuple[FileInfo, ...]:
    """A listing of several levels, its last entry of that size."""
    return tuple(
        FileInfo(name=place.rpartition("/")[2], path=f"{root}{place}", size=sizes.get(place.replace("/", "_"), 1))
        for place in places
    )


@pytest.mark.parametrize("root", ["/workspace/", "./", ""])
def test_entries_of_one_name_in_several_directories_are_told_apart(root: str) -> None:
    old = tree("/workspace/", "a", "a/x", "b", "b/x", "c", "c/x", a_x=1, b_x=2, c_x=3)
    gone = tree(root, "a", "b", "b/x", "c", "c/x", b_x=2, c_x=3)
    swapped = tree(root, "a", "a/x", "b", "b/x", "c", "c/x", a_x=2, b_x=1, c_x=3)

    def found(new: tuple[FileInfo, ...]) -> list[tuple[str, Change, str]]:
        compared = compare(pair("fs.list", done(old), done(tuple(reversed(new)))))
        return [(each.path, each.change, each.old.partition(":")[0]) for each in compared.differences]

    assert found(gone) == [("entry", Change.MISSING, "a/x")]
    assert found(swapped) == [("entry.size", Change.VALUE, "1")]
    assert found(tree(root, "a", "a/x", "b", "b/x", "c", "c/x", a_x=1, b_x=2, c_x=3)) == []


def test_a_file_in_another_directory_is_another_file() -> None:
    old, new = tree("/w/", "a", "b", "a/x"), tree("/w/", "a", "b", "b/x")

    assert not surely_agree("fs.list", done(old), done(new))
    assert [(each.path, each.change) for each in compare(pair("fs.list", done(old), done(new))).differences] == [
        ("entry", Change.EXTRA),
        ("entry", Change.MISSING),
    ]


def test_labels_are_compared_by_name_without_telling_the_name() -> None:
    comparison = compare(pair("sandbox.labels", done({"a": "1", "b": "2"}), done({"a": "9"})))

    assert [(each.path, each.change) for each in comparison.differences] == [
        ("labels.*", Change.MISSING),
        ("labels.*", Change.VALUE),
    ]


def test_a_type_that_changed_is_a_broken_contract() -> None:
    old = plain("fs.info", done(FileInfo(name="a", size=1)))
    new = {**old, "value": {**old["value"], "size": "1"}}
    found = compare(Pair(operation="fs.info", old=old, new=new)).differences

    assert [(each.path, each.change, each.severity) for each in found] == [("size", Change.TYPE, Severity.CONTRACT)]
