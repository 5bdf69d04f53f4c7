"""The report's plots, as SVG to be put into a page: text stays text, and colours are the page's own."""

import io
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

import matplotlib as mpl
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from reports.language import ENGLISH, Language
from reports.model import HourOfCalls, Latency, ToolReport

# Colours that no plot would use, replaced by the page's variables: so the plots follow dark mode and print.
INK, SOFT, LINE, OLD, NEW = "#0a0b01", "#0a0b02", "#0a0b03", "#0a0b04", "#0a0b05"
_VARIABLES = MappingProxyType({INK: "ink", SOFT: "soft", LINE: "line", OLD: "old", NEW: "new"})
STYLE: Any = MappingProxyType(  # its keys are a closed type of matplotlib's
    {
        "svg.fonttype": "none",  # text, not outlines: small, searchable, no font is embedded
        "svg.hashsalt": "crossfade",  # the same data gives the same bytes
        "font.family": "sans-serif",
        "font.size": 10,
        "text.color": INK,
        "axes.labelcolor": SOFT,
        "axes.edgecolor": LINE,
        "axes.titlesize": 10.5,
        "axes.titleweight": "bold",
        "axes.titlelocation": "left",
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.grid": True,
        "axes.axisbelow": True,
        "grid.color": LINE,
        "grid.linewidth": 0.7,
        "xtick.color": SOFT,
        "ytick.color": SOFT,
        "xtick.minor.size": 0,
    }
)
_LOWEST = 1e-4  # the left end of the mismatch plot: a bound of zero has no place on a logarithmic axis
_MOST_TOOLS = 9  # in the latency plot
_COLUMNS = 3
_HOUR_LABELS = 12
_MOST_BARS = 170
_WIDTHS = (1, 6, 24, 168, 744, 8_784, 10**9)  # hours


def mismatch_plot(tools: Sequence[ToolReport], t: Language = ENGLISH) -> str:
    """Per tool: the mismatch seen, the interval in which the true one lies, and the budget of the next step."""
    compared = [tool for tool in tools if tool.bound.units]
    if not compared:
        return ""
    with mpl.rc_context(dict(STYLE)):
        figure = Figure(figsize=(9.2, 0.75 + 0.42 * len(compared)), layout="constrained")
        axes = figure.add_subplot()
        for row, tool in enumerate(compared):
            low, high = max(tool.bound.lower, _LOWEST), max(_upper(tool), _LOWEST)
            within = _upper(tool) <= tool.budget
            axes.plot([low, high], [row, row], color=INK, linewidth=5, alpha=0.28, solid_capstyle="butt")
            axes.plot([high, high], [row - 0.2, row + 0.2], color=INK, linewidth=2)
            axes.plot(
                [max(tool.bound.estimate, _LOWEST)],
                [row],
                marker="o" if tool.bound.estimate else "<",
                color=INK,
                markersize=6,
                clip_on=False,
            )
            axes.plot(
                [tool.budget] * 2, [row - 0.36, row + 0.36], color=NEW, linewidth=2, linestyle="-" if within else "--"
            )
            axes.annotate(
                f"≤ {t.percent(_upper(tool))}",
                (max(high, tool.budget), row),
                xytext=(6, 0),
                textcoords="offset points",
                va="center",
                fontsize=9,
            )
        axes.set_xscale("log")
        axes.set_xlim(_LOWEST, 1.0)
        axes.set_xticks([1e-4, 1e-3, 1e-2, 1e-1, 1], [t.percent(each) for each in (1e-4, 1e-3, 1e-2, 1e-1, 1.0)])
        axes.xaxis.set_minor_locator(NullLocator())
        axes.set_yticks(range(len(compared)), [tool.tool for tool in compared])
        axes.tick_params(axis="y", length=0, pad=10, labelcolor=INK)
        axes.set_ylim(len(compared) - 0.5, -0.5)
        axes.grid(visible=False, axis="y")
        axes.spines["left"].set_visible(False)
        axes.set_xlabel(t("share of compared calls that differ, by sandbox (logarithmic)"))
        return as_svg(figure, t("Mismatch per tool with its bounds and the budget of the next step"), "mismatch")


def _upper(tool: ToolReport) -> float:
    return 1.0 if tool.bound.upper is None else tool.bound.upper


def latency_plot(tools: Sequence[ToolReport], t: Language = ENGLISH) -> str:
    """Per tool: how many of the calls were done within a time, for both origins."""
    measured = [tool for tool in sorted(tools, key=lambda tool: -tool.calls) if tool.latencies][:_MOST_TOOLS]
    if not measured:
        return ""
    with mpl.rc_context(dict(STYLE)):
        rows = -(-len(measured) // _COLUMNS)
        figure = Figure(figsize=(9.2, 2.15 * rows + 0.45), layout="constrained")
        grid = figure.subplots(rows, _COLUMNS, squeeze=False, sharey=True)
        panels = [panel for line in grid for panel in line]
        for panel, tool in zip(panels, measured, strict=False):
            for latency in tool.latencies:
                _draw(panel, latency, t)
            panel.set_title(tool.tool)
            panel.set_xscale("log")
            panel.set_ylim(0, 1.02)
            panel.set_yticks([0, 0.5, 0.95], ["0", t.percent(0.5), t.percent(0.95)])
            low, high = panel.get_xlim()
            # One label tells nothing: where the axis is short, 2 and 5 are named too.
            panel.xaxis.set_major_locator(LogLocator(subs=(1.0,) if high / low > 50 else (1.0, 2.0, 5.0)))
            panel.xaxis.set_minor_locator(NullLocator())
            panel.xaxis.set_major_formatter(FuncFormatter(lambda seconds, _: t.duration(seconds)))
        for panel in panels[len(measured) :]:
            panel.set_visible(False)
        handles = {line.get_label(): line for panel in panels[: len(measured)] for line in panel.get_lines()}
        figure.legend(handles.values(), handles.keys(), loc="outside upper left", ncols=4, frameon=False, fontsize=9)
        return as_svg(figure, t("Share of calls done within a time, per tool, old and new"), "latency")


def traffic_plot(hours: Sequence[HourOfCalls], t: Language = ENGLISH) -> str:
    """Calls by the hour, by who answered. Empty when there are less than two hours."""
    if len(hours) < 2:
        return ""
    hours = _merged(hours)
    with mpl.rc_context(dict(STYLE)):
        figure = Figure(figsize=(9.2, 2.1), layout="constrained")
        axes = figure.add_subplot()
        times = range(len(hours))
        old, new, router = ([getattr(each, name) for each in hours] for name in ("old", "new", "router"))
        axes.bar(times, old, width=0.85, color=OLD, alpha=0.55, label=t("answered by old"))
        axes.bar(times, new, width=0.85, bottom=old, color=NEW, hatch="///", edgecolor=LINE, label=t("by new"))
        if any(router):
            below = [one + other for one, other in zip(old, new, strict=True)]
            axes.bar(times, router, width=0.85, bottom=below, color=SOFT, label=t("by crossfade itself"))
        shown = range(0, len(hours), max(1, -(-len(hours) // _HOUR_LABELS)))
        names = [datetime.fromtimestamp(hours[index].hour, UTC) for index in shown]
        axes.set_xticks(list(shown), [f"{name:%H:%M}\n{name:%d %b}" for name in names])
        axes.tick_params(axis="x", length=0)
        axes.set_ylabel(t("calls"))
        axes.grid(visible=False, axis="x")
        figure.legend(loc="outside upper left", ncols=3, frameon=False, fontsize=9)
        return as_svg(figure, t("Calls over time, by who answered"), "traffic")


def _merged(hours: Sequence[HourOfCalls]) -> Sequence[HourOfCalls]:
    """As many bars as can be told apart: hours, or several of them, or days."""
    width = 3600.0 * next(each for each in _WIDTHS if (hours[-1].hour - hours[0].hour) / 3600 / each <= _MOST_BARS)
    bars: dict[float, list[HourOfCalls]] = {}
    first = hours[0].hour // width * width
    for number in range(int((hours[-1].hour - first) // width) + 1):
        bars[first + number * width] = []  # a time without a call is a gap, not a jump
    for each in hours:
        bars[each.hour // width * width].append(each)
    return [
        HourOfCalls(hour=hour, **{name: sum(getattr(each, name) for each in some) for name in ("old", "new", "router")})
        for hour, some in bars.items()
    ]


def _draw(panel: Any, latency: Latency, t: Language) -> None:
    seconds = [latency.curve[0][0], *(point[0] for point in latency.curve)]
    shares = [0.0, *(point[1] for point in latency.curve)]
    answering = latency.position == "answer"
    panel.step(
        seconds,
        shares,
        where="post",
        color=OLD if latency.origin == "old" else NEW,
        linewidth=2.2 if answering else 1.2,
        # Told apart without colour: new is dashed, and shadows are thin.
        linestyle="-" if latency.origin == "old" else (0, (4, 1.6)),
        label=f"{latency.origin}, {t('answering') if answering else t('as shadow')}",
    )


def as_svg(figure: Figure, title: str, name: str) -> str:
    """The figure as an element of a page, with a title for who cannot see it. `name`: of its ids, one per page."""
    figure.patch.set_alpha(0)
    for axes in figure.axes:
        axes.patch.set_alpha(0)
    buffer = io.StringIO()
    canvas: Any = FigureCanvasSVG(figure)
    canvas.print_svg(buffer, metadata={"Date": None, "Creator": None, "Type": None, "Format": None})
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    for colour, variable in _VARIABLES.items():
        text = text.replace(colour, f"var(--{variable})")
    # Sizes follow the page; the font is the page's.
    text = re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", text, count=1)
    text = re.sub(r'(<svg[^>]*?) width="[^"]*"', r'\1 width="100%" role="img"', text, count=1)
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    # Several plots stand in one page, and ids must be unique in it.
    prefix = f"plot-{name}"
    text = re.sub(r'\bid="([^"]+)"', rf'id="{prefix}-\1"', text)
    text = re.sub(r"url\(#([^)]+)\)", rf"url(#{prefix}-\1)", text)
    text = re.sub(r'href="#([^"]+)"', rf'href="#{prefix}-\1"', text)
    return re.sub(r"(<svg[^>]*>)", rf"\1<title>{title}</title>", text, count=1)
