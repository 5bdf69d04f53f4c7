"""report.json against its schema."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import jsonschema
import pytest

from reports import ReportData, render
from reports.model import Before, Cost
from reports.schema import schema

FILE = Path(__file__).parents[2] / "reports" / "report.schema.json"


def test_the_file_is_the_schema_of_what_is_written() -> None:
    assert json.loads(FILE.read_text(encoding="utf-8")) == json.loads(json.dumps(schema()))


def test_a_report_is_of_its_schema(files: Mapping[str, bytes]) -> None:
    jsonschema.Draft202012Validator.check_schema(json.loads(FILE.read_text(encoding="utf-8")))

    jsonschema.validate(json.loads(files["report.json"]), json.loads(FILE.read_text(encoding="utf-8")))


def test_a_report_of_a_week_is_too(data: ReportData) -> None:
    before = Before(decision="ADVANCE", calls=1, effective_share=0.5, compared=1, differing=0, upper=None)
    tools = tuple(replace(tool, before=before) for tool in data.tools)
    costs = (Cost(origin="old", role="seat", hours=2.5, per_hour=0.1),)
    weekly = replace(data, week="2026-W47", tools=tools, costs=costs, measured_since=1.0)

    jsonschema.validate(json.loads(render(weekly)["report.json"]), schema())


def test_what_is_not_in_the_schema_is_refused(files: Mapping[str, bytes]) -> None:
    report = json.loads(files["report.json"])

    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(report | {"more": 1}, schema())
    report["tools"][0]["decision"] = "GO"
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(report, schema())
