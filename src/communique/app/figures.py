"""Draw charts of points with intervals as SVG. Their colours are classes of the style sheet, so they suit light and dark mode.

Texts come from the data, so every text is escaped here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
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
    frame = _Frame(end or 1.0)
    parts = [*frame.axes(ticks, x, y)]
    if ideal:
        parts.append(frame.line("ideal", (0.0, 0.0), (end, 1.0)))
    path = " ".join(f"{frame.across(point.x)},{frame.up(point.y)}" for point in points)
    parts.append(Markup('<polyline class="line" points="{}"/>').format(path))
    if projected is not None and points:
        parts.append(frame.line("line projected", points[-1][:2], projected[:2]))
    parts += [part for point in points for part in frame.mark("point", point)]
    parts += frame.mark("hollow", projected) if projected is not None else ()
    return Markup('<svg viewBox="0 0 {:g} {:g}" role="img" aria-label="{}">{}</svg>').format(
        _WIDTH, _HEIGHT, one_line(title), Markup("").join(parts)
    )


class _Frame(NamedTuple):
    """The area of a chart. `end` is the value at which the horizontal axis ends."""

    end: float

    def across(self, value: float) -> str:
        return f"{_LEFT + value / self.end * (_WIDTH - _LEFT - _RIGHT):.1f}"

    def up(self, value: float) -> str:
        return f"{_HEIGHT - _BOTTOM - min(max(value, 0.0), 1.0) * (_HEIGHT - _TOP - _BOTTOM):.1f}"

    def axes(self, ticks: Sequence[float], x: str, y: str) -> Iterator[Markup]:
        """Draw the lines of the grid, and the numbers and names of the axes."""
        for value in (0.0, 0.5, 1.0):
            yield Markup(
                '<line class="grid" x1="{}" x2="{}" y1="{y}" y2="{y}"/><text class="end" x="{}" y="{}">{}</text>'
            ).format(_LEFT, _WIDTH - _RIGHT, _LEFT - 5, float(self.up(value)) + 4, number(value, 1), y=self.up(value))
        for value in ticks:
            yield Markup('<text class="middle" x="{}" y="{}">{}</text>').format(
                self.across(value), _HEIGHT - _BOTTOM + 15, f"{value:g}"
            )
        yield Markup('<text class="end" x="{}" y="{}">{}</text>').format(_WIDTH - _RIGHT, _HEIGHT - 5, one_line(x))
        yield Markup('<text x="{}" y="{}">{}</text>').format(_LEFT + 4, _TOP + 9, one_line(y))

    def line(self, kind: str, start: tuple[float, ...], end: tuple[float, ...]) -> Markup:
        """Draw a line between two points."""
        ends = (self.across(start[0]), self.up(start[1]), self.across(end[0]), self.up(end[1]))
        return Markup('<line class="{}" x1="{}" y1="{}" x2="{}" y2="{}"/>').format(kind, *ends)

    def mark(self, kind: str, point: Mark) -> Iterator[Markup]:
        """Draw a point with its interval."""
        if point.low is not None and point.high is not None:
            yield Markup('<line class="range" x1="{0}" x2="{0}" y1="{1}" y2="{2}"/>').format(
                self.across(point.x), self.up(point.low), self.up(point.high)
            )
        yield Markup('<circle class="{}" cx="{}" cy="{}" r="3.5"/>').format(
            kind, self.across(point.x), self.up(point.y)
        )
