"""Agreement between coders: Krippendorff's alpha, Cohen's kappa and pairwise F1, and intervals by document.

Sources: Krippendorff 2011, "Computing Krippendorff's Alpha-Reliability"; Cohen 1960, "A Coefficient of Agreement for Nominal
Scales"; Passonneau 2006, "Measuring Agreement on Set-valued Items (MASI) for Semantic and Pragmatic Annotation".
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from .bootstrap import RESAMPLES, Resamples, interval_or_nan
from .scores import precision_recall_f1

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

#: Code of a unit that a coder did not code.
MISSING = -1


def nominal(categories: int) -> Floats:
    """Return the nominal distances (c, c) between categories: 0 between equal categories and 1 between others."""
    return 1 - np.eye(categories)


def masi(sets: Sequence[frozenset[str]]) -> Floats:
    """Return the MASI distances (c, c) between sets of labels: 1 - Jaccard x monotonicity (Passonneau 2006).

    Monotonicity is 1 if the sets are equal, 2/3 if one is a subset of the other, 1/3 if they overlap but neither is a
    subset, and 0 if they have no label in common. Two empty sets are equal.
    """
    distance = np.zeros((len(sets), len(sets)))
    for i, j in combinations(range(len(sets)), 2):
        a, b = sets[i], sets[j]
        if a & b:
            monotonicity = 2 / 3 if a <= b or b <= a else 1 / 3
            distance[i, j] = distance[j, i] = 1 - len(a & b) / len(a | b) * monotonicity
        else:
            distance[i, j] = distance[j, i] = 1
    return distance


def alpha_terms(codes: Ints, distance: Floats) -> tuple[Floats, Floats]:
    """Compute the terms of alpha for each unit. Their sums over any selection of units determine alpha.

    Args:
        codes: Categories (coders, units), numbered from 0, or `MISSING` if a coder did not code the unit.
        distance: Krippendorff's squared differences between categories (categories, categories).

    Returns:
        The observed disagreement of each unit (units,), and its number of pairable values per category (units, categories).
        Both are zero for units with fewer than two values.
    """
    counts = np.stack([(codes == c).sum(axis=0) for c in range(len(distance))], axis=1).astype(np.float64)
    m = counts.sum(axis=1)
    pairable = m > 1
    counts[~pairable] = 0
    observed = np.einsum("uc,cd,ud->u", counts, distance, counts) / np.where(pairable, m - 1, 1)
    return observed, counts


def alpha_of(observed: Floats, totals: Floats, distance: Floats) -> Floats:
    """Compute alpha (...) from summed terms: `observed` (...) and `totals` (..., categories).

    Alpha is NaN if all values belong to one category.
    """
    n = totals.sum(axis=-1)
    expected = np.einsum("...c,cd,...d->...", totals, distance, totals)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.where(expected > 0, 1 - (n - 1) * observed / expected, np.nan))


def krippendorff_alpha(codes: Ints, distance: Floats | None = None) -> float:
    """Compute Krippendorff's alpha for any number of coders. Values may be missing.

    Args:
        codes: Categories (coders, units), numbered from 0, or `MISSING` if a coder did not code the unit.
        distance: Distances between categories (categories, categories). Default: nominal.

    Returns:
        1 for perfect agreement, and 0 for agreement by chance. NaN if alpha is not defined, because no unit has two values
        or all values belong to one category.
    """
    if distance is None:
        distance = nominal(int(codes.max(initial=0)) + 1)
    observed, counts = alpha_terms(codes, distance)
    return float(alpha_of(observed.sum(), counts.sum(axis=0), distance))


def pair_counts(first: Bools, second: Bools) -> Ints:
    """Return indicators (n, k, 4) of which coder assigned each label (n, k): both, only the second, only the first, neither."""
    return np.stack([first & second, ~first & second, first & ~second, ~first & ~second], axis=-1).astype(np.int64)


def kappa_of(counts: NDArray[np.number]) -> Floats:
    """Compute Cohen's kappa (...) of yes/no answers from sums (..., 4) of `pair_counts`.

    Kappa is NaN if both coders give the same answer everywhere.
    """
    both, second, first, neither = np.moveaxis(np.asarray(counts, np.float64), -1, 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        n = both + second + first + neither
        agreed = (both + neither) / n
        yes = (both + second) * (both + first) / n**2
        chance = yes + (second + neither) * (first + neither) / n**2
        return np.asarray(np.where(chance < 1, (agreed - chance) / (1 - chance), np.nan))


def f1_of(counts: NDArray[np.number]) -> Floats:
    """Compute the F1 (...) of one coder measured against the other, from sums (..., 4) of `pair_counts`. It is symmetric."""
    return precision_recall_f1(np.asarray(counts)[..., :3])[..., 2]


def bootstrap_alpha(
    codes: Ints, distance: Floats, documents: Sequence[Hashable], *, seed: int, resamples: int = RESAMPLES
) -> tuple[float, float, float]:
    """Compute alpha with its 95 % interval from a bootstrap over documents.

    Args:
        codes: Categories (coders, units).
        distance: Distances between categories (categories, categories).
        documents: The document of each unit.
        seed: Seed of the bootstrap.
        resamples: Number of resamples.

    Returns:
        Value, lower end, upper end (see `interval_or_nan`).
    """
    observed, counts = alpha_terms(codes, distance)
    # Documents without a pair of values contain no information and must not count as measured documents.
    use = np.flatnonzero(counts.sum(axis=1))
    drawn = Resamples.draw([documents[i] for i in use.tolist()], seed=seed, resamples=resamples)
    value = float(alpha_of(observed.sum(), counts.sum(axis=0), distance))
    sampled = alpha_of(drawn.sums(observed[use]), drawn.sums(counts[use]), distance)
    return interval_or_nan(value, sampled, drawn.clusters)
