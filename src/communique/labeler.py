"""The protocol of everything that labels statements: the transformer and every baseline are peers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, Self, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from .corpus import Corpus
from .statements import Statement


@runtime_checkable
class Labeler(Protocol):
    """Learns from a labelled corpus and gives probabilities of labels."""

    def fit(self, corpus: Corpus) -> Self:
        """Learn from labelled statements."""
        ...

    def predict_proba(self, statements: Sequence[Statement]) -> NDArray[np.float32]:
        """Give probabilities (n, k) in the codebook's order of labels."""
        ...
