"""The gold sample: which sentences were drawn, with which probabilities, and the variance of estimates from them.

There are two targets, which have different variances:

- `finite-population`: the proportion in the sentences that the model labelled. Only the drawing of the gold is random.
- `superpopulation`: the proportion in the process that produced the corpus (for example, this government's sentences in general).
  Documents are random too. Sentences of one document resemble each other, so the variance is clustered by document.

Sources: Särndal, Swensson, Wretman 1992, "Model Assisted Survey Sampling" (linearisation, two stages); Hájek 1964 and Brewer
2002 (variance without joint inclusion probabilities); Satterthwaite 1946 (degrees of freedom).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

Target = Literal["finite-population", "superpopulation"]


@dataclass(frozen=True)
class Sample:
    """A gold sample drawn from a population of N labelled sentences in G documents.

    Attributes:
        documents: Document number of each sentence, from 0 to G - 1, (N,).
        gold: Positions of the gold sentences, (n,).
        probability: Inclusion probabilities of the gold sentences, in (0, 1], (n,).
        strata: Stratum number of each gold sentence, (n,).
        two_stage: Whether documents were drawn first.
    """

    documents: IntArray
    gold: IntArray
    probability: FloatArray
    strata: IntArray
    two_stage: bool = False

    @cached_property
    def weights(self) -> FloatArray:
        """Design weights of the gold sentences, (n,)."""
        return np.asarray(1 / self.probability)

    @cached_property
    def n_documents(self) -> int:
        """Number of documents in the population."""
        return int(self.documents.max()) + 1 if len(self.documents) else 0

    @cached_property
    def gold_documents(self) -> IntArray:
        """Document number of each gold sentence, (n,)."""
        return self.documents[self.gold]

    @cached_property
    def units(self) -> SampledUnits:
        """The units that were drawn: sentences or documents."""
        strata, place, left = self.strata, None, 1 - self.probability
        if self.two_stage:
            # Documents are treated as drawn with replacement, because the probabilities of the first stage alone are unknown.
            codes, first, place = np.unique(self.gold_documents, return_index=True, return_inverse=True)
            strata, left = strata[first], np.ones(len(codes))
        sizes = np.bincount(strata)
        # The variance within a stratum of one unit is unknown. Such strata are collapsed into one (Särndal et al., section 3.7).
        strata = np.where(sizes[strata] == 1, len(sizes), strata)
        sizes = np.bincount(strata)
        factor = np.where(sizes > 1, sizes / np.maximum(sizes - 1, 1), 1.0)
        # `variance` applies the factor for few units, because it knows how many units the estimate is based on.
        single = len(strata) / max(len(strata) - 1, 1)
        return SampledUnits(place, strata, sizes, np.sqrt(left * factor[strata] / single))


@dataclass(frozen=True)
class SampledUnits:
    """The units that were drawn within strata.

    Attributes:
        place: Unit number of each gold sentence, (n,), or None if the sentences are the units.
        strata: Stratum number of each unit, (m,).
        sizes: Number of units in each stratum.
        scale: Factor by which the contribution of each unit to the variance of the drawing is multiplied, (m,).
    """

    place: IntArray | None
    strata: IntArray
    sizes: IntArray
    scale: FloatArray


@dataclass(frozen=True)
class Influence:
    """The linearised dependence of an estimate on the population's documents and on the gold sentences.

    Attributes:
        documents: Summed contributions of the documents that the estimate is based on. They vary if documents are drawn again.
        at: Numbers of these documents, in ascending order.
        rows: Contributions of the gold sentences, (n,). They vary if the gold is drawn again.
        unseen_error_variance: Variance that one unseen error would add, see `estimators.expected_squared_error`. It represents
            errors that the sample was too small to contain. Without it, a sample without errors would have an interval of zero
            width.
        n: Number of gold sentences that the estimate is based on.
        n_documents: Number of documents that these sentences come from.
        fixed: Number of means that are estimated from these sentences. Each costs a degree of freedom.
    """

    documents: FloatArray
    at: IntArray
    rows: FloatArray
    unseen_error_variance: float
    n: int
    n_documents: int
    fixed: int = 1


def sums(codes: IntArray, values: FloatArray, length: int = 0) -> FloatArray:
    """Add up values by code. The result has at least the given length."""
    return np.bincount(codes, values, minlength=length).astype(np.float64, copy=False)


def by_document(codes: IntArray, values: FloatArray) -> tuple[FloatArray, IntArray]:
    """Add up values by document. Return the sums of the documents that occur, and their numbers."""
    at = np.flatnonzero(np.bincount(codes))
    return sums(codes, values)[at], at


def combine(parts: list[Influence], coefficients: FloatArray) -> Influence:
    """Return the influence of a linear combination of estimates. Contributions of shared documents are added up."""
    documents, at = by_document(
        np.concatenate([part.at for part in parts]),
        np.concatenate([c * part.documents for c, part in zip(coefficients, parts, strict=True)]),
    )
    return Influence(
        documents=documents,
        at=at,
        rows=np.sum([c * part.rows for c, part in zip(coefficients, parts, strict=True)], axis=0),
        unseen_error_variance=float(
            sum(c**2 * part.unseen_error_variance for c, part in zip(coefficients, parts, strict=True))
        ),
        n=sum(part.n for part in parts),
        n_documents=sum(part.n_documents for part in parts),
        fixed=sum(part.fixed for part in parts),
    )


def variance(sample: Sample, influence: Influence, target: Target) -> tuple[float, float]:
    """Estimate the variance of an estimate and its degrees of freedom.

    Args:
        sample: The gold sample.
        influence: The influence of the estimate.
        target: `finite-population` includes only the drawing of the gold, with a finite population correction if sentences were
            drawn directly. `superpopulation` also includes the drawing of documents.

    Returns:
        Variance and degrees of freedom. The degrees of freedom are Satterthwaite's, with the fourth moments of the
        contributions, and at most the number of units minus the number of means. Both are NaN if there are not more units with
        gold than means.
    """
    by_document = sample.two_stage or target == "superpopulation"
    units = influence.n_documents if by_document else influence.n
    if units <= influence.fixed:
        return float("nan"), float("nan")
    small = units / (units - influence.fixed)
    drawn, contributions = _drawing(sample, influence)
    value = drawn
    if target == "superpopulation":
        contributions = influence.documents[influence.documents != 0]
        clustered = float(contributions @ contributions)
        # The clustered sum treats sentences as drawn independently of each other, but strata of fixed size vary less.
        gain = 0.0 if sample.two_stage else _independent(sample, influence) - drawn
        value = max(drawn, clustered - max(0.0, gain))
    unseen_error_variance = influence.unseen_error_variance * (
        1 - float(sample.probability.mean()) if target == "finite-population" and not by_document else 1
    )
    value = small * value + unseen_error_variance
    square = float(contributions @ contributions)
    spread = float((contributions**4).sum()) - square**2 / max(len(contributions), 1) + unseen_error_variance**2 / 2
    most = units - influence.fixed
    return value, float(np.clip(2 * (square + unseen_error_variance) ** 2 / spread, 1, most)) if spread > 0 else float(
        most
    )


def _independent(sample: Sample, influence: Influence) -> float:
    return float(((1 - sample.probability) * influence.rows**2).sum())


def _drawing(sample: Sample, influence: Influence) -> tuple[float, FloatArray]:
    """Return the variance from drawing the gold within strata, and the contributions of the units."""
    units = sample.units
    rows = influence.rows if units.place is None else sums(units.place, influence.rows, len(units.strata))
    means = sums(units.strata, rows, len(units.sizes)) / np.maximum(units.sizes, 1)
    # A single unit that could not be collapsed with another one keeps its whole contribution.
    centred = np.where(units.sizes[units.strata] > 1, rows - means[units.strata], rows)
    contributions: FloatArray = centred * units.scale
    return float(contributions @ contributions), contributions[contributions != 0]
