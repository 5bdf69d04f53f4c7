"""The report in its three forms."""

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from html import unescape
from html.parser import HTMLParser

from reports import ReportData, render
from reports.headline import headline
from reports.model import DECISIONS
from tests.reports.report_examples import NASTY


def test_every_decision_of_the_example_stands_in_every_form(data: ReportData, files: Mapping[str, bytes]) -> None:
    decisions = {tool.tool: tool.decision for tool in data.tools}

    assert decisions == {
        "files": "ADVANCE",
        "upload": "HOLD-DATA",
        "shell": "HOLD-HARM",
        "browser": "HOLD-HARM",
        "web": "HOLD-DATA",
        "vision": "BLOCKED",
        "expose": "HOLD-DATA",
        "lifecycle": "FOLLOWS",
    }
    for text in (
        unescape(files["report.html"].decode()).replace("\N{NO-BREAK SPACE}", " "),
        files["report.md"].decode(),
    ):
        assert all(tool.decision in text and tool.next_step in text for tool in data.tools)


def test_shares_set_and_effective_are_both_told(data: ReportData) -> None:
    files = next(tool for tool in data.tools if tool.tool == "files")

    assert files.set_share == 0.5
    assert 0.42 < files.effective_share < 0.5
    assert files.wished > files.answered["new"]
    assert sum(files.held.values()) == files.wished - files.answered["new"]


def test_calls_add_up(data: ReportData) -> None:
    requests = {(each.origin, each.purpose): each.count for each in data.requests}

    assert data.calls == 5_950
    assert requests["old", "answer"] + requests["new", "answer"] == data.calls
    assert requests["old", "mirror"] + requests["new", "mirror"] == sum(tool.mirrored for tool in data.tools)
    assert sum(each.old + each.new + each.router for each in data.hours) == data.calls
    for tool in data.tools:
        assert tool.compared == tool.matched + tool.cosmetic + tool.differing


class _Page(HTMLParser):
    """Collects what a page asks for, and whether its elements are closed."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []
        self.scripts = 0
        self.ids: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.scripts += tag == "script"
        for name, value in attributes:
            if name in ("src", "href", "xlink:href", "srcset", "data", "action"):
                self.asked.append(value or "")
            if name == "id":
                self.ids.append(value or "")
        if tag not in ("meta", "link", "br", "img", "hr", "input"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attributes)
        self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_needs_nothing_from_anywhere(files: Mapping[str, bytes]) -> None:
    text = files["report.html"].decode()
    page = _Page()
    page.feed(text)

    assert all(asked.startswith("#") for asked in page.asked)
    assert page.scripts == 0
    assert page.open == []
    assert len(page.ids) == len(set(page.ids))
    assert not re.search(r"@import|url\((?!#)", text)
    assert len(text) < 1_000_000


def test_samples_are_shown_escaped_side_by_side(data: ReportData, files: Mapping[str, bytes]) -> None:
    text = files["report.html"].decode()

    assert any(sample.old == NASTY for tool in data.tools for each in tool.signatures for sample in each.samples)
    assert "<script" not in text
    assert "&lt;script&gt;" in text
    assert "<mark>red</mark>" in text
    assert "<mark>blue</mark>" in text
    assert "\x1b" not in text
    assert "\x1b" not in files["report.md"].decode()


def test_a_table_of_markdown_keeps_its_columns_whatever_a_sample_holds(files: Mapping[str, bytes]) -> None:
    for line in files["report.md"].decode().splitlines():
        if line.startswith("| upload | fs.upload content value"):
            assert len(re.findall(r"(?<!\\)\|", line)) == 10
            return
    raise AssertionError("the row is missing")


def test_markdown_begins_with_what_is_to_be_decided(files: Mapping[str, bytes]) -> None:
    lines = files["report.md"].decode().splitlines()

    assert lines[0] == "# Migration report"
    assert lines[2].startswith("**Vision cannot be judged; ")
    assert lines[4].endswith("5,950 calls")
    assert lines[8].startswith("| vision | ✕ BLOCKED | live 50 % · shadow 50 % | 50 % → ")
    for heading in (
        "Errors: calls that both sides were sent",
        "Kinds of difference",
        "Not compared, and why",
        "Method",
    ):
        assert f"## {heading}" in lines


def test_json_has_a_schema_and_the_numbers(data: ReportData, files: Mapping[str, bytes]) -> None:
    report = json.loads(files["report.json"])

    assert report["schema"] == "crossfade.report/2"
    assert report["headline"] == headline(data)
    assert set(report) >= {"made_at", "since", "until", "alpha", "tools", "requests", "lost_records", "flag_changes"}
    for tool in report["tools"]:
        assert tool["decision"] in DECISIONS
        assert {each["name"] for each in tool["metrics"]} >= {"mismatch", "error rate"}
        for each in tool["metrics"]:
            assert each["upper"] is None or each["lower"] <= each["estimate"] <= each["upper"]
        assert [each["units"] for each in tool["growth"]] == sorted(each["units"] for each in tool["growth"])
        assert set(tool["parity"]) == {"both_ok", "old_failed", "new_failed", "both_failed"}
        assert 0 <= tool["effective_share"] <= 1
        assert sum(tool["answered"].values()) == tool["calls"]
        for signature in tool["signatures"]:
            assert signature["severity"] in ("contract", "content", "cosmetic")
            assert signature["first_seen"] <= signature["last_seen"]


def test_the_same_data_gives_the_same_bytes(data: ReportData, files: Mapping[str, bytes]) -> None:
    assert render(data) == files


def test_an_empty_store_is_a_report_too(empty: ReportData) -> None:
    files = render(empty)

    assert b"No calls were recorded" in files["report.html"]
    assert json.loads(files["report.json"])["tools"] == []


def test_lost_records_are_told(data: ReportData) -> None:
    lossy = render(replace(data, lost_records={"queue full": 12}))

    assert '<strong>12</strong> (<span lang="en">queue full</span>)' in lossy["report.html"].decode()
    assert "Records lost: 12 (queue full)." in lossy["report.md"].decode()
