"""Line charts as SVG, which follow the reader's choice of light or dark."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

_WIDTH, _HEIGHT = 720, 400
_LEFT, _RIGHT, _TOP, _BOTTOM = 70, 170, 46, 52
_COLORS = 5

_STYLE = """
text { font: 13px system-ui, sans-serif; fill: #1f2328; }
.title { font-weight: 600; font-size: 15px; }
.back { fill: #ffffff; }
.grid { stroke: #d1d9e0; stroke-width: 1; }
.line { fill: none; stroke-width: 2.5; }
.c0 { stroke: #0969da; fill: #0969da; } .c1 { stroke: #bc4c00; fill: #bc4c00; }
.c2 { stroke: #1a7f37; fill: #1a7f37; } .c3 { stroke: #8250df; fill: #8250df; }
.c4 { stroke: #59636e; fill: #59636e; }
.line { fill: none; } text.name { stroke: none; }
@media (prefers-color-scheme: dark) {
  text { fill: #f0f6fc; } .back { fill: #0d1117; } .grid { stroke: #3d444d; }
  .c0 { stroke: #4493f8; fill: #4493f8; } .c1 { stroke: #f0883e; fill: #f0883e; }
  .c2 { stroke: #3fb950; fill: #3fb950; } .c3 { stroke: #ab7df8; fill: #ab7df8; }
  .c4 { stroke: #9198a1; fill: #9198a1; }
  .line { fill: none; }
}
"""


@dataclass(frozen=True)
class Chart:
    """A line for each series, over a logarithmic axis.

    Attributes:
        title: What is shown.
        x_label: Under the axis.
        y_label: Above the axis; it begins at 0.
        series: Mapping of name to points, whose x is above 0, in order.
    """

    title: str
    x_label: str
    y_label: str
    series: Mapping[str, Sequence[tuple[float, float]]]


def draw(chart: Chart) -> str:
    """Give the chart as an SVG document."""
    places = sorted({x for points in chart.series.values() for x, _ in points})
    top = max(y for points in chart.series.values() for _, y in points)
    ticks = _ticks(top)
    low, high = math.log(places[0]), math.log(places[-1])

    def x_of(x: float) -> float:
        share = (math.log(x) - low) / (high - low) if high > low else 0.5
        return _LEFT + share * (_WIDTH - _LEFT - _RIGHT)

    def y_of(y: float) -> float:
        return _HEIGHT - _BOTTOM - y / ticks[-1] * (_HEIGHT - _TOP - _BOTTOM)

    parts = [_text(_LEFT, 20, chart.title, "title"), _text(_LEFT, 38, chart.y_label)]
    for tick in ticks:
        parts.append(_line(_LEFT, y_of(tick), _WIDTH - _RIGHT, y_of(tick)))
        parts.append(_text(_LEFT - 8, y_of(tick) + 4, f"{tick:,g}", anchor="end"))
    for place in places:
        parts.append(_line(x_of(place), _HEIGHT - _BOTTOM, x_of(place), _TOP))
        under = _HEIGHT - _BOTTOM + 18
        parts.append(_text(x_of(place), under, f"{place:,g}", anchor="middle"))
    middle = (_LEFT + _WIDTH - _RIGHT) / 2
    parts.append(_text(middle, _HEIGHT - 12, chart.x_label, anchor="middle"))
    heights = _apart(
        {name: y_of(points[-1][1]) for name, points in chart.series.items()}
    )
    for number, (name, points) in enumerate(chart.series.items()):
        color = f"c{number % _COLORS}"
        path = " ".join(f"{x_of(x):.1f},{y_of(y):.1f}" for x, y in points)
        parts.append(f'<polyline class="line {color}" points="{path}"/>')
        for x, y in points:
            dot = f'cx="{x_of(x):.1f}" cy="{y_of(y):.1f}" r="3.5"'
            parts.append(f'<circle class="{color}" {dot}/>')
        x = x_of(points[-1][0]) + 10
        parts.append(_text(x, heights[name] + 4, name, f"name {color}"))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" '
        f'role="img" aria-label="{escape(chart.title)}">\n<style>{_STYLE}</style>\n'
        f'<rect class="back" width="{_WIDTH}" height="{_HEIGHT}"/>\n'
        + "\n".join(parts)
        + "\n</svg>\n"
    )


def _ticks(top: float) -> list[float]:
    """Give round numbers from 0 to above the greatest."""
    power = 10.0 ** math.floor(math.log10(top / 4))
    step = next(power * f for f in (1, 2, 2.5, 5, 10) if power * f * 5 >= top)
    return [step * number for number in range(math.ceil(top / step) + 1)]


def _apart(wanted: Mapping[str, float]) -> dict[str, float]:
    """Move names apart that would be written over each other."""
    placed: dict[str, float] = {}
    last = -math.inf
    for name, y in sorted(wanted.items(), key=lambda item: item[1]):
        last = max(y, last + 16)
        placed[name] = last
    return placed


def _line(x1: float, y1: float, x2: float, y2: float) -> str:
    return (
        f'<line class="grid" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'
    )


def _text(x: float, y: float, text: str, kind: str = "", anchor: str = "start") -> str:
    place = f'x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"'
    return f'<text class="{kind}" {place}>{escape(text)}</text>'
