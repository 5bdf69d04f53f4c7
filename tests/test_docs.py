"""The documents tell the truth: settings, commands, metrics, links, versions, decisions."""

import json
import re
import shlex
import tomllib
from dataclasses import MISSING, fields
from enum import StrEnum
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from crossfade.stage import STAGES, TOOLS, Origin
from crossfade.upstream import Purpose, UpstreamRequest
from policies.promotion import Word
from router.settings import SECTIONS, TelemetrySettings, ToolSettings
from router.telemetry import Telemetry, spans
from tests.reading import PAGES, ROOT, fenced, find, headings, inline, parse, rows, words
from tests.telemetry.telemetry_examples import record

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
OPERATIONS = ROOT / "docs" / "operations.md"
TABLES = {**{name: kind for name, (_, kind) in SECTIONS.items()}, "tools.NAME": ToolSettings}
REQUEST = UpstreamRequest(origin=Origin.NEW, purpose=Purpose.MIRROR, method="GET", base="http://new", target="/")
COMMANDS = [(page, line) for page in PAGES for line in fenced(page) if line.startswith("crossfade ")]


def _toml(value: Any) -> str:
    """A default as one would write it in the file."""
    match value:
        case bool():
            return str(value).lower()
        case StrEnum() | str():
            return json.dumps(str(value))
        case tuple() | list():
            return json.dumps(list(value))
        case dict():
            return "{}"
    return repr(value)


@pytest.mark.parametrize("section", TABLES)
def test_every_setting_is_documented_with_its_default_and_nothing_else_is(section: str) -> None:
    text = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8").partition(f"\n## [{section}]\n")[2]
    documented = rows(text.partition("\n## ")[0])

    expected = {
        each.name: _toml(each.default if each.default is not MISSING else each.default_factory())  # type: ignore[misc]
        for each in fields(TABLES[section])
    }
    assert {name: cells[0].strip("`") for name, cells in documented.items()} == expected
    assert all(len(cells) == 3 and all(cells) for cells in documented.values())


@pytest.mark.parametrize(("page", "line"), COMMANDS, ids=[f"{page.stem}: {line}" for page, line in COMMANDS])
def test_every_command_in_a_code_block_is_one_that_the_command_line_takes(page: Path, line: str) -> None:
    parse(words(line)[1:])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_command_and_option_named_in_a_sentence_exists(page: Path) -> None:
    for text in inline(page):
        if not text.startswith("crossfade ") or "|" in text:
            continue
        named = [word for word in shlex.split(text)[1:] if word != "..."]
        command, rest = find(named) if named else (None, [])
        known = {option for parameter in getattr(command, "params", ()) for option in parameter.opts}
        assert all(word in known for word in rest if word.startswith("-")), f"{page.name}: {text}"


def test_every_make_target_that_is_named_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE))

    named = {
        found for page in PAGES for found in re.findall(r"(?:`|^)make ([a-z-]+)", page.read_text(), flags=re.MULTILINE)
    }
    assert {"demo", "test", "bench"} <= named <= targets


def gauges() -> str:
    """Where gauges are made."""
    return "".join((ROOT / "router" / name).read_text(encoding="utf-8") for name in ("gauges.py", "admin/overseer.py"))


def exposed() -> tuple[set[str], set[str]]:
    """Names and labels of everything /metrics shows."""
    telemetry = Telemetry(TelemetrySettings())
    telemetry.observe(record())
    telemetry.observe(record(dropped="lane full", matched=None))
    telemetry.count(Origin.OLD, Purpose.ANSWER)
    telemetry.timed(REQUEST, 502, 0.1, "")
    text = telemetry.exposition().decode()
    wiring = gauges()
    names = set(re.findall(r'gauge\(\s*"(\w+)"', wiring))
    for name, kind in re.findall(r"^# TYPE (\w+) (\w+)$", text, flags=re.MULTILINE):
        names |= {f"{name}_{end}" for end in ("bucket", "count", "sum")} if kind == "histogram" else {name}
    labels = set(re.findall(r'[{,](\w+)="', text)) | set(
        re.findall(r'\("(\w+)", (?:str\(|word\b|result\b|channel\b)', wiring)
    )
    return names, labels


def expressions() -> list[str]:
    """Every PromQL expression of the board and the alerts."""
    board = json.loads((ROOT / "docker/grafana/dashboards/crossfade.json").read_text(encoding="utf-8"))
    alerts = yaml.safe_load((ROOT / "docker/prometheus/alerts.yaml").read_text(encoding="utf-8"))
    return [
        *(target["expr"] for panel in board["panels"] for target in panel["targets"]),
        *(rule["expr"] for group in alerts["groups"] for rule in group["rules"]),
    ]


@pytest.mark.parametrize("expression", expressions())
def test_every_metric_and_label_that_is_drawn_or_alerts_is_exposed(expression: str) -> None:
    names, labels = exposed()

    used = set(re.findall(r"\b(?:crossfade|http)_\w+(?=[\s)\[{,]|$)", expression))
    selected = set(re.findall(r"(\w+)(?:=~|!~|!=|=)\"", expression))
    grouped = {label.strip() for found in re.findall(r"by \(([^)]*)\)", expression) for label in found.split(",")}
    used -= labels
    assert used <= names, used - names
    assert (selected | grouped) - {"job"} <= labels, selected | grouped
    assert used or expression.startswith("up{")


def test_every_metric_is_documented_with_its_type_and_labels_and_nothing_else_is() -> None:
    page = rows((ROOT / "docs" / "metrics.md").read_text(encoding="utf-8").partition("\n## Spans\n")[0])
    wiring = gauges()
    telemetry = Telemetry(TelemetrySettings())
    for status in (200, 502):
        telemetry.observe(record(status=status, dropped="lane full"))
        telemetry.timed(REQUEST, status, 0.1, "")
    expected: dict[str, tuple[str, set[str]]] = {}
    for name in re.findall(r'gauge\(\s*"(\w+)"', wiring):
        telemetry.gauge(name, "Read elsewhere.", lambda: 1)
    for family in text_string_to_metric_families(telemetry.exposition().decode()):
        name = f"{family.name}_total" if family.type == "counter" else family.name
        expected[name] = (family.type, {label for each in family.samples for label in each.labels} - {"le"})

    documented = {name: (cells[0], set(cells[1].split(", ")) - {"–"}) for name, cells in page.items()}
    # Their labels are made where they are.
    wired = {
        "crossfade_alarms",
        "crossfade_breaker_open",
        "crossfade_lifetimes",
        "crossfade_notices",
        "crossfade_twins",
        "crossfade_verified",
    }
    assert {name: kind for name, (kind, _) in documented.items()} == {
        name: kind for name, (kind, _) in expected.items()
    }
    assert {name: labels for name, (_, labels) in documented.items() if name not in wired} == {
        name: labels for name, (_, labels) in expected.items() if name not in wired
    }


def test_every_attribute_of_a_span_is_documented_and_nothing_else_is() -> None:
    text = (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8").partition("\n## Spans\n")[2]
    full = record(
        status=502, bucket=7, validation_seconds=0.1, dropped="lane full", severity="content", signatures=("a",)
    )

    assert set(re.findall(r"`((?:crossfade|http|error)\.[\w.]+)`", text)) == set(spans.attributes(full))


def test_metrics_named_in_the_runbook_are_exposed() -> None:
    names, _ = exposed()

    assert set(re.findall(r"`(crossfade_\w+)\{", OPERATIONS.read_text(encoding="utf-8"))) <= names


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        path, _, anchor = target.partition("#")
        if path.startswith(("http://", "https://", "mailto:")):
            continue
        there = (page.parent / path).resolve() if path else page
        assert there.exists(), f"{page.name} links to {target}, which does not exist"
        assert not anchor or anchor in headings(there), f"{page.name} links to {target}: no such heading"


def test_the_newest_version_in_the_changelog_is_the_projects() -> None:
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")

    assert re.findall(r"^## \[([\d.]+)\]", text, flags=re.MULTILINE)[0] == PROJECT["project"]["version"]


def test_every_dependency_has_a_decision() -> None:
    text = "\n".join(page.read_text(encoding="utf-8").lower() for page in (ROOT / "docs/decisions").glob("0*.md"))

    names = [re.match(r"[\w-]+", line)[0] for line in PROJECT["project"]["dependencies"]]  # type: ignore[index]
    assert [name for name in names if name.lower() not in text] == []


def test_every_decision_is_listed_and_has_its_three_parts() -> None:
    folder = ROOT / "docs" / "decisions"
    listed = set(re.findall(r"\((0\d{3}-[\w-]+\.md)\)", (folder / "README.md").read_text(encoding="utf-8")))

    pages = {page.name for page in folder.glob("0*.md")}
    assert listed == pages
    assert all({"why", "what-else", "cost"} <= headings(folder / name) for name in pages)


def test_the_runbook_says_what_to_do_for_every_word_of_the_report() -> None:
    text = OPERATIONS.read_text(encoding="utf-8")

    assert all(f"| {word} |" in text for word in Word)


def test_the_words_list_every_tool_and_every_stage_is_in_the_architecture() -> None:
    listed = (ROOT / "docs" / "words.md").read_text(encoding="utf-8")
    architecture = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")

    assert all(tool in listed for tool in TOOLS)
    assert all(f"| {stage} | {rule.wish} |" in architecture for stage, rule in STAGES.items())
