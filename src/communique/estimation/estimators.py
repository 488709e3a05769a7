"""Shares: naive, gold alone, PPI++ and DSL, each with its influence.

PPI++: Angelopoulos, Duchi, Zrnic 2023, "PPI++: Efficient Prediction-Powered Inference" (arXiv 2311.01453). DSL: Egami, Hinck,
Stewart, Wei 2023, "Using Imperfect Surrogates for Downstream Inference: Design-based Supervised Learning for Social Science
Applications of Large Language Models" (arXiv 2306.04746).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from .design import BoolArray, FloatArray, Influence, IntArray, Sample, sums
from .logistic import logistic

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


def gold_mean(sample: Sample, y: FloatArray, domain: BoolArray) -> Estimate:
    """Estimate the mean of a domain from gold alone: Hájek's ratio of weighted sums.

    Args:
        sample: The design.
        y: Values of the gold sentences, (n,).
        domain: Which gold sentences belong to the domain, (n,). Sensitivity is a mean too: of the model's decisions among the
            gold sentences that carry the label.

    Returns:
        NaN with no influence where the domain has no gold.
    """
    return _hajek(sample, y, np.zeros(len(sample.documents)), np.zeros(len(sample.documents), np.bool_), domain)


def naive_mean(sample: Sample, guess: FloatArray, domain: BoolArray) -> Estimate:
    """Take the model's labels for the truth: their mean over a domain of the population, clustered by document.

    Args:
        sample: The design, for its documents.
        guess: The model's decisions, (N,).
        domain: Which sentences belong to the domain, (N,).
    """
    n = int(domain.sum())
    mean = float(guess[domain].mean()) if n else float("nan")
    parts = np.where(domain, guess - mean, 0) / max(n, 1)
    documents = sums(sample.documents, parts, sample.n_documents)
    clusters = len(np.unique(sample.documents[domain]))
    return Estimate(mean, Influence(documents, np.zeros(len(sample.gold)), 0.0, n, clusters))


def power(sample: Sample, y: FloatArray, prediction: FloatArray, groups: IntArray) -> float:
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


def ppi_mean(sample: Sample, y: FloatArray, prediction: FloatArray, domain: BoolArray, *, power: float) -> Estimate:
    """Estimate a domain's mean by PPI++: lambda times the mean prediction plus the gold's mean of what remains.

    The population contains the gold; with a population of unlabelled sentences apart the same estimate has
    lambda (N - n) / N (the two forms are equal).

    Args:
        sample: The design.
        y: Gold values, (n,).
        prediction: Predictions, (N,): probabilities, or decisions where there are none.
        domain: Which sentences belong to the domain, (N,).
        power: Lambda in [0, 1], see `power`.
    """
    return _hajek(sample, y, power * prediction, domain, domain[sample.gold])


def _hajek(sample: Sample, y: FloatArray, f: FloatArray, domain: BoolArray, gold: BoolArray) -> Estimate:
    weights = np.where(gold, sample.weights, 0)
    total = weights.sum()
    if total == 0:
        return _nothing(sample)
    rest = y - f[sample.gold]
    correction = float(weights @ rest / total)
    size = int(domain.sum())
    mean = float(f[domain].mean()) if size else 0.0
    rows = weights * (rest - correction) / total
    parts = np.where(domain, f - mean, 0) / size if size else np.zeros(len(f))
    return Estimate(mean + correction, _influence(sample, parts, rows, weights / total, gold))


def cross_fit(
    sample: Sample, y: FloatArray, prediction: FloatArray, covariates: FloatArray | None = None, *, seed: int = 0
) -> FloatArray:
    """Recalibrate predictions on the gold by cross-fitting, as DSL does before it corrects.

    A ridge logistic regression of the gold label on the prediction's logit and the covariates is fitted on the gold of the
    other folds' documents. Sentences of documents without gold get the mean of all folds.

    Args:
        sample: The design.
        y: Gold labels 0 or 1, (n,).
        prediction: Predictions in [0, 1], (N,).
        covariates: Further predictors of about unit scale, such as indicators of groups, (N, q).
        seed: Of the assignment of documents to folds.

    Returns:
        Recalibrated predictions, (N,).
    """
    features = _features(prediction, covariates)
    gold_documents = np.unique(sample.gold_documents)
    folds = min(FOLDS, len(gold_documents))
    if folds < 2:
        return prediction
    fold_of = np.full(sample.n_documents, -1)
    fold_of[np.random.default_rng(seed).permutation(gold_documents)] = np.arange(len(gold_documents)) % folds
    own, place = fold_of[sample.documents], fold_of[sample.gold_documents]
    penalty = np.r_[INTERCEPT, np.full(features.shape[1] - 1, RIDGE)]
    relative = sample.weights / sample.weights.mean()
    fitted = np.zeros((folds, len(prediction)))
    for fold in range(folds):
        train = place != fold
        beta = logistic(features[sample.gold][train], y[train], weights=relative[train], ridge=penalty)
        fitted[fold] = 1 / (1 + np.exp(-np.clip(features @ beta, -30, 30)))
    everyone: FloatArray = fitted.mean(axis=0)
    return np.where(own < 0, everyone, fitted[own, np.arange(len(prediction))])


def _features(prediction: FloatArray, covariates: FloatArray | None) -> FloatArray:
    clipped = np.clip(prediction, 0.01, 0.99)
    # Divided by 2, a logit has about unit scale, which the ridge penalty presumes.
    columns = np.stack([np.ones(len(prediction)), np.log(clipped / (1 - clipped)) / 2], axis=1)
    return columns if covariates is None else np.hstack([columns, covariates])


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
    size = int(domain.sum())
    value = float(pseudo_outcome(sample, y, fitted)[domain].mean())
    share = np.where(gold, sample.weights, 0) / size
    rows = share * (y - fitted[sample.gold])
    parts = np.where(domain, fitted - value, 0) / size
    return Estimate(value, _influence(sample, parts, rows, share, gold))


def _influence(sample: Sample, parts: FloatArray, rows: FloatArray, share: FloatArray, gold: BoolArray) -> Influence:
    """Sum contributions by document. `share` is each gold sentence's weight in the estimate."""
    documents = sums(sample.documents, parts, sample.n_documents)
    documents += sums(sample.gold_documents, rows, sample.n_documents)
    return Influence(
        documents,
        rows,
        further=float((share[gold] ** 2).mean()),
        n=int(gold.sum()),
        n_documents=len(np.unique(sample.gold_documents[gold])),
    )


def _nothing(sample: Sample) -> Estimate:
    return Estimate(float("nan"), Influence(np.zeros(sample.n_documents), np.zeros(len(sample.gold)), 0.0, 0, 0))
