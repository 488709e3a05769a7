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
from simulated_corpus import DOCUMENT, ERRORS, clustered, draw_simple, draw_stratified, draw_two_stage

from communique.estimation.domains import Group
from communique.estimation.estimators import Estimate, gold_mean, group_lambda, ppi_mean, tune_lambda
from communique.estimation.intervals import interval
from communique.estimation.sample import BoolArray, FloatArray, IntArray, Sample, Target, combine
from communique.estimation.warnings import group_warnings
from communique.io.atomic import replacing

#: Version of the simulation. It is increased when estimators, intervals or the population change, and older results are discarded.
EDITION = 1

#: Differences between countries: factors of the label's proportion, and additions to the model's accuracy. The model is much worse
#: for some countries, so that one lambda does not suit all of them.
FACTORS = (0.6, 0.8, 0.9, 1.0, 1.0, 1.1, 1.2, 1.4)
ACCURACIES = (0.08, -0.12, 0.04, -0.04, 0.06, -0.08, 0.02, 0.04)

#: A setting counts as one with a warning if `communique estimate` warns in at least this proportion of its draws.
WARNED = 0.5

Design = Literal["by cell", "by country", "simple", "all documents", "by prediction", "two-stage"]


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


#: In panels of 32 cells, the gold has 10 or 40 sentences per cell. In corpora of 400 documents, it has 25 or 100 per country.
SETTINGS = tuple(
    Setting("panel", design, share, accuracy, gold)
    for design, share, accuracy, gold in product(
        ("by cell", "by country", "simple", "all documents"), (0.1, 0.4), (0.7, 0.9), (320, 1280)
    )
) + tuple(
    Setting("documents", design, share, accuracy, gold)
    for design, share, accuracy, gold in product(
        ("simple", "by prediction", "two-stage"), (0.1, 0.4), (0.7, 0.9), (200, 800)
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
    errors = 1 - np.clip(setting.accuracy + np.asarray(ACCURACIES), 0.5, 0.99)
    y = rng.random(len(document)) < clustered(rng, shares[country], DOCUMENT)[document]
    wrong = rng.random(len(document)) < clustered(rng, errors[country], ERRORS)[document]
    doubt = np.where(wrong, rng.beta(4, 3, len(document)), rng.beta(1.5, 4, len(document))) / 2
    return SimulatedPanel(
        y.astype(float), np.where(y ^ wrong, 1 - doubt, doubt), country[document], year[document], document, shares
    )


def draw(rng: np.random.Generator, setting: Setting, p: SimulatedPanel) -> Sample:
    """Draw the gold of a setting."""
    n = setting.gold
    if setting.design == "by cell":
        return draw_stratified(rng, p.documents, p.countries * 4 + p.years, n)
    if setting.design == "by country":
        return draw_stratified(rng, p.documents, p.countries, n)
    if setting.design == "by prediction":
        return draw_stratified(rng, p.documents, p.countries * 2 + (p.prediction >= 0.5), n)
    if setting.design == "all documents":
        documents = int(p.documents.max()) + 1
        return draw_two_stage(rng, p.documents, n, each=n // documents)
    return draw_two_stage(rng, p.documents, n) if setting.design == "two-stage" else draw_simple(rng, p.documents, n)


@dataclass(frozen=True)
class Fits:
    """Estimates of the groups of one draw by group, with lambda per group (`ppi`), pooled lambda (`pooled`) and gold alone."""

    sample: Sample
    y: FloatArray
    found: Mapping[str, Mapping[str, Estimate]]
    gold: Mapping[str, BoolArray]
    truth: Mapping[str, float]

    def doubted(self, names: tuple[str, ...], target: Target) -> bool:
        """Return whether `communique estimate` warns about one of the groups."""
        return any(group_warnings(self.sample, self.y, self.gold[name], target) for name in names)


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
            "pooled": ppi_mean(sample, y, p.prediction, members, lambda_=pooled),
            "gold": gold_mean(sample, y, gold),
        }
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


def estimands(setting: Setting, fits: Fits) -> Iterator[tuple[str, Target, tuple[str, ...], FloatArray]]:
    """Yield what is estimated: its kind, the target, and the groups of a linear combination with its coefficients."""
    one, difference = np.ones(1), np.array([1.0, -1.0])
    targets: tuple[Target, ...] = (
        ("finite-population",) if setting.kind == "panel" else ("finite-population", "superpopulation")
    )
    for target in targets:
        for name in fits.found:
            kind = name.split()[0]
            if kind in ("cell", "country"):
                yield kind, target, (name,), one
            if kind == "country":
                yield "country minus rest", target, (name, name.replace("country", "rest")), difference
        if setting.kind == "panel":
            slope = (np.arange(4) - 1.5) / 5
            yield "trend", target, tuple(f"year {t}" for t in range(4)), slope
            for c in range(len(FACTORS)):
                yield "change of a cell", target, (f"cell {4 * c + 3}", f"cell {4 * c}"), difference


class Tally:
    """Coverage and width by kind of estimand, target and method."""

    def __init__(self) -> None:
        self.rows: dict[tuple[str, str, str], list[tuple[float, float, float, float]]] = defaultdict(list)

    def add(self, setting: Setting, p: SimulatedPanel, fits: Fits) -> None:
        """Add the intervals of one draw."""
        expected = {f"country {c}": float(p.shares[c]) for c in range(len(FACTORS))}
        expected |= {f"rest {c}": float(np.delete(p.shares, c).mean()) for c in range(len(FACTORS))}
        for kind, target, names, coefficients in estimands(setting, fits):
            if any(name not in fits.found for name in names):
                continue
            truths = fits.truth if target == "finite-population" else expected
            truth = float(coefficients @ [truths[name] for name in names])
            doubted = fits.doubted(names, target)
            for method in ("ppi", "pooled", "gold"):
                parts = [fits.found[name][method] for name in names]
                value = float(coefficients @ [part.value for part in parts])
                influence = (
                    parts[0].influence if len(parts) == 1 else combine([part.influence for part in parts], coefficients)
                )
                found = interval(fits.sample, value, influence, target, share=len(parts) == 1)
                covered = float("nan") if np.isnan(found.low) else float(found.low <= truth <= found.high)
                self.rows[kind, target, method].append((covered, found.width, value - truth, float(doubted)))

    def summary(self) -> list[dict[str, Any]]:
        """Return one row per kind of estimand and target."""
        lines = []
        for kind, target in dict.fromkeys((kind, target) for kind, target, _ in self.rows):
            methods = {m: np.array(self.rows[kind, target, m]) for m in ("ppi", "pooled", "gold")}
            rows = methods["ppi"]
            there = rows[~np.isnan(rows[:, 0])]
            line: dict[str, Any] = {"estimand": kind, "target": target, "intervals": len(there)}
            if len(there):
                kept, warned = there[there[:, 3] == 0], float(there[:, 3].mean())
                line |= {
                    "coverage": _rounded(there[:, 0].mean()),
                    "coverage_without_warning": _rounded(kept[:, 0].mean()) if len(kept) else None,
                    "warned": _rounded(warned),
                    "setting_warned": warned >= WARNED,
                    "width": _rounded(there[:, 1].mean()),
                    "bias": _rounded(there[:, 2].mean()),
                }
                for m in ("pooled", "gold"):
                    line[f"coverage_{m}"] = _rounded(np.nanmean(methods[m][:, 0]))
                    line[f"width_{m}"] = _rounded(np.nanmean(methods[m][:, 1]))
                    wider = rows[:, 1] > methods[m][:, 1]
                    line[f"wider_than_{m}"] = _rounded(wider.mean())
                line["pooled_wider_than_gold"] = _rounded((methods["pooled"][:, 1] > methods["gold"][:, 1]).mean())
            lines.append(line)
        return lines


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
