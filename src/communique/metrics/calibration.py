"""Temperature and thresholds, tuned on rows that the model was not trained on.

One temperature divides all logits (Guo et al. 2017, "On Calibration of Modern Neural Networks"). With `task: multilabel`
each label has its own threshold.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

#: F1 within so much of the best counts as equally good; a few hundred rows cannot tell them apart.
PLATEAU = 0.01

#: Probabilities are clipped to [EDGE, 1 - EDGE] before their logarithm is taken; float32 cannot represent values closer to 1.
EDGE = 1e-7

#: With fewer positive rows than this a threshold is mostly the theoretical optimum, see `fit_thresholds`.
MIN_POSITIVES = 50

FloatArray = NDArray[np.floating]
BoolArray = NDArray[np.bool_]

#: Thresholds that are tried; a finer grid would follow the accidents of a few hundred rows.
GRID = np.round(np.arange(0.02, 0.901, 0.01), 2)

#: As many positive rows as the theoretical optimum counts for. Measured in train/LOG.md.
PRIOR_POSITIVES = 100


@dataclass(frozen=True)
class Tuning:
    """Temperature, thresholds (k,) (None if exactly one label applies), and the number and kind of rows that tuned them."""

    temperature: float
    thresholds: NDArray[np.float64] | None
    rows: int
    by: Literal["validation", "out-of-fold"]


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
    """Find each label's threshold: the one with the greatest F1, shrunk towards the theoretical optimum.

    With calibrated probabilities the greatest expected F1 is reached at a threshold of half that F1, so never above 0.5
    (Lipton, Elkan, Naryanaswamy 2014, "Optimal Thresholding of Classifiers to Maximize F1 Measure"). The theoretical optimum
    depends on the probabilities alone and varies little from sample to sample. The threshold with the greatest F1 on gold
    labels also corrects probabilities that are not calibrated, but with few positive rows it is an accident of the sample. It
    therefore counts with the weight m / (m + `PRIOR_POSITIVES`), where m is the number of positive rows.

    Args:
        probability: Calibrated probabilities (n, k) of rows that the model was not trained on.
        gold: Labels (n, k).

    Returns:
        Thresholds (k,); 0.5 for a label without a positive row.
    """
    thresholds = np.full(gold.shape[1], 0.5)
    for label in np.flatnonzero(gold.any(axis=0)):
        p, positives = probability[:, label].astype(np.float64), int(gold[:, label].sum())
        weight = positives / (positives + PRIOR_POSITIVES)
        mixed = weight * _best_threshold(p, gold[:, label]) + (1 - weight) * theoretical_threshold(p)
        thresholds[label] = round(float(mixed), 4)
    return thresholds


def theoretical_threshold(p: FloatArray) -> float:
    """Return the threshold with the greatest F1 if the probabilities (n,) are calibrated: half of that F1."""
    # The expected counts of deciding for the most probable row, the two most probable rows, and so on.
    true = np.cumsum(np.sort(np.asarray(p, np.float64))[::-1])
    return float((true / (np.arange(1, len(true) + 1) + true[-1])).max())


def _best_threshold(p: FloatArray, gold: BoolArray) -> float:
    above = p[None, :] >= GRID[:, None]
    f1 = 2 * (above & gold).sum(axis=1) / (above.sum(axis=1) + gold.sum())
    # The top of the curve is flat, and its highest point an accident too: the middle of what is as good moves less.
    return float(GRID[f1 >= f1.max() - PLATEAU].mean())


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
