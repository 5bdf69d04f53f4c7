"""A report as files."""

from collections.abc import Mapping

from reports.as_json import as_json
from reports.html import as_html
from reports.markdown import as_markdown
from reports.model import ReportData


def render(data: ReportData) -> Mapping[str, bytes]:
    """The files of a report by name: report.html (needs nothing beside itself), report.md, report.json."""
    return {
        "report.html": as_html(data).encode(),
        "report.md": as_markdown(data).encode(),
        "report.json": as_json(data).encode(),
    }
