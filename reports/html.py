"""The report as one HTML page that needs nothing from anywhere."""

from collections.abc import Sequence
from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from reports import words
from reports.as_json import SCHEMA
from reports.headline import changes, headline, new_kinds
from reports.language import ENGLISH, Language
from reports.model import DECISIONS, Bound, ReportData, Sample

_SIGNATURES_SHOWN = 12  # per tool; all of them are in report.json
_SAMPLES_SHOWN = 2


def as_html(data: ReportData, t: Language = ENGLISH) -> str:
    """The page. Everything that came from outside is escaped."""
    # matplotlib takes a second to load: only who draws pays for it.
    from reports import plots, progress_plots

    environment = _environment().overlay()
    environment.filters["value"] = lambda number, metric: told_value(number, metric, t)
    return environment.get_template("report.html").render(
        data=data,
        t=t,
        headline=headline(data, t),
        changes=changes(data, t),
        new_kinds=new_kinds(data),
        shadow_share=shadow_share(data, t),
        decisions=DECISIONS,
        schema=SCHEMA,
        signatures_shown=_SIGNATURES_SHOWN,
        samples_shown=_SAMPLES_SHOWN,
        mismatch_plot=Markup(plots.mismatch_plot(data.by_decision, t)),
        latency_plot=Markup(plots.latency_plot(data.tools, t)),
        traffic_plot=Markup(plots.traffic_plot(data.hours, t)),
        growth_plot=Markup(progress_plots.growth_plot(data.by_decision, t)),
        stages_plot=Markup(progress_plots.stages_plot(data, t)),
        coverage_plot=Markup(progress_plots.coverage_plot(data.by_decision, t)),
        cost_plot=Markup(progress_plots.cost_plot(data, t)),
    )


def told_value(number: float, metric: Bound, t: Language) -> str:
    """A number of a metric: a share, or how many times old's."""
    return f"{t.amount(number)} ×" if metric.ratio else t.percent(number)


def shadow_share(data: ReportData, t: Language) -> str:
    """What of all that ran was the shadow's."""
    hours = sum(each.hours for each in data.costs)
    if not hours:
        return ""
    shadow = sum(each.hours for each in data.costs if each.role == "follower")
    said = t("The shadow is {share} of the sandbox-hours", share=t.percent(shadow / hours))
    if not (amount := sum(each.amount for each in data.costs)):
        return f"{said}."
    spent = sum(each.amount for each in data.costs if each.role == "follower")
    parts = {"currency": data.currency, "amount": t.amount(spent), "share": t.percent(spent / amount)}
    return f"{said}: {t('{currency} {amount}, {share} of the cost', **parts)}."


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
    environment.filters["moment"] = words.moment
    environment.filters["visible"] = words.visible
    environment.filters["distinct"] = _distinct
    environment.filters["tied"] = lambda text: text.replace(" %", "\N{NO-BREAK SPACE}%")
    environment.globals["apart"] = words.apart
    return environment
