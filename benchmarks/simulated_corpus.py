"""Simulate a population with known truth: sentences clustered in documents, and a model whose errors vary by group and document.

Tests and the benchmark of estimates use it. The rules for the warnings of `communique estimate` are based on it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from communique.estimation.sample import FloatArray, IntArray, Sample

#: Standard deviations between documents, on the logit scale, of the probability of the label and of the error rate. The first leads
#: to an intraclass correlation of about 0.05 to 0.1 for sentences of a document, as in speeches.
DOCUMENT, ERRORS = 0.8, 0.6

#: Differences between groups: factors of the label's proportion, and additions to the model's accuracy.
SHARES, ACCURACIES = (0.6, 0.9, 1.1, 1.4), (0.04, 0.02, -0.02, -0.04)


@dataclass(frozen=True)
class SimulatedCorpus:
    """A simulated corpus: truth, prediction, group and document of each of N sentences, and the true proportions of the groups."""

    y: FloatArray
    prediction: FloatArray
    groups: IntArray
    documents: IntArray
    shares: FloatArray

    @property
    def predicted(self) -> FloatArray:
        """The model's decisions with the threshold 0.5."""
        return (self.prediction >= 0.5).astype(float)

    @property
    def share(self) -> float:
        """The true proportion over all groups, whose expected sizes are equal."""
        return float(self.shares.mean())


def population(
    rng: np.random.Generator, *, share: float, accuracy: float, documents: int = 400, sentences: float = 10.0
) -> SimulatedCorpus:
    """Simulate a population.

    Args:
        rng: Random number generator.
        share: True proportion of the label over all groups, in (0, 0.6).
        accuracy: Accuracy of the model over all groups.
        documents: Number of documents, in four groups of equal size.
        sentences: Mean number of sentences per document. Each document has at least one.
    """
    group_of = np.arange(documents) % len(SHARES)
    sizes = 1 + rng.poisson(sentences - 1, documents)
    document = np.repeat(np.arange(documents), sizes)
    shares = share * np.asarray(SHARES)
    y, prediction = labels(rng, document, shares[group_of], (accuracy + np.asarray(ACCURACIES))[group_of])
    return SimulatedCorpus(y, prediction, group_of[document], document, shares)


def labels(
    rng: np.random.Generator, document: IntArray, shares: FloatArray, accuracies: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Simulate the truth and the prediction of each sentence.

    Args:
        rng: Random number generator.
        document: Number of the document of each sentence, (N,).
        shares: Expected proportion of the label in each document, (D,).
        accuracies: Expected accuracy of the model in each document, (D,). Limited to the range from 0.5 to 0.99.
    """
    errors = 1 - np.clip(accuracies, 0.5, 0.99)
    y = rng.random(len(document)) < clustered(rng, shares, DOCUMENT)[document]
    wrong = rng.random(len(document)) < clustered(rng, errors, ERRORS)[document]
    # Like most classifiers, the model is more certain of correct predictions than of wrong ones.
    doubt = np.where(wrong, rng.beta(4, 3, len(document)), rng.beta(1.5, 4, len(document))) / 2
    return y.astype(float), np.where(y ^ wrong, 1 - doubt, doubt)


def clustered(rng: np.random.Generator, means: FloatArray, spread: float) -> FloatArray:
    """Draw one probability per document from logit-normal distributions with the given means."""
    logits = np.array([_logit(float(mean), spread) for mean in means])
    probabilities: FloatArray = 1 / (1 + np.exp(-(logits + spread * rng.standard_normal(len(means)))))
    return probabilities


@lru_cache
def _logit(mean: float, spread: float) -> float:
    """Find the location of a logit-normal distribution with a given mean (Gauss-Hermite quadrature, bisection)."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(30)
    weights = weights / weights.sum()
    low, high = -15.0, 15.0
    for _ in range(60):
        middle = (low + high) / 2
        if weights @ (1 / (1 + np.exp(-(middle + spread * nodes)))) < mean:
            low = middle
        else:
            high = middle
    return low


def draw_simple(rng: np.random.Generator, documents: IntArray, n: int) -> Sample:
    """Draw n sentences, each with the same probability."""
    gold = np.sort(rng.choice(len(documents), n, replace=False))
    return Sample(documents, gold, np.full(n, n / len(documents)), np.zeros(n, np.int64))


def draw_stratified(rng: np.random.Generator, documents: IntArray, strata: IntArray, n: int) -> Sample:
    """Draw about n sentences, with the same number in each stratum."""
    codes = np.unique(strata)
    gold, probability = [], []
    for code in codes:
        members = np.flatnonzero(strata == code)
        take = min(len(members), n // len(codes))
        gold.append(rng.choice(members, take, replace=False))
        probability.append(np.full(take, take / len(members)))
    rows = np.concatenate(gold)
    return Sample(documents, rows, np.concatenate(probability), strata[rows])


def draw_two_stage(rng: np.random.Generator, documents: IntArray, n: int, *, each: int = 5) -> Sample:
    """Draw documents, and then up to `each` sentences from each document, about n in total."""
    count = int(documents.max()) + 1
    taken = rng.choice(count, min(count, max(2, n // each)), replace=False)
    gold, probability = [], []
    for document in taken:
        members = np.flatnonzero(documents == document)
        take = min(each, len(members))
        gold.append(rng.choice(members, take, replace=False))
        probability.append(np.full(take, len(taken) / count * take / len(members)))
    rows = np.concatenate(gold)
    return Sample(documents, rows, np.concatenate(probability), np.zeros(len(rows), np.int64), two_stage=True)
