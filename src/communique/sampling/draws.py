"""Sampling designs with exact inclusion probabilities: simple, stratified, two-stage by document.

Everything here works on numbers of rows. Sources: Cochran 1977, "Sampling Techniques", chapters 2, 5 and 9A to 11; Madow
1949 for systematic selection with probabilities proportional to size.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

#: Rows of a stratum that a variance needs.
MINIMUM = 2


@dataclass(frozen=True)
class Draw:
    """Rows drawn, in ascending order, and the probability with which each of them was to be drawn."""

    rows: Ints
    probability: Floats


def simple(n_population: int, n: int, generator: np.random.Generator) -> Draw:
    """Draw without replacement, each row with the same probability n / N."""
    rows = np.sort(generator.choice(n_population, n, replace=False)).astype(np.int64)
    return Draw(rows, np.full(n, n / n_population))


def allocate(sizes: Ints, weights: Floats, n: int) -> Ints:
    """Share out n rows among strata in proportion to weights, at least 2 (or all of a smaller stratum) for each.

    Args:
        sizes: Rows of each stratum.
        weights: N_h for proportional allocation, N_h S_h for Neyman's.
        n: Rows in all.

    Returns:
        Whole numbers that add up to n, by largest remainders.

    Raises:
        DataError: n is below the minimum of all strata together, or above the population.
    """
    low = np.minimum(sizes, MINIMUM)
    if n < low.sum():
        raise DataError(
            f"{n} rows for {len(sizes)} strata: each needs {MINIMUM}, {low.sum()} in all; give -n {low.sum()} or more, "
            "or fewer strata"
        )
    if n > sizes.sum():
        raise DataError(f"{n} rows wanted, {sizes.sum()} are there; give a smaller -n")
    weights = np.maximum(weights.astype(np.float64), 1e-12 * max(float(weights.max()), 1.0))
    # The scale at which the bounded shares add up to n, by bisection: their sum grows with it.
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
    """Draw `sizes[h]` rows of each stratum h without replacement, each with probability n_h / N_h.

    Args:
        strata: (N) the stratum's number of each row.
        sizes: Rows to draw of each stratum.
        generator: Source of randomness.
    """
    rows, probability = [], []
    for members, size in zip(grouped(strata, len(sizes)), sizes, strict=True):
        rows.append(generator.choice(members, size, replace=False))
        probability.append(np.full(size, size / len(members)))
    return _sorted(np.concatenate(rows), np.concatenate(probability))


@dataclass(frozen=True)
class Stages:
    """A two-stage design: for each document its probability and how many of its rows are read when it is drawn."""

    document_probability: Floats
    rows_read: Ints
    documents_drawn: int

    @property
    def expected(self) -> float:
        """Rows to be expected; where documents are shorter than wished, a draw has more or fewer."""
        return float((self.document_probability * self.rows_read).sum())


def plan_two_stage(sizes: Ints, n: int, per_document: int, *, proportional: bool) -> Stages:
    """Plan how many documents to draw, so that about n rows are read.

    With probabilities proportional to size and equal numbers of rows a document, every row of documents that are long
    enough has the same probability. A document so long that its probability would pass 1 is taken for certain, and n / N
    of its rows are read, if that is more.

    Args:
        sizes: Rows of each document.
        n: Rows wanted in all.
        per_document: Rows to read of a document.
        proportional: Documents by size (PPS); otherwise all documents alike.

    Raises:
        DataError: Even all documents do not have n rows in this design.
    """
    whole = _stages(sizes, len(sizes), n, per_document, proportional)
    if whole.expected < n and int(sizes.sum()) >= n:
        raise DataError(
            f"{n} rows wanted, but {len(sizes)} documents with {per_document} rows each give {int(whole.expected)}; "
            "give a larger --per-document or a smaller -n"
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
    """Draw documents, then rows of each: a row's probability is its document's times the share of it that is read.

    Documents are drawn systematically from a random order, which keeps their number and their probabilities exact.

    Args:
        documents: (N) the document's number of each row, 0 to D - 1.
        stages: The plan for the D documents.
        generator: Source of randomness.
    """
    order = generator.permutation(len(stages.rows_read))
    # Rounded, so that a sum which is whole but for floating point does not gain or lose a document.
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
    """Give the positions of each number from 0 to groups - 1, in ascending order."""
    order = np.argsort(numbers, kind="stable").astype(np.int64)
    return np.split(order, np.cumsum(np.bincount(numbers, minlength=groups))[:-1])


def _sorted(rows: Ints, probability: Floats) -> Draw:
    order = np.argsort(rows)
    return Draw(rows[order].astype(np.int64), probability[order])
