"""Paired tests between classifiers that predicted the same rows, clustered by document and averaged over seeds."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..data.codes import factorize
from ..metrics.bootstrap import RESAMPLES, Resamples, interval_or_nan
from ..metrics.multiple_testing import holm
from ..metrics.scores import macro_f1, outcomes, precision_recall_f1

Array = NDArray[np.float64]

#: Number of permutations per test. The error of a p-value near 0.05 is then about 0.004.
PERMUTATIONS = 9999

#: Number of permutations that are computed at a time, to limit memory.
CHUNK = 500


@dataclass(frozen=True)
class Difference:
    """The difference between the mean macro-F1 of a classifier and that of another classifier, `against`.

    The interval comes from a paired bootstrap over documents and seeds. Its ends are NaN if it is undefined (see
    `interval_or_nan`). `p` comes from a two-sided permutation test by document; `p_holm` is adjusted for all comparisons of the
    family.
    """

    classifier: str
    against: str
    value: float
    low: float
    high: float
    p: float
    p_holm: float


@dataclass(frozen=True)
class Decided:
    """Predicted labels (seeds, n, k) of several classifiers on the same n rows, the gold labels (n, k), and the rows' documents."""

    gold: NDArray[np.bool_]
    documents: Sequence[Hashable]
    predicted_rows: Mapping[str, NDArray[np.bool_]]

    def by_document(self) -> dict[str, Array]:
        """Count true positives, false positives and false negatives by document, as (seeds, documents, k, 3) per classifier."""
        of_row, names = factorize(self.documents)
        counts = {}
        for name, predicted_rows in self.predicted_rows.items():
            counts[name] = np.zeros((len(predicted_rows), len(names), self.gold.shape[1], 3))
            for of_seed, predicted in zip(counts[name], predicted_rows, strict=True):
                np.add.at(of_seed, of_row, outcomes(self.gold, predicted))
        return counts


def mean_macro_f1(counts: Array) -> float:
    """Return the mean macro-F1 over seeds from counts (seeds, documents, k, 3)."""
    return float(macro_f1(counts.sum(axis=1)).mean())


def best(counts: Mapping[str, Array]) -> str:
    """Return the name of the classifier with the highest mean macro-F1. An undefined macro-F1 ranks below all others."""
    return max(counts, key=lambda name: np.nan_to_num(mean_macro_f1(counts[name]), nan=-1.0))


@dataclass(frozen=True)
class Drawn:
    """The bootstrap values of a classifier: macro-F1 (resamples, ...) and F1 by label (resamples, ..., k), as means over seeds."""

    scores: Array
    f1: Array


def bootstrap(counts: Mapping[str, Array], *, seed: int, resamples: int = RESAMPLES) -> dict[str, Drawn]:
    """Resample documents with replacement, with the same documents for all classifiers, and the seeds of each classifier.

    Args:
        counts: Counts (seeds, documents, ..., k, 3) by classifier, for the same documents. The same resamples are used along all
            axes between documents and labels, such as languages.
        seed: Seed of the resampling.
        resamples: Number of resamples.
    """
    documents = next(iter(counts.values())).shape[1]
    drawn = Resamples.draw(range(documents), seed=seed, resamples=resamples)
    generator = np.random.default_rng([seed, 1])
    found = {}
    for name, of_classifier in counts.items():
        sums = np.stack([drawn.sums(of_seed) for of_seed in of_classifier], axis=1)
        seeds = generator.integers(sums.shape[1], size=sums.shape[:2])
        sums = np.take_along_axis(sums, seeds.reshape(*seeds.shape, *[1] * (sums.ndim - 2)), axis=1)
        found[name] = Drawn(macro_f1(sums).mean(axis=1), precision_recall_f1(sums)[..., 2].mean(axis=1))
    return found


def permutation_p(first: Array, second: Array, *, seed: int, permutations: int = PERMUTATIONS) -> float:
    """Test whether two classifiers differ in mean macro-F1, by exchanging their predictions on randomly chosen documents.

    Under the null hypothesis, the predictions of the two classifiers on each document are exchangeable (approximate
    randomisation; Yeh 2000, "More accurate tests for the statistical significance of result differences"). A document is
    exchanged in all runs at once, because runs of the same classifier are similar. The test refers to these runs only; the
    bootstrap interval also covers the variation between seeds.

    With equal numbers of seeds, the i-th runs of both classifiers are paired, and the test is exact. With unequal numbers, every
    run of one classifier is paired with every run of the other, so that the tested difference is that of the means and every run
    has the same weight. A mean over more runs varies less, so the two means are exchangeable only in expectation, and the p-value
    is valid for many documents. In a simulation with 2,000 pairs of equally good classifiers, 3 similar runs of one against 1 run
    of the other, and 20 documents, 4.9 % of p-values were <= 0.05, 10.1 % <= 0.1 and 49 % <= 0.5.

    Args:
        first: Counts (seeds, documents, k, 3).
        second: Counts of the other classifier for the same documents.
        seed: Seed of the permutations.
        permutations: Number of permutations.

    Returns:
        The two-sided p-value, at least 1 / (permutations + 1), or NaN if a macro-F1 is undefined.
    """
    if len(first) != len(second):
        first, second = np.repeat(first, len(second), axis=0), np.tile(second, (len(first), 1, 1, 1))
    pairs, shape = len(first), first.shape[2:]
    # By how much exchanging a document changes the first classifier's counts.
    moves = (second - first).reshape(pairs, first.shape[1], -1)
    sums = first.sum(axis=1), second.sum(axis=1)
    observed = abs(float((macro_f1(sums[0]) - macro_f1(sums[1])).mean()))
    if np.isnan(observed):
        return float("nan")
    generator = np.random.default_rng(seed)
    as_far, done = 0, 0
    while done < permutations:
        swapped = generator.random((min(CHUNK, permutations - done), moves.shape[1])) < 0.5
        moved = (swapped @ moves).reshape(pairs, len(swapped), *shape)
        values = macro_f1(sums[0][:, None] + moved) - macro_f1(sums[1][:, None] - moved)
        # The order of summation changes the last digits, so differences that agree up to rounding count as equal.
        as_far += int((np.abs(values.mean(axis=0)) >= observed - 1e-12).sum())
        done += len(swapped)
    return (as_far + 1) / (permutations + 1)


def differences(
    counts: Mapping[str, Array],
    against: str,
    *,
    seed: int,
    resamples: int = RESAMPLES,
    permutations: int = PERMUTATIONS,
) -> list[Difference]:
    """Compare each classifier with one of them. The p-values of these comparisons are adjusted as one family.

    Args:
        counts: Counts (seeds, documents, k, 3) by classifier for the same documents, from `Decided.by_document`.
        against: Name of the classifier with which all others are compared.
        seed: Seed of the bootstrap and the permutations.
        resamples: Number of bootstrap resamples.
        permutations: Number of permutations per test.
    """
    others = [name for name in counts if name != against]
    drawn = bootstrap(counts, seed=seed, resamples=resamples)
    documents = counts[against].shape[1]
    p = [permutation_p(counts[name], counts[against], seed=seed, permutations=permutations) for name in others]
    found = []
    for name, one, adjusted in zip(others, p, holm(p), strict=True):
        value = mean_macro_f1(counts[name]) - mean_macro_f1(counts[against])
        drawn_differences = drawn[name].scores - drawn[against].scores
        found.append(Difference(name, against, *interval_or_nan(value, drawn_differences, documents), one, adjusted))
    return found
