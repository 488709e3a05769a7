"""Measure the coverage of the intervals of `communique estimate`, in a simulation with known truth and on labelled real text.

    python benchmarks/estimation.py simulate [--draws 200] [-o benchmarks/results/estimation-simulation.json]
    python benchmarks/estimation.py groups [--draws 1000] [--workers 2] [-o benchmarks/results/estimation-groups.json]
    python benchmarks/estimation.py real --texts DIR [--draws 500] [--without-dev] [-o benchmarks/results/estimation-real.json]

`simulate` and `groups` resume where they stopped. `simulate` draws its figures next to the JSON. `groups` simulates panels with
one document per cell, contrasts with the rest, and lambda per group (see `estimation_groups.py`). The population of `real` are the
rows of data/reference with `sampling: random` on which the shipped model was not trained. It draws gold samples from this
population many times, and compares the estimates with the labels of all rows. The last line of the output is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import estimation_groups
import numpy as np
from estimation_figures import ACCURACIES, ACCURACY, COMPARED, OTHERS, SHARES, SIZES, draw
from simulated_corpus import SimulatedCorpus, draw_simple, draw_stratified, draw_two_stage, population

from communique import Codebook, Corpus, Predictor
from communique.data.standoff import read_corpora
from communique.estimation.analysis import FAMILIES
from communique.estimation.estimators import (
    Estimate,
    cross_fit,
    dsl_mean,
    gold_mean,
    group_lambda,
    logistic,
    naive_mean,
    ppi_mean,
    tune_lambda,
)
from communique.estimation.intervals import Interval, interval
from communique.estimation.regression import dsl_regression
from communique.estimation.sample import BoolArray, FloatArray, IntArray, Sample, Target, combine
from communique.estimation.warnings import group_warnings
from communique.io.atomic import replacing
from communique.models.folder import held_out_ids, read_info
from communique.models.predictor import default_model

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks/results"

#: Version of the simulation. It is increased when estimators, intervals or the population change, and older results are discarded.
EDITION = 3

METHODS = ("naive", "gold", "ppi", "dsl")
TARGETS: tuple[Target, ...] = ("superpopulation", "finite-population")

#: Borders of bins: the number of gold sentences with or without the label (the smaller one), and of documents with gold.
CASES, DOCUMENTS = (0, 1, 2, 3, 5, 10, 20, 1_000_000), (0, 5, 10, 15, 20, 30, 50, 1_000_000)


class Tally:
    """Coverage, width and error of intervals over draws, by an arbitrary key."""

    def __init__(self) -> None:
        self.rows: dict[tuple[Any, ...], list[tuple[float, float, float, float]]] = defaultdict(list)

    def add(self, key: tuple[Any, ...], one: Interval, truth: float, doubted: bool) -> None:
        """Record an interval. If it is undefined because there are too few documents, it counts as missing, not as failed."""
        covered = float("nan") if np.isnan(one.low) else float(one.low <= truth <= one.high)
        self.rows[key].append((covered, one.width, one.value - truth, float(doubted)))

    def summary(self, key: tuple[Any, ...]) -> dict[str, float | int | None]:
        """Return the number of intervals, coverage, mean width, bias, root mean squared error and the proportion with warnings."""
        rows = np.array(self.rows[key])
        there = rows[~np.isnan(rows[:, 0])]
        if not len(there):
            return {"intervals": 0, "coverage": None}
        kept = there[there[:, 3] == 0]
        return {
            "intervals": len(there),
            "coverage": _round(there[:, 0].mean()),
            "coverage_undoubted": _round(kept[:, 0].mean()) if len(kept) else None,
            "doubted": _round(there[:, 3].mean()),
            "width": _round(there[:, 1].mean()),
            "bias": _round(there[:, 2].mean()),
            "rmse": _round(np.sqrt((there[:, 2] ** 2).mean())),
        }


def _round(value: float) -> float:
    return round(float(value), 5)


@dataclass(frozen=True)
class Fits:
    """The estimates for every domain by every method, and the recalibrated predictions of DSL."""

    sample: Sample
    y: FloatArray
    domains: Mapping[Any, BoolArray]
    found: Mapping[Any, Mapping[str, Estimate]]
    fitted: FloatArray

    def cases(self, domain: Any) -> tuple[int, int]:
        """Return two numbers for a domain: gold sentences with or without the label (the smaller one), and documents with gold."""
        gold = self.domains[domain][self.sample.gold]
        positives = int(self.y[gold].sum())
        return min(positives, int(gold.sum()) - positives), len(np.unique(self.sample.gold_documents[gold]))

    def doubtful(self, domain: Any, target: Target) -> bool:
        """Return whether `communique estimate` warns about the proportion of a domain."""
        one = self.found[domain]["ppi"]
        freedom = interval(self.sample, one.value, one.influence, target, share=True).freedom
        return bool(group_warnings(self.sample, self.y, self.domains[domain][self.sample.gold], target, freedom))

    def intervals(self, targets: Sequence[Target]) -> Iterator[tuple[Any, str, Target, Interval]]:
        """Yield the interval of every domain, method and target."""
        for (name, found), method, target in product(self.found.items(), METHODS, targets):
            one = found[method]
            kind: Target = "superpopulation" if method == "naive" else target
            yield name, method, target, interval(self.sample, one.value, one.influence, kind, share=True)


def fit(
    sample: Sample,
    y: FloatArray,
    predicted: FloatArray,
    prediction: FloatArray,
    domains: Mapping[Any, BoolArray],
    groups: IntArray,
) -> Fits:
    """Estimate the proportion of every domain in the same way as `analysis.analyse`."""
    pooled = tune_lambda(sample, y, prediction, groups[sample.gold])
    fitted = cross_fit(sample, y, prediction, [groups])
    found = {
        name: {
            "naive": naive_mean(sample, predicted, domain),
            "gold": gold_mean(sample, y, domain[sample.gold]),
            "ppi": ppi_mean(
                sample,
                y,
                prediction,
                domain,
                lambda_=group_lambda(sample, y, prediction, domain[sample.gold], pooled),
            ),
            "dsl": dsl_mean(sample, y, fitted, domain),
        }
        for name, domain in domains.items()
    }
    return Fits(sample, y, domains, found, fitted)


def compare(
    fits: Fits, groups: IntArray, shares: FloatArray, weights: FloatArray, target: Target
) -> Iterator[tuple[str, str, Interval, float, bool]]:
    """Compare the groups in the same way as `analysis.analyse`.

    Args:
        fits: Estimates of the groups.
        groups: Number of each sentence's group.
        shares: True proportions of the groups for this target.
        weights: True sizes of the groups, for regressions.
        target: Target of the estimation.

    Yields:
        Kind of comparison, method, interval, truth, and whether `communique estimate` prints a warning.
    """
    numbers = np.arange(len(shares), dtype=float)
    line = {n: fits.found[n] for n in range(len(shares))}
    slope = (numbers - numbers.mean()) / ((numbers - numbers.mean()) ** 2).sum()
    plans = [("trend", tuple(line), slope)]
    plans += [("difference", pair, np.array([1.0, -1.0])) for pair in ((3, 0), (2, 1))]
    for kind, names, coefficients in plans:
        for method in ("ppi", "dsl"):
            parts = [line[name][method] for name in names]
            value = float(coefficients @ [part.value for part in parts])
            one = interval(fits.sample, value, combine([part.influence for part in parts], coefficients), target)
            doubted = any(fits.doubtful(name, target) for name in names)
            yield kind, method, one, float(coefficients @ shares[list(names)]), doubted
    x = np.stack([np.ones(len(shares)), numbers], axis=1)
    for family in FAMILIES:
        found = dsl_regression(fits.sample, x, fits.y, fits.fitted, family, kinds=groups)
        one = interval(fits.sample, float(found.coefficients[1]), found.influences[1], target)
        truth = (
            np.linalg.solve((x.T * weights) @ x, x.T @ (weights * shares))
            if family == "linear"
            else logistic(x, shares, weights=weights)
        )
        yield f"{family} regression", "dsl", one, float(truth[1]), fits.doubtful("all", target)


def simulate(draws: int, out: Path) -> dict[str, Any]:
    """Simulate every setting and draw the figures. Settings that were simulated before with as many draws are not repeated."""
    known = json.loads(out.read_text(encoding="utf-8")) if out.exists() else {}
    same = (known.get("draws"), known.get("edition")) == (draws, EDITION)
    cells: dict[str, Any] = known.get("cells", {}) if same else {}
    wanted = [("simple", *rest) for rest in product(SHARES, ACCURACIES, SIZES)]
    wanted += [(design, share, ACCURACY, n) for design, share, n in product(OTHERS, SHARES, SIZES)]
    for done, (design, share, accuracy, n) in enumerate(wanted, 1):
        name = f"{design}, share {share}, accuracy {accuracy}, gold {n}"
        if name not in cells:
            cells[name] = _cell(design, share, accuracy, n, draws)
            content = {"draws": draws, "edition": EDITION, "cells": cells, "bins": _pool(cells)}
            with replacing(out) as handle:
                handle.write(json.dumps(content, indent=1) + "\n")
        print(f"{done}/{len(wanted)}  {name}: {cells[name]['results'][0]}", file=sys.stderr)
    result = {"draws": draws, "edition": EDITION, "cells": cells, "bins": _pool(cells)}
    draw(result, out)
    return result


def _cell(design: str, share: float, accuracy: float, n: int, draws: int) -> dict[str, Any]:
    tally = Tally()
    bins: dict[str, list[list[float]]] = {
        "cases": [[0, 0] for _ in CASES[1:]],
        "documents": [[0, 0] for _ in DOCUMENTS[1:]],
    }
    for seed in range(draws):
        rng = np.random.default_rng([seed, n, round(share * 1000), round(accuracy * 1000)])
        p = population(rng, share=share, accuracy=accuracy)
        sample = _draw(rng, design, p, n)
        domains: dict[Any, BoolArray] = {"all": np.ones(len(p.y), np.bool_)} | {g: p.groups == g for g in range(4)}
        fits = fit(sample, p.y[sample.gold], p.predicted, p.prediction, domains, p.groups)
        doubtful = {key: fits.doubtful(*key) for key in product(domains, TARGETS)}
        for domain, method, target, one in fits.intervals(TARGETS):
            truths = (p.share if domain == "all" else p.shares[domain], p.y[domains[domain]].mean())
            truth = float(truths[target == "finite-population"])
            doubted = doubtful[domain, target]
            tally.add(("all" if domain == "all" else "group", method, target), one, truth, doubted)
            if method == "ppi" and domain != "all":
                tally.add((f"group {domain}", method, target), one, truth, doubted)
            if method == "ppi" and target == "superpopulation" and not np.isnan(one.low):
                covered = one.low <= truth <= one.high
                cases, documents = fits.cases(domain)
                # Each rule is examined only in cases in which the other rule leads to no warning.
                if documents >= DOCUMENTS[-3]:
                    _count(bins["cases"], CASES, cases, covered)
                if cases >= CASES[-3]:
                    _count(bins["documents"], DOCUMENTS, documents, covered)
        sizes = np.bincount(p.groups).astype(float)
        realised = np.bincount(p.groups, p.y) / sizes
        for target in TARGETS if accuracy in COMPARED else ():
            shares, weights = (p.shares, np.ones(4)) if target == "superpopulation" else (realised, sizes)
            for kind, method, one, truth, doubted in compare(fits, p.groups, shares, weights, target):
                tally.add((kind, method, target), one, truth, doubted)
    return {
        "results": [
            {"level": level, "method": method, "target": target, **tally.summary((level, method, target))}
            for level, method, target in tally.rows
        ],
        "bins": bins,
    }


def _draw(rng: np.random.Generator, design: str, p: SimulatedCorpus, n: int) -> Sample:
    if design == "simple":
        return draw_simple(rng, p.documents, n)
    if design == "stratified":
        return draw_stratified(rng, p.documents, p.groups * 2 + p.predicted.astype(np.int64), n)
    return draw_two_stage(rng, p.documents, n)


def _count(bins: list[list[float]], borders: Sequence[int], value: int, covered: bool) -> None:
    place = int(np.searchsorted(borders, value, side="right")) - 1
    bins[place][0] += covered
    bins[place][1] += 1


def _pool(cells: Mapping[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """Pool coverage by number of cases and documents over all settings. The rules of `find_warnings` are based on the result."""
    pooled = {}
    for name, borders in (("cases", CASES), ("documents", DOCUMENTS)):
        counts = np.sum([cell["bins"][name] for cell in cells.values()], axis=0)
        pooled[name] = [
            {"from": low, "below": high, "intervals": int(n), "coverage": _round(covered / n) if n else None}
            for low, high, (covered, n) in zip(borders, borders[1:], counts, strict=False)
        ]
    return pooled


def held_out(texts: Path, *, dev: bool) -> Corpus:
    """Return the random rows of data/reference on which the shipped model was not trained, with those of dev.jsonl if `dev`."""
    codebook = Codebook.load(ROOT / "data/codebook.yaml")
    ids = held_out_ids(default_model(), read_info(default_model()))
    corpus, messages = read_corpora([ROOT / "data/reference/train.jsonl"], codebook, texts)
    corpus = corpus.where(lambda s: s.id in ids)
    if dev:
        more, more_messages = read_corpora([ROOT / "data/reference/dev.jsonl"], codebook, texts)
        corpus += more
        messages += more_messages
    print(*messages, sep="\n", file=sys.stderr)
    corpus = corpus.where(lambda s: s.sampling == "random")
    if not len(corpus):
        raise SystemExit("the model was trained on all rows of train.jsonl. Omit --without-dev")
    return corpus


def predictions(corpus: Corpus, cache: Path) -> tuple[FloatArray, BoolArray]:
    """Label the population, or read the probabilities from a cache that the same model made for the same texts."""
    predictor = Predictor.load()
    # The key contains hashes of the model and of the texts, so that a cache of another model or other texts is not used.
    key = [predictor.info.files, [s.sha256 for s in corpus]]
    if cache.exists() and (content := json.loads(cache.read_text(encoding="utf-8")))["key"] == key:
        probability = np.array(content["probabilities"])
    else:
        probability = predictor.predict(list(corpus)).probabilities.astype(np.float64)
        cache.parent.mkdir(parents=True, exist_ok=True)
        with replacing(cache) as handle:
            handle.write(json.dumps({"key": key, "probabilities": probability.tolist()}))
    thresholds = np.array(predictor.info.thresholds)
    return probability, probability >= thresholds


def real(texts: Path, draws: int, n: int, cache: Path, *, dev: bool) -> dict[str, Any]:
    """Draw gold samples many times, stratified by language, and compare estimates with the labels of all rows."""
    corpus = held_out(texts, dev=dev)
    names = Codebook.load(ROOT / "data/codebook.yaml").names
    probability, predicted = predictions(corpus, cache)
    y = np.array([[name in (s.labels or ()) for name in names] for s in corpus])
    languages = np.array([s.language for s in corpus])
    codes = np.unique(languages, return_inverse=True)[1].astype(np.int64)
    keys = {key: i for i, key in enumerate(corpus.documents)}
    documents = np.array([keys[s.source, s.document] for s in corpus], np.int64)
    domains: dict[Any, BoolArray] = {"all": np.ones(len(corpus), np.bool_)} | {
        str(name): languages == name for name in np.unique(languages)
    }
    tally = Tally()
    for seed in range(draws):
        rng = np.random.default_rng(seed)
        sample = _draw_by_language(rng, documents, codes, n)
        for k, label in enumerate(names):
            fits = fit(
                sample,
                y[sample.gold, k].astype(float),
                predicted[:, k].astype(float),
                probability[:, k],
                domains,
                codes,
            )
            for domain, method, _, one in fits.intervals(("finite-population",)):
                truth = float(y[domains[domain], k].mean())
                tally.add((domain, label, method), one, truth, fits.doubtful(domain, "finite-population"))
        if (seed + 1) % 50 == 0:
            print(f"{seed + 1}/{draws} draws", file=sys.stderr)
    rows = []
    for domain, label in product(domains, names):
        k = names.index(label)
        members = domains[domain]
        rows.append(
            {
                "language": domain,
                "label": label,
                "sentences": int(members.sum()),
                "documents": len(np.unique(documents[members])),
                "truth": _round(y[members, k].mean()),
                "naive": _round(predicted[members, k].mean()),
                "naive_bias": _round(predicted[members, k].mean() - y[members, k].mean()),
                **{method: tally.summary((domain, label, method)) for method in METHODS if method != "naive"},
            }
        )
        rows[-1]["width_saved"] = _saved(rows[-1]["ppi"], rows[-1]["gold"])
    return {
        "population": "random rows of data/reference that did not train the model",
        "sentences": len(corpus),
        "documents": len(keys),
        "gold": n,
        "draws": draws,
        "design": "stratified by language, target finite-population",
        "rows": rows,
    }


def _saved(ppi: Mapping[str, Any], gold: Mapping[str, Any]) -> float | None:
    return (
        _round(1 - ppi["width"] / gold["width"]) if ppi["intervals"] and gold["intervals"] and gold["width"] else None
    )


def _draw_by_language(rng: np.random.Generator, documents: IntArray, codes: IntArray, n: int) -> Sample:
    """Draw a sample stratified by language, in proportion to the languages, with at least 4 sentences per language."""
    rows, probability = [], []
    for code in range(codes.max() + 1):
        members = np.flatnonzero(codes == code)
        take = min(len(members), max(4, round(n * len(members) / len(codes))))
        rows.append(rng.choice(members, take, replace=False))
        probability.append(np.full(take, take / len(members)))
    gold = np.concatenate(rows)
    return Sample(documents, gold, np.concatenate(probability), codes[gold])


def main() -> None:
    """Run one of the three benchmarks, write its JSON and print a summary in one line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    simulation = commands.add_parser("simulate")
    simulation.add_argument("--draws", type=int, default=200)
    simulation.add_argument("-o", "--out", type=Path, default=RESULTS / "estimation-simulation.json")
    grouped = commands.add_parser("groups")
    grouped.add_argument("--draws", type=int, default=1000)
    grouped.add_argument("--workers", type=int, default=2)
    grouped.add_argument("--only", default="", help="simulate only settings whose name contains this text")
    grouped.add_argument("-o", "--out", type=Path, default=RESULTS / "estimation-groups.json")
    on_text = commands.add_parser("real")
    on_text.add_argument("--texts", type=Path, required=True)
    on_text.add_argument("--draws", type=int, default=500)
    on_text.add_argument("-n", type=int, default=150, help="number of gold sentences per draw")
    on_text.add_argument("--without-dev", action="store_true", help="do not read dev.jsonl")
    on_text.add_argument("--cache", type=Path, default=ROOT / "runs/estimation-real.json")
    on_text.add_argument("-o", "--out", type=Path, default=RESULTS / "estimation-real.json")
    given = parser.parse_args()
    if given.command == "simulate":
        result = simulate(given.draws, given.out)
        print(json.dumps({"draws": result["draws"], "bins": result["bins"]}))
        return
    if given.command == "groups":
        result = estimation_groups.simulate(given.draws, given.out, workers=given.workers, only=given.only)
        print(json.dumps({"draws": result["draws"], "settings": len(result["settings"])}))
        return
    result = real(given.texts, given.draws, given.n, given.cache, dev=not given.without_dev)
    with replacing(given.out) as handle:
        handle.write(json.dumps(result, indent=1, ensure_ascii=False) + "\n")
    print(json.dumps({key: value for key, value in result.items() if key != "rows"}))


if __name__ == "__main__":
    main()
