"""The report for programs."""

import dataclasses
import json
from typing import Any

from reports.headline import headline
from reports.model import ReportData

SCHEMA = "crossfade.report/2"


def as_json(data: ReportData) -> str:
    """The report as JSON text, in English: report.schema.json. Times are Unix seconds, shares between 0 and 1."""
    plain: dict[str, Any] = {"schema": SCHEMA, "headline": headline(data), **dataclasses.asdict(data)}
    for tool, each in zip(plain["tools"], data.tools, strict=True):
        del tool["said"]
        tool["next_step"] = each.next_step
        tool["effective_share"] = each.effective_share
    for cost, of in zip(plain["costs"], data.costs, strict=True):
        cost["amount"] = of.amount
    return json.dumps(plain, ensure_ascii=False, indent=1, allow_nan=False)
