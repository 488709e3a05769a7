"""Draw charts of points with intervals as SVG. Their colours are classes of the style sheet, so they suit light and dark mode.

Texts come from the data, so every text is escaped here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from markupsafe import Markup

from ..reporting.format import number, one_line

#: Size of a chart and its margins, in units of the SVG.
_WIDTH, _HEIGHT, _LEFT, _RIGHT, _TOP, _BOTTOM = 340.0, 220.0, 40.0, 14.0, 12.0, 38.0


class Mark(NamedTuple):
    """A point with its interval. The ends are None if the interval is not known."""

    x: float
    y: float
    low: float | None = None
    high: float | None = None


def chart(
    points: Sequence[Mark],
    *,
    title: str,
    x: str,
    y: str,
    end: float = 1.0,
    ticks: Sequence[float] = (0.0, 0.5, 1.0),
    projected: Mark | None = None,
    ideal: bool = False,
) -> Markup:
    """Draw points that are connected by a line. The vertical axis is from 0 to 1.

    Args:
        points: The points, by increasing x.
        title: Description for readers who do not see the chart.
        x: Name of the horizontal axis.
        y: Name of the vertical axis.
        end: Where the horizontal axis ends. It starts at 0.
        ticks: Values to write under the horizontal axis.
        projected: A point that is expected but not measured, connected with a dashed line.
        ideal: Whether to draw the diagonal.
    """

    def across(value: float) -> str:
        return f"{_LEFT + value / (end or 1) * (_WIDTH - _LEFT - _RIGHT):.1f}"

    def up(value: float) -> str:
        return f"{_HEIGHT - _BOTTOM - min(max(value, 0.0), 1.0) * (_HEIGHT - _TOP - _BOTTOM):.1f}"

    parts = [
        Markup(
            '<line class="grid" x1="{}" x2="{}" y1="{y}" y2="{y}"/><text class="end" x="{}" y="{}">{}</text>'
        ).format(_LEFT, _WIDTH - _RIGHT, _LEFT - 5, float(up(value)) + 4, number(value, 1), y=up(value))
        for value in (0.0, 0.5, 1.0)
    ]
    parts += [
        Markup('<text class="middle" x="{}" y="{}">{}</text>').format(
            across(value), _HEIGHT - _BOTTOM + 15, f"{value:g}"
        )
        for value in ticks
    ]
    if ideal:
        parts.append(
            Markup('<line class="ideal" x1="{}" y1="{}" x2="{}" y2="{}"/>').format(across(0), up(0), across(end), up(1))
        )
    path = " ".join(f"{across(point.x)},{up(point.y)}" for point in points)
    parts.append(Markup('<polyline class="line" points="{}"/>').format(path))
    if projected is not None and points:
        ends = (across(points[-1].x), up(points[-1].y), across(projected.x), up(projected.y))
        parts.append(Markup('<line class="line projected" x1="{}" y1="{}" x2="{}" y2="{}"/>').format(*ends))
    for point, kind in [*((one, "point") for one in points), *([(projected, "hollow")] if projected else [])]:
        if point.low is not None and point.high is not None:
            parts.append(
                Markup('<line class="range" x1="{0}" x2="{0}" y1="{1}" y2="{2}"/>').format(
                    across(point.x), up(point.low), up(point.high)
                )
            )
        parts.append(Markup('<circle class="{}" cx="{}" cy="{}" r="3.5"/>').format(kind, across(point.x), up(point.y)))
    parts.append(Markup('<text class="end" x="{}" y="{}">{}</text>').format(_WIDTH - _RIGHT, _HEIGHT - 5, one_line(x)))
    parts.append(Markup('<text x="{}" y="{}">{}</text>').format(_LEFT + 4, _TOP + 9, one_line(y)))
    return Markup('<svg viewBox="0 0 {:g} {:g}" role="img" aria-label="{}">{}</svg>').format(
        _WIDTH, _HEIGHT, one_line(title), Markup("").join(parts)
    )
