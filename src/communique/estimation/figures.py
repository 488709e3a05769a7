"""Draw the figures of the HTML report as SVG. Their colours are CSS variables of the page, so they suit light and dark mode.

Texts come from the data, so every text is escaped here. matplotlib is not needed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from markupsafe import Markup

from ..reporting.format import number, one_line
from .analysis import Analysis, Share
from .intervals import Interval

#: Largest number of panels in a figure over a numeric column. More groups are only listed in the tables.
MAX_PANELS = 8

#: Size of a panel and its margins, in units of the SVG.
_WIDTH, _HEIGHT, _LEFT, _RIGHT, _TOP, _BOTTOM = 260.0, 150.0, 38.0, 8.0, 22.0, 24.0

#: Lengths of ticks between which `upper_end` chooses.
_STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)


def upper_end(intervals: Sequence[Interval]) -> float:
    """Return a round number above all intervals, at most 1, at which the axis of a figure ends."""
    high = max((i.high if i.high == i.high else i.value for i in intervals if i.value == i.value), default=1.0)
    if high <= 0:
        return 0.1
    scale = 10.0 ** math.floor(math.log10(high))
    return min(1.0, next(step * scale for step in _STEPS if step * scale >= high - 1e-12))


def bar(one: Interval, end: float, *, hollow: bool) -> Markup:
    """Draw a proportion as a point with its interval, on an axis from 0 to `end`. A hollow point marks a doubtful proportion."""
    if one.value != one.value:
        return Markup("")

    marks = _interval(one, end, 9, "range", Markup('<circle class="{}" cx="{}" cy="9" r="4"/>'), hollow)
    return _row(18, str(one), marks)


def pair(corrected: Interval, naive: Interval | None, end: float, *, hollow: bool) -> Markup:
    """Draw a corrected proportion as `bar` does and, below it, the naive proportion as a square with its interval."""
    marks, name = Markup(""), f"corrected {corrected}"
    if corrected.value == corrected.value:
        marks += _interval(corrected, end, 8, "range", Markup('<circle class="{}" cx="{}" cy="8" r="4"/>'), hollow)
    if naive is not None and naive.value == naive.value:
        square = Markup('<rect class="{}" x="{}" y="17" width="7" height="7" transform="translate(-3.5 0)"/>')
        marks += _interval(naive, end, 20, "naive-range", square, None)
        name += f", naive {naive}"
    return _row(28, name, marks)


def _row(height: int, name: str, marks: Markup) -> Markup:
    axis = Markup('<line class="axis" x1="3%" x2="97%" y1="{0}" y2="{0}"/>').format(height - 1)
    return Markup('<svg class="bar" height="{}" role="img" aria-label="{}">{}{}</svg>').format(
        height, name, axis, marks
    )


def _interval(one: Interval, end: float, y: int, line: str, mark: Markup, hollow: bool | None) -> Markup:
    """Draw an interval as a line of the class `line` at the height `y`, and its point with the template `mark`."""

    def place(value: float) -> str:
        # Leave room for the radius of a point at either end.
        return f"{3 + 94 * min(max(value / end, 0.0), 1.0):.2f}%"

    drawn = Markup("")
    if one.low == one.low:
        drawn = Markup('<line class="{0}" x1="{1}" x2="{2}" y1="{3}" y2="{3}"/>').format(
            line, place(one.low), place(one.high), y
        )
    kind = "naive" if hollow is None else "hollow" if hollow else "point"
    return drawn + mark.format(kind, place(one.value))


def series(analysis: Analysis, label: str, column: str) -> dict[str, list[Share]]:
    """Return the proportions of a label over a numeric column: of all sentences, and of each combination of the other columns.

    Sentences without a value are left out. There are at most `MAX_PANELS` lines, each with at least two proportions in order.
    """
    found: dict[str, list[Share]] = {}
    levels = analysis.coded.columns[column].levels
    for share in analysis.shares:
        if share.label == label and share.level in (column, "cell") and share.values[column] in levels:
            rest = ", ".join(f"{c}={v}" for c, v in share.values.items() if c != column)
            found.setdefault(rest or "all", []).append(share)
    lines = [
        (name, sorted(line, key=lambda s: float(s.values[column]))) for name, line in found.items() if len(line) > 1
    ]
    return dict(lines[:MAX_PANELS])


def over(analysis: Analysis, label: str, column: str) -> list[Markup]:
    """Draw the proportion of a label over a numeric column, with a panel for each element of `series`."""
    lines = series(analysis, label, column)
    end = upper_end([share.methods[analysis.corrected] for line in lines.values() for share in line])
    return [_panel(name, line, analysis.corrected, column, end) for name, line in lines.items()]


def _panel(name: str, line: Sequence[Share], method: str, column: str, end: float) -> Markup:
    known = [(float(share.values[column]), share.methods[method], bool(share.warnings)) for share in line]
    first, last = known[0][0], known[-1][0]

    def x(value: float) -> float:
        return _LEFT + (value - first) / ((last - first) or 1) * (_WIDTH - _LEFT - _RIGHT)

    def y(value: float) -> float:
        return _HEIGHT - _BOTTOM - min(max(value / end, 0.0), 1.0) * (_HEIGHT - _TOP - _BOTTOM)

    sure = [(at, one) for at, one, _ in known if one.low == one.low]
    band = " ".join(
        [f"{x(at):.1f},{y(one.high):.1f}" for at, one in sure]
        + [f"{x(at):.1f},{y(one.low):.1f}" for at, one in reversed(sure)]
    )
    path = " ".join(f"{x(at):.1f},{y(one.value):.1f}" for at, one, _ in known if one.value == one.value)
    marks = Markup("").join(
        Markup('<circle class="{}" cx="{}" cy="{}" r="3"/>').format(
            "hollow" if hollow else "point", f"{x(at):.1f}", f"{y(one.value):.1f}"
        )
        for at, one, hollow in known
        if one.value == one.value
    )
    ticks = Markup("").join(
        Markup(
            '<line class="grid" x1="{0}" x2="{1}" y1="{2}" y2="{2}"/><text class="tick" x="{3}" y="{4}">{5}</text>'
        ).format(_LEFT, _WIDTH - _RIGHT, f"{y(value):.1f}", _LEFT - 4, f"{y(value) + 3:.1f}", number(value, 2))
        for value in (0.0, end / 2, end)
    )
    labels = Markup("").join(
        Markup('<text class="{}" x="{}" y="{}">{}</text>').format(anchor, f"{x(at):.1f}", _HEIGHT - 8, f"{at:g}")
        for at, anchor in ((first, "start"), (last, "end"))
    )
    return Markup(
        '<svg class="panel" viewBox="0 0 {w} {h}" role="img" aria-label="{name}, {column}">{ticks}'
        '<polygon class="band" points="{band}"/><polyline class="line" points="{path}"/>{marks}{labels}'
        '<text class="title" x="{left}" y="13">{name}</text></svg>'
    ).format(
        w=_WIDTH, h=_HEIGHT, name=one_line(name), column=one_line(column), ticks=ticks, band=band, path=path, marks=marks,
        labels=labels, left=_LEFT,
    )  # fmt: skip
