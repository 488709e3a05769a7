"""Draw figures as SVG and PNG: proportions over a numeric column, and a forest plot of groups."""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib import font_manager
from matplotlib.figure import Figure

from ..io.atomic import replacing
from ..reporting.format import one_line
from .analysis import Analysis, Share
from .figures import series

#: A colour of Okabe and Ito, which people with colour blindness can distinguish.
COLOUR = "#0072B2"

_FORMATS = ("svg", "png")

#: Fonts that are used, if they are installed, for characters that matplotlib's own font lacks: on Linux, Windows and macOS.
_FALLBACKS = (
    "Noto Sans CJK SC",
    "Noto Sans CJK JP",
    "WenQuanYi Zen Hei",
    "Noto Sans Devanagari",
    "Noto Sans Bengali",
    "Noto Sans Tamil",
    "Noto Sans Thai",
    "Microsoft YaHei",
    "Yu Gothic",
    "Malgun Gothic",
    "Nirmala UI",
    "Leelawadee UI",
    "Hiragino Sans GB",
    "Apple SD Gothic Neo",
    "Arial Unicode MS",
)

#: Largest number of groups in a forest plot. A higher figure would not fit into a PNG.
MAX_ROWS = 200


def write(folder: str | Path, analysis: Analysis) -> list[Path]:
    """Write the figures that the groups allow, and return their paths."""
    folder = Path(folder)
    with matplotlib.rc_context({"font.family": font_families()}):
        written = _save(forest(analysis), folder / "forest")
        for column in analysis.columns:
            values = analysis.coded.columns[column]
            several = values.numbers is not None and len(values.levels) > 2
            if several and series(analysis, analysis.coded.labels[0], column):
                written += _save(over(analysis, column), folder / f"shares_by_{_file_part(column)}")
    return written


def font_families() -> list[str]:
    """Return matplotlib's font, and installed fonts for scripts that it lacks. Matplotlib chooses one for each character."""
    installed = set(font_manager.get_font_names())
    return [*matplotlib.rcParams["font.family"], *(name for name in _FALLBACKS if name in installed)]


def over(analysis: Analysis, column: str) -> Figure:
    """Draw the proportion of each label over a numeric column, with one row of panels per label.

    The first panel shows all sentences. Each of the other panels shows one combination of the other columns.
    """
    lines = {label: series(analysis, label, column) for label in analysis.coded.labels}
    names = list(next(iter(lines.values())))
    figure = Figure(figsize=(2.6 * len(names) + 1, 2.2 * len(lines) + 0.8), layout="constrained")
    axes = figure.subplots(len(lines), len(names), squeeze=False, sharex=True, sharey="row")
    for row, (label, groups) in zip(axes, lines.items(), strict=True):
        for axis, name in zip(row, names, strict=True):
            shares = groups[name]
            _band(axis, [float(s.values[column]) for s in shares], shares, analysis.corrected)
            axis.set_title(_plain(name) if label == analysis.coded.labels[0] else "", fontsize=9)
            axis.spines[["top", "right"]].set_visible(False)
        # Fix the lower end only after all panels of the row are drawn, because the upper end then stops following the data.
        row[0].set_ylim(bottom=0)
        row[0].set_ylabel(f"{_plain(label)}\nproportion", fontsize=9)
    for axis in axes[-1]:
        axis.set_xlabel(_plain(column), fontsize=9)
        axis.xaxis.get_major_locator().set_params(integer=True)
    return figure


def _band(axis: Any, x: Sequence[float], shares: Sequence[Share], method: str) -> None:
    intervals = [share.methods[method] for share in shares]
    axis.fill_between(x, [i.low for i in intervals], [i.high for i in intervals], color=COLOUR, alpha=0.2, linewidth=0)
    axis.plot(x, [i.value for i in intervals], "-", color=COLOUR, marker="o", markersize=3, linewidth=1.2)


def forest(analysis: Analysis) -> Figure:
    """Draw the reported proportion of each group with its interval, with one panel per label.

    Doubtful proportions have hollow markers. With more than `MAX_ROWS` groups, the cells are left out.
    """
    groups = list(dict.fromkeys(s.group for s in analysis.shares))
    if len(groups) > MAX_ROWS:
        groups = list(dict.fromkeys(s.group for s in analysis.shares if s.level != "cell"))[:MAX_ROWS]
    height = {group: len(groups) - i for i, group in enumerate(groups)}
    labels = analysis.coded.labels
    figure = Figure(figsize=(2.8 * len(labels) + 2, 0.32 * len(groups) + 1.4), layout="constrained")
    for axis, label in zip(figure.subplots(1, len(labels), squeeze=False, sharey=True)[0], labels, strict=True):
        for share in (s for s in analysis.shares if s.label == label and s.group in height):
            one, y = share.methods[analysis.corrected], height[share.group]
            axis.plot([one.low, one.high], [y, y], color=COLOUR, linewidth=1.2)
            fill = "white" if share.warnings else COLOUR
            axis.plot([one.value], [y], "o", color=COLOUR, markersize=4, markerfacecolor=fill)
        axis.set_title(_plain(label), fontsize=9)
        axis.set_xlim(left=0)
        axis.set_xlabel("proportion, 95 % interval", fontsize=8)
        axis.set_yticks(list(height.values()), list(map(_plain, height)), fontsize=8)
        axis.spines[["top", "right"]].set_visible(False)
    marks = [
        matplotlib.lines.Line2D([], [], color=COLOUR, marker="o", markersize=4, markerfacecolor=fill, label=name)
        for fill, name in ((COLOUR, "proportion"), ("white", "doubtful proportion"))
    ]
    figure.legend(handles=marks, loc="outside lower center", ncols=2, fontsize=8, frameon=False)
    return figure


def _plain(text: str) -> str:
    """Return a text of the data as matplotlib shows it unchanged: a pair of dollar signs would be a formula."""
    return one_line(text).replace("$", r"\$")


def _file_part(column: str) -> str:
    """Return the name of a column without characters that are not allowed in file names, such as a slash."""
    return re.sub(r"[^\w. -]", "-", column)[:100]


def _save(figure: Figure, path: Path) -> list[Path]:
    """Write a figure as SVG and PNG. Equal figures have equal bytes, so that version control shows no false changes."""
    written = []
    for ending in _FORMATS:
        target = path.with_name(f"{path.name}.{ending}")
        with (
            matplotlib.rc_context({"svg.hashsalt": "communique"}),
            warnings.catch_warnings(),
            replacing(target, "wb") as handle,
        ):
            # Characters that no font has are boxes in the figure. They are complete in the tables and the report.
            warnings.filterwarnings("ignore", message="(?s)Glyph .* missing from", category=UserWarning)
            warnings.filterwarnings("ignore", message=".*natively supports", category=UserWarning)
            figure.savefig(handle, format=ending, dpi=150, metadata={"Date": None} if ending == "svg" else {})
        written.append(target)
    return written
