"""The floor: what a classifier scores that never reads the text."""

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
    """The same probabilities (k,) for every sentence: `probability_` after `fit`."""

    probability_: NDArray[np.float32]

    def predict_proba(self, sentences: Sequence[Sentence]) -> NDArray[np.float32]:
        """Give the same row of probabilities (n, k) for every sentence."""
        return np.tile(self.probability_, (len(sentences), 1))

    def state(self) -> tuple[dict[str, Any], Arrays]:
        """Give the probabilities."""
        return {}, {"probability": self.probability_}

    def restore(self, content: Mapping[str, Any], arrays: Arrays) -> Self:
        """Take the probabilities."""
        self.probability_, self.notes_ = arrays["probability"], ()
        return self


class Prior(_Constant):
    """Each label with its share of the training sentences as probability."""

    name = "prior"

    def fit(self, corpus: Corpus) -> Self:
        """Count labels."""
        self.probability_ = gold(corpus, self.codebook).mean(axis=0).astype(np.float32)
        self.notes_ = ()
        return self


class Majority(_Constant):
    """The most frequent set of labels, with certainty; of equally frequent ones the first in the codebook's order."""

    name = "majority"

    def fit(self, corpus: Corpus) -> Self:
        """Count sets of labels."""
        sets = Counter(tuple(row) for row in gold(corpus, self.codebook).tolist())
        most = max(sets, key=lambda labels: (sets[labels], labels))
        self.probability_ = np.array(most, np.float32)
        self.notes_ = ()
        return self
