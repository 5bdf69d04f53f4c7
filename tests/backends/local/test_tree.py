"""Files of a sandbox: nothing leads out."""

import os
import posixpath
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from router.backends.local.tree import DiskFull, Tree

SECRET = b"outside"
CORPUS = [
    "../secret",
    "../../secret",
    "/../secret",
    "/../../../../../../secret",
    "./.././../secret",
    "a/../../../secret",
    "/workspace/../../secret",
    "//..//secret",
    "link-up/secret",
    "link-up-far/secret",
    "link-absolute",
    "link-directory/secret",
    "link-to-link",
    "link-loop",
    "link-proc/../../secret",
    "/proc/self/root/etc/passwd",
    "/dev/../secret",
    "..\x00/secret",
    "~/../../secret",
    "%2e%2e/secret",
    "..\\secret",
    "a" * 5000,
    "../" * 900 + "secret",
    "",
    ".",
    "..",
    "/",
]
LINKS = {
    "link-up": "..",
    "link-up-far": "../../../../../..",
    "link-loop": "link-loop",
    "link-to-link": "link-absolute",
    "link-proc": "/proc/self/cwd",
}
ACTS = {
    "stat": lambda tree, path: tree.stat(path),
    "lstat": lambda tree, path: tree.lstat(path),
    "list": lambda tree, path: tree.list(path),
    "read": lambda tree, path: tree.open_read(path).read(),
    "write": lambda tree, path: tree.open_write(path).write(b"changed"),
    "mkdir": lambda tree, path: tree.mkdir(path, parents=True),
    "remove": lambda tree, path: tree.remove(path, recursive=True),
    "rename": lambda tree, path: tree.rename(path, "/workspace/stolen"),
    "rename to": lambda tree, path: tree.rename("/workspace/mine", path),
    "chmod": lambda tree, path: tree.chmod(path, 0),
    "chown": lambda tree, path: tree.chown(path, -1, -1),
}


@pytest.fixture
def tree(tmp_path: Path) -> Iterator[Tree]:
    yield planted(tmp_path)


def planted(directory: Path) -> Tree:
    """A tree with links that want out, and secrets around it."""
    for place in (directory, directory / "outer"):
        place.mkdir(exist_ok=True)
        (place / "secret").write_bytes(SECRET)
    work = directory / "outer" / "files" / "workspace"
    work.mkdir(parents=True, exist_ok=True)
    (work / "mine").write_bytes(b"mine")
    absolute = {"link-absolute": str(directory / "secret"), "link-directory": str(directory)}
    for name, target in {**LINKS, **absolute}.items():
        if not os.path.lexists(work / name):
            (work / name).symlink_to(target)
    return Tree(directory / "outer" / "files", work_dir="/workspace")


def outside(tree: Tree) -> dict[str, tuple[bytes, int]]:
    above = tree.root.parent.parent
    secrets = [above / "secret", above / "outer" / "secret"]
    listed = sorted([*above.iterdir(), *(above / "outer").iterdir()])
    return {str(path): (path.read_bytes() if path in secrets else b"", path.lstat().st_mode) for path in listed}


@pytest.mark.parametrize("act", ACTS)
@pytest.mark.parametrize("path", CORPUS, ids=range(len(CORPUS)))
def test_no_known_trick_leads_out(tree: Tree, path: str, act: str) -> None:
    before = outside(tree)

    try:
        result = ACTS[act](tree, path)
    except OSError:
        result = None

    assert result != SECRET
    assert outside(tree) == before


parts = st.sampled_from(
    ["..", ".", "", "a", "mine", "secret", "outer", "files", *LINKS, "link-absolute", "link-directory"]
)
paths = st.builds(
    lambda rooted, names: rooted + "/".join(names), st.sampled_from(["", "/"]), st.lists(parts, max_size=9)
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(acts=st.lists(st.tuples(st.sampled_from(sorted(ACTS)), paths), max_size=5))
def test_no_walk_leads_out(tmp_path_factory: pytest.TempPathFactory, acts: list[tuple[str, str]]) -> None:
    tree = planted(tmp_path_factory.mktemp("walk"))
    before = outside(tree)

    for act, path in acts:
        try:
            assert ACTS[act](tree, path) != SECRET
        except OSError:
            pass

    assert outside(tree) == before


@given(path=st.text(max_size=60))
def test_any_text_is_a_path_or_an_error(tmp_path_factory: pytest.TempPathFactory, path: str) -> None:
    tree = Tree(tmp_path_factory.getbasetemp(), work_dir="/")

    try:
        assert tree.real(path).is_relative_to(tree.root)
    except (OSError, UnicodeEncodeError):
        pass


def test_absolute_links_lead_to_the_sandboxes_own_files(tree: Tree) -> None:
    (tree.root / "workspace" / "good").symlink_to("/workspace/mine")

    with tree.open_read("good") as file:
        assert file.read() == b"mine"
    assert tree.stat("good").kind == "file"
    assert (tree.lstat("good").kind, tree.lstat("good").link_target) == ("symlink", "/workspace/mine")


def test_writing_through_a_link_writes_its_target_and_removing_removes_the_link(tree: Tree) -> None:
    (tree.root / "workspace" / "good").symlink_to("mine")

    with tree.open_write("good") as file:
        file.write(b"new")
    tree.remove("good")

    assert (tree.root / "workspace" / "mine").read_bytes() == b"new"


def test_what_shows_the_machine_cannot_be_changed(tree: Tree) -> None:
    for path in ("/usr/bin/evil", "/etc/passwd", "/proc/x", "/lib/../bin/x"):
        with pytest.raises(PermissionError):
            tree.open_write(path)
    for path in ("/", "/usr", "/workspace/.."):
        with pytest.raises((PermissionError, FileNotFoundError)):
            tree.remove(path, recursive=True)


def test_a_pipe_is_not_waited_for(tree: Tree) -> None:
    os.mkfifo(tree.root / "workspace" / "pipe")

    for act in (tree.open_read, tree.open_write):
        with pytest.raises(OSError, match=r"not a regular file|No such device"):
            act("pipe")


def test_new_files_and_parents_have_plain_modes(tree: Tree) -> None:
    tree.open_write("/workspace/p/q/file").close()
    tree.mkdir("made", 0o777)

    modes = [tree.stat(path).mode for path in ("/workspace/p", "/workspace/p/q/file", "made")]
    assert modes == [0o755, 0o644, 0o755]


def test_the_disk_limit_holds_while_writing(tmp_path: Path) -> None:
    tree = Tree(planted(tmp_path).root, work_dir="/workspace", disk_limit=10_000)

    with tree.open_write("a") as file:
        file.write(b"x" * 9_000)
        with pytest.raises(DiskFull):
            file.write(b"x" * 2_000)
    tree.remove("a")
    with tree.open_write("b") as file:
        file.write(b"x" * 9_000)

    assert posixpath.basename(tree.stat("b").path) == "b"
    assert tree.used() == 9_000 + len(b"mine")
