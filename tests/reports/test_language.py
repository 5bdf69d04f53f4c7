"""Every text of the report in both languages."""

import ast
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from comparators.standing import State
from crossfade.comparison import Severity
from crossfade.evidence import Word
from reports import ReportData, render
from reports.language import ENGLISH, language, russian

ROOT = Path(__file__).parents[2]
# Modules whose sentences reach a reader: every text in them that has a blank in it is one of the report's.
_SENTENCES = ("policies/verdicts.py", "policies/promotion.py", "comparators/evidence/metrics.py")
_SAYING = ("t", "Said")
# Texts that are looked up by value.
CODED = {
    *map(str, (*Word, *Severity, *State)),
    *("mismatch", "error rate", "error rate of arms", "p50", "p95", "seat", "follower", "sandboxes", "complete"),
    *("ms", "µs", "s", ",", ".", "{names} and {last}", "1 call", "1 twin", "1 sandbox", "{why}."),
}


def used() -> set[str]:
    """Every text that the report can show."""
    found = set(CODED)
    for template in (ROOT / "reports" / "templates").glob("*.html"):
        found |= set(re.findall(r'\bt\("([^"]+)"', template.read_text(encoding="utf-8")))
    for path in [*(ROOT / "reports").glob("*.py"), ROOT / "router/admin/reporting.py", ROOT / "router/cli/report.py"]:
        found |= set(_said(ast.parse(path.read_text(encoding="utf-8"))))
    for name in _SENTENCES:
        tree = ast.parse((ROOT / name).read_text(encoding="utf-8"))
        found |= {text for text in _texts(tree) if " " in text and text not in _dropped()}
    return found


def _said(tree: ast.AST) -> Iterator[str]:
    """What is said there, and what stands in the tables of heads and phrases."""
    for node in ast.walk(tree):
        is_call = isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in _SAYING
        if is_call and node.args and isinstance(node.args[0], ast.Constant):
            yield str(node.args[0].value)
        if isinstance(node, ast.Assign) and any(
            isinstance(target, ast.Name) and target.id in ("heads", "_COLUMNS", "_ONE", "_MANY", "_METHOD")
            for target in node.targets
        ):
            values = node.value.values if isinstance(node.value, ast.Dict) else [node.value]
            yield from (text for value in values for text in _texts(value) if text not in ("old", "new"))
        if isinstance(node, ast.ListComp) and isinstance(node.elt, ast.Call) and "t(head)" in ast.unparse(node.elt):
            yield from _texts(node.generators[0].iter)
        if isinstance(node, ast.GeneratorExp) and "t(head)" in ast.unparse(node.elt):
            yield from _texts(node.generators[0].iter)


def _texts(tree: ast.AST) -> Iterator[str]:
    documented = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.FunctionDef | ast.ClassDef)
        and isinstance(node.body[0], ast.Expr)
        and isinstance(node.body[0].value, ast.Constant)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in documented:
            yield node.value


def _dropped() -> set[str]:
    """Texts with a blank that are no sentences of the report: reasons by which records name what was left out."""
    from policies.promotion import CAPACITY_DROPS

    return {*CAPACITY_DROPS, "sample ratio"}


def test_every_text_has_a_translation_and_no_translation_is_left_over() -> None:
    known = set(russian())

    assert used() - known == set()
    assert known - used() == set()


@pytest.mark.parametrize(("english", "told"), russian().items(), ids=list(russian()))
def test_a_translation_has_the_same_blanks_to_fill_in(english: str, told: str) -> None:
    assert set(re.findall(r"{\w+}", english)) == set(re.findall(r"{\w+}", told))
    assert told


def test_the_russian_report_says_nothing_in_english_but_names(data: ReportData) -> None:
    files = render(data, language("ru"))
    page = files["report.html"].decode()
    text = re.sub(r"<style>.*?</style>|<svg.*?</svg>|<pre>.*?</pre>|<code>.*?</code>", " ", page, flags=re.DOTALL)
    text = re.sub(r'<(\w+)[^>]* lang="en"[^>]*>.*?</\1>', " ", text, flags=re.DOTALL)
    english = {word.lower() for word in re.findall(r"[A-Za-z]{4,}", re.sub(r"<[^>]+>", " ", text))}

    for word in ("the", "with", "calls", "sandbox", "sandboxes", "needed", "wait", "more", "days", "none", "differ"):
        assert word not in english
    assert "Отчёт о миграции" in page
    assert "Отчёт о миграции" in files["report.md"].decode()


def test_json_is_the_same_in_every_language(data: ReportData, files: Mapping[str, bytes]) -> None:
    assert render(data, language("ru"))["report.json"] == files["report.json"]


def test_numbers_have_the_marks_of_the_language() -> None:
    t = language("ru")

    assert [t.count(12_345), t.percent(0.0123), t.duration(0.0125)] == ["12 345", "1,2 %", "12,5 мс"]
    assert [ENGLISH.count(12_345), ENGLISH.percent(0.0123), ENGLISH.duration(0.0125)] == ["12,345", "1.2 %", "12.5 ms"]


def test_an_unknown_language_is_refused() -> None:
    with pytest.raises(ValueError, match="no language 'de'; there are en and ru"):
        language("de")
