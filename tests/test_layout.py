"""The tree stays easy to read: small files, one sentence per folder, the documents people look for."""

import ast
import statistics
from pathlib import Path

import pytest

from tests.reading import ROOT

CODE = ("crossfade", "policies", "comparators", "reports", "router", "shim", "demo", "bench")
PUBLIC = (
    *("README.md", "CHANGELOG.md", "Makefile", "docker/Dockerfile", "docker/compose.yaml"),
    *(
        f"docs/{name}.md"
        for name in ("architecture", "words", "operations", "settings", "metrics", "decisions/0000-template")
    ),
)
MOST_LINES = 400
MEDIAN_LINES = 150


def files(*folders: str) -> list[Path]:
    return [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]


def lines(path: Path) -> int:
    return len(path.read_text(encoding="utf-8").splitlines())


def folders() -> list[Path]:
    return sorted(
        {path.parent for path in files(*CODE)} | {ROOT / name for name in (*CODE, "docker", "scripts", "tests")}
    )


@pytest.mark.parametrize("folder", folders(), ids=lambda folder: str(folder.relative_to(ROOT)))
def test_a_folder_says_what_it_is(folder: Path) -> None:
    package = folder / "__init__.py"

    docstring = ast.get_docstring(ast.parse(package.read_text(encoding="utf-8"))) if package.exists() else None
    assert docstring or (folder / "README.md").exists(), "give it a package docstring or a README.md"


def test_every_module_begins_with_a_docstring() -> None:
    without = [
        str(path.relative_to(ROOT))
        for path in files(*CODE)
        if not ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    ]

    assert without == []


def test_no_file_is_too_long_to_read() -> None:
    long = [str(path.relative_to(ROOT)) for path in files(*CODE, "tests") if lines(path) > MOST_LINES]

    assert long == []


def test_most_files_are_short() -> None:
    assert statistics.median(lines(path) for path in files(*CODE)) <= MEDIAN_LINES


def test_every_folder_of_tests_is_explained() -> None:
    readme = (ROOT / "tests" / "README.md").read_text(encoding="utf-8")
    holding = {path.relative_to(ROOT / "tests").parts[0] for path in files("tests") if path.parent != ROOT / "tests"}

    assert [name for name in sorted(holding) if f"`{name}/`" not in readme] == []


@pytest.mark.parametrize("name", PUBLIC)
def test_what_people_look_for_is_there(name: str) -> None:
    assert (ROOT / name).is_file()
