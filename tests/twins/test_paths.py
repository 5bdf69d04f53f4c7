"""Paths: the same file must never look like two, or two writes of it would not be seen to meet."""

import posixpath

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from router.twins.paths import any_touching, inside, normal, touching

PIECES = st.sampled_from(["a", "b", "ab", ".", "..", "", "/", "//", "a b", "-n", "ä", "\udcff", "x\ny"])
RAW = st.lists(PIECES, max_size=6).map("/".join)
NORMAL = RAW.map(normal)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("notes.txt", "/workspace/notes.txt"),
        ("./a//b/", "/workspace/a/b"),
        ("../etc/passwd", "/etc/passwd"),
        ("/../../a", "/a"),
        ("//workspace/a", "/workspace/a"),
        ("", "/workspace"),
        ("/", "/"),
        ("-rf", "/workspace/-rf"),
    ],
)
def test_a_path_has_one_form(path: str, expected: str) -> None:
    assert normal(path) == expected


@given(RAW)
@example("//")
def test_the_normal_form_is_absolute_and_stays_as_it_is(path: str) -> None:
    form = normal(path)

    assert form.startswith("/")
    assert not form.startswith("//")
    assert normal(form) == form
    assert not {".", "..", ""} & set(form.split("/")[1:-1])


@given(RAW, st.sampled_from(["/", "/workspace", "/home/user"]))
def test_a_relative_path_starts_at_the_work_dir(path: str, work_dir: str) -> None:
    assert normal(path, work_dir) == normal(posixpath.join(work_dir, path), "/")


@given(NORMAL, NORMAL)
def test_paths_touch_when_one_is_the_other_or_above_it(one: str, other: str) -> None:
    pieces, others = [[piece for piece in path.split("/") if piece] for path in (one, other)]
    shorter = min(len(pieces), len(others))

    assert touching(one, other) == touching(other, one) == (pieces[:shorter] == others[:shorter])


@given(st.sets(NORMAL, max_size=4), st.sets(NORMAL, max_size=4))
def test_sets_touch_when_any_two_do(some: set[str], others: set[str]) -> None:
    assert any_touching(some, others) == any(touching(one, other) for one in some for other in others)


def test_any_touching_reads_an_iterator_once() -> None:
    assert any_touching(iter(("/x", "/a/b")), iter(("/y", "/a")))


def test_a_name_that_only_begins_alike_touches_nothing() -> None:
    assert not touching("/workspace/a", "/workspace/ab")
    assert not inside("/workspaces/a", ("/workspace",))


@given(NORMAL, st.sets(NORMAL, max_size=3))
def test_what_is_inside_a_root_stays_inside_below(path: str, roots: set[str]) -> None:
    if inside(path, roots):
        assert inside(normal("below", path), roots)
        assert any_touching((path,), roots)


def test_everything_is_inside_the_root_directory() -> None:
    assert inside("/etc/passwd", ("/",))
    assert inside("/", ("/",))
