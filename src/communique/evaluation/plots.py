"""Draw the plots of an evaluation as SVG, for a page in light and dark mode. Requires matplotlib from the extra `analysis`.

matplotlib writes fixed colours into the SVG. They are placeholders here, which are replaced by the page's CSS variables, so that
the plots adapt to light mode, dark mode and print.
"""

from __future__ import annotations

import io
import math
import re
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from ..metrics.diagnostics import Calibration, Curve
from ..metrics.report import GroupScores, ScoreCI, ShareError

#: Placeholder colours, and the CSS variables that replace them.
COLOURS = {
    "#010203": "var(--ink)",
    "#040506": "var(--faint)",
    "#070809": "var(--one)",
    "#0a0b0c": "var(--two)",
    "#0d0e0f": "var(--three)",
    "#101112": "var(--paper)",
}
INK, FAINT, ONE, TWO, THREE, PAPER = COLOURS

#: Size of a panel, and height of a line in a plot with one line per group, in inches.
PANEL, LINE = 2.7, 0.24

_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "communique",
    "font.family": "sans-serif",
    "font.size": 9,
    "text.parse_math": False,
    "text.color": INK,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 9,
    "axes.facecolor": "none",
    "figure.facecolor": "none",
    "grid.color": FAINT,
    "grid.linewidth": 0.6,
    "xtick.color": INK,
    "ytick.color": INK,
    "legend.frameon": False,
    "lines.linewidth": 1.4,
}


@contextmanager
def _panels(n: int, *, width: float, height: float, share_y: bool = True) -> Iterator[tuple[Any, list[Any]]]:
    """Yield a figure with n panels, four per row, and the list of panels."""
    import matplotlib
    from matplotlib.figure import Figure

    columns = min(n, 4)
    rows = math.ceil(n / columns)
    with matplotlib.rc_context(_STYLE), warnings.catch_warnings():
        # The browser renders the text, so it does not matter if matplotlib's font lacks a script.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        figure = Figure(figsize=(width * columns, height * rows), layout="constrained")
        axes = figure.subplots(rows, columns, sharex=True, sharey=share_y, squeeze=False).ravel().tolist()
        for spare in axes[n:]:
            spare.set_visible(False)
        yield figure, axes[:n]


def _svg(figure: Any, description: str) -> str:
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None, "Title": description})
    text = buffer.getvalue()
    text = re.sub(r"<metadata>.*?</metadata>", "", text[text.index("<svg") :], flags=re.DOTALL)
    for stand_in, variable in COLOURS.items():
        text = text.replace(stand_in, variable)
    return text.replace("<svg ", '<svg role="img" ', 1)


def scores_by_group(groups: Sequence[GroupScores], kind: str) -> str:
    """Plot F1 of each label in each group with its interval. The point is hollow if few gold rows have the label."""
    names = [f"{g.name} ({g.n})" for g in groups]
    panels = [
        (label.label, [(g.labels[i].f1, g.labels[i].few) for g in groups]) for i, label in enumerate(groups[0].labels)
    ]
    return _intervals(names, panels, f"F1 by {kind}", limits=(0, 1))


def share_errors(shares: Sequence[ShareError], labels: Sequence[str]) -> str:
    """Plot the error of each label's proportion in each group with its interval."""
    names = list(dict.fromkeys((s.kind, s.name, s.n) for s in shares))
    by_label = [(label, [(s.error, math.isnan(s.error.low)) for s in shares if s.label == label]) for label in labels]
    lines = [f"all ({n})" if kind == "all" else f"{kind} {name} ({n})" for kind, name, n in names]
    return _intervals(lines, by_label, "predicted proportion minus proportion in gold", limits=None)


def _intervals(
    lines: Sequence[str],
    panels: Sequence[tuple[str, Sequence[tuple[ScoreCI, bool]]]],
    title: str,
    *,
    limits: tuple[float, float] | None,
) -> str:
    """Plot one value with its interval per line, in one panel per label."""
    with _panels(len(panels), width=PANEL, height=LINE * len(lines) + 0.8) as (figure, axes):
        for axis, (label, values) in zip(axes, panels, strict=True):
            for y, (value, hollow) in enumerate(values):
                if math.isnan(value.value):
                    continue
                if not math.isnan(value.low):
                    axis.plot([value.low, value.high], [y, y], color=ONE)
                axis.plot(value.value, y, "o", markersize=4.5, color=ONE, markerfacecolor=PAPER if hollow else ONE,
                          clip_on=False)  # fmt: skip
            axis.set_title(label)
            axis.set_yticks(range(len(lines)), lines)
            axis.set_ylim(-0.5, len(lines) - 0.5)
            axis.grid(axis="x")
            if limits:
                axis.set_xlim(*limits)
            else:
                axis.axvline(0, color=INK, linewidth=0.8)
        axes[0].invert_yaxis()
        figure.supxlabel(title, fontsize=9)
        return _svg(figure, title)


def reliability(calibration: Calibration) -> str:
    """Plot the proportion in gold against the mean probability of each bin, with and without temperature and biases."""

    def draw(axis: Any, i: int) -> None:
        axis.plot([0, 1], [0, 1], color=INK, linewidth=0.8, linestyle=":")
        if calibration.before:
            bins = calibration.before[i].bins
            axis.plot([b.probability for b in bins], [b.share.value for b in bins], "s-", color=TWO, markersize=3.5,
                      markerfacecolor=PAPER, label="without temperature and bias")  # fmt: skip
        bins = calibration.after[i].bins
        for b in bins:
            if not math.isnan(b.share.low):
                axis.plot([b.probability] * 2, [b.share.low, b.share.high], color=ONE, linewidth=1)
        axis.plot([b.probability for b in bins], [b.share.value for b in bins], "o-", color=ONE, markersize=4,
                  label="predicted by the model")  # fmt: skip
        axis.set_xlim(-0.02, 1.02)
        axis.set_ylim(-0.02, 1.02)

    labels = [c.label for c in calibration.after]
    return _small_multiples(labels, draw, "mean probability", "proportion in gold", "Reliability")


def thresholds(curves: Sequence[Curve]) -> str:
    """Plot precision, recall and F1 against the threshold, and mark the threshold that the model uses."""

    def draw(axis: Any, i: int) -> None:
        curve = curves[i]
        axis.plot(curve.thresholds, curve.precision, color=TWO, linestyle="--", label="precision")
        axis.plot(curve.thresholds, curve.recall, color=THREE, linestyle=":", label="recall")
        axis.plot(curve.thresholds, curve.f1, color=ONE, label="F1")
        axis.axvline(curve.threshold, color=INK, linewidth=0.8, label="threshold in use")
        axis.set_xlim(0, 1)
        axis.set_ylim(0, 1.02)

    return _small_multiples([c.label for c in curves], draw, "threshold", "", "Scores by threshold")


def _small_multiples(labels: Sequence[str], draw: Callable[[Any, int], None], x: str, y: str, title: str) -> str:
    with _panels(len(labels), width=PANEL, height=PANEL) as (figure, axes):
        for i, axis in enumerate(axes):
            draw(axis, i)
            axis.set_title(labels[i])
            axis.grid(True)
        figure.supxlabel(x, fontsize=9)
        figure.supylabel(y, fontsize=9)
        handles, names = axes[0].get_legend_handles_labels()
        figure.legend(handles, names, loc="outside upper center", ncols=4)
        return _svg(figure, title)
