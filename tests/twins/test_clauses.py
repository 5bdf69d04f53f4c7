"""Every clause of docs/consistency.md is held by tests that name it, and no test names one that is not there."""

import re

from tests.reading import ROOT

_DEFINED = re.compile(r"^\| \*\*(C\d+)\*\* \|", re.MULTILINE)
_NAMED = re.compile(r"\bC\d{1,2}\b(?!%)")


def _named() -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for file in (ROOT / "tests").rglob("test_*.py"):
        if file.name == "test_clauses.py":
            continue
        for docstring in re.findall(r'"""(.*?)"""', file.read_text(encoding="utf-8"), re.DOTALL):
            for clause in _NAMED.findall(docstring):
                found.setdefault(clause, set()).add(file.name)
    return found


def test_every_clause_is_named_by_a_test() -> None:
    clauses = _DEFINED.findall((ROOT / "docs" / "consistency.md").read_text(encoding="utf-8"))

    assert clauses == [f"C{number}" for number in range(1, len(clauses) + 1)]
    assert len(clauses) > 10
    assert set(_named()) == set(clauses)
