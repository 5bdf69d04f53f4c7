"""The evidence of a tool over time: what differs, the bounds that hold at every look, and the margin to get under."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from markupsafe import Markup

_WIDTH, _HEIGHT = 720, 230
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 12, 14, 28

_TOPS = (0.002, 0.004, 0.008, 0.02, 0.04, 0.08, 0.12, 0.2, 0.4, 0.6, 0.8, 1.0)  # whose quarters are round


@dataclass(frozen=True, slots=True)
class _Frame:
    """From hours and shares to places in the picture."""

    first: float
    last: float
    most: float

    def x(self, hour: float) -> float:
        span = max(self.last - self.first, 1.0)
        return _LEFT + (_WIDTH - _LEFT - _RIGHT) * (hour - self.first) / span

    def y(self, share: float) -> float:
        return _TOP + (_HEIGHT - _TOP - _BOTTOM) * (1 - min(share, self.most) / self.most)


def evidence_plot(series: Sequence[Mapping[str, Any]], budget: float, label: str) -> Markup:
    """An SVG whose colours are the page's own; nothing before the first comparison. `budget`: the margin line."""
    points = [dict(each) for each in series if each["compared"]]
    if not points:
        return Markup("")
    if len(points) == 1:  # drawn as a stretch, not as a point that nobody sees
        points = [{**points[0], "hour": points[0]["hour"] - 3600}, *points]
    last = points[-1]
    # The first bounds are near 100 %: the picture is about the margin, and what lies above is cut.
    wanted = min(1.0, max(budget * 1.6, last["upper"] * 1.1, last["share"] * 1.4))
    most = next(each for each in _TOPS if each >= wanted)
    frame = _Frame(points[0]["hour"], last["hour"], most)
    upper = [(frame.x(each["hour"]), frame.y(each["upper"])) for each in points]
    lower = [(frame.x(each["hour"]), frame.y(each["lower"])) for each in points]
    seen = [(frame.x(each["hour"]), frame.y(each["share"])) for each in points]
    margin = frame.y(budget)
    parts = [
        *(_tick(frame, most * part / 4) for part in range(5)),
        *(_moment(frame, each) for each in _moments(points)),
        f'<polygon class="band" points="{_places([*upper, *reversed(lower)])}"/>',
        f'<polyline class="bound" points="{_places(upper)}"/>',
        f'<polyline class="seen" points="{_places(seen)}"/>',
        f'<line class="margin" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{margin:.1f}" y2="{margin:.1f}"/>',
        f'<text class="margin-name" x="{_WIDTH - _RIGHT}" y="{margin - 5:.1f}" text-anchor="end">',
        f"{budget * 100:g} %</text>",
    ]
    # Every part is made of numbers; the label is escaped by Markup.format.
    opening = Markup('<svg class="plot" viewBox="0 0 {} {}" role="img" aria-label="{}">').format(_WIDTH, _HEIGHT, label)
    return opening + Markup("".join(parts)) + Markup("</svg>")


def _places(points: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in points)


def _tick(frame: _Frame, share: float) -> str:
    y = frame.y(share)
    line = f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
    return line + f'<text class="tick" x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{share * 100:.3g} %</text>'


def _moments(points: Sequence[Mapping[str, Any]]) -> list[float]:
    first, last = points[0]["hour"], points[-1]["hour"]
    return [first, last] if last - first < 4 * 3600 else [first + (last - first) * part / 4 for part in range(5)]


def _moment(frame: _Frame, hour: float) -> str:
    said = f"{datetime.fromtimestamp(hour, UTC):%m-%d %H:%M}"
    x = frame.x(hour)
    anchor = "start" if x < _LEFT + 30 else "end" if x > _WIDTH - _RIGHT - 30 else "middle"
    return f'<text class="tick" x="{x:.1f}" y="{_HEIGHT - 8}" text-anchor="{anchor}">{said}</text>'
