"""Sampling designs with exact inclusion probabilities: simple, stratified, and two-stage by document.

All functions work with row numbers. Sources: Cochran 1977, "Sampling Techniques", chapters 2, 5 and 9A to 11; for systematic
selection with probability proportional to size, Madow 1949.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

#: Minimum number of rows per stratum for estimating a variance.
MINIMUM = 2


@dataclass(frozen=True)
class Draw:
    """The drawn rows in ascending order, and their inclusion probabilities."""

    rows: Ints
    probability: Floats


def simple(n_population: int, n: int, generator: np.random.Generator) -> Draw:
    """Draw n of N rows without replacement, each with the probability n / N."""
    rows = np.sort(generator.choice(n_population, n, replace=False)).astype(np.int64)
    return Draw(rows, np.full(n, n / n_population))


def allocate(sizes: Ints, weights: Floats, n: int) -> Ints:
    """Allocate n rows to strata in proportion to weights. Each stratum gets at least 2 rows, or all rows if it has fewer.

    Args:
        sizes: Number of rows in each stratum.
        weights: N_h for proportional allocation, N_h S_h for Neyman allocation.
        n: Total number of rows.

    Returns:
        Number of rows for each stratum. They are rounded by largest remainders, so that they add up to n.

    Raises:
        DataError: n is smaller than the sum of the minimums of all strata, or larger than the population.
    """
    low = np.minimum(sizes, MINIMUM)
    if n < low.sum():
        raise DataError(
            f"{n} rows are too few for {len(sizes)} strata, which need at least {MINIMUM} rows each, {low.sum()} in all. Use -n "
            f"{low.sum()} or more, or fewer strata"
        )
    if n > sizes.sum():
        raise DataError(f"{n} rows are wanted, but there are only {sizes.sum()}. Use a smaller -n")
    weights = np.maximum(weights.astype(np.float64), 1e-12 * max(float(weights.max()), 1.0))
    # Find the scale at which the bounded allocations add up to n by bisection, because their sum increases with the scale.
    bottom, top = 0.0, float(sizes.sum() / weights.min())
    for _ in range(200):
        middle = (bottom + top) / 2
        if np.clip(middle * weights, low, sizes).sum() < n:
            bottom = middle
        else:
            top = middle
    shares = np.clip(top * weights, low, sizes)
    whole = np.floor(shares + 1e-9).astype(np.int64)
    order = np.argsort(-(shares - whole), kind="stable")
    for stratum in order[: n - int(whole.sum())]:
        whole[stratum] += 1
    return whole


def stratified(strata: Ints, sizes: Ints, generator: np.random.Generator) -> Draw:
    """Draw `sizes[h]` rows from each stratum h without replacement, each with the probability n_h / N_h.

    Args:
        strata: Number of the stratum of each row (N,).
        sizes: Number of rows to draw from each stratum.
        generator: Random number generator.
    """
    rows, probability = [], []
    for members, size in zip(grouped(strata, len(sizes)), sizes, strict=True):
        rows.append(generator.choice(members, size, replace=False))
        probability.append(np.full(size, size / len(members)))
    return _sorted(np.concatenate(rows), np.concatenate(probability))


@dataclass(frozen=True)
class Stages:
    """A two-stage design: for each document, its inclusion probability and the number of rows to read if it is drawn."""

    document_probability: Floats
    rows_read: Ints
    documents_drawn: int

    @property
    def expected(self) -> float:
        """Expected number of rows. The number in a draw varies if some documents are shorter than the wanted number of rows."""
        return float((self.document_probability * self.rows_read).sum())


def plan_two_stage(sizes: Ints, n: int, per_document: int, *, proportional: bool) -> Stages:
    """Plan how many documents to draw so that about n rows are read.

    If documents are drawn with probability proportional to size (PPS) and the same number of rows is read per document, all
    rows of sufficiently long documents have the same probability. A document is drawn with certainty if its probability would
    exceed 1. The proportion n / N of its rows is then read, if that is more than `per_document`.

    Args:
        sizes: Number of rows in each document.
        n: Wanted total number of rows.
        per_document: Number of rows to read per document.
        proportional: Whether to draw documents with probability proportional to size, or with equal probability.

    Raises:
        DataError: Even if all documents are drawn, the design does not reach n rows.
    """
    whole = _stages(sizes, len(sizes), n, per_document, proportional)
    if whole.expected < n and int(sizes.sum()) >= n:
        raise DataError(
            f"{n} rows are wanted, but {len(sizes)} documents with at most {per_document} rows each only contain "
            f"{int(whole.expected)}. Use a larger --per-document or a smaller -n"
        )
    low, high = min(MINIMUM, len(sizes)), len(sizes)
    while low < high:
        middle = (low + high) // 2
        if _stages(sizes, middle, n, per_document, proportional).expected >= n:
            high = middle
        else:
            low = middle + 1
    return _stages(sizes, low, n, per_document, proportional)


def _stages(sizes: Ints, documents: int, n: int, per_document: int, proportional: bool) -> Stages:
    if not proportional:
        return Stages(
            np.full(len(sizes), documents / len(sizes)), np.minimum(sizes, per_document).astype(np.int64), documents
        )
    probability = np.zeros(len(sizes))
    certain = np.zeros(len(sizes), np.bool_)
    while True:
        left = documents - int(certain.sum())
        probability = np.where(certain, 1.0, left * sizes / max(1, int(sizes[~certain].sum())))
        beyond = ~certain & (probability >= 1 - 1e-12)
        if not beyond.any():
            break
        certain |= beyond
    rows_read = np.where(certain, np.maximum(per_document, np.ceil(n * sizes / sizes.sum())), per_document)
    return Stages(probability, np.minimum(sizes, rows_read).astype(np.int64), documents)


def two_stage(documents: Ints, stages: Stages, generator: np.random.Generator) -> Draw:
    """Draw documents, and then rows from each drawn document.

    The probability of a row is the probability of its document times the proportion of the document that is read. Documents
    are drawn systematically from a random order, so that their number and their probabilities are exact.

    Args:
        documents: Number of the document of each row (N,), from 0 to D - 1.
        stages: The plan for the D documents.
        generator: Random number generator.
    """
    order = generator.permutation(len(stages.rows_read))
    # Rounding prevents floating-point errors in a whole sum from adding or removing a document.
    ticks = np.round(np.concatenate([[0.0], np.cumsum(stages.document_probability[order])]), 9)
    crossed = np.floor(ticks + generator.random())
    drawn = order[np.diff(crossed) >= 1]
    rows, probability = [], []
    by_document = grouped(documents, len(stages.rows_read))
    for document in drawn:
        members = by_document[document]
        size = stages.rows_read[document]
        rows.append(generator.choice(members, size, replace=False))
        probability.append(np.full(size, stages.document_probability[document] * size / len(members)))
    return _sorted(np.concatenate(rows), np.concatenate(probability))


def grouped(numbers: Ints, groups: int) -> list[Ints]:
    """Return, for each number from 0 to groups - 1, its positions in ascending order."""
    order = np.argsort(numbers, kind="stable").astype(np.int64)
    return np.split(order, np.cumsum(np.bincount(numbers, minlength=groups))[:-1])


def _sorted(rows: Ints, probability: Floats) -> Draw:
    order = np.argsort(rows)
    return Draw(rows[order].astype(np.int64), probability[order])
