"""Draw the figures of `benchmarks/estimation.py simulate`: coverage and width for proportions, and coverage for comparisons."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from communique.io.atomic import replacing

#: The grid of true proportions, accuracies of the model and sizes of the gold sample. Comparisons are simulated at two accuracies.
SHARES, ACCURACIES, SIZES = (0.02, 0.1, 0.4), (0.7, 0.8, 0.9, 0.95), (100, 300, 1000)
COMPARED = (0.8, 0.95)

#: Colours by Okabe and Ito, which people with any type of colour vision can distinguish.
COLOURS = dict(zip(ACCURACIES, ("#D55E00", "#E69F00", "#009E73", "#0072B2"), strict=True))

#: The accuracy at which designs other than simple random sampling are simulated, and the colours of these designs.
ACCURACY = 0.8
OTHERS = {"stratified": "#CC79A7", "two-stage": "#56B4E9"}

#: The range in which coverage should be.
AIM = (0.93, 0.97)


def draw(result: Mapping[str, Any], out: Path) -> None:
    """Draw both figures next to the JSON, as SVG and PNG."""
    for name, figure in ((out.stem, shares(result)), (f"{out.stem}-comparisons", comparisons(result))):
        for ending in ("svg", "png"):
            # The same figure has the same bytes, so that the file changes in the repository only if the figure does.
            with rc_context({"svg.hashsalt": "communique"}), replacing(out.with_name(f"{name}.{ending}"), "wb") as file:
                figure.savefig(file, format=ending, dpi=130, metadata={"Date": None} if ending == "svg" else {})


def value(
    result: Mapping[str, Any],
    share: float,
    accuracy: float,
    n: int,
    level: str,
    method: str,
    field: str,
    design: str = "simple",
) -> float:
    """Return a number of a cell for the target `superpopulation`, or NaN if it is undefined."""
    rows = result["cells"][f"{design}, share {share}, accuracy {accuracy}, gold {n}"]["results"]
    row = next(r for r in rows if (r["level"], r["method"], r["target"]) == (level, method, "superpopulation"))
    return float("nan") if row.get(field) is None else float(row[field])


def coverage(
    axis: Axes,
    result: Mapping[str, Any],
    share: float,
    accuracy: float,
    level: str,
    method: str,
    *,
    style: str = "-",
    design: str = "simple",
    colour: str | None = None,
) -> None:
    """Draw coverage against the size of the gold sample, with hollow markers if most intervals have a warning."""
    colour = colour or COLOURS[accuracy]
    covered = [value(result, share, accuracy, n, level, method, "coverage", design) for n in SIZES]
    axis.plot(SIZES, covered, style, color=colour, linewidth=1.3)
    for n, y in zip(SIZES, covered, strict=True):
        doubted = value(result, share, accuracy, n, level, method, "doubted", design) > 0.5
        axis.plot([n], [y], "o", color=colour, markersize=5, markerfacecolor="white" if doubted else colour)


def shares(result: Mapping[str, Any]) -> Figure:
    """Draw coverage, width relative to gold alone, and bias of the naive proportion, by size of the gold sample.

    There is one row of panels per true proportion.
    """
    figure = Figure(figsize=(13, 7.5), layout="constrained")
    axes = figure.subplots(len(SHARES), 4, sharex=True)
    for row, share in zip(axes, SHARES, strict=True):
        for axis in row[:2]:
            axis.axhspan(*AIM, color="0.9", zorder=0)
            axis.set_ylim(0.85, 1.005)
        for level, style in (("all", "-"), ("group", ":")):
            for accuracy, colour in COLOURS.items():
                coverage(row[0], result, share, accuracy, level, "ppi", style=style)
                ppi, gold = (
                    np.array([value(result, share, accuracy, n, level, m, "width") for n in SIZES])
                    for m in ("ppi", "gold")
                )
                row[2].plot(SIZES, ppi / gold, style, color=colour, linewidth=1.3)
            for design, colour in OTHERS.items():
                coverage(row[1], result, share, ACCURACY, level, "ppi", style=style, design=design, colour=colour)
        for accuracy, colour in COLOURS.items():
            bias = [value(result, share, accuracy, n, "all", "naive", "bias") for n in SIZES]
            row[3].plot(SIZES, bias, color=colour, label=f"accuracy {accuracy}")
        row[0].set_ylabel(f"true proportion {share:.0%}", fontsize=9)
        row[2].set_ylim(0, 1.3)
        row[2].axhline(1, color="0.7", linewidth=0.8)
        row[3].axhline(0, color="0.7", linewidth=0.8)
    titles = (
        "coverage of the 95 % interval, PPI++\nsimple random samples (hollow: with warning)",
        f"coverage, other designs, accuracy {ACCURACY}\n(hollow: with warning)",
        "width of PPI++ / width of gold alone",
        "bias of the naive proportion",
    )
    for axis, title in zip(axes[0], titles, strict=True):
        axis.set_title(title, fontsize=9)
    _sizes(axes[-1])
    for design, colour in OTHERS.items():
        axes[0][3].plot([], [], color=colour, label=design)
    for name, style in (("all sentences", "-"), ("one of four groups", ":")):
        axes[0][3].plot([], [], style, color="0.3", label=name)
    figure.legend(
        *axes[0][3].get_legend_handles_labels(), loc="outside lower center", ncols=8, fontsize=8, frameon=False
    )
    return figure


#: Comparisons: level in the results, method and title.
KINDS = (
    ("difference", "ppi", "differences of two groups, PPI++"),
    ("trend", "ppi", "trend over four groups, PPI++"),
    ("linear regression", "dsl", "linear regression, DSL"),
    ("logistic regression", "dsl", "logistic regression, DSL"),
)


def comparisons(result: Mapping[str, Any]) -> Figure:
    """Draw the coverage of differences, trends and regressions, with one row of panels per true proportion."""
    figure = Figure(figsize=(12, 7.5), layout="constrained")
    axes = figure.subplots(len(SHARES), len(KINDS), sharex=True, sharey=True)
    for row, share in zip(axes, SHARES, strict=True):
        for axis, (level, method, title) in zip(row, KINDS, strict=True):
            axis.axhspan(*AIM, color="0.9", zorder=0)
            for accuracy in COMPARED:
                coverage(axis, result, share, accuracy, level, method)
            axis.set_title(title if share == SHARES[0] else "", fontsize=9)
        row[0].set_ylabel(f"true proportion {share:.0%}\ncoverage of the 95 % interval", fontsize=9)
        row[0].set_ylim(0.85, 1.005)
    _sizes(axes[-1])
    for accuracy in COMPARED:
        axes[0][0].plot([], [], color=COLOURS[accuracy], label=f"accuracy {accuracy}")
    handles, names = axes[0][0].get_legend_handles_labels()
    figure.legend(
        handles,
        names,
        loc="outside lower center",
        ncols=2,
        fontsize=8,
        frameon=False,
        title="hollow: with a warning (about a group, or for regressions about the gold sample)",
        title_fontsize=8,
    )
    return figure


def _sizes(axes: Any) -> None:
    for axis in axes:
        axis.set_xscale("log")
        axis.set_xticks(SIZES, [str(n) for n in SIZES])
        axis.minorticks_off()
        axis.set_xlabel("gold sentences in all groups together", fontsize=8)
