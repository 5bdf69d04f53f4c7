"""Plots of how far it is: bounds that narrow, stages over time, what was compared, what it costs."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

from reports.language import ENGLISH, Language
from reports.model import ReportData, ToolReport
from reports.plots import INK, LINE, NEW, OLD, SOFT, STYLE, as_svg

_MOST_TOOLS = 9
_COLUMNS = 3
_HATCHES = ("", "///", "...", "xxx")


def growth_plot(tools: Sequence[ToolReport], t: Language = ENGLISH) -> str:
    """Per tool: the upper bound of mismatch by the number of complete sandboxes, and the budget of the next step."""
    grown = [tool for tool in tools if len(tool.growth) > 1][:_MOST_TOOLS]
    if not grown:
        return ""
    with mpl.rc_context(dict(STYLE)):
        rows = -(-len(grown) // _COLUMNS)
        figure = Figure(figsize=(9.2, 1.9 * rows + 0.3), layout="constrained")
        panels = [panel for line in figure.subplots(rows, _COLUMNS, squeeze=False) for panel in line]
        for panel, tool in zip(panels, grown, strict=False):
            units = [point.units for point in tool.growth]
            upper, lower = [point.upper for point in tool.growth], [point.lower for point in tool.growth]
            panel.fill_between(units, lower, upper, color=INK, alpha=0.14, linewidth=0)
            panel.plot(units, upper, color=INK, linewidth=2)
            panel.plot(units, [point.estimate for point in tool.growth], color=SOFT, linewidth=1.2, linestyle=":")
            panel.axhline(tool.budget, color=NEW, linewidth=1.6, linestyle=(0, (5, 2)))
            panel.set_title(tool.tool)
            most = max(2.5 * tool.budget, 1.3 * upper[-1])
            panel.set_ylim(0, most)
            panel.set_yticks([0, tool.budget], ["0", t.percent(tool.budget)])
            panel.set_xlim(0, units[-1])
            panel.locator_params(axis="x", nbins=4, integer=True)
        for panel in panels[len(grown) :]:
            panel.set_visible(False)
        figure.supxlabel(t("complete sandboxes"), fontsize=9, color=SOFT)
        return as_svg(figure, t("The bound of mismatch as it narrows, and the budget of the next step"), "growth")


def stages_plot(data: ReportData, t: Language = ENGLISH) -> str:
    """Per tool: the share of new that the flag asked for, over the window."""
    known = [tool for tool in data.by_decision if tool.timeline]
    if not known or data.until <= data.since:
        return ""
    with mpl.rc_context(dict(STYLE)):
        figure = Figure(figsize=(9.2, 0.7 + 0.34 * len(known)), layout="constrained")
        axes = figure.add_subplot()
        for row, tool in enumerate(known):
            ends = [*(step.at for step in tool.timeline[1:]), data.until]
            for step, end in zip(tool.timeline, ends, strict=True):
                place = (step.at, max(0.0, end - step.at))
                axes.broken_barh([place], (row - 0.32, 0.64), facecolor=INK, alpha=0.06 + 0.5 * step.on_new)
                axes.plot([step.at] * 2, [row - 0.32, row + 0.32], color=INK, linewidth=1.2)
                if place[1] > 0.04 * (data.until - data.since):
                    axes.annotate(
                        t.percent(step.on_new) if step.on_new else max(step.stages, key=lambda one: step.stages[one]),
                        *((step.at, row),),
                        xytext=(5, 0),
                        textcoords="offset points",
                        va="center",
                        fontsize=9,
                    )
        _days(axes, data.since, data.until)
        axes.set_yticks(range(len(known)), [tool.tool for tool in known])
        axes.tick_params(axis="y", length=0, labelcolor=INK)
        axes.set_ylim(len(known) - 0.5, -0.5)
        axes.grid(visible=False, axis="y")
        return as_svg(figure, t("Share of sandboxes for which the flag wished new, over time"), "stages")


def coverage_plot(tools: Sequence[ToolReport], t: Language = ENGLISH) -> str:
    """Per tool: of all calls, those compared, not compared by rule, for want of capacity, and not due."""
    called = [tool for tool in tools if tool.calls]
    if not called:
        return ""
    with mpl.rc_context(dict(STYLE)):
        figure = Figure(figsize=(9.2, 0.8 + 0.32 * len(called)), layout="constrained")
        axes = figure.add_subplot()
        left = [0.0] * len(called)
        parts = (
            (t("compared"), INK, 0.6, [tool.compared for tool in called]),
            (t("left out by rule"), SOFT, 0.35, [sum(tool.checks.left_out.values()) for tool in called]),
            (t("no capacity"), NEW, 0.9, [sum(tool.checks.missed.values()) for tool in called]),
        )
        for (name, colour, alpha, counts), hatch in zip(parts, _HATCHES, strict=False):
            shares = [number / tool.calls for number, tool in zip(counts, called, strict=True)]
            axes.barh(
                range(len(called)),
                *(shares,),
                left=left,
                height=0.62,
                color=colour,
                alpha=alpha,
                hatch=hatch,
                edgecolor=LINE,
                label=name,
            )
            left = [one + other for one, other in zip(left, shares, strict=True)]
        rest = [max(0.0, 1 - each) for each in left]
        axes.barh(
            *(range(len(called)), rest),
            left=left,
            height=0.62,
            color="none",
            edgecolor=LINE,
            label=t("not due"),
        )
        axes.set_yticks(range(len(called)), [tool.tool for tool in called])
        axes.set_ylim(len(called) - 0.5, -0.5)
        axes.set_xlim(0, 1)
        axes.set_xticks([0, 0.5, 1], ["0", t.percent(0.5), t.percent(1.0)])
        axes.tick_params(axis="y", length=0, labelcolor=INK)
        axes.grid(visible=False, axis="y")
        figure.legend(loc="outside upper left", ncols=4, frameon=False, fontsize=9)
        return as_svg(figure, t("What became of every call: compared, left out, missed, not due"), "coverage")


def cost_plot(data: ReportData, t: Language = ENGLISH) -> str:
    """What ran, by origin and role, one bar each: money where every price is set, else hours."""
    if not data.costs:
        return ""
    priced = all(each.per_hour for each in data.costs)
    with mpl.rc_context(dict(STYLE)):
        figure = Figure(figsize=(9.2, 0.5 + 0.36 * len(data.costs)), layout="constrained")
        axes = figure.add_subplot()
        for row, each in enumerate(data.costs):
            size = each.amount if priced else each.hours
            told = f"{data.currency} {t.amount(size)}" if priced else t("{hours} h", hours=t.amount(size, 1))
            colour = OLD if each.origin == "old" else NEW
            hatch = "" if each.role == "seat" else "///"
            axes.barh([row], [size], height=0.6, color=colour, alpha=0.65, hatch=hatch, edgecolor=LINE)
            axes.annotate(told, (size, row), xytext=(6, 0), textcoords="offset points", va="center", fontsize=9)
        axes.set_yticks(range(len(data.costs)), [f"{each.origin}, {t(each.role)}" for each in data.costs])
        axes.set_ylim(len(data.costs) - 0.5, -0.5)
        axes.margins(x=0.14)
        axes.set_xticks([])
        axes.tick_params(axis="y", length=0, labelcolor=INK)
        axes.spines["bottom"].set_visible(False)
        axes.grid(visible=False)
        return as_svg(figure, t("Sandboxes that ran, by origin and role"), "cost")


def _days(axes: Any, since: float, until: float) -> None:
    """Marks of the time axis: days, or hours where it is short."""
    step = 86_400.0 if until - since > 1.5 * 86_400 else 3_600.0 * max(1, round((until - since) / 6 / 3600))
    step *= max(1, -(-round((until - since) / step) // 10))
    first = -(-since // step) * step
    marks = [first + number * step for number in range(int((until - first) // step) + 1)]
    form = "%d.%m" if step >= 86_400 else "%H:%M"
    axes.set_xlim(since, until)
    axes.set_xticks(marks, [f"{datetime.fromtimestamp(mark, UTC):{form}}" for mark in marks])
