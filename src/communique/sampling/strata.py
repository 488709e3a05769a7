"""Strata of a population, and their weights in the allocation of a sample."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..data.codes import factorize
from ..errors import DataError
from .draws import Ints, grouped
from .population import MISSING_GROUP, Population

#: Values of `--strata` that are not column names: the predicted labels, and the uncertainty of the model.
PREDICTED, UNCERTAINTY = "predicted", "uncertainty"

#: Number of uncertainty strata. More than about six strata bring almost no further gain (Cochran 1977, section 5A.8).
UNCERTAINTY_STRATA = 4


@dataclass(frozen=True)
class Strata:
    """Strata: the number of the stratum of each row (N,), and the names of the strata by number."""

    of_row: Ints
    names: tuple[str, ...]

    @property
    def sizes(self) -> Ints:
        """Number of rows in each stratum."""
        return np.bincount(self.of_row, minlength=len(self.names)).astype(np.int64)

    def members(self) -> list[Ints]:
        """Return the row numbers of each stratum, in ascending order."""
        return grouped(self.of_row, len(self.names))


def make_strata(population: Population, by: Sequence[str], strata: Sequence[str]) -> Strata:
    """Build strata by crossing groups with predicted labels, uncertainty or columns.

    Args:
        population: The rows.
        by: Columns that define groups.
        strata: `predicted`, `uncertainty` or names of columns.

    Raises:
        DataError: There is no such column.
    """
    parts = []
    for name in dict.fromkeys([*by, *strata]):
        if name in (PREDICTED, UNCERTAINTY):
            population.require_predictions(f"--strata {name}")
        if name == PREDICTED:
            values = ["|".join(population.predicted(i)) or "none" for i in range(len(population))]
        elif name == UNCERTAINTY:
            population.require_probabilities(f"--strata {UNCERTAINTY}")
            values = _uncertainty_strata(uncertainty(population.probabilities))
        else:
            values = population.column(name).named(MISSING_GROUP).values()
        parts.append([f"{name}={value}" for value in values])
    named = ["; ".join(row) for row in zip(*parts, strict=True)] if parts else ["all"] * len(population)
    numbers, names = factorize(named)
    return Strata(numbers, tuple(names))


def uncertainty(probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the uncertainty (n,) of each row: p (1 - p), averaged over labels. It ranges from 0 (certain) to 0.25."""
    return np.asarray((probabilities * (1 - probabilities)).mean(axis=1))


def _uncertainty_strata(values: NDArray[np.float64]) -> list[str]:
    """Form strata by the cumulative root of frequencies (Dalenius and Hodges 1959, "Minimum Variance Stratification")."""
    counts, edges = np.histogram(values, bins=100)
    roots = np.cumsum(np.sqrt(counts))
    goals = roots[-1] * np.arange(1, UNCERTAINTY_STRATA) / UNCERTAINTY_STRATA
    cuts = np.unique(edges[1:][np.searchsorted(roots, goals)])
    # A cut beyond the largest value, or several cuts between the same values, would leave strata empty. Only strata with rows are
    # numbered.
    used = {old: new for new, old in enumerate(np.unique(np.searchsorted(cuts, values)), 1)}
    return [str(used[level]) for level in np.searchsorted(cuts, values)]


def residual_variance(probabilities: NDArray[np.float64], decisions: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the expected variance of the true labels that the predicted labels do not explain.

    Let Y be the true label, f the predicted label, and m = mean(p) the mean of the calibrated probabilities. Then
    Var(Y) = m (1 - m) and Cov(Y, f) = mean(p f) - m mean(f). With the optimal lambda, the PPI++ estimator (Angelopoulos, Duchi,
    Zrnic 2023, section 6) leaves the variance Var(Y) - Cov(Y, f)^2 / Var(f), or Var(Y) if f does not vary.

    Args:
        probabilities: Calibrated probabilities (n, k).
        decisions: Predicted labels (n, k).

    Returns:
        Residual variances (k,).
    """
    mean, given = probabilities.mean(axis=0), decisions.mean(axis=0)
    variance = mean * (1 - mean)
    covariance = (probabilities * decisions).mean(axis=0) - mean * given
    spread = given * (1 - given)
    explained = np.divide(covariance**2, spread, out=np.zeros_like(spread), where=spread > 0)
    return np.asarray(np.maximum(variance - explained, 0))


def allocation_weights(population: Population, strata: Strata, allocation: str) -> NDArray[np.float64]:
    """Return the weights of the strata for `draws.allocate`.

    `proportional` weights strata by their number of rows N_h, and `equal` weights them equally. `optimal` allocates half of the
    rows in proportion to N_h S_h (Neyman allocation), where S_h^2 is the residual variance averaged over labels, and half in
    proportion to N_h. S_h relies on the probabilities of the model. However wrong they are, the half that is proportional
    ensures that the interval is at most 1.41 times as wide as with proportional allocation.

    Args:
        population: The rows.
        strata: The strata of the rows.
        allocation: `proportional`, `optimal` or `equal`.

    Returns:
        One weight per stratum.
    """
    sizes = strata.sizes
    if allocation == "equal":
        return np.ones(len(sizes))
    weights = np.asarray(sizes / sizes.sum())
    if allocation == "optimal":
        population.require_predictions("--allocation optimal")
        population.require_probabilities("--allocation optimal")
        spread = np.sqrt(stratum_variances(population, strata).mean(axis=1)) * sizes
        if spread.sum() > 0:
            weights = (weights + spread / spread.sum()) / 2
    return weights


def stratum_variances(population: Population, strata: Strata) -> NDArray[np.float64]:
    """Return the residual variances (strata, k) within each stratum."""
    members = strata.members()
    return np.array([residual_variance(population.probabilities[m], population.decisions[m]) for m in members])


def documents_of(population: Population, strata: Strata) -> Ints:
    """Return the number of the stratum of each document.

    Raises:
        DataError: A document belongs to two strata, so that documents cannot be drawn by stratum.
    """
    number = np.full(int(population.documents.max()) + 1, -1, np.int64)
    number[population.documents] = strata.of_row
    if (split := np.flatnonzero(number[population.documents] != strata.of_row)).size:
        row = int(split[0])
        document = population.document_names[population.documents[row]]
        names = [strata.names[strata.of_row[row]], strata.names[number[population.documents[row]]]]
        raise DataError(
            f"{population.path}: document {document!r} belongs to the strata {names[0]!r} and {names[1]!r}, but a two-stage "
            "design draws documents within strata. Use columns that have the same value throughout a document, or --design "
            "stratified"
        )
    return number
