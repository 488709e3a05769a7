"""Shares: naive, gold alone, PPI++ and DSL, each with its influence.

PPI++: Angelopoulos, Duchi, Zrnic 2023, "PPI++: Efficient Prediction-Powered Inference" (arXiv 2311.01453). DSL: Egami, Hinck,
Stewart, Wei 2023, "Using Imperfect Surrogates for Downstream Inference: Design-based Supervised Learning for Social Science
Applications of Large Language Models" (arXiv 2306.04746).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from .sample import BoolArray, FloatArray, Influence, IntArray, Sample, by_document

Method = Literal["naive", "gold", "ppi", "dsl"]

#: Folds of DSL's cross-fitting, as in Egami et al.; documents are never split across them.
FOLDS = 5

#: Ridge penalty of the recalibration within cross-fitting, on coefficients of about unit scale: weak, so that it matters only
#: where few positives leave a coefficient free.
RIDGE = 1.0

#: The intercept's, which keeps it finite where no gold sentence of a fold carries the label.
INTERCEPT = 0.1


@dataclass(frozen=True)
class Estimate:
    """A share in [0, 1] or another mean, with the influence that its variance follows from."""

    value: float
    influence: Influence


def gold_mean(sample: Sample, y: FloatArray, domain: BoolArray, *, comparable: BoolArray | None = None) -> Estimate:
    """Estimate the mean of a domain from gold alone: Hájek's ratio of weighted sums.

    Args:
        sample: The design.
        y: Values of the gold sentences, (n,).
        domain: Which gold sentences belong to the domain, (n,). Sensitivity is a mean too: of the model's decisions among the
            gold sentences that carry the label.
        comparable: Gold sentences from which the size of an error that the domain did not meet is taken, (n,), see
            `expected_squared_error`. Default: all.

    Returns:
        NaN with no influence where the domain has no gold.
    """
    return _hajek(sample, y, np.zeros(len(y)), domain, np.zeros(0, np.int64), np.zeros(0), comparable)


def naive_mean(sample: Sample, predicted: FloatArray, domain: BoolArray) -> Estimate:
    """Take the model's labels for the truth: their mean over a domain of the population, clustered by document.

    Args:
        sample: The design, for its documents.
        predicted: The model's decisions, (N,).
        domain: Which sentences belong to the domain, (N,).
    """
    where = np.flatnonzero(domain)
    mean = float(predicted[where].mean()) if len(where) else float("nan")
    documents, at = by_document(sample.documents[where], (predicted[where] - mean) / max(len(where), 1))
    return Estimate(mean, Influence(documents, at, np.zeros(len(sample.gold)), 0.0, len(where), len(at)))


def tune_lambda(sample: Sample, y: FloatArray, prediction: FloatArray, groups: IntArray) -> float:
    """Tune PPI++'s lambda: the weight of the predictions with the least variance of the rectifier, within [0, 1].

    One lambda serves all groups: with a few dozen gold sentences a group, one a group would follow accidents.

    Args:
        sample: The design.
        y: Gold values, (n,).
        prediction: The model's predictions, (N,).
        groups: Number of the group of each gold sentence, (n,); covariances are taken within groups.
    """
    weights = sample.weights
    importance = weights**2 * (1 - sample.probability)
    if not importance.any():
        return 1.0
    f = prediction[sample.gold]

    def centre(values: FloatArray) -> FloatArray:
        totals = np.bincount(groups, weights)
        means = np.bincount(groups, weights * values) / np.where(totals > 0, totals, 1)
        centred: FloatArray = values - means[groups]
        return centred

    f, y = centre(f), centre(y)
    spread = float((importance * f * f).sum())
    return float(np.clip((importance * f * y).sum() / spread, 0, 1)) if spread > 0 else 0.0


def ppi_mean(sample: Sample, y: FloatArray, prediction: FloatArray, domain: BoolArray, *, lambda_: float) -> Estimate:
    """Estimate a domain's mean by PPI++: lambda times the mean prediction plus the gold's mean of what remains.

    The population contains the gold; with a population of unlabelled sentences apart the same estimate has
    lambda (N - n) / N (the two forms are equal).

    Args:
        sample: The design.
        y: Gold values, (n,).
        prediction: Predictions, (N,): probabilities, or decisions where there are none.
        domain: Which sentences belong to the domain, (N,).
        lambda_: Lambda in [0, 1], see `lambda_`.
    """
    where = np.flatnonzero(domain)
    return _hajek(sample, y, lambda_ * prediction[sample.gold], domain[sample.gold], where, lambda_ * prediction[where])


def expected_squared_error(errors: FloatArray, weights: FloatArray) -> float:
    """Give the mean square of one further error, such as a small sample did not happen to meet.

    A group of two dozen gold sentences can have a variance of nearly nothing by chance. That of the errors which the whole gold
    met, each weighed by its own square (those count that make the variance), tells how large the next one is. One error of 1 is
    counted among them: where no error was met, as with a rare label, the next one is a sentence gone wholly wrong, and the
    interval is about that of the rule of three. Adding an error of 1 everywhere made intervals of groups cover in 98 to 100 %.

    Args:
        errors: What remains of gold labels, (m,).
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
) -> Estimate:
    """Correct a mean. `predicted` are the gold's predictions (n,), `everyone` those of the sentences `where`."""
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
    return Estimate(mean + correction, _influence(sample, where, parts, rows, weights / total, gold, size))


def cross_fit(
    sample: Sample, y: FloatArray, prediction: FloatArray, columns: Sequence[IntArray] = (), *, seed: int = 0
) -> FloatArray:
    """Recalibrate predictions on the gold by cross-fitting, as DSL does before it corrects.

    A ridge logistic regression of the gold label on the prediction's logit and the levels of columns is fitted on the gold of
    the other folds' documents. Sentences of documents without gold get the mean of all folds.

    Args:
        sample: The design.
        y: Gold labels 0 or 1, (n,).
        prediction: Predictions in [0, 1], (N,).
        columns: Further predictors, such as groups: the number of each sentence's level from 0 on, (N,) each.
        seed: Of the assignment of documents to folds.

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
    # Divided by 2, a logit has about unit scale, which the ridge penalty presumes.
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
        # A level's effect is looked up: a column of zeros and ones for each would be as large as all predictions.
        eta = beta[0] + beta[1] * logit
        for column, effects in zip(columns, np.split(beta[2:], np.cumsum(levels)[:-1]), strict=bool(columns)):
            eta += np.r_[0.0, effects][column]
        part = 1 / (1 + np.exp(-np.clip(eta, -30, 30)))
        everyone += part / folds
        fitted = np.where(own == fold, part, fitted)
    return np.where(own < 0, everyone, fitted)


def pseudo_outcome(sample: Sample, y: FloatArray, fitted: FloatArray) -> FloatArray:
    """Give DSL's design-adjusted outcomes, (N,): the fitted value, plus its error over the probability where gold is."""
    outcome = fitted.copy()
    outcome[sample.gold] += (y - fitted[sample.gold]) / sample.probability
    return outcome


def dsl_mean(sample: Sample, y: FloatArray, fitted: FloatArray, domain: BoolArray) -> Estimate:
    """Estimate a domain's mean by DSL: the mean of the design-adjusted outcomes (Horvitz-Thompson).

    Args:
        sample: The design.
        y: Gold values, (n,).
        fitted: Cross-fitted predictions, (N,), see `cross_fit`.
        domain: Which sentences belong to the domain, (N,).
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
) -> Influence:
    """Sum contributions by document: `parts` of the sentences `where`, `rows` of the gold.

    `share` is each gold sentence's weight in the estimate, `size` the mean square of one further error.
    """
    documents, at = by_document(
        np.concatenate([sample.documents[where], sample.gold_documents[gold]]), np.concatenate([parts, rows[gold]])
    )
    return Influence(
        documents,
        at,
        rows,
        unseen_error_variance=float((share[gold] ** 2).mean()) * size,
        n=int(gold.sum()),
        n_documents=len(np.unique(sample.gold_documents[gold])),
    )


def _nothing(sample: Sample) -> Estimate:
    return Estimate(float("nan"), Influence(np.zeros(0), np.zeros(0, np.int64), np.zeros(len(sample.gold)), 0.0, 0, 0))


def logistic(
    x: FloatArray, y: FloatArray, *, weights: FloatArray | None = None, ridge: FloatArray | float = 0.0
) -> FloatArray:
    """Solve sum of w x (y - 1 / (1 + exp(-x b))) = ridge b by Newton's method with step halving.

    Args:
        x: (n, p).
        y: (n,); may lie outside [0, 1], as design-adjusted outcomes do.
        weights: (n,), all 1 where None.
        ridge: Penalty of each coefficient, (p,).

    Returns:
        Coefficients (p,). Where no finite solution exists (a predictor that separates the labels) NaN.
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
