"""Logistic regression: ridge for DSL's recalibration, plain for its moment equations."""

from __future__ import annotations

import numpy as np

from .design import FloatArray


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
