"""The report as one HTML page that needs nothing from anywhere."""

from collections.abc import Sequence
from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from reports import words
from reports.model import DECISIONS, ReportData, Sample, headline

_SIGNATURES_SHOWN = 12  # per tool; all of them are in report.json
_SAMPLES_SHOWN = 2


def as_html(data: ReportData) -> str:
    """The page. Everything that came from outside is escaped."""
    # matplotlib takes a second to load: only who draws pays for it.
    from reports.plots import latency_plot, mismatch_plot, traffic_plot

    return (
        _environment()
        .get_template("report.html")
        .render(
            data=data,
            headline=headline(data),
            decisions=DECISIONS,
            signatures_shown=_SIGNATURES_SHOWN,
            samples_shown=_SAMPLES_SHOWN,
            mismatch_plot=Markup(mismatch_plot(data.by_decision)),
            latency_plot=Markup(latency_plot(data.tools)),
            traffic_plot=Markup(traffic_plot(data.hours)),
        )
    )


def _distinct(samples: Sequence[Sample]) -> Sequence[Sample]:
    """The first of samples that look the same."""
    return list({(sample.path, sample.old, sample.new): sample for sample in reversed(samples)}.values())[::-1]


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("reports", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    for name in ("percent", "count", "duration", "moment", "stages", "visible"):
        environment.filters[name] = getattr(words, name)
    environment.filters["distinct"] = _distinct
    environment.filters["tied"] = lambda text: text.replace(" %", "\N{NO-BREAK SPACE}%")
    environment.globals["apart"] = words.apart
    return environment
