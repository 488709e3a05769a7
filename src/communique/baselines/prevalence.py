"""Baselines that never read the text. Their scores are a lower bound for useful classifiers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ..data.corpus import Corpus
from ..data.sentence import Sentence
from .base import Arrays, Storable, gold


class _Constant(Storable):
    """A baseline that predicts the same probabilities (k,), `probability_`, for every sentence."""

    probability_: NDArray[np.float32]

    def predict_proba(self, sentences: Sequence[Sentence]) -> NDArray[np.float32]:
        """Return probabilities (n, k), in which all rows are the same."""
        return np.tile(self.probability_, (len(sentences), 1))

    def state(self) -> tuple[dict[str, Any], Arrays]:
        """Return the probabilities."""
        return {}, {"probability": self.probability_}

    def restore(self, content: Mapping[str, Any], arrays: Arrays) -> Self:
        """Restore the probabilities."""
        self.probability_, self.notes_ = arrays["probability"], ()
        return self


class Prior(_Constant):
    """A baseline that predicts each label with its proportion in the training sentences as probability."""

    name = "prior"

    def fit(self, corpus: Corpus) -> Self:
        """Compute the proportion of each label."""
        self.probability_ = gold(corpus, self.codebook).mean(axis=0).astype(np.float32)
        self.notes_ = ()
        return self


class Majority(_Constant):
    """A baseline that predicts the most frequent label set with probability 1. Ties are resolved by the codebook's order."""

    name = "majority"

    def fit(self, corpus: Corpus) -> Self:
        """Find the most frequent label set."""
        sets = Counter(tuple(row) for row in gold(corpus, self.codebook).tolist())
        most = max(sets, key=lambda labels: (sets[labels], labels))
        self.probability_ = np.array(most, np.float32)
        self.notes_ = ()
        return self
