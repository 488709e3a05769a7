"""Estimate proportions: naive, from gold alone, with PPI++, and with DSL. Each estimate comes with its influence.

PPI++: Angelopoulos, Duchi, Zrnic 2023, "PPI++: Efficient Prediction-Powered Inference" (arXiv 2311.01453). DSL: Egami, Hinck,
Stewart, Wei 2023, "Using Imperfect Surrogates for Downstream Inference: Design-based Supervised Learning for Social Science
Applications of Large Language Models" (arXiv 2306.04746).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from .sample import BoolArray, FloatArray, Influence, IntArray, Sample, by_document, contributions, influence

Method = Literal["naive", "gold", "ppi", "dsl"]

#: Number of folds in the cross-fitting of DSL, as in Egami et al. The sentences of a document are always in the same fold.
FOLDS = 5

#: Ridge penalty of the recalibration in cross-fitting. For coefficients of about unit scale, it is weak. It matters only if there
#: are too few positives to determine a coefficient.
RIDGE = 1.0

#: Ridge penalty of the intercept. It keeps the intercept finite if no gold sentence of a fold has the label.
INTERCEPT = 0.1


#: Weight of the lambda that was tuned on all gold, as a number of gold sentences with the label (or without it) in the group. In
#: simulations (`benchmarks/estimation.py groups`), coverage is the same as with one lambda, and intervals are wider than those of
#: gold alone in fewer draws: 1 % instead of 14 % in a stratified setting (proportion 40 %, accuracy 0.9, 100 sentences per group).
PRIOR = 10.0


@dataclass(frozen=True)
class Estimate:
    """An estimated proportion or other mean, with the influence from which its variance is computed."""

    value: float
    influence: Influence


def gold_mean(sample: Sample, y: FloatArray, domain: BoolArray, *, comparable: BoolArray | None = None) -> Estimate:
    """Estimate the mean of a domain from gold alone, as Hájek's ratio of weighted sums.

    Args:
        sample: The gold sample.
        y: Values of the gold sentences, (n,).
        domain: Whether each gold sentence belongs to the domain, (n,). Sensitivity is such a mean too: the mean of the model's
            decisions over the gold sentences with the label.
        comparable: Whether each gold sentence is used to estimate the size of an unseen error, (n,), see
            `expected_squared_error`. Default: all are used.

    Returns:
        The estimate. It is NaN, with an empty influence, if the domain has no gold.
    """
    return _hajek(sample, y, np.zeros(len(y)), domain, np.zeros(0, np.int64), np.zeros(0), comparable)


def naive_mean(sample: Sample, predicted: FloatArray, domain: BoolArray) -> Estimate:
    """Estimate a domain's mean from the model's labels, as if they were true. The variance is clustered by document.

    Args:
        sample: The gold sample, for its documents.
        predicted: The model's decisions, (N,).
        domain: Whether each sentence belongs to the domain, (N,).
    """
    where = np.flatnonzero(domain)
    mean = float(predicted[where].mean()) if len(where) else float("nan")
    documents, at = by_document(sample.documents[where], (predicted[where] - mean) / max(len(where), 1))
    small = np.sqrt(len(at) / max(len(at) - 1, 1))
    return Estimate(mean, Influence(documents * small, at, np.zeros(len(sample.gold)), 0.0, len(where), len(at)))


@dataclass(frozen=True)
class Lambda:
    """Lambda of PPI++ for a group: the weight of the predictions, in [0, 1].

    Attributes:
        value: The weight of the predictions.
        own: How much of it was tuned on the group's own gold, in [0, 1). The rest was tuned on all gold. In the variance, it
            counts as this number of estimated slopes.
    """

    value: float
    own: float = 0.0


def tune_lambda(sample: Sample, y: FloatArray, prediction: FloatArray, groups: IntArray) -> float:
    """Tune lambda of PPI++ on all gold: the weight of the predictions in [0, 1] that minimises the variance of the rectifier.

    Args:
        sample: The gold sample.
        y: Gold values, (n,).
        prediction: The model's predictions, (N,).
        groups: Number of each gold sentence's group, (n,). Covariances are computed within groups, and within strata.
    """
    if not sample.left.any():
        return 1.0
    totals = np.bincount(groups, sample.weights)

    def drawn(values: FloatArray) -> FloatArray:
        means = np.bincount(groups, sample.weights * values) / np.where(totals > 0, totals, 1)
        return contributions(sample, sample.weights * (values - means[groups]))

    return _least(drawn(y), drawn(prediction[sample.gold]))


def group_lambda(sample: Sample, y: FloatArray, prediction: FloatArray, gold: BoolArray, pooled: float) -> Lambda:
    """Tune lambda of PPI++ for a group, as a compromise between the lambda of its own gold and that of all gold.

    With few gold sentences, the lambda of a group alone would follow chance. Its weight is therefore c / (c + `PRIOR`), where c is
    the number of the group's gold sentences with the label, or without it, whichever is smaller.

    Args:
        sample: The gold sample.
        y: Gold values, (n,).
        prediction: The model's predictions, (N,).
        gold: Whether each gold sentence belongs to the group, (n,).
        pooled: Lambda of all gold, see `tune_lambda`.
    """
    positives = float(y[gold].sum())
    cases = min(positives, float(gold.sum()) - positives)
    own = cases / (cases + PRIOR)
    if not cases or not sample.left[gold].any():
        return Lambda(pooled)
    weights = np.where(gold, sample.weights, 0)

    def drawn(values: FloatArray) -> FloatArray:
        return contributions(sample, weights * (values - weights @ values / weights.sum()))

    best = _least(drawn(y), drawn(prediction[sample.gold]))
    return Lambda(own * best + (1 - own) * pooled, own)


def _least(y: FloatArray, prediction: FloatArray) -> float:
    """Return the lambda in [0, 1] that minimises the sum of squares of y - lambda prediction."""
    spread = float(prediction @ prediction)
    return float(np.clip(prediction @ y / spread, 0, 1)) if spread > 0 else 0.0


def ppi_mean(
    sample: Sample,
    y: FloatArray,
    prediction: FloatArray,
    domain: BoolArray,
    *,
    lambda_: float | Lambda,
) -> Estimate:
    """Estimate a domain's mean by PPI++: lambda times the mean prediction, plus the mean gold residual.

    The residual of a gold sentence is its value minus lambda times its prediction. Here, the population contains the gold. If the
    uncoded sentences are a separate population, lambda (N - n) / N gives the same estimate.

    Args:
        sample: The gold sample.
        y: Gold values, (n,).
        prediction: Predictions, (N,): probabilities, or decisions if there are no probabilities.
        domain: Whether each sentence belongs to the domain, (N,).
        lambda_: Lambda, see `tune_lambda` and `group_lambda`. A number does not count as estimated from the domain's gold.
    """
    used = lambda_ if isinstance(lambda_, Lambda) else Lambda(lambda_)
    where = np.flatnonzero(domain)
    predicted = used.value * prediction
    return _hajek(sample, y, predicted[sample.gold], domain[sample.gold], where, predicted[where], slopes=used.own)


def expected_squared_error(errors: FloatArray, weights: FloatArray) -> float:
    """Return the expected squared size of an error that the gold sample was too small to contain.

    By chance, a group of two dozen gold sentences can have almost no variance. The size of an unseen error is therefore estimated
    from the errors in the whole gold. Each error is weighted by its own square, because large errors make up most of the variance.
    One error of size 1 is added. If the gold has no error, as with a rare label, the unseen error is then a completely wrong
    sentence, and the interval is about that of the rule of three. An error of size 1 in every case would make the intervals of
    groups too wide: they covered the true value in 98 to 100 % of simulated draws.

    Args:
        errors: Residuals of gold labels, (m,).
        weights: Design weights of these sentences, (m,).
    """
    if not len(errors):
        return 1.0
    relative = weights / weights.mean()
    squares = (errors - relative @ errors / len(errors)) ** 2
    return float((relative @ squares**2 + 1) / (relative @ squares + 1))


def _hajek(
    sample: Sample,
    y: FloatArray,
    predicted: FloatArray,
    gold: BoolArray,
    where: IntArray,
    everyone: FloatArray,
    comparable: BoolArray | None = None,
    slopes: float = 0.0,
) -> Estimate:
    """Correct a mean. `predicted` are the predictions of the gold (n,), and `everyone` those of the sentences `where`."""
    weights = np.where(gold, sample.weights, 0)
    total = weights.sum()
    if total == 0:
        return _nothing(sample)
    rest = y - predicted
    correction = float(weights @ rest / total)
    mean = float(everyone.mean()) if len(where) else 0.0
    rows = weights * (rest - correction) / total
    pool = slice(None) if comparable is None else comparable
    size = expected_squared_error(rest[pool], sample.weights[pool])
    parts = (everyone - mean) / max(len(where), 1)
    return Estimate(mean + correction, _influence(sample, where, parts, rows, weights / total, gold, size, slopes))


def cross_fit(
    sample: Sample, y: FloatArray, prediction: FloatArray, columns: Sequence[IntArray] = (), *, seed: int = 0
) -> FloatArray:
    """Recalibrate predictions on the gold by cross-fitting, which is the first step of DSL.

    For each fold, a ridge logistic regression of the gold label is fitted on the gold of the other folds. Its predictors are the
    logit of the prediction and the levels of the columns. Sentences of documents without gold get the mean of all folds.

    Args:
        sample: The gold sample.
        y: Gold labels 0 or 1, (n,).
        prediction: Predictions in [0, 1], (N,).
        columns: Additional predictors, such as groups: the number of each sentence's level, from 0, (N,) each.
        seed: Seed of the assignment of documents to folds.

    Returns:
        Recalibrated predictions, (N,).
    """
    gold_documents = np.unique(sample.gold_documents)
    folds = min(FOLDS, len(gold_documents))
    if folds < 2:
        return prediction
    fold_of = np.full(sample.n_documents, -1, np.int8)
    fold_of[np.random.default_rng(seed).permutation(gold_documents)] = np.arange(len(gold_documents)) % folds
    own, place = fold_of[sample.documents], fold_of[sample.gold_documents]
    clipped = np.clip(prediction, 0.01, 0.99)
    # The ridge penalty assumes about unit scale, which a logit has after division by 2.
    logit = np.log(clipped / (1 - clipped)) / 2
    levels = [int(column.max()) for column in columns]
    indicators = [
        (column[sample.gold][:, None] == np.arange(1, count + 1)).astype(float)
        for column, count in zip(columns, levels, strict=True)
    ]
    features = np.hstack([np.ones((len(y), 1)), logit[sample.gold][:, None], *indicators])
    penalty = np.r_[INTERCEPT, np.full(features.shape[1] - 1, RIDGE)]
    relative = sample.weights / sample.weights.mean()
    fitted, everyone = np.zeros(len(prediction)), np.zeros(len(prediction))
    for fold in range(folds):
        train = place != fold
        beta = logistic(features[train], y[train], weights=relative[train], ridge=penalty)
        # Look up the effect of each level. An indicator column per level would be as large as all predictions.
        eta = beta[0] + beta[1] * logit
        for column, effects in zip(columns, np.split(beta[2:], np.cumsum(levels)[:-1]), strict=bool(columns)):
            eta += np.r_[0.0, effects][column]
        part = 1 / (1 + np.exp(-np.clip(eta, -30, 30)))
        everyone += part / folds
        fitted = np.where(own == fold, part, fitted)
    return np.where(own < 0, everyone, fitted)


def pseudo_outcome(sample: Sample, y: FloatArray, fitted: FloatArray) -> FloatArray:
    """Return the design-adjusted outcomes of DSL, (N,): the fitted value, plus its error / probability for gold sentences."""
    outcome = fitted.copy()
    outcome[sample.gold] += (y - fitted[sample.gold]) / sample.probability
    return outcome


def dsl_mean(sample: Sample, y: FloatArray, fitted: FloatArray, domain: BoolArray) -> Estimate:
    """Estimate a domain's mean by DSL, as the mean of the design-adjusted outcomes (Horvitz-Thompson).

    Args:
        sample: The gold sample.
        y: Gold values, (n,).
        fitted: Cross-fitted predictions, (N,), see `cross_fit`.
        domain: Whether each sentence belongs to the domain, (N,).
    """
    gold = domain[sample.gold]
    if not gold.any():
        return _nothing(sample)
    where = np.flatnonzero(domain)
    share = np.where(gold, sample.weights, 0) / len(where)
    errors = y - fitted[sample.gold]
    rows = share * errors
    value = float(fitted[where].mean() + rows.sum())
    size = expected_squared_error(errors, sample.weights)
    return Estimate(value, _influence(sample, where, (fitted[where] - value) / len(where), rows, share, gold, size))


def _influence(
    sample: Sample,
    where: IntArray,
    parts: FloatArray,
    rows: FloatArray,
    share: FloatArray,
    gold: BoolArray,
    size: float,
    slopes: float = 0.0,
) -> Influence:
    """Add up contributions by document. `parts` are those of the sentences `where`, and `rows` those of the gold.

    `share` is the weight of each gold sentence in the estimate, and `size` the expected squared size of an unseen error.
    """
    documents, at = by_document(
        np.concatenate([sample.documents[where], sample.gold_documents[gold]]), np.concatenate([parts, rows[gold]])
    )
    return influence(sample, documents, at, rows, share=share, inside=gold, size=size, slopes=slopes)


def _nothing(sample: Sample) -> Estimate:
    return Estimate(float("nan"), Influence(np.zeros(0), np.zeros(0, np.int64), np.zeros(len(sample.gold)), 0.0, 0, 0))


def logistic(
    x: FloatArray, y: FloatArray, *, weights: FloatArray | None = None, ridge: FloatArray | float = 0.0
) -> FloatArray:
    """Solve sum of w x (y - 1 / (1 + exp(-x b))) = ridge b for b, by Newton's method with step halving.

    Args:
        x: Predictors, (n, p).
        y: Outcomes, (n,). They can lie outside [0, 1], as design-adjusted outcomes do.
        weights: Weights of the rows, (n,). Default: all 1.
        ridge: Penalty of each coefficient, (p,), or one penalty for all.

    Returns:
        Coefficients (p,). They are NaN if no finite solution exists because a predictor separates the labels.
    """
    weights = np.ones(len(y)) if weights is None else weights
    penalty = np.broadcast_to(np.asarray(ridge, np.float64), (x.shape[1],))
    beta = np.zeros(x.shape[1])

    def loss(b: FloatArray) -> float:
        eta = x @ b
        return float(weights @ (np.logaddexp(0, eta) - y * eta) + penalty @ b**2 / 2)

    for _ in range(50):
        mean = 1 / (1 + np.exp(-np.clip(x @ beta, -30, 30)))
        gradient = x.T @ (weights * (y - mean)) - penalty * beta
        hessian = (x.T * (weights * mean * (1 - mean))) @ x + np.diag(penalty)
        try:
            step = np.linalg.solve(hessian, gradient)
        except np.linalg.LinAlgError:
            return np.full(x.shape[1], np.nan)
        size, before = 1.0, loss(beta)
        while loss(beta + size * step) > before + 1e-12 * abs(before) and size > 1e-8:
            size /= 2
        beta = beta + size * step
        if np.abs(beta).max() > 30:
            return np.full(x.shape[1], np.nan)
        if np.abs(step).max() < 1e-10:
            break
    return beta
