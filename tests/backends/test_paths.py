"""Paths of clients: whoever maps one to a file means the same file."""

import posixpath
from pathlib import Path
from urllib.parse import parse_qs

from hypothesis import example, given
from hypothesis import strategies as st

from crossfade.operation import Operation
from router.backends.e2b.single import single
from router.backends.local.files import absolute
from router.backends.local.tree import Tree
from router.backends.matching import glob_expression
from router.front.e2b.paths import clean
from router.twins.paths import normal

WORK = "/workspace"
NAMES = st.sampled_from(["a", "b c", "..", ".", "~", "", "ü", "new\nline", "%2F", "a?b&c=d#e", "\udcff", "*"])
PATHS = st.builds(
    lambda root, names, slash: ("/" if root else "") + "/".join(names) + ("/" if slash else ""),
    st.booleans(), st.lists(NAMES, min_size=1, max_size=5), st.booleans(),
).filter(bool)  # fmt: skip


@given(PATHS)
@example("//a")
@example("../../..")
def test_both_sides_and_the_twin_mean_the_same_file(path: str) -> None:
    tree = Tree(Path("/nowhere"), work_dir=WORK)
    meant = normal(path, WORK)

    assert clean(posixpath.join(WORK, path)) == meant
    assert clean(absolute(tree, path)) == meant
    assert meant.startswith("/") and ".." not in meant.split("/") and "//" not in meant
    assert normal(meant, WORK) == meant


@given(PATHS)
def test_a_path_reaches_envd_as_it_was_written(path: str) -> None:
    asked = single(Operation(name="fs.download", arguments={"path": path}), work_dir=WORK, user="root")
    assert asked is not None
    target = asked.line.decode("ascii").split(" ")[1]

    named = parse_qs(target.partition("?")[2], errors="surrogateescape", keep_blank_values=True)
    assert named == {"path": [posixpath.join(WORK, path)], "username": ["root"]}


def matched(pattern: str, name: str) -> bool | None:
    """Go's filepath.Match on one name, written from its documentation; None for a malformed pattern."""
    if not pattern:
        return not name
    first, rest = pattern[0], pattern[1:]
    match first:
        case "*":
            found = [matched(rest, name[at:]) for at in range(len(name) + 1) if "/" not in name[:at]]
            return None if None in found else any(found)
        case "[":
            negated = rest.startswith("^")
            rest = rest.removeprefix("^")
            held, count = False, 0
            while not (count and rest.startswith("]")):
                low, rest = member(rest)
                high = low
                if low is not None and rest.startswith("-"):
                    high, rest = member(rest[1:])
                if low is None or high is None or not rest:
                    return None
                count += 1
                held = held or (bool(name) and low <= name[0] <= high)
            after = matched(rest[1:], name[1:])
            return None if after is None else bool(name) and name[0] != "/" and held is not negated and after
        case "?":
            after = matched(rest, name[1:])
            return None if after is None else bool(name) and name[0] != "/" and after
        case "\\":
            if not rest:
                return None
            first, rest = rest[0], rest[1:]
    after = matched(rest, name[1:])
    return None if after is None else name.startswith(first) and after


def member(text: str) -> tuple[str | None, str]:
    if not text or text[0] in "-]":
        return None, text
    if text[0] != "\\":
        return text[0], text[1:]
    return (text[1], text[2:]) if len(text) > 1 else (None, "")


@given(st.text(alphabet="ab^!-][\\*?ä.\n", max_size=7), st.text(alphabet="ab^!-][\\*?ä.\n", max_size=4))
@example("[b-ac]", "c")
@example("[^b-a]", "x")
@example("a[", "b")
def test_a_pattern_matches_what_go_says(pattern: str, name: str) -> None:
    expression = glob_expression(pattern)

    assert (None if expression is None else expression.fullmatch(name) is not None) == matched(pattern, name)
