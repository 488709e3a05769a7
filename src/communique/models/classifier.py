"""Define what every classifier can do, whatever it is made of."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol, Self, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from ..data.codebook import Codebook
from ..data.corpus import Corpus
from ..data.sentence import Statement
from .info import ModelInfo
from .predictor import Predictions


@runtime_checkable
class Labeler(Protocol):
    """Learns from a labelled corpus and gives probabilities of labels."""

    def fit(self, corpus: Corpus) -> Self:
        """Learn from labelled statements."""
        ...

    def predict_proba(self, statements: Sequence[Statement]) -> NDArray[np.float32]:
        """Give probabilities (n, k) in the codebook's order of labels."""
        ...


class Model(Protocol):
    """What every opened model does, whatever it is made of."""

    info: ModelInfo
    codebook: Codebook

    def predict(self, texts: str | Iterable[str] | Iterable[Statement]) -> Predictions:
        """Label texts or statements, in their order."""
        ...

    def predict_proba(self, statements: Sequence[Statement]) -> NDArray[np.float32]:
        """Give probabilities (n, k) in the codebook's order."""
        ...
