"""Trees deeper than Python's own walk bears are removed whole, and nothing beside them."""

import os
import subprocess
from pathlib import Path

from router.backends.local.removal import remove_quietly, remove_tree


def deep(folder: Path) -> Path:
    """A tree of 1,500 levels, with a link out of it at the bottom."""
    folder.mkdir()
    (folder.parent / "outside").write_text("stays")
    script = (
        "for i in $(seq 15); do mkdir -p $(printf 'd/%.0s' $(seq 100)) && cd -P $(printf 'd/%.0s' $(seq 100)); done"
    )
    subprocess.run(["sh", "-c", f"{script}; ln -s {folder.parent}/outside out; echo x > file"], cwd=folder, check=True)
    return folder


def test_a_deep_tree_below_an_open_directory(tmp_path: Path) -> None:
    deep(tmp_path / "tree")
    directory = os.open(tmp_path, os.O_RDONLY)
    try:
        remove_tree("tree", directory)
    finally:
        os.close(directory)

    assert os.listdir(tmp_path) == ["outside"]
    assert (tmp_path / "outside").read_text() == "stays"


def test_a_deep_tree_by_its_path(tmp_path: Path) -> None:
    remove_quietly(deep(tmp_path / "tree"))

    assert os.listdir(tmp_path) == ["outside"]


def test_what_is_not_there_is_no_error_for_who_asks_quietly(tmp_path: Path) -> None:
    remove_quietly(tmp_path / "nothing")
