"""Coverage of the intervals in simulations with a known truth. benchmarks/estimation.py runs the whole grid."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from simulated_corpus import SimulatedCorpus, draw_simple, draw_stratified, draw_two_stage, population

from communique.estimation.estimators import cross_fit, dsl_mean, gold_mean, logistic, naive_mean, ppi_mean, tune_lambda
from communique.estimation.intervals import interval
from communique.estimation.regression import Family, dsl_regression
from communique.estimation.sample import FloatArray, Sample, Target, combine
from communique.estimation.warnings import find_warnings


def draw(seed: int, share: float, accuracy: float, n: int, design: str = "simple") -> tuple[SimulatedCorpus, Sample]:
    rng = np.random.default_rng(seed)
    p = population(rng, share=share, accuracy=accuracy)
    if design == "simple":
        return p, draw_simple(rng, p.documents, n)
    if design == "stratified":
        return p, draw_stratified(rng, p.documents, p.groups * 2 + p.predicted.astype(np.int64), n)
    return p, draw_two_stage(rng, p.documents, n)


def coverage(
    draws: int,
    share: float,
    accuracy: float,
    n: int,
    design: str = "simple",
    target: Target = "superpopulation",
) -> dict[str, FloatArray]:
    """Return the coverage, the mean width and the bias of each method."""
    found: dict[str, list[tuple[bool, float, float]]] = {}
    for seed in range(draws):
        p, sample = draw(seed, share, accuracy, n, design)
        y = p.y[sample.gold]
        everyone, gold = np.ones(len(p.y), bool), np.ones(len(y), bool)
        tuned = tune_lambda(sample, y, p.prediction, p.groups[sample.gold])
        estimates = {
            "naive": naive_mean(sample, p.predicted, everyone),
            "gold": gold_mean(sample, y, gold),
            "ppi": ppi_mean(sample, y, p.prediction, everyone, lambda_=tuned),
            "dsl": dsl_mean(sample, y, cross_fit(sample, y, p.prediction), everyone),
        }
        truth = p.share if target == "superpopulation" else p.y.mean()
        for name, e in estimates.items():
            one = interval(sample, e.value, e.influence, "superpopulation" if name == "naive" else target, share=True)
            found.setdefault(name, []).append((one.low <= truth <= one.high, one.width, one.value - truth))
    return {name: np.mean(rows, axis=0) for name, rows in found.items()}


def test_intervals_of_small_groups_cover_and_are_not_too_wide() -> None:
    """A group has 25 gold sentences, and the model is good.

    Adding an error of size 1 to every variance would make the intervals 0.27 wide on average.
    """
    covered, widths = [], []
    for seed in range(60):
        p, sample = draw(seed, 0.4, 0.95, 100)
        y = p.y[sample.gold]
        tuned = tune_lambda(sample, y, p.prediction, p.groups[sample.gold])
        for g in range(4):
            e = ppi_mean(sample, y, p.prediction, p.groups == g, lambda_=tuned)
            one = interval(sample, e.value, e.influence, "superpopulation", share=True)
            covered.append(one.low <= p.shares[g] <= one.high)
            widths.append(one.width)
    assert np.mean(covered) >= 0.93
    assert np.mean(widths) < 0.25


def test_intervals_of_differences_trends_and_regressions_cover() -> None:
    found: dict[str, list[tuple[float, float, float]]] = {}
    numbers, x = np.arange(4.0) - 1.5, np.stack([np.ones(4), np.arange(4.0)], axis=1)
    for seed in range(80):
        p, sample = draw(seed, 0.3, 0.85, 300)
        y = p.y[sample.gold]
        fitted = cross_fit(sample, y, p.prediction, [p.groups])
        tuned = tune_lambda(sample, y, p.prediction, p.groups[sample.gold])
        parts = [ppi_mean(sample, y, p.prediction, p.groups == g, lambda_=tuned) for g in range(4)]
        for name, coefficients in (("trend", numbers / 5), ("difference", np.array([-1.0, 0, 0, 1]))):
            value = float(coefficients @ [part.value for part in parts])
            one = interval(sample, value, combine([part.influence for part in parts], coefficients), "superpopulation")
            found.setdefault(name, []).append((one.low, float(coefficients @ p.shares), one.high))
        slopes: dict[Family, float] = {
            "linear": float(numbers @ p.shares / 5),
            "logistic": float(logistic(x, p.shares)[1]),
        }
        for family, truth in slopes.items():
            fit = dsl_regression(sample, x, y, fitted, family, kinds=p.groups)
            one = interval(sample, float(fit.coefficients[1]), fit.influences[1], "superpopulation")
            found.setdefault(family, []).append((one.low, truth, one.high))
    for rows in found.values():
        low, truth, high = np.array(rows).T
        # With a true coverage of 0.95, 80 draws fall below 0.89 in 2 % of cases. The seeds are fixed.
        assert np.mean((low <= truth) & (truth <= high)) >= 0.89
        assert abs(np.mean((low + high) / 2 - truth)) < 0.25 * np.mean(high - low)


@pytest.mark.parametrize(
    ("design", "target"),
    [("simple", "superpopulation"), ("simple", "finite-population"), ("two-stage", "superpopulation")],
)
def test_intervals_cover_and_are_narrower_than_those_of_gold_alone(design: str, target: Target) -> None:
    found = coverage(60, 0.2, 0.9, 300, design, target)
    # With a true coverage of 0.95, 60 draws fall below 0.9 in 4 % of cases. The seeds are fixed.
    for method in ("gold", "ppi", "dsl"):
        assert found[method][0] >= 0.9
    assert found["ppi"][1] < 0.9 * found["gold"][1]
    assert found["naive"][0] < 0.9


@pytest.mark.soak
@pytest.mark.parametrize("share", [0.1, 0.4])
@pytest.mark.parametrize("accuracy", [0.7, 0.95])
@pytest.mark.parametrize("design", ["simple", "stratified", "two-stage"])
def test_coverage_is_near_95_percent(share: float, accuracy: float, design: str) -> None:
    found = coverage(300, share, accuracy, 500, design)
    # The standard error of a coverage over 300 draws is 0.0126.
    for method in ("gold", "ppi", "dsl"):
        assert 0.915 <= found[method][0] <= 0.985
        assert abs(found[method][2]) < 0.01
    # With strata by predicted label, gold alone already uses what the model knows. Tuning lambda on 500 rows then costs a little.
    assert found["ppi"][1] <= (1.05 if design == "stratified" else 1.02) * found["gold"][1]


def test_the_simulated_population_has_the_requested_proportions() -> None:
    rng = np.random.default_rng(0)
    p = population(rng, share=0.1, accuracy=0.8, documents=20_000)
    assert p.y.mean() == pytest.approx(0.1, abs=0.003)
    assert [p.y[p.groups == g].mean() for g in range(4)] == pytest.approx(list(p.shares), abs=0.006)
    assert (p.predicted == p.y).mean() == pytest.approx(0.8, abs=0.005)
    errors = [(p.predicted != p.y)[p.groups == g].mean() for g in range(4)]
    assert errors[0] < errors[3] - 0.05


def test_sentences_of_a_simulated_document_resemble_each_other() -> None:
    p = population(np.random.default_rng(1), share=0.4, accuracy=0.8, documents=3000)
    means = np.bincount(p.documents, p.y) / np.bincount(p.documents)
    alone = 0.4 * 0.6 / 10
    assert means.var() > 1.5 * alone


@pytest.mark.parametrize("draw_", [draw_simple, draw_two_stage])
def test_design_weights_add_up_to_the_population(draw_: Callable[..., Sample]) -> None:
    documents = population(np.random.default_rng(2), share=0.4, accuracy=0.8).documents
    totals = [draw_(np.random.default_rng(seed), documents, 200).weights.sum() for seed in range(200)]
    assert np.mean(totals) == pytest.approx(len(documents), rel=0.02)


def test_rare_labels_in_small_samples_are_called_doubtful() -> None:
    p, sample = draw(0, 0.02, 0.8, 100)
    y = p.y[sample.gold]
    assert find_warnings(sample.weights, int(y.sum()), len(np.unique(sample.gold_documents)))


def test_another_seed_draws_another_population() -> None:
    a, b = (population(np.random.default_rng(seed), share=0.4, accuracy=0.8) for seed in (0, 1))
    assert len(a.y) != len(b.y) or not np.array_equal(a.y, b.y)
