"""Compute how many sentences must be coded for an interval of a given width."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..config import load_json
from ..errors import DataError
from .draws import MINIMUM, allocate
from .population import Population
from .strata import Strata, allocation_weights, residual_variance, stratum_variances

#: Intraclass correlation of labels within documents, for planning a two-stage sample of texts that are not labelled yet. In the
#: randomly drawn rows of `data/reference`, the correlations of the three labels are 0.20, 0.24 and 0.27.
ASSUMED_CORRELATION = 0.25

#: Quantile of the standard normal distribution for a 95 % interval.
Z = 1.959964


@dataclass(frozen=True)
class Need:
    """The number of sentences needed for an interval of the proportion of a label.

    Attributes:
        label: Name of the label.
        share: Expected proportion of the label.
        residual: Variance that the predictions do not explain.
        deff: Design effect of clustering at `n`. It is 1 unless documents are drawn first.
        n: Number of sentences if the predictions of the model are used.
        n_gold_only: Number of sentences if only the gold labels are used.
        reached: Whether the interval is narrow enough with `n` sentences. If False, `n` is the whole population.
        width: Width of the interval with `n` sentences.
        superpopulation_width: Width of the interval with `n` sentences if the population is itself a random sample
            (`communique estimate --target superpopulation`).
    """

    label: str
    share: float
    residual: float
    deff: float
    n: int
    n_gold_only: int
    reached: bool
    width: float
    superpopulation_width: float

    def __str__(self) -> str:
        least = "" if self.reached else "more than all of the "
        return (
            f"{self.label}: {least}{self.n} sentences ({self.n_gold_only} without the model's predictions); expected proportion "
            f"{self.share:.3f}, residual variance {self.residual:.4f}, design effect {self.deff:.2f}, superpopulation interval "
            f"{self.superpopulation_width:.2g} wide"
        )


def read_rates(path: str | Path) -> dict[str, tuple[float, float]]:
    """Read the precision and recall of each label from a report of `communique evaluate --json`.

    Labels are omitted if their precision or recall is 0 or undefined.

    Raises:
        DataError: The file is not such a report.
    """
    try:
        labels = load_json(Path(path), DataError, "Use the report that `communique evaluate --json` wrote")["groups"][
            0
        ]["labels"]
        values = {row["label"]: (row["precision"]["value"], row["recall"]["value"]) for row in labels}
    except (ValueError, KeyError, IndexError, TypeError) as error:
        raise DataError(
            f"{path}: this is not a report of `communique evaluate --json` ({error!r}). Use the file that this command wrote"
        ) from error
    return {label: (p, r) for label, (p, r) in values.items() if p and r}


def by_rates(population: Population, rates: Mapping[str, tuple[float, float]]) -> Population:
    """Replace the probabilities of the model by those that follow from the measured precision and recall.

    Let q be the proportion of sentences for which a label is predicted, P its precision and R its recall. A sentence has the
    label with probability P if it is predicted, and with probability q P (1 / R - 1) / (1 - q) if it is not. Labels without
    rates keep their probabilities.

    Args:
        population: The rows.
        rates: Precision and recall by label.
    """
    columns = []
    for i, name in enumerate(population.names):
        given, p = population.decisions[:, i], population.probabilities[:, i]
        if name in rates:
            precision, recall = rates[name]
            share = float(given.mean())
            missed = share * precision * (1 / recall - 1) / max(1 - share, 1e-9)
            p = np.where(given, precision, min(missed, 1.0))
        columns.append(p)
    return replace(population, probabilities=np.stack(columns, axis=1))


def assumed(population: Population, proportions: Mapping[str, float]) -> Population:
    """Replace the predictions by expected proportions: each row has each label with this probability, and none is predicted.

    Args:
        population: The rows.
        proportions: Expected proportion by label. They become the labels of the population.
    """
    p = np.tile(list(proportions.values()), (len(population), 1))
    none = np.zeros(p.shape, np.bool_)
    return replace(population, names=tuple(proportions), probabilities=p, decisions=none, n_without_probabilities=0)


def needed(
    population: Population,
    width: float,
    *,
    strata: Strata | None = None,
    allocation: str = "proportional",
    per_document: int | None = None,
    rates: Mapping[str, tuple[float, float]] | None = None,
    correlation: float | None = None,
) -> list[Need]:
    """Compute how many sentences make the 95 % interval of the proportion of each label `width` wide.

    The equation width(n) = 2 z sqrt(deff(n) sum_h W_h^2 V_h (1 - n_h / N_h) / n_h) is solved for n. V_h is the residual
    variance of stratum h (see `strata.residual_variance`).

    The design effect of a two-stage sample is deff = 1 + (b - 1) rho (Kish 1965, "Survey Sampling", 5.4). b is the number of
    sentences that are read per document, and rho is the intraclass correlation of the labels within documents. The residuals are
    assumed to have the same correlation, so n may be somewhat too large. In a simple or stratified sample deff is 1, because its
    sentences are drawn independently of the documents that they come from.

    For a superpopulation, the variance of the proportion p in the population itself is added: (1 + (B - 1) rho) p (1 - p) / N.
    B is the expected number of sentences in the document of a random sentence.

    Args:
        population: The rows, with calibrated probabilities.
        width: Distance between the ends of the interval, such as 0.05.
        strata: Strata of a stratified design.
        allocation: Allocation of the rows to the strata (see `strata.allocation_weights`).
        per_document: Number of sentences that a two-stage design reads per document.
        rates: Measured precision and recall by label. They are used instead of the probabilities of the model.
        correlation: rho of all labels. Default: estimated from the probabilities.
    """
    size = len(population)
    repeats = _repeats(population)
    rho = label_correlation(population) if correlation is None else np.full(len(population.names), correlation)
    population = by_rates(population, rates) if rates else population
    if population.n_without_probabilities:
        population = _trusting_nothing(population, rates or {})
    share = population.probabilities.mean(axis=0)
    sizes = np.array([size]) if strata is None else strata.sizes
    shares = np.ones(1) if strata is None else allocation_weights(population, strata, allocation)
    least = int(np.minimum(sizes, MINIMUM).sum())

    def deff(n: int) -> NDArray[np.float64]:
        read = 1.0 if per_document is None else min(per_document, 1 + (size - 1) * repeats)
        return 1 + (read - 1) * rho

    own = (1 + (size - 1) * repeats * rho) * share * (1 - share) / size

    def error(n: int, variances: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the variance (k,) of the estimates from n rows, for residual variances (strata, k)."""
        drawn = allocate(sizes, shares, n) if len(sizes) > 1 else np.array([n])
        terms = (sizes / size)[:, None] ** 2 * variances * ((1 - drawn / sizes) / drawn)[:, None]
        return np.asarray(deff(n) * terms.sum(axis=0))

    if strata is None:
        residual = residual_variance(population.probabilities, population.decisions)[None]
        plain = (share * (1 - share))[None]
    else:
        residual = stratum_variances(population, strata)
        means = np.array([population.probabilities[members].mean(axis=0) for members in strata.members()])
        plain = means * (1 - means)

    def least_n(label: int, variances: NDArray[np.float64]) -> tuple[int, bool]:
        return _smallest(lambda n: bool(2 * Z * error(n, variances)[label] ** 0.5 <= width), least, size)

    needs = []
    for i, name in enumerate(population.names):
        n, reached = least_n(i, residual)
        alone, _ = least_n(i, plain)
        needs.append(
            Need(
                name,
                share=float(share[i]),
                residual=float(sizes / size @ residual[:, i]),
                deff=float(deff(n)[i]),
                n=n,
                n_gold_only=alone,
                reached=reached,
                width=float(2 * Z * np.sqrt(error(n, residual)[i])),
                superpopulation_width=float(2 * Z * np.sqrt(error(n, residual)[i] + own[i])),
            )
        )
    return needs


def _trusting_nothing(population: Population, rates: Mapping[str, tuple[float, float]]) -> Population:
    """Plan as if no sentence had a predicted label, except for labels with measured rates.

    Without probabilities and rates, it is not known how often the predictions are wrong. If they were treated as certain, hardly
    any sentence would seem to be necessary.
    """
    known = np.array([name in rates for name in population.names], np.bool_)
    return replace(population, decisions=population.decisions & known)


def _smallest(enough: Callable[[int], bool], low: int, high: int) -> tuple[int, bool]:
    if low >= high or not enough(high):
        return high, low < high and enough(high)
    while low < high:
        middle = (low + high) // 2
        if enough(middle):
            high = middle
        else:
            low = middle + 1
    return low, True


def _repeats(population: Population) -> float:
    """Return the probability that two rows of a simple sample come from the same document."""
    sizes = np.bincount(population.documents).astype(np.float64)
    n = len(population)
    return float((sizes * (sizes - 1)).sum() / max(1, n * (n - 1)))


def label_correlation(population: Population) -> NDArray[np.float64]:
    """Estimate the intraclass correlation of each label within documents from calibrated probabilities.

    It is the variance of the probabilities between documents, estimated by an analysis of variance (Donner 1986, "A Review of
    Inference Procedures for the Intraclass Correlation Coefficient"), divided by p (1 - p), where p is the mean probability.

    Returns:
        Correlations (k,) from 0 to 1.
    """
    p, of_row = population.probabilities, population.documents
    sizes = np.bincount(of_row).astype(np.float64)
    n, documents = len(p), len(sizes)
    if documents < 2 or n <= documents:
        return np.zeros(p.shape[1])
    means = np.stack([np.bincount(of_row, column) for column in p.T], axis=1) / sizes[:, None]
    mean = p.mean(axis=0)
    between = (sizes[:, None] * (means - mean) ** 2).sum(axis=0) / (documents - 1)
    within = ((p - means[of_row]) ** 2).sum(axis=0) / (n - documents)
    typical = (n - (sizes**2).sum() / n) / (documents - 1)
    variance = mean * (1 - mean)
    component = np.maximum(between - within, 0) / typical
    return np.asarray(np.clip(np.divide(component, variance, out=np.zeros_like(mean), where=variance > 0), 0, 1))
