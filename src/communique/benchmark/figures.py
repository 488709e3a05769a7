"""Draw the figures of a benchmark from its summary. Requires the extra `analysis`.

Each SVG contains a hash of the numbers that it shows. Comparing hashes shows whether a figure is up to date. Comparing pixels
would not, because they depend on fonts and on the version of matplotlib.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import Any

from ..io.atomic import replacing
from ..reporting.format import number
from .rendering import classifier_names, trained_languages

#: Version of the way in which figures are drawn. A new version makes all figures out of date.
FORMAT = 2

_EMBEDDED = re.compile(r"communique figure data sha256 ([0-9a-f]{64})")

#: Colours by Okabe and Ito, which people with any type of colour vision can distinguish.
_COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#000000")
_MARKERS = "osD^vPX"

#: Maximum number of labels that fit on an axis.
_MOST_TICKS = 12


@dataclass(frozen=True)
class Figure:
    """A figure that has not been drawn yet, with the numbers that it shows as plain values."""

    name: str
    kind: str
    data: Mapping[str, Any]

    @property
    def sha256(self) -> str:
        """The SHA-256 of the numbers and of the version of drawing."""
        content = json.dumps({"format": FORMAT, "kind": self.kind, "data": self.data}, sort_keys=True)
        return hashlib.sha256(content.encode()).hexdigest()

    def current(self, folder: Path) -> bool:
        """Return whether the folder contains the figure as SVG and PNG, drawn from the same numbers."""
        svg = folder / f"{self.name}.svg"
        return svg.exists() and svg.with_suffix(".png").exists() and embedded(svg) == self.sha256

    def draw(self, canvas: Any) -> None:
        """Draw on an empty `matplotlib.figure.Figure`."""
        _DRAWN[self.kind](canvas, self.data)

    def write(self, folder: Path) -> None:
        """Draw the figure as SVG and PNG."""
        import matplotlib as mpl
        from matplotlib.figure import Figure as Canvas

        # Without a fixed salt, ids in the SVG are random, and drawing the same figure again would change the file.
        with mpl.rc_context({"svg.hashsalt": self.name, "svg.fonttype": "none", "font.size": 9}):
            canvas = Canvas(layout="constrained")
            self.draw(canvas)
            metadata = {"Date": None, "Description": f"communique figure data sha256 {self.sha256}"}
            with replacing(folder / f"{self.name}.png", "wb") as handle:
                canvas.savefig(handle, format="png", dpi=150, metadata={"Software": None})
            with replacing(folder / f"{self.name}.svg", "wb") as handle:
                canvas.savefig(handle, format="svg", metadata=metadata)


def embedded(svg: Path) -> str | None:
    """Return the hash of the numbers that an SVG shows, or None if it contains none."""
    found = _EMBEDDED.search(svg.read_text(encoding="utf-8"))
    return found[1] if found else None


def figures(summary: Mapping[str, Any]) -> list[Figure]:
    """Return the figures of a summary: learning curves, bars for leave-one-out splits, and cross-lingual matrices."""
    found = []
    for split in dict.fromkeys(table["split"] for table in summary["tables"]):
        tables = [table for table in summary["tables"] if table["split"] == split]
        if made := _MADE.get(tables[0]["kind"]):
            kind, data = made
            found.append(Figure(f"{summary['benchmark']}-{split}", kind, data(tables, summary)))
    return found


def _curve_data(tables: Sequence[Mapping[str, Any]], summary: Mapping[str, Any]) -> dict[str, Any]:
    few_shot = tables[0]["kind"] == "few-shot"
    lines: dict[str, list[list[float | None]]] = {name: [] for name in classifier_names(tables)}
    for table in tables:
        for name, classifier in table["classifiers"].items():
            x = table["x"] if few_shot else classifier["training_rows"]
            lines[name].append([x, *classifier["macro_f1"]])
    return {
        "lines": {name: sorted(points) for name, points in lines.items()},
        "x": "training rows per label" if few_shot else "training rows",
        "title": f"{tables[0]['n']} test sentences from {tables[0]['documents']} documents\n"
        "bands: 95 % intervals over documents and seeds",
        "legend": {
            name: f"{name} (seeds: {len(tables[0]['classifiers'][name]['seeds'])})"
            if name in tables[0]["classifiers"]
            else name
            for name in lines
        },
    }


def _bar_data(tables: Sequence[Mapping[str, Any]], summary: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "parts": [[table["part"], table["n"], table["documents"]] for table in tables],
        "bars": {
            name: [table["classifiers"][name]["macro_f1"] if name in table["classifiers"] else None for table in tables]
            for name in classifier_names(tables)
        },
        "what": tables[0]["kind"].removeprefix("leave-one-").removesuffix("-out"),
    }


def _matrix_data(tables: Sequence[Mapping[str, Any]], summary: Mapping[str, Any]) -> dict[str, Any]:
    panels = {}
    for name in classifier_names(tables):
        trained = [table for table in tables if name in table["classifiers"]]
        tested = trained_languages(trained, name)
        panels[name] = {
            "rows": [[table["part"], round(table["classifiers"][name]["training_rows"])] for table in trained],
            "columns": [[language, group["n"]] for language, group in tested.items()],
            "values": [
                [table["classifiers"][name]["groups"]["language"][language]["macro_f1"][0] for language in tested]
                for table in trained
            ],
        }
    return {"panels": panels}


def _draw_curves(canvas: Any, data: Mapping[str, Any]) -> None:
    canvas.set_size_inches(6.4, 4.2)
    axes = canvas.subplots()
    for (name, points), colour, marker in zip(data["lines"].items(), cycle(_COLOURS), cycle(_MARKERS), strict=False):
        points = [point for point in points if point[1] is not None]
        if not points:
            continue
        x, y, low, high = (
            [float("nan") if value is None else value for value in column] for column in zip(*points, strict=True)
        )
        axes.plot(x, y, marker + "-", color=colour, label=data["legend"][name])
        axes.fill_between(x, low, high, color=colour, alpha=0.15, linewidth=0)
    axes.set_xscale("log")
    ticks = _apart({point[0] for points in data["lines"].values() for point in points})
    axes.set_xticks(ticks, [f"{tick:,.0f}" for tick in ticks], minor=False)
    axes.set_xticks([], minor=True)
    axes.set(xlabel=data["x"], ylabel="macro-F1", ylim=(0, 1))
    axes.set_title(data["title"], fontsize=9)
    axes.grid(alpha=0.3)
    axes.legend(loc="upper left", fontsize=8)


def _apart(values: set[float]) -> list[float]:
    """Return the values of a logarithmic axis whose labels do not overlap. Of values that are too close, keep the largest."""
    apart: list[float] = []
    nearest = (max(values) / min(values)) ** (1 / _MOST_TICKS)
    for value in sorted(values, reverse=True):
        if not apart or apart[-1] / value >= nearest:
            apart.append(value)
    return apart[::-1]


def _draw_bars(canvas: Any, data: Mapping[str, Any]) -> None:
    names, parts = list(data["bars"]), data["parts"]
    canvas.set_size_inches(6.4, 1.2 + 0.17 * len(parts) * (len(names) + 1))
    axes = canvas.subplots()
    height = 0.8 / len(names)
    for order, (name, colour) in enumerate(zip(names, cycle(_COLOURS), strict=False)):
        label: str | None = name
        for place, value in enumerate(data["bars"][name]):
            if value is None or value[0] is None:
                continue
            y = place + (order - (len(names) - 1) / 2) * height
            axes.barh(y, value[0], height * 0.9, color=colour, label=label)
            label = None
            if value[1] is not None:
                axes.plot(value[1:], [y, y], color="black", linewidth=1)
    axes.set_yticks(
        range(len(parts)), [f"{part}\n{n} sentences, {documents} documents" for part, n, documents in parts]
    )
    axes.invert_yaxis()
    axes.set(
        xlabel=f"macro-F1 on the {data['what']} that was left out of training\nlines: 95 % intervals over documents",
        xlim=(0, 1),
    )
    axes.grid(axis="x", alpha=0.3)
    canvas.legend(loc="outside upper center", ncols=len(names), fontsize=8)


def _draw_matrix(canvas: Any, data: Mapping[str, Any]) -> None:
    panels = data["panels"]
    canvas.set_size_inches(0.6 + 4.6 * len(panels), 4.4)
    image = None
    for axes, (name, panel) in zip(canvas.subplots(1, len(panels), squeeze=False)[0], panels.items(), strict=True):
        values = [[float("nan") if value is None else value for value in row] for row in panel["values"]]
        image = axes.imshow(values, vmin=0, vmax=1, cmap="viridis")
        axes.set_xticks(
            range(len(panel["columns"])), [f"{language}\n{n}" for language, n in panel["columns"]], fontsize=7
        )
        axes.set_yticks(range(len(panel["rows"])), [f"{language} ({n})" for language, n in panel["rows"]], fontsize=7)
        for y, row in enumerate(values):
            for x, value in enumerate(row):
                axes.text(
                    x,
                    y,
                    number(value, 2),
                    ha="center",
                    va="center",
                    fontsize=7,
                    color="white" if value < 0.6 else "black",
                )
        axes.set(title=name, xlabel="tested on (sentences)", ylabel="trained on (sentences)")
    canvas.colorbar(image, ax=canvas.axes, label="macro-F1", shrink=0.8)


_DRAWN: dict[str, Callable[[Any, Mapping[str, Any]], None]] = {
    "curves": _draw_curves,
    "bars": _draw_bars,
    "matrix": _draw_matrix,
}

_Data = Callable[[Sequence[Mapping[str, Any]], Mapping[str, Any]], dict[str, Any]]

_MADE: dict[str, tuple[str, _Data]] = {
    "few-shot": ("curves", _curve_data),
    "learning-curve": ("curves", _curve_data),
    "leave-one-language-out": ("bars", _bar_data),
    "leave-one-source-out": ("bars", _bar_data),
    "cross-lingual": ("matrix", _matrix_data),
}
