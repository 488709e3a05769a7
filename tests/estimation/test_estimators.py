"""Compare estimators, variances, contrasts and regressions with published formulae, `ppi_py` and statsmodels."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import ppi_py
import pytest
import statsmodels.api as sm
from numpy.typing import NDArray
from simulated_corpus import draw_simple, draw_stratified, draw_two_stage, population

from communique.estimation.comparisons import ContrastSpec, plan
from communique.estimation.contrasts import contrast
from communique.estimation.domains import Group
from communique.estimation.estimators import (
    PRIOR,
    Lambda,
    cross_fit,
    dsl_mean,
    expected_squared_error,
    gold_mean,
    group_lambda,
    logistic,
    naive_mean,
    ppi_mean,
    pseudo_outcome,
    tune_lambda,
)
from communique.estimation.intervals import Interval, interval
from communique.estimation.regression import Family, dsl_regression
from communique.estimation.sample import FloatArray, Influence, IntArray, Sample, combine, variance
from communique.estimation.warnings import FEW_CASES, FEW_DOCUMENTS, find_warnings
from communique.sampling.population import column_of

N, n = 3_000, 600

Singles = tuple[Sample, FloatArray, FloatArray, FloatArray]


@pytest.fixture(scope="module")
def singles() -> Singles:
    """Return a sample in which every sentence is its own document, so clustering has no effect. x is a predictor."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal(N)
    truth = 1 / (1 + np.exp(-(-0.5 + 0.7 * x)))
    y = (rng.random(N) < truth).astype(float)
    prediction = np.clip(0.7 * y + 0.15 + 0.4 * rng.standard_normal(N) + 0.05 * x, 0.01, 0.99)
    sample = draw_simple(rng, np.arange(N), n)
    return sample, x, y[sample.gold], prediction


def everyone(size: int) -> NDArray[np.bool_]:
    return np.ones(size, bool)


def apart(sample: Sample, values: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Split the population as ppi_py expects it: into the predictions of the gold and those of all other sentences."""
    others = np.ones(N, bool)
    others[sample.gold] = False
    return values[sample.gold], values[others]


@pytest.mark.parametrize("lam", [0.0, 0.4, 1.0])
def test_ppi_mean_equals_ppi_py_with_the_same_lambda(singles: Singles, lam: float) -> None:
    sample, _, y, prediction = singles
    known, unknown = apart(sample, prediction)
    ours = ppi_mean(sample, y, prediction, everyone(N), lambda_=lam)
    # Lambda in a population that contains the gold corresponds to lambda (N - n) / N for the other sentences alone.
    equal = lam * (N - n) / N
    assert ours.value == pytest.approx(
        float(ppi_py.ppi_mean_pointestimate(y, known, unknown, lam=equal).item()), abs=1e-12
    )
    low, high = ppi_py.ppi_mean_ci(y, known, unknown, alpha=0.05, lam=equal)
    mine = interval(sample, ours.value, ours.influence, "superpopulation")
    # ppi_py treats the term of lambda and the rectifier as independent. Here, both use the gold, so their covariance is included.
    assert mine.width == pytest.approx(float((high - low).item()), rel=0.03)


def test_tuned_lambda_and_interval_agree_with_ppi_py(singles: Singles) -> None:
    sample, _, y, prediction = singles
    known, unknown = apart(sample, prediction)
    tuned = tune_lambda(sample, y, prediction, np.zeros(n, np.int64))
    ours = ppi_mean(sample, y, prediction, everyone(N), lambda_=tuned)
    mine = interval(sample, ours.value, ours.influence, "superpopulation")
    low, high = (float(v.item()) for v in ppi_py.ppi_mean_ci(y, known, unknown, alpha=0.05))
    assert ours.value == pytest.approx((low + high) / 2, abs=0.02 * (high - low))
    assert mine.width == pytest.approx(high - low, rel=0.02)


def test_lambda_minimises_the_variance(singles: Singles) -> None:
    sample, _, y, prediction = singles
    tuned = tune_lambda(sample, y, prediction, np.zeros(n, np.int64))

    def spread(lam: float) -> float:
        return variance(sample, ppi_mean(sample, y, prediction, everyone(N), lambda_=lam).influence, "superpopulation")[
            0
        ]

    assert spread(tuned) < min(spread(tuned - 0.1), spread(min(1, tuned + 0.1)))
    assert tune_lambda(sample, y, 1 - prediction, np.zeros(n, np.int64)) == 0


def two_models(seed: int, size: int = 150) -> tuple[Sample, FloatArray, FloatArray, IntArray]:
    """Return a sample of two groups of 1,500 sentences. The model is good in group 0, and useless in group 1."""
    rng = np.random.default_rng(seed)
    groups = np.repeat([0, 1], 1500)
    truth = (rng.random(3000) < 0.4).astype(float)
    good = np.clip(0.8 * truth + 0.1 + 0.1 * rng.standard_normal(3000), 0, 1)
    prediction = np.where(groups == 0, good, rng.random(3000))
    sample = draw_stratified(rng, np.arange(3000), groups, 2 * size)
    return sample, truth[sample.gold], prediction, groups


def test_a_group_has_a_lambda_of_its_own_if_it_has_enough_gold() -> None:
    sample, y, prediction, groups = two_models(0)
    pooled = tune_lambda(sample, y, prediction, groups[sample.gold])
    good, useless = (group_lambda(sample, y, prediction, groups[sample.gold] == g, pooled) for g in (0, 1))
    assert useless.value < pooled < good.value
    assert 0.8 < good.own < 1
    # Without gold sentences of both kinds, the lambda of the group would be that of an accident.
    zero = group_lambda(sample, np.zeros(300), prediction, groups[sample.gold] == 0, pooled)
    assert (zero.value, zero.own) == (pooled, 0)
    few = np.zeros(300, bool)
    few[:6] = True
    cases = min(y[:6].sum(), 6 - y[:6].sum())
    assert group_lambda(sample, y, prediction, few, pooled).own == pytest.approx(cases / (cases + PRIOR))


def test_with_a_lambda_per_group_a_poor_model_makes_no_group_less_precise_than_gold_alone() -> None:
    wider = {"own": 0, "pooled": 0}
    for seed in range(20):
        sample, y, prediction, groups = two_models(seed)
        pooled = tune_lambda(sample, y, prediction, groups[sample.gold])
        inside = groups == 1
        own = group_lambda(sample, y, prediction, inside[sample.gold], pooled)
        alone = gold_mean(sample, y, inside[sample.gold])
        for name, lambda_ in (("own", own), ("pooled", Lambda(pooled))):
            e = ppi_mean(sample, y, prediction, inside, lambda_=lambda_)
            intervals = [interval(sample, one.value, one.influence, "finite-population") for one in (e, alone)]
            wider[name] += intervals[0].width > 1.02 * intervals[1].width
    assert wider["pooled"] >= 18
    assert wider["own"] <= 6


def test_a_lambda_that_is_tuned_on_the_group_costs_a_degree_of_freedom() -> None:
    sample, y, prediction, groups = two_models(3, size=12)
    inside = groups == 0
    fixed, tuned = (
        interval(sample, e.value, e.influence, "superpopulation")
        for e in (ppi_mean(sample, y, prediction, inside, lambda_=lambda_) for lambda_ in (0.9, Lambda(0.9, own=0.5)))
    )
    assert tuned.value == fixed.value
    assert tuned.error > fixed.error


def test_gold_alone_is_the_textbook_mean(singles: Singles) -> None:
    sample, _, y, _ = singles
    estimate = gold_mean(sample, y, everyone(n))
    assert estimate.value == pytest.approx(y.mean())
    influence = replace(estimate.influence, unseen_error_variance=0.0)
    # Cochran 1977, equations 2.8 and 2.20: s^2 / n, or (1 - n / N) s^2 / n if the corpus is the target.
    textbook = y.var(ddof=1) / n
    spread, freedom = variance(sample, influence, "superpopulation")
    assert spread == pytest.approx(textbook)
    assert freedom == pytest.approx(n - 1, rel=0.1)
    assert variance(sample, influence, "finite-population")[0] == pytest.approx((1 - n / N) * textbook)


def test_stratified_variance_is_the_textbook_one() -> None:
    rng = np.random.default_rng(1)
    strata = np.repeat([0, 1, 2], [3000, 500, 100])
    y = (rng.random(3600) < np.array([0.05, 0.5, 0.9])[strata]).astype(float)
    sample = draw_stratified(rng, np.arange(3600), strata, 150)
    gold = y[sample.gold]
    estimate = gold_mean(sample, gold, everyone(150))
    sizes = np.array([3000, 500, 100])
    inside = [gold[sample.strata == h] for h in range(3)]
    assert estimate.value == pytest.approx(sum(N_h * y_h.mean() for N_h, y_h in zip(sizes, inside, strict=True)) / 3600)
    # Cochran 1977, equation 5.12.
    textbook = sum(
        (N_h / 3600) ** 2 * (1 - 50 / N_h) * v.var(ddof=1) / 50 for N_h, v in zip(sizes, inside, strict=True)
    )
    assert variance(sample, replace(estimate.influence, unseen_error_variance=0.0), "finite-population")[
        0
    ] == pytest.approx(textbook)


def test_two_stage_variance_counts_documents_not_sentences() -> None:
    documents = np.repeat(np.arange(100), 10)
    sample = draw_two_stage(np.random.default_rng(2), documents, 100, each=5)
    y = (sample.gold_documents % 2).astype(float)
    estimate = gold_mean(sample, y, everyone(len(y)))
    means = np.unique(np.stack([sample.gold_documents, y]), axis=1)[1]
    influence = replace(estimate.influence, unseen_error_variance=0.0)
    for target in ("superpopulation", "finite-population"):
        assert variance(sample, influence, target)[0] == pytest.approx(means.var(ddof=1) / 20)
    assert interval(sample, estimate.value, estimate.influence, "finite-population").freedom <= 19


def test_copies_of_sentences_in_a_document_add_no_information() -> None:
    rng = np.random.default_rng(3)
    y = rng.integers(0, 2, 60).astype(float)
    single = Sample(np.arange(600), np.arange(60), np.full(60, 0.1), np.zeros(60, np.int64))
    tripled = Sample(np.repeat(np.arange(600), 3), np.arange(180), np.full(180, 0.1), np.zeros(180, np.int64))
    one, three = gold_mean(single, y, everyone(60)), gold_mean(tripled, np.repeat(y, 3), everyone(180))
    spread = [
        variance(s, replace(e.influence, unseen_error_variance=0.0), "superpopulation")
        for s, e in ((single, one), (tripled, three))
    ]
    assert spread[0] == pytest.approx(spread[1])


def test_a_sample_without_errors_has_an_interval_close_to_the_rule_of_three() -> None:
    sample = draw_simple(np.random.default_rng(0), np.arange(100_000), 200)
    estimate = gold_mean(sample, np.zeros(200), everyone(200))
    # Hanley and Lippman-Hand 1983: 3 / n.
    assert interval(sample, estimate.value, estimate.influence, "superpopulation").high == pytest.approx(
        3 / 200, rel=0.1
    )


@pytest.mark.parametrize("value", [-0.3, 1.3])
def test_the_ends_of_the_interval_of_a_proportion_are_never_reversed(value: float, singles: Singles) -> None:
    sample, _, y, _ = singles
    influence = gold_mean(sample, y, everyone(n)).influence
    one = interval(sample, value, influence, "superpopulation", share=True)
    assert one.low == one.high == np.clip(value, 0, 1)


def test_undefined_numbers_are_printed_as_dashes() -> None:
    nan = float("nan")
    assert str(Interval(nan, nan, nan, nan, nan)) == "–"
    assert str(Interval(0.25, nan, nan, nan, nan)) == "0.250 [–]"
    assert Interval(0.25, 0.1, 9, 0.05, 0.45).signed == "+0.250 [+0.050, +0.450]"


def test_too_few_documents_give_no_interval() -> None:
    sample = Sample(np.zeros(50, np.int64), np.arange(5), np.full(5, 0.1), np.zeros(5, np.int64))
    estimate = gold_mean(sample, np.array([0, 1, 0, 1, 1.0]), everyone(5))
    assert np.isnan(interval(sample, estimate.value, estimate.influence, "superpopulation").low)


def test_dsl_mean_is_the_published_estimator(singles: Singles) -> None:
    sample, _, y, prediction = singles
    fitted = cross_fit(sample, y, prediction)
    outcome = fitted.copy()
    for i, row in enumerate(sample.gold):
        outcome[row] -= (fitted[row] - y[i]) / sample.probability[i]  # Egami et al. 2023, equation 4
    estimate = dsl_mean(sample, y, fitted, everyone(N))
    assert estimate.value == pytest.approx(outcome.mean())
    spread = variance(sample, replace(estimate.influence, unseen_error_variance=0.0), "superpopulation")[0]
    assert spread == pytest.approx(outcome.var() / N * n / (n - 1), rel=1e-6)


def test_cross_fitting_never_predicts_a_document_from_its_own_gold(singles: Singles) -> None:
    rng = np.random.default_rng(4)
    documents = np.repeat(np.arange(200), 5)
    sample = draw_simple(rng, documents, 300)
    prediction, y = rng.random(1000), rng.integers(0, 2, 300).astype(float)
    before = cross_fit(sample, y, prediction)
    one = sample.gold_documents == sample.gold_documents[0]
    changed = cross_fit(sample, np.where(one, 1 - y, y), prediction)
    same = sample.documents == sample.gold_documents[0]
    assert np.array_equal(before[same], changed[same])
    assert not np.array_equal(before[~same], changed[~same])
    assert not np.array_equal(before, cross_fit(sample, y, prediction, seed=1))


def test_contrasts_take_shared_documents_into_account() -> None:
    rng = np.random.default_rng(5)
    documents = np.repeat(np.arange(150), 8)
    group = np.tile([0, 1], 600)
    y = np.repeat(rng.random(150) < 0.4, 8).astype(float)  # Both groups of a document have the same labels.
    sample = draw_simple(rng, documents, 600)
    gold = y[sample.gold]
    a, b = (gold_mean(sample, gold, group[sample.gold] == g) for g in (0, 1))
    difference = combine([a.influence, b.influence], np.array([1.0, -1.0]))
    apart_ = sum(variance(sample, e.influence, "superpopulation")[0] for e in (a, b))
    assert variance(sample, difference, "superpopulation")[0] < 0.5 * apart_


def test_naive_mean_is_clustered_by_document(singles: Singles) -> None:
    sample, _, _, prediction = singles
    predicted = (prediction > 0.5).astype(float)
    estimate = naive_mean(sample, predicted, everyone(N))
    assert estimate.value == predicted.mean()
    assert variance(sample, estimate.influence, "superpopulation")[0] == pytest.approx(predicted.var(ddof=1) / N)


def census(documents: IntArray, y: FloatArray) -> Sample:
    size = len(y)
    return Sample(documents, np.arange(size), np.ones(size), np.zeros(size, np.int64))


@pytest.mark.parametrize("family", ["linear", "logistic"])
def test_regression_on_complete_gold_equals_ordinary_regression_clustered_by_document(family: Family) -> None:
    rng = np.random.default_rng(6)
    documents = np.repeat(np.arange(80), 6)
    x = np.stack([np.ones(480), rng.standard_normal(480), np.repeat(rng.random(80), 6)], axis=1)
    y = (rng.random(480) < 1 / (1 + np.exp(-x @ [-0.5, 0.8, 0.5]))).astype(float)
    sample = census(documents, y)
    fit = dsl_regression(sample, x, y, rng.random(480), family)  # If everything is coded, predictions have no effect.
    model = sm.OLS(y, x) if family == "linear" else sm.Logit(y, x)
    options = {"disp": 0} if family == "logistic" else {}
    usual = model.fit(cov_type="cluster", cov_kwds={"groups": documents, "use_correction": False}, **options)
    assert fit.coefficients == pytest.approx(usual.params, abs=1e-6)
    for influence, error in zip(fit.influences, usual.bse, strict=True):
        spread, freedom = variance(sample, replace(influence, unseen_error_variance=0.0), "superpopulation")
        assert np.sqrt(spread) == pytest.approx(error * np.sqrt(80 / (80 - 3)), rel=1e-5)
        assert freedom <= 77


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:'penalty' was deprecated:FutureWarning")
@pytest.mark.parametrize("family", ["linear", "logistic"])
def test_regression_agrees_with_ppi_py(singles: Singles, family: Family) -> None:
    sample, x, y, prediction = singles
    design = np.stack([np.ones(N), x], axis=1)
    fit = dsl_regression(sample, design, y, prediction, family)
    (known, unknown), (x_known, x_unknown) = apart(sample, prediction), apart(sample, design)
    ci = ppi_py.ppi_ols_ci if family == "linear" else ppi_py.ppi_logistic_ci
    low, high = ci(x_known, y, known, x_unknown, unknown, alpha=0.05, lam=(N - n) / N)
    mine = [interval(sample, v, i, "superpopulation") for v, i in zip(fit.coefficients, fit.influences, strict=True)]
    for one, bottom, top in zip(mine, low, high, strict=True):
        # ppi_py uses the predictors of the gold, and DSL those of the whole population. Both agree in large samples.
        assert one.value == pytest.approx((bottom + top) / 2, abs=0.1 * (top - bottom))
        assert one.width == pytest.approx(top - bottom, rel=0.03)


def test_regression_is_the_published_moment_estimator() -> None:
    """Egami et al. 2023, as computed by their package: J^-1 (sum of clustered moments) J^-1 / N."""
    rng = np.random.default_rng(7)
    documents = np.repeat(np.arange(200), 5)
    x = np.stack([np.ones(1000), rng.standard_normal(1000)], axis=1)
    truth = (rng.random(1000) < 0.4).astype(float)
    fitted = np.clip(0.6 * truth + 0.2, 0, 1)
    sample = draw_stratified(rng, documents, (fitted > 0.5).astype(int), 300)
    y = truth[sample.gold]
    labelled, probability, full = np.zeros(1000), np.ones(1000), np.zeros(1000)
    labelled[sample.gold], probability[sample.gold], full[sample.gold] = 1, sample.probability, y
    fit = dsl_regression(sample, x, y, fitted, "linear")

    def moments(beta: FloatArray) -> FloatArray:
        true = x * (full - x @ beta)[:, None] * labelled[:, None]
        predicted = x * (fitted - x @ beta)[:, None]
        return predicted + (true - predicted * labelled[:, None]) * (labelled / probability)[:, None]

    m = moments(fit.coefficients)
    assert m.sum(axis=0) == pytest.approx(0, abs=1e-9)
    clustered = np.stack([m[documents == d].sum(axis=0) for d in range(200)])
    jacobian = np.linalg.inv(x.T @ x / 1000)
    coded = len(np.unique(sample.gold_documents))
    small = coded / (coded - 2)
    errors = np.sqrt(small * np.diag(jacobian @ (clustered.T @ clustered / 1000) @ jacobian) / 1000)
    ours = [float(np.sqrt(influence.documents @ influence.documents)) for influence in fit.influences]
    assert ours == pytest.approx(errors)


def test_logistic_regression_without_a_solution_is_nan() -> None:
    x = np.stack([np.ones(20), np.arange(20.0)], axis=1)
    assert np.isnan(logistic(x, (np.arange(20) > 9).astype(float))).all()


def test_design_weights_correct_for_a_selective_sample() -> None:
    values = []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        p = population(rng, share=0.1, accuracy=0.85, documents=150)
        sample = draw_stratified(rng, p.documents, p.predicted.astype(int), 200)
        y = p.y[sample.gold]
        fitted = cross_fit(sample, y, p.prediction)
        lam = tune_lambda(sample, y, p.prediction, np.zeros(len(y), np.int64))
        truth = p.y.mean()
        estimates = (
            y.mean(),
            p.predicted.mean(),
            gold_mean(sample, y, everyone(len(y))).value,
            ppi_mean(sample, y, p.prediction, everyone(len(p.y)), lambda_=lam).value,
            dsl_mean(sample, y, fitted, everyone(len(p.y))).value,
        )
        values.append([e - truth for e in estimates])
    unweighted, naive, *corrected = np.mean(values, axis=0)
    assert unweighted > 0.1
    assert naive > 0.05
    assert np.abs(corrected) == pytest.approx(0, abs=0.006)


def test_warnings_state_their_reason() -> None:
    even = np.ones(400)
    assert find_warnings(even, 200, 100) == ()
    assert "sentences with the label" in find_warnings(even, FEW_CASES - 1, 100)[0].text
    assert "sentences without the label" in find_warnings(even, 400 - FEW_CASES + 1, 100)[0].text
    assert "documents" in find_warnings(even, 200, FEW_DOCUMENTS - 1)[0].text
    assert "uneven" in find_warnings(np.r_[np.ones(390), np.full(10, 500.0)], 200, 100)[0].text


def test_pseudo_outcomes_keep_the_predictions_for_uncoded_sentences(singles: Singles) -> None:
    sample, _, y, prediction = singles
    outcome = pseudo_outcome(sample, y, prediction)
    rest = np.setdiff1d(np.arange(N), sample.gold)
    assert np.array_equal(outcome[rest], prediction[rest])


def test_combination_adds_up_by_document() -> None:
    parts = [
        Influence(np.array([1.0, 2.0]), np.array([0, 3]), np.array([0.5]), 0.1, 1, 1),
        Influence(np.array([1.0, 5.0]), np.array([0, 1]), np.array([1.0]), 0.2, 1, 1),
    ]
    both = combine(parts, np.array([1.0, -1.0]))
    assert both.at.tolist() == [0, 1, 3]
    assert both.documents.tolist() == [0, -5, 2]
    assert both.rows.tolist() == [-0.5]
    assert both.unseen_error_variance == pytest.approx(0.3)


def test_an_unseen_error_has_the_size_of_the_errors_in_the_gold() -> None:
    assert expected_squared_error(np.zeros(100), np.ones(100)) == 1
    assert expected_squared_error(np.zeros(0), np.ones(0)) == 1
    # If all errors have the same size, an unseen error has it too. If there are few errors, its size is closer to 1.
    many, few = (np.tile([0.3, -0.3], half) for half in (5000, 5))
    assert expected_squared_error(many, np.ones(10_000)) == pytest.approx(0.09, abs=0.002)
    assert 0.09 < expected_squared_error(few, np.ones(10)) < 1
    rare = np.r_[np.ones(20), np.zeros(980)]
    assert expected_squared_error(rare, np.ones(1000)) == pytest.approx(0.96, abs=0.02)
    # Sentences with larger weights represent more errors.
    assert expected_squared_error(rare, np.r_[np.full(20, 50.0), np.ones(980)]) < 0.9 * expected_squared_error(
        rare, np.ones(1000)
    )


def test_a_group_without_errors_uses_the_size_of_errors_in_the_other_groups() -> None:
    y = np.r_[np.zeros(20), np.tile([0.0, 1.0], 100)]
    sample = draw_simple(np.random.default_rng(0), np.arange(10_000), 220)
    inside = np.arange(220) < 20
    pooled = gold_mean(sample, y, inside).influence.unseen_error_variance
    assert 0.2 / 20**2 < pooled < 0.35 / 20**2
    assert gold_mean(sample, y, inside, comparable=inside).influence.unseen_error_variance == pytest.approx(1 / 20**2)


def test_regression_on_kinds_equals_regression_on_sentences(singles: Singles) -> None:
    sample, _, y, prediction = singles
    rng = np.random.default_rng(8)
    kinds = rng.integers(0, 6, N)
    table = np.stack([np.ones(6), rng.standard_normal(6)], axis=1)
    for family in ("linear", "logistic"):
        short = dsl_regression(sample, table, y, prediction, family, kinds=kinds)
        long = dsl_regression(sample, table[kinds], y, prediction, family)
        assert short.coefficients == pytest.approx(long.coefficients)
        for a, b in zip(short.influences, long.influences, strict=True):
            assert variance(sample, a, "superpopulation") == pytest.approx(variance(sample, b, "superpopulation"))


def test_a_trend_gives_each_group_the_same_weight() -> None:
    """The proportions are not on a line, and group sizes differ. The slope is fitted to the proportions, not to the sentences."""
    rng = np.random.default_rng(9)
    sizes, shares = np.array([300, 300, 3000]), np.array([0.2, 0.6, 0.4])
    year = np.repeat([0, 1, 2], sizes)
    codes = year.astype(np.int64)
    groups = [Group("year", {"year": str(2020 + i)}, codes, i) for i in range(3)]
    planned = plan(groups, {"year": column_of([str(2020 + i) for i in year])})
    one = next(p for p in planned.contrasts if "slope" in p.name)
    y = (rng.random(3600) < shares[year]).astype(float)
    sample = census(np.arange(3600), y)
    estimates = {g.name: gold_mean(sample, y, g.gold(sample)) for g in groups}
    found = contrast(sample, "label", [one], estimates, {g.name: 0.0 for g in groups}, "superpopulation")[0]
    realised = np.bincount(year, y) / sizes
    assert found.estimate.value == pytest.approx(np.polyfit([0, 1, 2], realised, 1)[0])
    by_sentence = np.polyfit(year, y, 1)[0]
    assert abs(found.estimate.value - by_sentence) > 0.05


def test_a_contrast_names_its_doubtful_groups(singles: Singles) -> None:
    sample, _, y, _ = singles
    half = np.arange(n) < n // 2
    estimates = {"a": gold_mean(sample, y, half), "b": gold_mean(sample, y, ~half)}
    one = ContrastSpec("asked for", "a minus b", ("a", "b"), np.array([1.0, -1.0]))
    found = contrast(sample, "label", [one], estimates, {"a": 0.0, "b": 0.0}, "superpopulation", doubtful={"b", "c"})
    assert found[0].doubtful == ("b",)
