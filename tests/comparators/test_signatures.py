"""comparators/signatures.py: what a difference is called, and that each injected kind is called one thing."""

from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256

import pytest
from comparison_examples import pair, pairs
from hypothesis import given
from hypothesis import strategies as st

from comparators import compare, signature, signatures
from crossfade import Change, Comparison, Difference, Outcome, Severity, done, refused
from crossfade.results import ContentDigest, ExecResult, FileInfo, SessionExec, SessionLogs

Case = tuple[str, Outcome, Outcome]

data = st.binary(min_size=1, max_size=60)
paths = st.sampled_from(["/workspace/index.html", "a.txt", "uploads/ünï.bin"])
words = st.from_regex(r"\A[a-zA-Z][a-zA-Z =./_-]{0,20}\Z")
names_of_files = words.filter(lambda word: "/" not in word)
line_lists = st.lists(words, min_size=1, max_size=6)


def digest(content: bytes) -> Outcome:
    return done(ContentDigest(size=len(content), sha256=sha256(content).hexdigest(), sample=content))


def listing(names: list[str]) -> Outcome:
    return done(tuple(FileInfo(name=name, path=f"/workspace/{name}") for name in names))


def ran(lines: list[str], code: int = 0) -> Outcome:
    return done(ExecResult(exit_code=code, output="".join(f"{line}\n" for line in lines).encode()))


@st.composite
def file_byte(draw: st.DrawFn) -> Case:
    content = draw(data)
    at = draw(st.integers(0, len(content) - 1))
    return "fs.download", digest(content), digest(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])


@st.composite
def file_truncated(draw: st.DrawFn) -> Case:
    content = draw(data) + b"."  # not a space: texts without the last of those have a name of their own
    return "fs.download", digest(content), digest(content[:-1])


@st.composite
def file_missing(draw: st.DrawFn) -> Case:
    path = draw(paths)
    return "fs.info", done(FileInfo(name=path)), refused(404, "NOT_FOUND", f"not found: {path}")


@st.composite
def list_missing_entry(draw: st.DrawFn) -> Case:
    names = draw(st.lists(names_of_files, min_size=1, max_size=5, unique=True))
    return "fs.list", listing(names), listing(names[:-1])


@st.composite
def list_extra_entry(draw: st.DrawFn) -> Case:
    names = draw(st.lists(names_of_files, max_size=5, unique=True))
    return "fs.list", listing(names), listing([*names, "0extra"])


@st.composite
def mode_bit(draw: st.DrawFn) -> Case:
    file = FileInfo(name=draw(paths), is_dir=draw(st.booleans()), mode=draw(st.sampled_from([0o644, 0o755, 0o600])))
    return "fs.info", done(file), done(replace(file, mode=file.mode ^ 0o010, modified_ns=5))


@st.composite
def size_off_by_one(draw: st.DrawFn) -> Case:
    file = FileInfo(name=draw(paths), size=draw(st.integers(0, 2**40)))
    return "fs.info", done(file), done(replace(file, size=file.size + 1))


@st.composite
def exec_exit_code(draw: st.DrawFn) -> Case:
    lines, code = draw(line_lists), draw(st.sampled_from([0, 1, 7, 127, -1]))
    name = draw(st.sampled_from(["process.exec", "process.code"]))
    return name, ran(lines, code), ran(lines, 0 if code else 1)


@st.composite
def exec_stdout(draw: st.DrawFn) -> Case:
    lines = draw(line_lists)
    at = draw(st.integers(0, len(lines) - 1))
    return "process.exec", ran(lines), ran([*lines[:at], lines[at] + " (changed)", *lines[at + 1 :]])


@st.composite
def exec_line_missing(draw: st.DrawFn) -> Case:
    lines = draw(line_lists)
    return "process.exec", ran(lines), ran(lines[:-1])


@st.composite
def session_output(draw: st.DrawFn) -> Case:
    mark = draw(st.sampled_from([b"\1\1\1", b"\2\2\2"]))
    lines = draw(line_lists)
    at = draw(st.integers(0, len(lines) - 1))
    changed = [*lines[:at], "changed " + lines[at], *lines[at + 1 :]]
    old, new = (b"".join(mark + line.encode() + b"\n" for line in each) for each in (lines, changed))
    if draw(st.booleans()):
        return "session.logs", done(SessionLogs(marked=old)), done(SessionLogs(marked=new))
    return (
        "session.exec",
        done(SessionExec(command_id="1", marked=old, exit_code=0)),
        done(SessionExec(command_id="x", marked=new, exit_code=0)),
    )


@st.composite
def error_status(draw: st.DrawFn) -> Case:
    old = draw(st.sampled_from([done(None, status=201), refused(400, "BAD_REQUEST", "exists")]))
    return "fs.mkdir", old, refused(500, "", "internal error")


# The kinds that the embedded E2B front can inject, and the one name each has in a report.
INJECTED: dict[Callable[[], st.SearchStrategy[Case]], str] = {
    file_byte: "fs.download content value",
    file_truncated: "fs.download content size",
    file_missing: "fs.info status new 404",
    list_missing_entry: "fs.list entry missing",
    list_extra_entry: "fs.list entry extra",
    mode_bit: "fs.info mode value",
    size_off_by_one: "fs.info size value",
    exec_exit_code: "process.exec exit_code value",
    exec_stdout: "process.exec output line value",
    exec_line_missing: "process.exec output line missing",
    session_output: "session.exec output line value",
    error_status: "fs.mkdir status new 500",
}


def test_injected_kinds_have_names_of_their_own() -> None:
    assert len(set(INJECTED.values())) == len(INJECTED) == 12


@pytest.mark.parametrize("kind", INJECTED, ids=lambda kind: kind.__name__)
@given(chance=st.data())
def test_an_injected_difference_has_one_name_whatever_it_hit(
    kind: Callable[[], st.SearchStrategy[Case]], chance: st.DataObject
) -> None:
    comparison = compare(pair(*chance.draw(kind())))

    assert signatures(comparison) == (INJECTED[kind],)
    assert comparison.severity in (Severity.CONTRACT, Severity.CONTENT)


@given(pairs())
def test_signatures_hold_no_value_of_the_call(compared: object) -> None:
    comparison = compare(compared)  # type: ignore[arg-type]
    known = {*"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ ._*()0123456789-"}

    for name in signatures(comparison):
        assert set(name) <= known
        assert name.split()[0].count(".") == 1


def test_noise_and_a_defect_in_one_place_have_two_names() -> None:
    one = Difference(path="output line", change=Change.VALUE, severity=Severity.CONTENT)

    assert signature("process.exec", one) == "process.exec output line value"
    assert (
        signature("process.exec", replace(one, severity=Severity.COSMETIC))
        == "process.exec output line value (cosmetic)"
    )


@pytest.mark.parametrize(
    ("old", "new", "name"),
    [
        ("200", "404", "fs.info status new 404"),
        ("404", "200", "fs.info status old 404"),
        ("404", "400", "fs.info status old 404 new 400"),
        ("200", "201", "fs.info status old 200 new 201"),
        ("400", "500", "fs.info status new 500"),
    ],
)
def test_a_status_is_named_after_the_side_that_did_worse(old: str, new: str, name: str) -> None:
    difference = Difference(path="status", change=Change.VALUE, severity=Severity.CONTRACT, old=old, new=new)

    assert signature("fs.info", difference) == name


def test_a_comparison_without_detail_is_a_kind_of_its_own() -> None:
    comparison = Comparison(operation="process.code", limited="took longer than 2 s")

    assert signatures(comparison) == ("process.exec without detail: took longer than 2 s",)
