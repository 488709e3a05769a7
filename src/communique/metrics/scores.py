"""Scores of labels from gold, decisions and probabilities. Nothing here knows a model.

Functions of counts and sums take any leading dimensions, so that they serve a sample and all its bootstrap resamples
alike. What is not defined is NaN.
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

#: Bins of calibration hold equally many rows: with bins of equal width nearly all rows of a rare label are in the first
#: (Nixon et al. 2019, "Measuring Calibration in Deep Learning").
BINS = 10


def indicator(sentences: Sequence[Sentence], codebook: Codebook) -> BoolArray:
    """Write the labels of labelled sentences as (n, k) in the codebook's order."""
    rows = [[name in (s.labels or ()) for name in codebook.names] for s in sentences]
    return np.array(rows, np.bool_).reshape(len(rows), len(codebook.names))


def outcomes(gold: BoolArray, predicted: BoolArray) -> NDArray[np.int64]:
    """Say of each decision whether it is a true positive, a false positive, a false negative: (n, k, 3)."""
    return np.stack([gold & predicted, ~gold & predicted, gold & ~predicted], axis=-1).astype(np.int64)


def outcome_counts(gold: BoolArray, predicted: BoolArray) -> NDArray[np.int64]:
    """Count true positives, false positives and false negatives.

    Args:
        gold: (n, k).
        predicted: (n, k).

    Returns:
        (k, 3).
    """
    counts: NDArray[np.int64] = outcomes(gold, predicted).sum(axis=0)
    return counts


def precision_recall_f1(counts: NDArray[np.number]) -> Array:
    """Turn counts (..., k, 3) of `outcome_counts` into precision, recall and F1 (..., k, 3).

    What is not defined (no prediction for precision, no gold for recall, neither for F1) is NaN.
    """
    tp, fp, fn = np.moveaxis(np.asarray(counts, np.float64), -1, 0)
    return np.stack([_ratio(tp, tp + fp), _ratio(tp, tp + fn), _ratio(2 * tp, 2 * tp + fp + fn)], axis=-1)


def _ratio(above: Array, below: Array) -> Array:
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(below > 0, above / below, np.nan)


def macro_f1(counts: NDArray[np.number]) -> Array:
    """Average F1 over labels; a label with no gold and no prediction is left out. Counts (..., k, 3) give (...)."""
    f1 = precision_recall_f1(counts)[..., 2]
    defined = ~np.isnan(f1)
    return _ratio(np.where(defined, f1, 0).sum(axis=-1), defined.sum(axis=-1))


def micro_f1(counts: NDArray[np.number]) -> Array:
    """Give F1 of all decisions pooled; with exactly one label a row it is the accuracy. (..., k, 3) give (...)."""
    return precision_recall_f1(np.asarray(counts).sum(axis=-2, keepdims=True))[..., 0, 2]


def weighted_f1(counts: NDArray[np.number]) -> Array:
    """Average F1 over labels, each weighing as many rows as have it in gold. Counts (..., k, 3) give (...)."""
    support = np.asarray(counts, np.float64)[..., [0, 2]].sum(axis=-1)
    return _ratio((support * np.nan_to_num(precision_recall_f1(counts)[..., 2])).sum(axis=-1), support.sum(axis=-1))


def matthews(counts: NDArray[np.number], n: Array | float) -> Array:
    """Compute Matthews' correlation of gold and predictions; NaN where either is constant.

    Args:
        counts: (..., k, 3) of `outcome_counts`.
        n: Rows, (...).

    Returns:
        (..., k).
    """
    tp, fp, fn = np.moveaxis(np.asarray(counts, np.float64), -1, 0)
    tn = np.asarray(n, np.float64)[..., None] - tp - fp - fn
    # Design weights leave sums of what should be nothing at some 1e-16.
    spread = [np.where(side > 1e-9, side, 0.0) for side in (tp + fp, tp + fn, tn + fp, tn + fn)]
    return _ratio(tp * tn - fp * fn, np.sqrt(spread[0]) * np.sqrt(spread[1]) * np.sqrt(spread[2]) * np.sqrt(spread[3]))


def sample_f1(gold: BoolArray, predicted: BoolArray) -> Array:
    """Compute the F1 of each row's labels (n,); it is 1 for a row with no label in gold and none predicted."""
    common, total = (gold & predicted).sum(axis=1), gold.sum(axis=1) + predicted.sum(axis=1)
    return np.where(total > 0, 2 * common / np.maximum(total, 1), 1.0)


def exact_match(gold: BoolArray, predicted: BoolArray) -> BoolArray:
    """Say of each row (n,) whether all its labels are right."""
    right: BoolArray = (gold == predicted).all(axis=1)
    return right


def average_precision(gold: BoolArray, scores: NDArray[np.floating], weights: Array | None = None) -> Array:
    """Give the average precision of one label: the sum of precision times gain of recall over thresholds.

    Args:
        gold: (n,).
        scores: (n,), greater where the label is likelier; equal ones share a threshold.
        weights: How often each row counts, (..., n); once where None.

    Returns:
        (...); NaN where no row has the label.
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
    """Give the Brier score's skill over always giving the base rate: 1 is perfect, 0 is no better, below is worse.

    Args:
        squared_errors: Sum of (probability - gold) squared, (...).
        gold: How many rows have the label, (...).
        n: How many rows there are, (...).

    Returns:
        (...); NaN where all rows have the label or none.
    """
    rate = _ratio(np.asarray(gold, np.float64), np.asarray(n, np.float64))
    reference = n * rate * (1 - rate)
    return 1 - _ratio(squared_errors, np.where(reference > 1e-9, reference, 0.0))


def bin_sums(gold: BoolArray, probability: Array) -> Array:
    """Sort the rows of a label into `BINS` bins of equally many; equal probabilities are never torn apart.

    Args:
        gold: (n,).
        probability: (n,).

    Returns:
        (n, bins, 3): 1, probability and gold of each row in its bin, zeros in the others; summed over rows they are what
        `expected_calibration_error` takes.
    """
    borders = np.unique(np.quantile(probability, np.arange(1, BINS) / BINS)) if len(probability) else np.empty(0)
    numbers = np.unique(np.searchsorted(borders, probability, side="left"), return_inverse=True)[1]
    member = numbers[:, None] == np.arange(numbers.max(initial=-1) + 1)
    sums: Array = member[:, :, None] * np.stack([np.ones(len(gold)), probability, gold], axis=-1)[:, None, :]
    return sums


def expected_calibration_error(bins: NDArray[np.number]) -> Array:
    """Average the distance of mean probability and share of gold over bins, each weighing its rows.

    Args:
        bins: Sums (..., bins, 3) of rows, of their probabilities, of their gold.

    Returns:
        (...).
    """
    n, probability, gold = np.moveaxis(np.asarray(bins, np.float64), -1, 0)
    return _ratio(np.abs(probability - gold).sum(axis=-1), n.sum(axis=-1))


def resampled_counts(
    gold: BoolArray, predicted: BoolArray, clusters: Sequence[Hashable], *, seed: int, resamples: int = RESAMPLES
) -> NDArray[np.int64]:
    """Count outcomes in bootstrap samples that draw whole clusters with replacement, see `resampling`.

    Args:
        gold: (n, k).
        predicted: (n, k).
        clusters: The document of each row.
        seed: Of the draws.
        resamples: How many samples.

    Returns:
        (resamples, k, 3).
    """
    drawn = Resamples.draw(clusters, seed=seed, resamples=resamples).sums(outcomes(gold, predicted))
    return np.rint(drawn).astype(np.int64)
