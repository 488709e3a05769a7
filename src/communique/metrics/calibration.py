"""Temperature and thresholds, tuned on validation rows.

One temperature divides all logits (Guo et al. 2017, "On Calibration of Modern Neural Networks"). With `task: multilabel`
each label has its own threshold.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

#: F1 within so much of the best counts as equally good; a few hundred rows cannot tell them apart.
PLATEAU = 0.01

#: Probabilities are clipped to [EDGE, 1 - EDGE] before their logarithm is taken; float32 cannot represent values closer to 1.
EDGE = 1e-7

#: With fewer positive rows than this a threshold is not tuned, see `fit_thresholds`.
MIN_POSITIVES = 20

FloatArray = NDArray[np.floating]
BoolArray = NDArray[np.bool_]

#: Thresholds are tried, and kept, on this grid; a finer one would follow the accidents of a few hundred rows.
GRID = np.round(np.arange(0.10, 0.901, 0.01), 2)


def probabilities(logits: FloatArray, *, multilabel: bool, temperature: float = 1.0) -> NDArray[np.float32]:
    """Turn logits (n, k) into probabilities (n, k): sigmoid for several labels, softmax for exactly one."""
    scaled = np.asarray(logits, np.float64) / temperature
    if multilabel:
        return (0.5 * (1 + np.tanh(scaled / 2))).astype(np.float32)
    exponentials = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    shares: NDArray[np.float32] = (exponentials / exponentials.sum(axis=1, keepdims=True)).astype(np.float32)
    return shares


def to_logits(probability: FloatArray, *, multilabel: bool) -> NDArray[np.float64]:
    """Return logits (n, k) for which `probabilities` returns these probabilities (n, k): log-odds, or logs for exactly one label.

    Probabilities are clipped at `EDGE`, so that a temperature can also scale the certainty of a classifier that returns 0 or 1.
    """
    p = np.clip(np.asarray(probability, np.float64), EDGE, 1 - EDGE)
    return np.asarray(np.log(p) - np.log1p(-p) if multilabel else np.log(p))


def decide(probability: FloatArray, thresholds: FloatArray | None) -> BoolArray:
    """Decide labels (n, k): each at its threshold, or the most probable one where `thresholds` is None."""
    if thresholds is not None:
        return np.asarray(probability) >= np.asarray(thresholds, np.float32)
    chosen = np.zeros(probability.shape, np.bool_)
    if len(chosen):
        chosen[np.arange(len(chosen)), probability.argmax(axis=1)] = True
    return chosen


def log_loss(logits: FloatArray, gold: BoolArray, *, multilabel: bool, temperature: float = 1.0) -> float:
    """Return the mean negative log-likelihood of gold labels (n, k), averaged over labels too if several can apply."""
    p = np.clip(
        probabilities(logits, multilabel=multilabel, temperature=temperature).astype(np.float64), EDGE, 1 - EDGE
    )
    if multilabel:
        return float(-np.where(gold, np.log(p), np.log1p(-p)).mean())
    return float(-np.log(p[gold]).mean())


def fit_temperature(logits: FloatArray, gold: BoolArray, *, multilabel: bool) -> float:
    """Find the temperature with the least log-loss, between 0.25 and 4 (golden-section search on its logarithm).

    The loss is convex in 1/temperature, so that the search ends in its only minimum.
    """
    low, high = np.log(0.25), np.log(4.0)
    ratio = (np.sqrt(5) - 1) / 2

    def loss(log_temperature: float) -> float:
        return log_loss(logits, gold, multilabel=multilabel, temperature=float(np.exp(log_temperature)))

    while high - low > 1e-4:
        left, right = high - ratio * (high - low), low + ratio * (high - low)
        if loss(left) < loss(right):
            high = right
        else:
            low = left
    return float(np.exp((low + high) / 2))


def fit_thresholds(probability: FloatArray, gold: BoolArray) -> NDArray[np.float64]:
    """Return each label's threshold with the greatest F1, smoothed by the model's own expectation.

    Validation rows that were drawn at random contain few rows with a rare label, and the threshold with the greatest F1 on them
    is an accident. Two rules prevent that. Each gold label counts half, and half counts the calibrated probability, under which
    the expected number of true positives is the sum of probabilities above the threshold (Lipton, Elkan, Naryanaswamy 2014,
    "Optimal Thresholding of Classifiers to Maximize F1 Measure"); `train/LOG.md` compares this with plain F1. And with n <
    `MIN_POSITIVES` positive rows the threshold is not tuned: it is 0.5, shrunk by n / `MIN_POSITIVES` towards half the greatest
    F1, which is the optimum under calibrated probabilities and never above 0.5.

    Args:
        probability: Calibrated probabilities (n, k).
        gold: Labels (n, k).

    Returns:
        Thresholds (k,), rounded to the steps of `GRID`; 0.5 for a label without a gold row.
    """
    thresholds = np.full(gold.shape[1], 0.5)
    for label, positives in enumerate(gold.sum(axis=0)):
        p, target = probability[:, label].astype(np.float64), 0.5 * (gold[:, label] + probability[:, label])
        above = p[None, :] >= GRID[:, None]
        f1 = 2 * (above * target).sum(axis=1) / np.maximum(above.sum(axis=1) + target.sum(), EDGE)
        if positives < MIN_POSITIVES:
            thresholds[label] = round(0.5 - positives / MIN_POSITIVES * (0.5 - f1.max() / 2), 2)
        else:
            # The top of the curve is flat, and its highest point an accident too: the middle of what is as good moves less.
            thresholds[label] = round(float(GRID[f1 >= f1.max() - PLATEAU].mean()), 2)
    return thresholds


def tune(logits: FloatArray, gold: BoolArray, *, multilabel: bool) -> tuple[float, NDArray[np.float64] | None]:
    """Find the temperature, and the thresholds (k,) under it; None where exactly one label is chosen.

    Args:
        logits: (n, k).
        gold: Labels (n, k).
        multilabel: Whether a sentence can carry several labels.
    """
    temperature = fit_temperature(logits, gold, multilabel=multilabel)
    if not multilabel:
        return temperature, None
    return temperature, fit_thresholds(probabilities(logits, multilabel=True, temperature=temperature), gold)
