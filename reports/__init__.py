"""What did we learn? Pure rendering of values: the report as HTML, Markdown, JSON, and its plots."""

from collections.abc import Mapping

from reports.model import ReportData

__all__ = ["ReportData", "render"]


def render(data: ReportData) -> Mapping[str, bytes]:
    """The files of a report by name: report.html (needs nothing beside itself), report.md, report.json."""
    # Plots bring matplotlib: who only counts with intervals, as the router does, must not pay for it.
    from reports.files import render as written

    return written(data)
