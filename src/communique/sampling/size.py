"""How many sentences a wished interval needs, from the model's own error rates."""

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

#: Standard normal quantile of a 95 % interval.
Z = 1.959964


@dataclass(frozen=True)
class Need:
    """What an interval of a label's share needs: `n` with the model's help, `n_gold_only` without it.

    `superpopulation_width` is the width of the interval with these n if documents count as random too
    (`estimate --target superpopulation`).
    `reached` is False where not even all rows make it that narrow. `deff` is the design effect of clustering at `n`.
    """

    label: str
    share: float
    residual: float
    deff: float
    n: int
    n_gold_only: int
    reached: bool
    superpopulation_width: float

    def __str__(self) -> str:
        least = "" if self.reached else "more than all of the "
        return (
            f"{self.label}: {least}{self.n} sentences ({self.n_gold_only} without the model's help); expected share "
            f"{self.share:.3f}, residual variance {self.residual:.4f}, design effect {self.deff:.2f}; "
            f"beyond these sentences {self.superpopulation_width:.2g} wide"
        )


def read_rates(path: str | Path) -> dict[str, tuple[float, float]]:
    """Read each label's precision and recall from the report of `communique evaluate --json`; labels without both are left out.

    Raises:
        DataError: The file is no such report.
    """
    try:
        labels = load_json(Path(path), DataError, "give the report that `communique evaluate --json` wrote")["groups"][
            0
        ]["labels"]
        values = {row["label"]: (row["precision"]["value"], row["recall"]["value"]) for row in labels}
    except (ValueError, KeyError, IndexError, TypeError) as error:
        raise DataError(f"{path}: no report of `communique evaluate --json` ({error!r}); give one") from error
    return {label: (p, r) for label, (p, r) in values.items() if p and r}


def by_rates(population: Population, rates: Mapping[str, tuple[float, float]]) -> Population:
    """Put what precision and recall say of a decision in the place of the model's own probabilities.

    With q the share of sentences given a label, a sentence that was given it carries it with probability P (precision), and
    one that was not with q P (1 / R - 1) / (1 - q), R being recall. Labels without rates keep their probabilities.
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


def needed(
    population: Population,
    width: float,
    *,
    strata: Strata | None = None,
    allocation: str = "proportional",
    per_document: int | None = None,
    rates: Mapping[str, tuple[float, float]] | None = None,
) -> list[Need]:
    """Say how many sentences make the 95 % interval of each label's share in this population `width` wide.

    width(n) = 2 z sqrt(deff(n) sum_h W_h^2 V_h (1 - n_h / N_h) / n_h), solved for n. V_h is the residual variance (see
    `strata.residual_variance`), deff = 1 + (m - 1) rho (Kish 1965, "Survey Sampling", 5.4) with m the sentences of a
    document that are read (in a simple or stratified sample: expected, as seen by a sentence that is read) and rho the
    intraclass correlation of the labels within documents. The residuals are taken to be as alike within documents as the
    labels are, which errs towards a larger n. Beyond the population, the variance of its own share is added:
    (1 + (M - 1) rho) m (1 - m) / N, M being the sentences of a document as seen by a sentence.

    Args:
        population: The rows, with calibrated probabilities.
        width: From the lower to the upper end of the interval, such as 0.05.
        strata: Of a stratified design.
        allocation: Of the strata.
        per_document: Sentences read of a document, in a two-stage design.
        rates: Measured precision and recall by label, which are believed in place of the model's probabilities.
    """
    size = len(population)
    repeats = _repeats(population)
    correlation = label_correlation(population)
    population = by_rates(population, rates) if rates else population
    share = population.probabilities.mean(axis=0)
    sizes = np.array([size]) if strata is None else strata.sizes
    shares = np.ones(1) if strata is None else allocation_weights(population, strata, allocation)
    least = int(np.minimum(sizes, MINIMUM).sum())

    def deff(n: int) -> NDArray[np.float64]:
        read = 1 + (n - 1) * repeats if per_document is None else min(per_document, 1 + (size - 1) * repeats)
        return 1 + (read - 1) * correlation

    own = (1 + (size - 1) * repeats * correlation) * share * (1 - share) / size

    def error(n: int, variances: NDArray[np.float64]) -> NDArray[np.float64]:
        """Variances are (strata, k)."""
        drawn = allocate(sizes, shares, n)
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
                superpopulation_width=float(2 * Z * np.sqrt(error(n, residual)[i] + own[i])),
            )
        )
    return needs


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
    """Give the chance that another row of a simple sample comes from the same document as a given one."""
    sizes = np.bincount(population.documents).astype(np.float64)
    n = len(population)
    return float((sizes * (sizes - 1)).sum() / max(1, n * (n - 1)))


def label_correlation(population: Population) -> NDArray[np.float64]:
    """Expect each label's intraclass correlation within documents, from calibrated probabilities.

    The variance between documents is that of the probabilities by the analysis of variance (Donner 1986, "A Review of
    Inference Procedures for the Intraclass Correlation Coefficient"), in relation to m (1 - m) of the label.

    Returns:
        (k), from 0 to 1.
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
