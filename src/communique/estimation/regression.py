"""Regressions on labels by DSL's moment equations, with standard errors clustered by document.

The label of a sentence is replaced by DSL's design-adjusted outcome (`estimators.pseudo_outcome`), which has the label's
expectation whatever the model's errors are. The moment x (y - mu(x b)) is linear in y, so that the corrected moments of Egami et
al. 2023 (equation 6, appendix on linear and logistic regression) are the usual ones with that outcome.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from .design import FloatArray, Influence, Sample, sums
from .estimators import pseudo_outcome
from .logistic import logistic

Family = Literal["linear", "logistic"]


@dataclass(frozen=True)
class Fit:
    """Coefficients (p,) and the influence of each."""

    coefficients: FloatArray
    influences: tuple[Influence, ...]


def dsl_regression(sample: Sample, x: FloatArray, y: FloatArray, fitted: FloatArray, family: Family) -> Fit:
    """Regress a label on predictors that are known of all sentences.

    Args:
        sample: The design.
        x: Predictors, (N, p), with a column of ones for the intercept.
        y: Gold labels, (n,).
        fitted: Cross-fitted predictions, (N,), see `estimators.cross_fit`.
        family: `linear` (coefficients are differences of shares) or `logistic` (log odds ratios).

    Returns:
        Coefficients and influences; NaN where the moments have no solution.
    """
    outcome = pseudo_outcome(sample, y, fitted)
    if family == "linear":
        bread = np.linalg.pinv(x.T @ x)
        beta = bread @ (x.T @ outcome)
        mean = x @ beta
    else:
        beta = logistic(x, outcome)
        mean = 1 / (1 + np.exp(-np.clip(x @ beta, -30, 30)))
        bread = (
            np.linalg.pinv((x.T * (mean * (1 - mean))) @ x)
            if np.isfinite(beta).all()
            else np.full((x.shape[1],) * 2, np.nan)
        )
    scores = (x * (outcome - mean)[:, None]) @ bread
    share = (x[sample.gold] * sample.weights[:, None]) @ bread
    rows = share * (y - fitted[sample.gold])[:, None]
    clusters = len(np.unique(sample.gold_documents))
    return Fit(
        beta,
        tuple(
            Influence(
                sums(sample.documents, scores[:, j], sample.n_documents),
                rows[:, j],
                further=float((share[:, j] ** 2).mean()),
                n=len(y),
                n_documents=clusters,
                fixed=x.shape[1],
            )
            for j in range(x.shape[1])
        ),
    )
