"""Scores computed from gold labels, predicted labels and probabilities, independently of any model.

Functions of counts and sums accept any leading dimensions, so that they work for a sample as well as for all of its bootstrap
resamples. Undefined scores are NaN.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np
from numpy.typing import NDArray

from ..data.codebook import Codebook
from ..data.sentence import Sentence
from .bootstrap import RESAMPLES, Resamples, interval

__all__ = [
    "RESAMPLES",
    "average_precision",
    "bin_sums",
    "brier_skill",
    "exact_match",
    "expected_calibration_error",
    "indicator",
    "interval",
    "macro_f1",
    "matthews",
    "micro_f1",
    "outcome_counts",
    "outcomes",
    "precision_recall_f1",
    "resampled_counts",
    "sample_f1",
    "weighted_f1",
]

BoolArray = NDArray[np.bool_]
Array = NDArray[np.float64]

#: Number of calibration bins. Bins have equal numbers of rows, because with bins of equal width, nearly all rows of a rare label
#: would be in the first bin (Nixon et al. 2019, "Measuring Calibration in Deep Learning").
BINS = 10


def indicator(sentences: Sequence[Sentence], codebook: Codebook) -> BoolArray:
    """Return the labels of n labelled sentences as an indicator matrix (n, k) in the order of the codebook."""
    rows = [[name in (s.labels or ()) for name in codebook.names] for s in sentences]
    return np.array(rows, np.bool_).reshape(len(rows), len(codebook.names))


def outcomes(gold: BoolArray, predicted: BoolArray) -> NDArray[np.int64]:
    """Return indicators (n, k, 3) of true positives, false positives and false negatives from labels (n, k)."""
    return np.stack([gold & predicted, ~gold & predicted, gold & ~predicted], axis=-1).astype(np.int64)


def outcome_counts(gold: BoolArray, predicted: BoolArray) -> NDArray[np.int64]:
    """Count true positives, false positives and false negatives.

    Args:
        gold: Gold labels (n, k).
        predicted: Predicted labels (n, k).

    Returns:
        Counts (k, 3).
    """
    counts: NDArray[np.int64] = outcomes(gold, predicted).sum(axis=0)
    return counts


def precision_recall_f1(counts: NDArray[np.number]) -> Array:
    """Compute precision, recall and F1 (..., k, 3) from counts (..., k, 3) of `outcome_counts`.

    Precision is NaN if the label is never predicted, recall if no gold row has it, and F1 if neither occurs.
    """
    tp, fp, fn = np.moveaxis(np.asarray(counts, np.float64), -1, 0)
    return np.stack([_ratio(tp, tp + fp), _ratio(tp, tp + fn), _ratio(2 * tp, 2 * tp + fp + fn)], axis=-1)


def _ratio(above: Array, below: Array) -> Array:
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(below > 0, above / below, np.nan)


def macro_f1(counts: NDArray[np.number]) -> Array:
    """Compute the mean F1 (...) over labels from counts (..., k, 3). A label without gold rows and predictions is ignored."""
    f1 = precision_recall_f1(counts)[..., 2]
    defined = ~np.isnan(f1)
    return _ratio(np.where(defined, f1, 0).sum(axis=-1), defined.sum(axis=-1))


def micro_f1(counts: NDArray[np.number]) -> Array:
    """Compute the F1 (...) of all labels pooled, from counts (..., k, 3). With exactly one label per row it is the accuracy."""
    return precision_recall_f1(np.asarray(counts).sum(axis=-2, keepdims=True))[..., 0, 2]


def weighted_f1(counts: NDArray[np.number]) -> Array:
    """Compute the mean F1 (...) over labels, weighted by their number of gold rows, from counts (..., k, 3)."""
    support = np.asarray(counts, np.float64)[..., [0, 2]].sum(axis=-1)
    return _ratio((support * np.nan_to_num(precision_recall_f1(counts)[..., 2])).sum(axis=-1), support.sum(axis=-1))


def matthews(counts: NDArray[np.number], n: Array | float) -> Array:
    """Compute Matthews' correlation coefficient of gold labels and predictions. It is NaN if either is constant.

    Args:
        counts: Counts (..., k, 3) of `outcome_counts`.
        n: Number of rows (...).

    Returns:
        Coefficients (..., k).
    """
    tp, fp, fn = np.moveaxis(np.asarray(counts, np.float64), -1, 0)
    tn = np.asarray(n, np.float64)[..., None] - tp - fp - fn
    # With design weights, sums that should be 0 may be about 1e-16 because of rounding.
    spread = [np.where(side > 1e-9, side, 0.0) for side in (tp + fp, tp + fn, tn + fp, tn + fn)]
    return _ratio(tp * tn - fp * fn, np.sqrt(spread[0]) * np.sqrt(spread[1]) * np.sqrt(spread[2]) * np.sqrt(spread[3]))


def sample_f1(gold: BoolArray, predicted: BoolArray) -> Array:
    """Compute the F1 (n,) of the labels of each row. It is 1 for a row that has no label in gold and no predicted label."""
    common, total = (gold & predicted).sum(axis=1), gold.sum(axis=1) + predicted.sum(axis=1)
    return np.where(total > 0, 2 * common / np.maximum(total, 1), 1.0)


def exact_match(gold: BoolArray, predicted: BoolArray) -> BoolArray:
    """Return whether all labels of each row (n,) are predicted correctly."""
    right: BoolArray = (gold == predicted).all(axis=1)
    return right


def average_precision(gold: BoolArray, scores: NDArray[np.floating], weights: Array | None = None) -> Array:
    """Compute the average precision of one label: the sum over thresholds of the precision times the gain in recall.

    Args:
        gold: Whether each row has the label in gold (n,).
        scores: Scores (n,) that are greater if the label is more likely. Equal scores have the same threshold.
        weights: How often each row counts (..., n). Default: once.

    Returns:
        Average precision (...). It is NaN if no row has the label.
    """
    order = np.argsort(-scores, kind="stable")
    ends = np.flatnonzero(np.append(np.diff(scores[order]) != 0, True)) if len(order) else order
    weighing = np.ones(len(gold)) if weights is None else weights
    taken = np.cumsum(weighing[..., order], axis=-1)[..., ends]
    found = np.cumsum(weighing[..., order] * gold[order], axis=-1)[..., ends]
    gained = np.diff(found, axis=-1, prepend=0.0)
    precision = np.nan_to_num(_ratio(found, taken))
    return _ratio((gained * precision).sum(axis=-1), gained.sum(axis=-1))


def brier_skill(squared_errors: Array, gold: Array, n: Array | float) -> Array:
    """Compute the Brier skill score relative to the base rate: 1 is perfect, 0 is as good as the base rate.

    Args:
        squared_errors: Sum of the squared differences of probability and gold (...).
        gold: Number of rows with the label (...).
        n: Number of rows (...).

    Returns:
        Skill (...). It is negative if the probabilities are worse than the base rate, and NaN if all rows or no rows have the
        label.
    """
    rate = _ratio(np.asarray(gold, np.float64), np.asarray(n, np.float64))
    reference = n * rate * (1 - rate)
    return 1 - _ratio(squared_errors, np.where(reference > 1e-9, reference, 0.0))


def bin_sums(gold: BoolArray, probability: Array) -> Array:
    """Sort the rows of a label into `BINS` bins with equal numbers of rows. Equal probabilities are in the same bin.

    Args:
        gold: Whether each row has the label in gold (n,).
        probability: Probability of the label (n,).

    Returns:
        Array (n, bins, 3) with 1, the probability and the gold value of each row in its bin, and zeros in the other bins. Its
        sum over rows is the argument of `expected_calibration_error`.
    """
    borders = np.unique(np.quantile(probability, np.arange(1, BINS) / BINS)) if len(probability) else np.empty(0)
    numbers = np.unique(np.searchsorted(borders, probability, side="left"), return_inverse=True)[1]
    member = numbers[:, None] == np.arange(numbers.max(initial=-1) + 1)
    sums: Array = member[:, :, None] * np.stack([np.ones(len(gold)), probability, gold], axis=-1)[:, None, :]
    return sums


def expected_calibration_error(bins: NDArray[np.number]) -> Array:
    """Compute the expected calibration error.

    It is the mean over bins, weighted by their rows, of the absolute difference between the mean probability and the proportion
    of rows with the label.

    Args:
        bins: For each bin, the number of rows and the sums of their probabilities and gold values (..., bins, 3).

    Returns:
        Calibration error (...).
    """
    n, probability, gold = np.moveaxis(np.asarray(bins, np.float64), -1, 0)
    return _ratio(np.abs(probability - gold).sum(axis=-1), n.sum(axis=-1))


def resampled_counts(
    gold: BoolArray, predicted: BoolArray, clusters: Sequence[Hashable], *, seed: int, resamples: int = RESAMPLES
) -> NDArray[np.int64]:
    """Count outcomes in bootstrap samples that draw whole clusters with replacement (see `Resamples`).

    Args:
        gold: Gold labels (n, k).
        predicted: Predicted labels (n, k).
        clusters: The document of each row.
        seed: Seed of the bootstrap.
        resamples: Number of resamples.

    Returns:
        Counts (resamples, k, 3).
    """
    drawn = Resamples.draw(clusters, seed=seed, resamples=resamples).sums(outcomes(gold, predicted))
    return np.rint(drawn).astype(np.int64)
