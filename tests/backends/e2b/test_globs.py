"""Go's name patterns as find's, against find itself."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from router.backends.e2b.globs import find_pattern
from router.backends.matching import glob_expression

NAMES = [*"ab^!-][\\*?ä:", "a b", ".h", "ab", "[a]", "a-", "b]", "!a"]
PATTERNS = st.text(alphabet="ab^!-][\\*?ä:h.", max_size=7)


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    made = tmp_path_factory.mktemp("names")
    for name in NAMES:
        (made / name).touch()
    yield made


def found(directory: Path, pattern: str) -> set[str]:
    argv = ["find", ".", "-mindepth", "1", "-name", pattern, "-print0"]
    env = {"LC_ALL": "C.UTF-8", "PATH": os.environ["PATH"]}
    printed = subprocess.run(argv, cwd=directory, env=env, capture_output=True, check=True).stdout
    return {name.decode()[2:] for name in printed.split(b"\0") if name}


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(PATTERNS)
def test_find_matches_the_names_that_go_matches(directory: Path, pattern: str) -> None:
    expression = glob_expression(pattern)
    translated = find_pattern(pattern)

    if expression is None:  # malformed, or with a range that runs backwards
        return
    matched = set() if translated is None else found(directory, translated)
    wanted = {name for name in NAMES if expression.fullmatch(name)}
    assert matched >= wanted
    # glibc also takes a letter of two bytes for two; the adapter looks at every name once more.
    assert all(not name.isascii() for name in matched - wanted)


@pytest.mark.parametrize("pattern", ["[", "[a", "[]", "[]a]", "[-a]", "[a-", "[a-]", "\\", "[\\", "[b-a]", "[^"])
def test_a_pattern_that_go_refuses_matches_nothing(pattern: str) -> None:
    assert find_pattern(pattern) is None


def test_what_only_the_shell_knows_is_taken_literally() -> None:
    assert find_pattern("[!a]") == "[\\!a]"
    assert find_pattern("[^b-a]") == "?"
