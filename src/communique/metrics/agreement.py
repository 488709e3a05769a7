"""How far coders agree: Krippendorff's alpha, Cohen's kappa, F1 of one against the other, with intervals by document.

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

#: What a coder did not code, in tables of codes.
MISSING = -1


def nominal(categories: int) -> Floats:
    """Give the distances (c, c) of categories that are equal or not."""
    return 1 - np.eye(categories)


def masi(sets: Sequence[frozenset[str]]) -> Floats:
    """Give the distances (c, c) of sets of labels: 1 - Jaccard x monotonicity (Passonneau 2006).

    Monotonicity is 1 for equal sets, 2/3 where one holds the other, 1/3 where each has something of its own, 0 where they
    share nothing. Two empty sets are equal.
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
    """Count what alpha is made of, so that it can be summed over any choice of units.

    Args:
        codes: (coders, units), categories from 0, `MISSING` where a coder has none.
        distance: (categories, categories), squared differences in Krippendorff's sense.

    Returns:
        Each unit's observed disagreement (units), and its pairable values by category (units, categories); both zero for
        units with fewer than two values.
    """
    counts = np.stack([(codes == c).sum(axis=0) for c in range(len(distance))], axis=1).astype(np.float64)
    m = counts.sum(axis=1)
    pairable = m > 1
    counts[~pairable] = 0
    observed = np.einsum("uc,cd,ud->u", counts, distance, counts) / np.where(pairable, m - 1, 1)
    return observed, counts


def alpha_of(observed: Floats, totals: Floats, distance: Floats) -> Floats:
    """Compute alpha from summed terms: observed (...), totals (..., categories). NaN where all values are of one category."""
    n = totals.sum(axis=-1)
    expected = np.einsum("...c,cd,...d->...", totals, distance, totals)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.where(expected > 0, 1 - (n - 1) * observed / expected, np.nan))


def krippendorff_alpha(codes: Ints, distance: Floats | None = None) -> float:
    """Compute Krippendorff's alpha of any number of coders with missing values.

    Args:
        codes: (coders, units), categories from 0, `MISSING` where a coder has none.
        distance: (categories, categories); nominal where None.

    Returns:
        1 for perfect agreement, 0 for what chance gives; NaN where it is not defined: no unit with two values, or all
        values of one category.
    """
    if distance is None:
        distance = nominal(int(codes.max(initial=0)) + 1)
    observed, counts = alpha_terms(codes, distance)
    return float(alpha_of(observed.sum(), counts.sum(axis=0), distance))


def pair_counts(first: Bools, second: Bools) -> Ints:
    """Count both, second alone, first alone, neither: (n, k) twice gives (n, k, 4)."""
    return np.stack([first & second, ~first & second, first & ~second, ~first & ~second], axis=-1).astype(np.int64)


def kappa_of(counts: NDArray[np.number]) -> Floats:
    """Compute Cohen's kappa of a yes or no from counts (..., 4) of `pair_counts`; NaN where both always say the same word."""
    both, second, first, neither = np.moveaxis(np.asarray(counts, np.float64), -1, 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        n = both + second + first + neither
        agreed = (both + neither) / n
        yes = (both + second) * (both + first) / n**2
        chance = yes + (second + neither) * (first + neither) / n**2
        return np.asarray(np.where(chance < 1, (agreed - chance) / (1 - chance), np.nan))


def f1_of(counts: NDArray[np.number]) -> Floats:
    """Compute F1 of one coder against the other from counts (..., 4); it is the same both ways."""
    return precision_recall_f1(np.asarray(counts)[..., :3])[..., 2]


def bootstrap_alpha(
    codes: Ints, distance: Floats, documents: Sequence[Hashable], *, seed: int, resamples: int = RESAMPLES
) -> tuple[float, float, float]:
    """Compute alpha with its 95 % interval, drawing whole documents.

    Args:
        codes: (coders, units).
        distance: (categories, categories).
        documents: The document of each unit.
        seed: Seed of the draws.
        resamples: Number of resamples.

    Returns:
        Value, lower end, upper end; see `interval_or_nan`.
    """
    observed, counts = alpha_terms(codes, distance)
    # Documents without a pair of values carry no information and must not count as measured documents.
    use = np.flatnonzero(counts.sum(axis=1))
    drawn = Resamples.draw([documents[i] for i in use.tolist()], seed=seed, resamples=resamples)
    value = float(alpha_of(observed.sum(), counts.sum(axis=0), distance))
    sampled = alpha_of(drawn.sums(observed[use]), drawn.sums(counts[use]), distance)
    return interval_or_nan(value, sampled, drawn.clusters)
