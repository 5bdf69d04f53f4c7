"""A report as files."""

import re
from collections.abc import Mapping
from ctypes.util import find_library
from importlib.util import find_spec
from typing import Any

from reports.as_json import as_json
from reports.html import as_html
from reports.language import ENGLISH, Language
from reports.markdown import as_markdown
from reports.model import ReportData

# The page's colours on paper: WeasyPrint does not look up variables inside of pictures.
_PAPER = {"ink": "#16191d", "soft": "#4a515a", "line": "#cfd4da", "old": "#4a5058", "new": "#0b6fb8"}


def render(data: ReportData, t: Language = ENGLISH) -> Mapping[str, bytes]:
    """The files of a report by name: report.html (needs nothing beside itself), report.md, report.json."""
    return {
        "report.html": as_html(data, t).encode(),
        "report.md": as_markdown(data, t).encode(),
        "report.json": as_json(data).encode(),
    }


def can_print() -> bool:
    """Whether WeasyPrint is installed, an extra (`pip install crossfade[pdf]`), and Pango, which it draws with."""
    return find_spec("weasyprint") is not None and find_library("pangoft2-1.0") is not None


def as_pdf(page: str) -> bytes:
    """The page as a PDF. ImportError or OSError where WeasyPrint or its libraries are missing."""
    import weasyprint

    html: Any = weasyprint.HTML

    def refuse(url: str, *_: object, **__: object) -> dict[str, object]:
        raise ValueError(f"a report needs nothing from anywhere, not even {url:.60}")

    page = re.sub(r"var\(--(ink|soft|line|old|new)\)", lambda found: _PAPER[found[1]], page)
    return bytes(html(string=page, url_fetcher=refuse).write_pdf())
