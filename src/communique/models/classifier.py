"""Define what every classifier can do, whatever it is made of."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol, Self, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from ..data.codebook import Codebook
from ..data.corpus import Corpus
from ..data.sentence import Sentence
from .info import ModelInfo
from .predictor import Predictions


@runtime_checkable
class TrainableClassifier(Protocol):
    """Learns from a labelled corpus and gives probabilities of labels."""

    def fit(self, corpus: Corpus) -> Self:
        """Learn from labelled sentences."""
        ...

    def predict_proba(self, sentences: Sequence[Sentence]) -> NDArray[np.float32]:
        """Give probabilities (n, k) in the codebook's order of labels."""
        ...


class Classifier(Protocol):
    """What every opened model does, whatever it is made of."""

    info: ModelInfo
    codebook: Codebook

    def predict(self, texts: str | Iterable[str] | Iterable[Sentence]) -> Predictions:
        """Label texts or sentences, in their order."""
        ...

    def predict_proba(self, sentences: Sequence[Sentence]) -> NDArray[np.float32]:
        """Give probabilities (n, k) in the codebook's order."""
        ...
