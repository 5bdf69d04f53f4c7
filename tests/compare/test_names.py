"""What a command prints of its own sandbox is no difference."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from comparators import compare
from crossfade import Comparison, Operation, Origin, TwinRow, done
from crossfade.results import ExecResult, FileInfo
from router.compare.names import names_of
from router.compare.pairing import pair_of

OLD, NEW = "6a3f0c1e-5d1b-4c58-9c35-9a4e2f0d7b11", "i0a1b2c3d4e5f6g7h8i9j"
ROW = TwinRow(id=OLD, routing_key="k", ids={Origin.OLD: OLD, Origin.NEW: NEW})
PRINTED = Operation(name="process.exec", sandbox=OLD, arguments={"command": "c"})


def compared(old: bytes, new: bytes, row: TwinRow | None = ROW) -> Comparison:
    one, other = (done(ExecResult(exit_code=0, output=output)) for output in (old, new))
    names = names_of(PRINTED, row, old_domain="proxy.daytona.example", new_domain="e2b.app")
    return compare(pair_of(PRINTED, one, other, Origin.OLD, names=names))


@pytest.mark.parametrize(
    ("old", "new"),
    {
        "hostname": (f"{OLD}\n", "e2b\n"),
        "a full host name": (f"{OLD}\n", "e2b.local\n"),
        "a prompt": (f"root@{OLD}:/workspace# ls\n", "root@e2b:/workspace# ls\n"),
        "its own id": (f"SANDBOX_ID={OLD}\n", f"SANDBOX_ID={NEW}\n"),
        "a preview link": (f"at https://80-{OLD}.proxy.daytona.example/x\n", f"at https://80-{NEW}.e2b.app/x\n"),
        "a copied file": (f"made in {OLD}\n", f"made in {OLD}\n"),
    }.values(),
)
def test_names_of_the_sides_are_one_name(old: str, new: str) -> None:
    assert compared(old.encode(), new.encode()).matched


@pytest.mark.parametrize(
    ("old", "new"),
    [(f"{OLD}\n", "other\n"), (f"{OLD}\n", "e2bx\n"), (f"x{OLD}\n", f"x{NEW}\n"), (f"{OLD} 1\n", f"{NEW} 2\n")],
)
def test_nothing_else_is_taken_for_a_name(old: str, new: str) -> None:
    assert not compared(old.encode(), new.encode()).matched


_words = st.text(st.sampled_from("abe2 -/:=.\n0"), max_size=12)
_own = st.sampled_from([(OLD, NEW), (OLD, "e2b"), (f"80-{OLD}.proxy.daytona.example", f"80-{NEW}.e2b.app")])


@given(st.lists(st.tuples(_words, _own), min_size=1, max_size=4), _words, _words, st.integers(0, 3))
def test_texts_that_differ_elsewhere_still_differ(
    parts: list[tuple[str, tuple[str, str]]], one: str, other: str, at: int
) -> None:
    # Words around a name are separate from it: what grows together with a name is no name.
    old = [f"{words} {own[0]} " for words, own in parts]
    new = [f"{words} {own[1]} " for words, own in parts]
    place = at % (len(parts) + 1)
    assume(one.rstrip() != other.rstrip())
    same = compared(f"{''.join(old)}|".encode(), f"{''.join(new)}|".encode())
    old.insert(place, f"<{one}>")
    new.insert(place, f"<{other}>")

    assert same.matched
    assume("e2b" not in one + other)
    assert not compared(f"{''.join(old)}|".encode(), f"{''.join(new)}|".encode()).matched


def test_a_sandbox_without_twin_has_no_names() -> None:
    assert not compared(f"{OLD}\n".encode(), b"e2b\n", row=None).matched


def test_a_side_that_is_not_there_yet_names_nothing() -> None:
    row = TwinRow(id=OLD, routing_key="k", ids={Origin.OLD: OLD})
    names = names_of(PRINTED, row, old_domain="", new_domain="e2b.app")

    assert "" not in names
    assert set(names) == {OLD, "e2b", "e2b.local"}


def test_names_of_files_must_be_the_same_on_both_sides() -> None:
    listing = Operation(name="fs.list", sandbox=OLD, arguments={"path": "/workspace"})
    names = names_of(listing, ROW, old_domain="", new_domain="")
    old, new = (done((FileInfo(name=f"{name}.log", size=1),)) for name in (OLD, NEW))

    assert not compare(pair_of(listing, old, new, Origin.OLD, names=names)).matched
