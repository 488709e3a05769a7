"""Regress labels on predictors by the moment equations of DSL, with standard errors clustered by document.

The label of a sentence is replaced by the design-adjusted outcome of DSL (`estimators.pseudo_outcome`), which has the same
expectation as the label, whatever errors the model makes. The moment x (y - mu(x b)) is linear in y. Therefore, the corrected
moments of Egami et al. 2023 (equation 6, appendix on linear and logistic regression) are the usual moments of this outcome.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from .estimators import expected_squared_error, logistic, pseudo_outcome
from .sample import FloatArray, Influence, IntArray, Sample, by_document, influence, sums

Family = Literal["linear", "logistic"]


@dataclass(frozen=True)
class Fit:
    """Regression coefficients (p,), and the influence of each."""

    coefficients: FloatArray
    influences: tuple[Influence, ...]


def dsl_regression(
    sample: Sample, x: FloatArray, y: FloatArray, fitted: FloatArray, family: Family, *, kinds: IntArray | None = None
) -> Fit:
    """Regress a label on predictors that are known for all sentences.

    Args:
        sample: The gold sample.
        x: Predictors of each kind of sentence, (C, p), with a column of ones for the intercept.
        y: Gold labels, (n,).
        fitted: Cross-fitted predictions, (N,), see `estimators.cross_fit`.
        family: `linear` (coefficients are differences of proportions) or `logistic` (log odds ratios).
        kinds: Kind of each sentence, as a number, (N,). Default: each sentence has its own kind.

    Returns:
        Coefficients and influences. They are NaN if the moment equations have no solution.
    """
    kinds = np.arange(len(x)) if kinds is None else kinds
    outcome = pseudo_outcome(sample, y, fitted)
    counts = sums(kinds, np.ones(len(kinds)), len(x))
    means = sums(kinds, outcome, len(x)) / np.maximum(counts, 1)
    if family == "linear":
        bread = np.linalg.pinv((x.T * counts) @ x)
        beta = bread @ (x.T @ (counts * means))
        expected = x @ beta
    else:
        beta = logistic(x, means, weights=counts)
        expected = 1 / (1 + np.exp(-np.clip(x @ beta, -30, 30)))
        bread = (
            np.linalg.pinv((x.T * (counts * expected * (1 - expected))) @ x)
            if np.isfinite(beta).all()
            else np.full((x.shape[1],) * 2, np.nan)
        )
    rest = outcome - expected[kinds]
    levers = x @ bread
    share = levers[kinds[sample.gold]] * sample.weights[:, None]
    errors = y - fitted[sample.gold]
    rows, size = share * errors[:, None], expected_squared_error(errors, sample.weights)
    inside = (levers[kinds[sample.gold]] != 0).any(axis=1)
    influences = []
    for j in range(x.shape[1]):
        documents, at = by_document(sample.documents, rest * levers[kinds, j])
        influences.append(
            influence(sample, documents, at, rows[:, j], share=share[:, j], inside=inside, size=size, fixed=x.shape[1])
        )
    return Fit(beta, tuple(influences))
