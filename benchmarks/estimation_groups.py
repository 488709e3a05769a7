"""Simulate groups: panels with one document per cell, contrasts with the rest, and lambda per group.

`estimation.py groups` runs all settings below. They and their seeds were fixed before the run. For each setting, the result states
how often the intervals of PPI++ cover the truth, how wide they are compared with those of the gold alone, and in how many draws
`communique estimate` warns, which the same function decides.
"""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path
from typing import Any, Literal

import numpy as np
from simulated_corpus import draw_simple, draw_stratified, draw_two_stage, labels

from communique.estimation.domains import Group
from communique.estimation.estimators import Estimate, gold_mean, group_lambda, ppi_mean, tune_lambda
from communique.estimation.intervals import Interval, interval
from communique.estimation.sample import BoolArray, FloatArray, IntArray, Sample, Target, combine
from communique.estimation.warnings import group_warnings
from communique.io.atomic import replacing

#: Version of the simulation. It is increased when estimators, intervals or the population change, and older results are discarded.
EDITION = 1

#: Differences between countries: factors of the label's proportion, and additions to the model's accuracy. The model is much worse
#: for some countries, so that one lambda does not suit all of them.
FACTORS = (0.6, 0.8, 0.9, 1.0, 1.0, 1.1, 1.2, 1.4)
ACCURACIES = (0.08, -0.12, 0.04, -0.04, 0.06, -0.08, 0.02, 0.04)

#: Countries of which the cells of the first and the last year are estimated. More cells would only take more time.
SAMPLED = (0, 2, 5, 7)

#: `ppi` has a lambda per group and is what `communique estimate` reports, `pooled` has one lambda for all groups.
METHODS = ("ppi", "gold", "pooled")

#: A setting counts as one with a warning if `communique estimate` warns in at least this proportion of its draws.
WARNED = 0.5

Design = Literal["by cell", "simple", "all documents", "by prediction", "two-stage"]


@dataclass(frozen=True)
class Setting:
    """A corpus and a sample of it.

    Attributes:
        kind: `panel` has one document per country and year, `documents` has many.
        design: How the gold is drawn. `all documents` draws sentences from every document in two stages, `by prediction` stratifies
            by country and predicted label.
        share: True proportion of the label.
        accuracy: Accuracy of the model.
        gold: Number of gold sentences.
    """

    kind: Literal["panel", "documents"]
    design: Design
    share: float
    accuracy: float
    gold: int

    @property
    def name(self) -> str:
        """Readable name, by which results are kept."""
        return f"{self.kind}, {self.design}, proportion {self.share}, accuracy {self.accuracy}, gold {self.gold}"


PANELS: tuple[Design, ...] = ("by cell", "simple", "all documents")
CORPORA: tuple[Design, ...] = ("simple", "by prediction", "two-stage")

#: In panels of 32 cells, the gold has 10 or 40 sentences per cell. In corpora of 400 documents, it has 25 or 100 per country.
SETTINGS = tuple(
    Setting("panel", design, share, accuracy, gold)
    for design, share, accuracy, gold in product(
        PANELS, (0.1, 0.4), (0.7, 0.9), (320, 1280)
    )
) + tuple(
    Setting("documents", design, share, accuracy, gold)
    for design, share, accuracy, gold in product(
        CORPORA, (0.1, 0.4), (0.7, 0.9), (200, 800)
    )
)  # fmt: skip


@dataclass(frozen=True)
class SimulatedPanel:
    """A simulated corpus of 8 countries: truth, prediction, country, cell and document of each of N sentences.

    `shares` are the true proportions of the countries in the process that produced the corpus.
    """

    y: FloatArray
    prediction: FloatArray
    countries: IntArray
    years: IntArray
    documents: IntArray
    shares: FloatArray


def panel(rng: np.random.Generator, setting: Setting) -> SimulatedPanel:
    """Simulate a panel of 8 countries and 4 years with 80 sentences per document, or 400 documents with 10 sentences."""
    countries = len(FACTORS)
    documents, sentences = (countries * 4, 80) if setting.kind == "panel" else (400, 10)
    of_document = np.arange(documents)
    country, year = of_document % countries, of_document // countries % 4
    sizes = (
        np.maximum(sentences // 2, rng.poisson(sentences, documents))
        if setting.kind == "panel"
        else (1 + rng.poisson(sentences - 1, documents))
    )
    document = np.repeat(of_document, sizes)
    shares = setting.share * np.asarray(FACTORS)
    accuracies = setting.accuracy + np.asarray(ACCURACIES)
    y, prediction = labels(rng, document, shares[country], accuracies[country])
    return SimulatedPanel(y, prediction, country[document], year[document], document, shares)


def draw(rng: np.random.Generator, setting: Setting, p: SimulatedPanel) -> Sample:
    """Draw the gold of a setting."""
    n = setting.gold
    if setting.design == "by cell":
        return draw_stratified(rng, p.documents, p.countries * 4 + p.years, n)
    if setting.design == "by prediction":
        return draw_stratified(rng, p.documents, p.countries * 2 + (p.prediction >= 0.5), n)
    if setting.design == "all documents":
        documents = int(p.documents.max()) + 1
        return draw_two_stage(rng, p.documents, n, each=n // documents)
    return draw_two_stage(rng, p.documents, n) if setting.design == "two-stage" else draw_simple(rng, p.documents, n)


@dataclass(frozen=True)
class Fits:
    """Estimates of the groups of one draw by method, the gold of each group, and the proportions in the corpus."""

    sample: Sample
    y: FloatArray
    found: Mapping[str, Mapping[str, Estimate]]
    gold: Mapping[str, BoolArray]
    truth: Mapping[str, float]

    def intervals(self, target: Target) -> dict[str, dict[str, Interval]]:
        """Return the interval of each group by each method."""
        return {
            name: {m: interval(self.sample, e.value, e.influence, target, share=True) for m, e in methods.items()}
            for name, methods in self.found.items()
        }

    def doubtful(self, intervals: Mapping[str, Mapping[str, Interval]], target: Target) -> set[str]:
        """Return the groups about whose proportions `communique estimate` warns."""
        return {
            name
            for name, one in intervals.items()
            if group_warnings(self.sample, self.y, self.gold[name], target, one["ppi"].freedom)
        }


def fit(p: SimulatedPanel, sample: Sample, groups: Mapping[str, Group], finest: IntArray) -> Fits:
    """Estimate all groups in the same way as `analysis.analyse`."""
    y = p.y[sample.gold]
    pooled = tune_lambda(sample, y, p.prediction, finest[sample.gold])
    found, golds, truth = {}, {}, {}
    for name, group in groups.items():
        members, gold = group.members, group.gold(sample)
        if not gold.any():
            continue
        own = group_lambda(sample, y, p.prediction, gold, pooled)
        found[name] = {
            "ppi": ppi_mean(sample, y, p.prediction, members, lambda_=own),
            "gold": gold_mean(sample, y, gold),
        }
        if name.startswith(("country", "cell")):
            found[name]["pooled"] = ppi_mean(sample, y, p.prediction, members, lambda_=pooled)
        golds[name], truth[name] = gold, float(p.y[members].mean())
    return Fits(sample, y, found, golds, truth)


def groups_of(p: SimulatedPanel, kind: str) -> tuple[dict[str, Group], IntArray]:
    """Return the groups of a draw by name, and the number of each sentence's finest group."""
    cells = p.countries * 4 + p.years
    groups = {f"country {c}": Group("country", {}, p.countries, c) for c in range(len(FACTORS))}
    groups |= {f"rest {c}": Group("country", {}, p.countries, c, rest=True) for c in range(len(FACTORS))}
    if kind == "panel":
        groups |= {f"year {t}": Group("year", {}, p.years, t) for t in range(4)}
        groups |= {
            f"cell {4 * c + t}": Group("cell", {}, cells, 4 * c + t) for c in range(len(FACTORS)) for t in (0, 3)
        }
        return groups, cells
    return groups, p.countries


def targets(setting: Setting) -> tuple[Target, ...]:
    """Return the targets of a setting. A country of a panel has too few documents for `superpopulation`."""
    return ("finite-population",) if setting.kind == "panel" else ("finite-population", "superpopulation")


def estimands(setting: Setting, fits: Fits) -> Iterator[tuple[str, tuple[str, ...], FloatArray]]:
    """Yield what is estimated: its kind, and the groups of a linear combination with its coefficients.

    Groups without gold are left out, as by `--skip-unsupported`.
    """
    one, difference = np.ones(1), np.array([1.0, -1.0])
    for name in fits.found:
        kind = name.split()[0]
        if kind in ("cell", "country"):
            yield kind, (name,), one
        if kind == "country":
            yield "country minus rest", (name, name.replace("country", "rest")), difference
    if setting.kind == "panel":
        yield "trend", tuple(f"year {t}" for t in range(4)), (np.arange(4) - 1.5) / 5
        for c in SAMPLED:
            names = (f"cell {4 * c + 3}", f"cell {4 * c}")
            if all(name in fits.found for name in names):
                yield "change of a cell", names, difference


class Tally:
    """Coverage and width by kind of estimand, target and method."""

    def __init__(self) -> None:
        self.rows: dict[tuple[str, str, str], list[tuple[float, float, float, float]]] = defaultdict(list)

    def add(self, setting: Setting, p: SimulatedPanel, fits: Fits) -> None:
        """Add the intervals of one draw."""
        expected = {f"country {c}": float(p.shares[c]) for c in range(len(FACTORS))}
        expected |= {f"rest {c}": float(np.delete(p.shares, c).mean()) for c in range(len(FACTORS))}
        for target in targets(setting):
            truths = fits.truth if target == "finite-population" else expected
            intervals = fits.intervals(target)
            doubtful = fits.doubtful(intervals, target)
            for kind, names, coefficients in estimands(setting, fits):
                truth = float(coefficients @ [truths[name] for name in names])
                doubted = bool(doubtful & set(names))
                for method in METHODS if len(names) == 1 else METHODS[:2]:
                    if len(names) == 1:
                        found = intervals[names[0]][method]
                    else:
                        parts = [fits.found[name][method] for name in names]
                        value = float(coefficients @ [part.value for part in parts])
                        influence = combine([part.influence for part in parts], coefficients)
                        found = interval(fits.sample, value, influence, target)
                    covered = float("nan") if np.isnan(found.low) else float(found.low <= truth <= found.high)
                    self.rows[kind, target, method].append((covered, found.width, found.value - truth, float(doubted)))

    def summary(self) -> list[dict[str, Any]]:
        """Return one row per kind of estimand and target."""
        return [self._line(kind, target) for kind, target in dict.fromkeys((k, t) for k, t, _ in self.rows)]

    def _line(self, kind: str, target: str) -> dict[str, Any]:
        rows = np.array(self.rows[kind, target, "ppi"])
        there = ~np.isnan(rows[:, 0])
        line: dict[str, Any] = {"estimand": kind, "target": target, "intervals": int(there.sum())}
        if not there.any():
            return line
        covered, width, error, warned = rows[there].T
        line |= {
            "coverage": _rounded(covered.mean()),
            "coverage_without_warning": _rounded(covered[warned == 0].mean()) if (warned == 0).any() else None,
            "warned": _rounded(warned.mean()),
            "setting_warned": bool(warned.mean() >= WARNED),
            "width": _rounded(width.mean()),
            "bias": _rounded(error.mean()),
        }
        gold = np.array(self.rows[kind, target, "gold"])[there]
        for method in METHODS[1:]:
            if key_rows := self.rows.get((kind, target, method)):
                other = np.array(key_rows)[there]
                line |= {
                    f"coverage_{method}": _rounded(np.nanmean(other[:, 0])),
                    f"width_{method}": _rounded(np.nanmean(other[:, 1])),
                    f"wider_than_{method}": _rounded((width > other[:, 1]).mean()),
                }
                if method == "pooled":
                    line["pooled_wider_than_gold"] = _rounded((other[:, 1] > gold[:, 1]).mean())
        return line


def _rounded(value: float) -> float:
    return round(float(value), 4)


def run(setting: Setting, draws: int) -> list[dict[str, Any]]:
    """Simulate one setting. The seeds depend on the setting and the number of the draw only."""
    tally = Tally()
    number = SETTINGS.index(setting)
    for seed in range(draws):
        rng = np.random.default_rng([20_260, number, seed])
        p = panel(rng, setting)
        sample = draw(rng, setting, p)
        tally.add(setting, p, fit(p, sample, *groups_of(p, setting.kind)))
    return tally.summary()


def simulate(draws: int, out: Path, *, workers: int, only: str = "") -> dict[str, Any]:
    """Simulate every setting. Settings that were simulated before with as many draws are not repeated."""
    known = json.loads(out.read_text(encoding="utf-8")) if out.exists() else {}
    same = (known.get("draws"), known.get("edition")) == (draws, EDITION)
    cells: dict[str, Any] = known.get("settings", {}) if same else {}
    wanted = [one for one in SETTINGS if one.name not in cells and only in one.name]
    with ProcessPoolExecutor(workers) as pool:
        for done, (one, rows) in enumerate(zip(wanted, pool.map(run, wanted, [draws] * len(wanted)), strict=True), 1):
            cells[one.name] = {**asdict(one), "results": rows}
            with replacing(out) as handle:
                handle.write(json.dumps({"draws": draws, "edition": EDITION, "settings": cells}, indent=1) + "\n")
            print(f"{done}/{len(wanted)}  {one.name}", file=sys.stderr, flush=True)
    return {"draws": draws, "edition": EDITION, "settings": cells}
