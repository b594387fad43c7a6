"""The picture of a soak: what became of calls, second by second, and what broke."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from html import escape
from typing import Final

from tests.cluster.soak.ledger import Call
from tests.cluster.soak.striking import Struck

_WIDTH, _LEFT, _TOP, _HEIGHT, _BAND = 1030, 50, 40, 160, 14
_INNER = _WIDTH - _LEFT - 230
_COLUMNS: Final = 180
_ENDS: Final = {
    "answered": "#1a7f37",
    "refused": "#bf8700",
    "failed": "#bc4c00",
    "lost": "#8250df",
}
_STYLE: Final = """
text { font: 12px system-ui, sans-serif; fill: #1f2328; } .back { fill: #ffffff; }
.fault { fill: #cf222e; opacity: 0.75; } .again { fill: #cf222e; opacity: 0.25; }
@media (prefers-color-scheme: dark) { text { fill: #f0f6fc; } .back { fill: #0d1117; } }
"""


def draw(calls: Sequence[Call], struck: Sequence[Struck]) -> str:
    """Draw calls by how they ended, over a line for each fault, as an SVG document."""
    begin, end = struck[0].began, struck[-1].ended
    faults = list(dict.fromkeys(each.fault.name for each in struck))
    height = _TOP + _HEIGHT + 40 + len(faults) * _BAND
    title = "Calls by how they ended, and what broke meanwhile"
    under = f"{(end - begin) / 60:.0f} minutes; pale: until all worked again"
    parts = [
        _rect(0, 0, _WIDTH, height, 'class="back"'),
        _text(_LEFT, 16, title),
        *_columns(calls, begin, end),
        *(
            part
            for row, name in enumerate(faults)
            for part in _band(row, name, struck, begin, end)
        ),
        _text(_LEFT, height - 8, under),
    ]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" '
        f'role="img" aria-label="{title}">\n<style>{_STYLE}</style>\n'
        + "\n".join(filter(None, parts))
        + "\n</svg>\n"
    )


def _columns(calls: Sequence[Call], begin: float, end: float) -> list[str]:
    """Draw how many calls ended how, and what the colors mean."""
    width = (end - begin) / _COLUMNS
    ends = [Counter[str]() for _ in range(_COLUMNS)]
    for call in calls:
        number = int((call.began - begin) / width)
        if 0 <= number < _COLUMNS and call.outcome in _ENDS:
            ends[number][call.outcome] += 1
    most = max(1, *(found.total() for found in ends))
    parts = [_text(4, _TOP + 10, f"{most / width:.0f}/s")]
    for number, (name, color) in enumerate(_ENDS.items()):
        parts.append(_rect(_LEFT + 90 * number, 24, 10, 10, f'fill="{color}"'))
        parts.append(_text(_LEFT + 90 * number + 14, 34, name))
    for number, found in enumerate(ends):
        x, y = _LEFT + number * _INNER / _COLUMNS, float(_TOP + _HEIGHT)
        for name, color in _ENDS.items():
            height = found[name] / most * _HEIGHT
            y -= height
            parts.append(_rect(x, y, _INNER / _COLUMNS, height, f'fill="{color}"'))
    return parts


def _band(
    row: int, name: str, struck: Sequence[Struck], begin: float, end: float
) -> list[str]:
    """Draw when one thing was broken, and until when not all worked."""
    y = _TOP + _HEIGHT + 10 + row * _BAND
    parts = [_text(_LEFT + _INNER + 8, y + 10, name)]

    def bar(first: float, last: float, look: str) -> str:
        x = _LEFT + (first - begin) / (end - begin) * _INNER
        width = max(1.0, (last - first) / (end - begin) * _INNER)
        return _rect(x, y + 2, width, 9, f'class="{look}"')

    for each in struck:
        if each.fault.name == name:
            parts.append(bar(each.began, each.mended, "fault"))
            parts.append(bar(each.mended, each.mended + each.recovery, "again"))
    return parts


def _rect(x: float, y: float, width: float, height: float, look: str) -> str:
    if not height:
        return ""
    size = f'width="{width:.1f}" height="{height:.1f}"'
    return f'<rect x="{x:.1f}" y="{y:.1f}" {size} {look}/>'


def _text(x: float, y: float, text: str) -> str:
    return f'<text x="{x:.0f}" y="{y:.0f}">{escape(text)}</text>'
