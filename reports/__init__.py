"""What did we learn? Pure rendering of values: the report as HTML, Markdown, JSON, and its plots."""

from reports.files import render
from reports.model import ReportData

__all__ = ["ReportData", "render"]
