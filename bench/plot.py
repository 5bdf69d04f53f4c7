"""docs/benchmarks.svg: processor time of a small call, everyone on one scale."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib
from matplotlib.figure import Figure

from bench.arithmetic import Spread
from bench.programs import ROOT
from bench.results import Found
from bench.rounds import AGAIN

PICTURE = ROOT / "docs" / "benchmarks.svg"
_OURS, _THEIRS = "#1b6ca8", "#b8b8b8"


def draw(parts: Sequence[Found], file: Path = PICTURE) -> bool:
    """Draw what there is; False when neither relay nor mirror was measured."""
    panels = [(part, costs) for part in parts if part.part in ("relay", "mirror") and (costs := _costs(part))]
    if not panels:
        return False
    matplotlib.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "crossfade", "font.size": 9})
    figure = Figure(figsize=(8, 0.9 + 0.32 * sum(len(costs) for _, costs in panels)), layout="constrained")
    heights = [len(costs) for _, costs in panels]
    axes = figure.subplots(len(panels), 1, squeeze=False, sharex=True, height_ratios=heights)[:, 0]
    for axis, (part, costs) in zip(axes, panels, strict=True):
        _panel(axis, part.title, costs)
    axes[-1].set_xlabel("CPU µs a call, all threads and children; logarithmic; medians with quartiles")
    figure.savefig(file, metadata={"Date": None})
    return True


def _costs(part: Found) -> dict[str, Spread]:
    table = part.tables[0]
    return {
        name: cpu
        for name, row in table.rows.items()
        if not name.endswith(AGAIN) and isinstance(cpu := row.get("CPU µs"), Spread)
    }


def _panel(axis: "matplotlib.axes.Axes", title: str, costs: Mapping[str, Spread]) -> None:
    names = sorted(costs, key=lambda name: costs[name].middle, reverse=True)
    middles = [costs[name].middle for name in names]
    sides = [
        [costs[name].middle - costs[name].low for name in names],
        [costs[name].high - costs[name].middle for name in names],
    ]
    colours = [_OURS if name.startswith("crossfade") else _THEIRS for name in names]
    axis.barh(names, middles, xerr=sides, color=colours, error_kw={"linewidth": 1})
    for at, middle in enumerate(middles):
        axis.annotate(f"{middle:,.0f}", (middle, at), xytext=(14, -3), textcoords="offset points")
    axis.set_xscale("log")
    axis.margins(x=0.12)
    axis.set_title(title, loc="left", fontsize=10)
    axis.spines[["top", "right"]].set_visible(False)
