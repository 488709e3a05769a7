"""Strata of a population, and how many rows each of them gets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..data.codes import factorize
from ..errors import DataError
from .draws import Ints, grouped
from .population import Population

#: Values of `--strata` that are no column: the labels that the model gave, and how unsure it was.
PREDICTED, UNCERTAINTY = "predicted", "uncertainty"

#: Strata of uncertainty. Cochran 1977, section 5A.8: more than about six gain next to nothing.
UNCERTAINTY_STRATA = 4


@dataclass(frozen=True)
class Strata:
    """A number for each row's stratum (N), and the strata's names in that order."""

    of_row: Ints
    names: tuple[str, ...]

    @property
    def sizes(self) -> Ints:
        """Rows of each stratum."""
        return np.bincount(self.of_row, minlength=len(self.names)).astype(np.int64)

    def members(self) -> list[Ints]:
        """Give the rows of each stratum, in order."""
        return grouped(self.of_row, len(self.names))


def make_strata(population: Population, by: Sequence[str], strata: Sequence[str]) -> Strata:
    """Cross groups with predicted labels, with uncertainty, or with columns.

    Args:
        population: The rows.
        by: Columns of groups.
        strata: `predicted`, `uncertainty` or names of columns.

    Raises:
        DataError: There is no such column.
    """
    parts = []
    for name in dict.fromkeys([*by, *strata]):
        if name == PREDICTED:
            values = ["|".join(population.predicted(i)) or "none" for i in range(len(population))]
        elif name == UNCERTAINTY:
            values = _uncertainty_strata(uncertainty(population.probabilities))
        else:
            values = population.column(name).values()
        parts.append([f"{name}={value}" for value in values])
    named = ["; ".join(row) for row in zip(*parts, strict=True)] if parts else ["all"] * len(population)
    numbers, names = factorize(named)
    return Strata(numbers, tuple(names))


def uncertainty(probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give (n) the expected variance of a row's labels, p (1 - p), averaged over labels: 0 sure, 0.25 a toss-up."""
    return np.asarray((probabilities * (1 - probabilities)).mean(axis=1))


def _uncertainty_strata(values: NDArray[np.float64]) -> list[str]:
    """Cut by the cumulative root of the frequencies (Dalenius and Hodges 1959, "Minimum Variance Stratification")."""
    counts, edges = np.histogram(values, bins=100)
    roots = np.cumsum(np.sqrt(counts))
    goals = roots[-1] * np.arange(1, UNCERTAINTY_STRATA) / UNCERTAINTY_STRATA
    cuts = np.unique(edges[1:][np.searchsorted(roots, goals)])
    # A cut beyond the last value, or several at one place, would leave a stratum empty; numbers stay consecutive.
    used = {old: new for new, old in enumerate(np.unique(np.searchsorted(cuts, values)), 1)}
    return [str(used[level]) for level in np.searchsorted(cuts, values)]


def residual_variance(probabilities: NDArray[np.float64], decisions: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Expect, label by label, the variance that is left of the true labels when the model's decisions are known.

    If the probabilities p are calibrated, Var(Y) = m (1 - m) with m = mean(p) and Cov(Y, f) = mean(p f) - m mean(f) for the
    decisions f. What a power-tuned estimator leaves (PPI++, Angelopoulos, Duchi, Zrnic 2023, section 6) is
    Var(Y) - Cov(Y, f)^2 / Var(f); where f does not vary, all of Var(Y).

    Args:
        probabilities: (n, k).
        decisions: (n, k).

    Returns:
        (k).
    """
    mean, given = probabilities.mean(axis=0), decisions.mean(axis=0)
    variance = mean * (1 - mean)
    covariance = (probabilities * decisions).mean(axis=0) - mean * given
    spread = given * (1 - given)
    explained = np.divide(covariance**2, spread, out=np.zeros_like(spread), where=spread > 0)
    return np.asarray(np.maximum(variance - explained, 0))


def allocation_weights(population: Population, strata: Strata, allocation: str) -> NDArray[np.float64]:
    """Say in which proportion strata share the sentences to be read, see `designs.allocate`.

    `optimal` gives half of the rows by Neyman's rule, in proportion to N_h S_h with S_h^2 the residual variance averaged
    over labels, and half in proportion to N_h: S_h is the model's word, and however wrong it is, the interval is then at
    most 1.41 times as wide as with proportional allocation.

    Args:
        population: The rows.
        strata: Their strata.
        allocation: `proportional`, `optimal` or `equal`.

    Returns:
        One weight a stratum.
    """
    sizes = strata.sizes
    if allocation == "equal":
        return np.ones(len(sizes))
    weights = np.asarray(sizes / sizes.sum())
    if allocation == "optimal":
        spread = np.sqrt(stratum_variances(population, strata).mean(axis=1)) * sizes
        if spread.sum() > 0:
            weights = (weights + spread / spread.sum()) / 2
    return weights


def stratum_variances(population: Population, strata: Strata) -> NDArray[np.float64]:
    """Give the residual variance (strata, k) within each stratum."""
    members = strata.members()
    return np.array([residual_variance(population.probabilities[m], population.decisions[m]) for m in members])


def documents_of(population: Population, strata: Strata) -> Ints:
    """Give the stratum of each document.

    Raises:
        DataError: A document lies in two strata, so that documents cannot be drawn by stratum.
    """
    number = np.full(int(population.documents.max()) + 1, -1, np.int64)
    number[population.documents] = strata.of_row
    if (split := np.flatnonzero(number[population.documents] != strata.of_row)).size:
        row = int(split[0])
        document = population.document_names[population.documents[row]]
        names = [strata.names[strata.of_row[row]], strata.names[number[population.documents[row]]]]
        raise DataError(
            f"{population.path}: document {document!r} lies in the strata {names[0]!r} and {names[1]!r}; a two-stage design "
            "draws whole documents: give columns that are the same throughout a document, or --design stratified"
        )
    return number
