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

#: Number of seen errors, each as large as the unseen one, that halve the unseen-error variance. With it, the exact coverage of 95 %
#: intervals of a mean of zeros and ones is 94 to 96 % if at least 8 of each are expected. Without the decrease, it is up to 98 % in
#: groups of 40 sentences that have a good model.
SEEN = 5.0

Target = Literal["finite-population", "superpopulation"]

#: Relative error of inclusion probabilities that were rounded to three digits.
ROUNDED = 0.005


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
    def certain_documents(self) -> BoolArray:
        """Whether each document was drawn with certainty in the first of two stages, (G,). Without two stages, all are False.

        The probability of a document is the probability of its sentences divided by the proportion of them that was drawn.
        """
        certain = np.zeros(self.n_documents, np.bool_)
        if self.two_stage:
            inside = self.gold_documents
            drawn, size = np.bincount(inside, minlength=self.n_documents), np.bincount(self.documents)
            first_stage = self.probability * size[inside] / drawn[inside]
            certain[inside] = True
            certain[inside[np.abs(first_stage - 1) > ROUNDED]] = False
        return certain

    @cached_property
    def units(self) -> SampledUnits:
        """The units that were drawn: sentences, or documents that were drawn by chance in the first of two stages."""
        strata, place, left = self.strata, np.arange(len(self.gold)), 1 - self.probability
        if self.two_stage:
            # Documents are treated as drawn with replacement, because the probabilities of the first stage alone are unknown.
            # A document that was drawn with certainty is a stratum from which sentences were drawn.
            certain = self.certain_documents[self.gold_documents]
            keys = np.where(certain, self.n_documents + place, self.gold_documents)
            strata = np.where(certain, strata.max(initial=0) + 1 + self.gold_documents, strata)
            _, first, place = np.unique(keys, return_index=True, return_inverse=True)
            strata, left = strata[first], np.where(certain, left, 1.0)[first]
        strata = np.unique(strata, return_inverse=True)[1].astype(np.int64)
        sizes = np.bincount(strata)
        # The variance within a stratum of one unit is unknown. Such strata are collapsed into one (Särndal et al., section 3.7).
        strata = np.where((sizes[strata] == 1) & (left > 0), len(sizes), strata)
        sizes = np.bincount(strata)
        factor = np.where(sizes > 1, sizes / np.maximum(sizes - 1, 1), 1.0)
        return SampledUnits(place, strata, sizes, left, np.sqrt(left * factor[strata]))

    @cached_property
    def left(self) -> FloatArray:
        """Proportion of the variance that remains after the finite population correction, per gold sentence, (n,)."""
        return self.units.left[self.units.place]


@dataclass(frozen=True)
class SampledUnits:
    """The units that were drawn within strata.

    Attributes:
        place: Unit number of each gold sentence, (n,).
        strata: Stratum number of each unit, (m,).
        sizes: Number of units in each stratum.
        left: Finite population correction of each unit, (m,). It is 0 if the unit was drawn with certainty.
        scale: Factor by which the contribution of each unit to the variance of the drawing is multiplied, (m,).
    """

    place: IntArray
    strata: IntArray
    sizes: IntArray
    left: FloatArray
    scale: FloatArray

    def of(self, inside: BoolArray) -> DomainUnits:
        """Find the units of a domain. `inside` says which gold sentences belong to it, (n,)."""
        member = (np.bincount(self.place, inside, len(self.left)) > 0) & (self.left > 0)
        counts = np.bincount(self.strata, member, len(self.sizes))
        whole = (counts > 0) & (counts == self.sizes)
        means = int(whole.sum()) + int(((counts > 0) & ~whole).any())
        return DomainUnits(int(member.sum()), means, whole[self.strata])


@dataclass(frozen=True)
class DomainUnits:
    """The units of a domain that were drawn by chance.

    Attributes:
        n: Number of these units.
        means: Number of means that centre them: one per stratum that lies within the domain, and one for all other strata.
        whole: Whether the stratum of each unit lies within the domain, (m,).
    """

    n: int
    means: int
    whole: BoolArray


@dataclass(frozen=True)
class Influence:
    """The linearised dependence of an estimate on the population's documents and on the gold sentences.

    `influence` makes it, and corrects the contributions for the means that were estimated from the same sentences.

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
        slopes: Number of slopes, such as lambda, that are estimated from these sentences. It can be a fraction, if a slope is
            only partly estimated from them.
        inside: Whether the estimate is based on each gold sentence, (n,). None if it is based on all of them.
        left: Proportion of the unseen-error variance that remains after the finite population correction.
    """

    documents: FloatArray
    at: IntArray
    rows: FloatArray
    unseen_error_variance: float
    n: int
    n_documents: int
    fixed: int = 1
    slopes: float = 0.0
    inside: BoolArray | None = None
    left: float = 1.0


def influence(
    sample: Sample,
    documents: FloatArray,
    at: IntArray,
    rows: FloatArray,
    *,
    share: FloatArray,
    inside: BoolArray,
    size: float,
    fixed: int = 1,
    slopes: float = 0.0,
) -> Influence:
    """Build the influence of an estimate. Residuals are increased, because the means that they are centred on fit the sample.

    The increase is made per estimate. If a small group is compared with a large one, the correction of the small group matters.

    Args:
        sample: The gold sample.
        documents: Contributions of the documents `at`.
        at: Numbers of the documents, in ascending order.
        rows: Contributions of the gold sentences, (n,).
        share: Weight of each gold sentence in the estimate, (n,).
        inside: Whether the estimate is based on each gold sentence, (n,).
        size: Expected squared size of an unseen error.
        fixed: Number of means that are estimated from these sentences.
        slopes: Number of slopes that are estimated from these sentences.
    """
    n_documents = len(np.unique(sample.gold_documents[inside]))
    squares = share[inside] ** 2
    return Influence(
        documents * np.sqrt(_increase(n_documents, fixed + slopes)),
        at,
        rows * _corrections(sample, inside, fixed, slopes),
        unseen_error_variance=float(squares.mean()) * size,
        n=int(inside.sum()),
        n_documents=n_documents,
        fixed=fixed,
        slopes=slopes,
        inside=inside,
        left=float(squares @ sample.left[inside] / squares.sum()) if squares.any() else 1.0,
    )


def _increase(units: float, fixed: float) -> float:
    """Return the factor of a variance if `fixed` means are estimated from the units. With too few units, `variance` is NaN."""
    return units / (units - fixed) if units > fixed else 1.0


def _corrections(sample: Sample, inside: BoolArray, fixed: int, slopes: float) -> FloatArray:
    """Return the factor by which the contribution of each gold sentence is multiplied, (n,).

    `SampledUnits.scale` already corrects for the means of strata. If a stratum lies within the domain, its mean makes the mean of
    the domain irrelevant, so only slopes remain. In other strata, the mean of the domain is corrected.
    """
    units = sample.units
    domain = units.of(inside)
    single = _increase(len(units.left), 1)
    partly = _increase(domain.n, fixed + slopes) / single
    wholly = _increase(domain.n - domain.means, fixed - 1 + slopes)
    corrections: FloatArray = np.sqrt(np.where(domain.whole, wholly, partly))[units.place]
    return corrections


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
    unseen = np.array([c**2 * part.unseen_error_variance for c, part in zip(coefficients, parts, strict=True)])
    inside = [part.inside for part in parts if part.inside is not None]
    return Influence(
        documents=documents,
        at=at,
        rows=np.sum([c * part.rows for c, part in zip(coefficients, parts, strict=True)], axis=0),
        unseen_error_variance=float(unseen.sum()),
        n=sum(part.n for part in parts),
        n_documents=sum(part.n_documents for part in parts),
        fixed=sum(part.fixed for part in parts),
        slopes=sum(part.slopes for part in parts),
        inside=np.logical_or.reduce(inside) if len(inside) == len(parts) else None,
        left=float(unseen @ [part.left for part in parts] / unseen.sum()) if unseen.any() else 1.0,
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
        gold than means. If every unit was drawn with certainty, nothing is random for `finite-population`, and the variance is 0.
    """
    if not influence.n:
        return float("nan"), float("nan")
    drawing = contributions(sample, influence.rows)
    drawn, drawing = float(drawing @ drawing), drawing[drawing != 0]
    if target == "finite-population":
        inside = np.ones(len(sample.gold), np.bool_) if influence.inside is None else influence.inside
        domain = sample.units.of(inside)
        if not domain.n:
            return 0.0, float(max(influence.n, 1))
        most = domain.n - max(influence.fixed, domain.means) - influence.slopes
        return _with_freedom(drawn, drawing, _unseen(influence.unseen_error_variance * influence.left, drawn), most)
    clusters = influence.documents[influence.documents != 0]
    clustered = float(clusters @ clusters)
    # The clustered sum treats sentences as drawn independently of each other, but strata of fixed size vary less.
    gain = 0.0 if sample.two_stage else float(((1 - sample.probability) * influence.rows**2).sum()) - drawn
    value = max(drawn, clustered - max(0.0, gain))
    most = influence.n_documents - influence.fixed - influence.slopes
    return _with_freedom(value, clusters, _unseen(influence.unseen_error_variance, drawn), most)


def _unseen(unseen_error_variance: float, drawn: float) -> float:
    """Return the part of the unseen-error variance that is added to a variance of `drawn`, see `SEEN`."""
    if not unseen_error_variance:
        return 0.0
    return unseen_error_variance / (1 + drawn / (SEEN * unseen_error_variance))


def _with_freedom(
    value: float, contributions: FloatArray, unseen_error_variance: float, most: float
) -> tuple[float, float]:
    """Add the unseen-error variance, and compute the degrees of freedom, which are at most `most`."""
    if most <= 0:
        return float("nan"), float("nan")
    square = float(contributions @ contributions)
    spread = float((contributions**4).sum()) - square**2 / max(len(contributions), 1) + unseen_error_variance**2 / 2
    freedom = 2 * (square + unseen_error_variance) ** 2 / spread if spread > 0 else most
    return value + unseen_error_variance, float(max(min(freedom, most), min(1.0, most)))


def contributions(sample: Sample, rows: FloatArray) -> FloatArray:
    """Return the contribution of each drawn unit to the drawing within strata, (m,). Their squares add up to its variance."""
    units = sample.units
    rows = sums(units.place, rows, len(units.strata))
    means = sums(units.strata, rows, len(units.sizes)) / np.maximum(units.sizes, 1)
    # A single unit that could not be collapsed with another one keeps its whole contribution.
    centred = np.where(units.sizes[units.strata] > 1, rows - means[units.strata], rows)
    drawn: FloatArray = centred * units.scale
    return drawn
