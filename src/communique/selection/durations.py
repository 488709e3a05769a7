"""Estimate how long it takes to train a candidate, from a few rows."""

from __future__ import annotations

import random
from dataclasses import dataclass

from ..data.corpus import Corpus

#: Number of rows on which the duration of a fit is measured.
TIMED_ROWS = 64


@dataclass(frozen=True)
class Duration:
    """Estimated duration of training a candidate in seconds: work that is done only once, and each fit."""

    once: float
    fit: float

    def of(self, fits: int) -> float:
        """Return the duration of a number of fits."""
        return self.once + fits * self.fit


def timed_part(corpus: Corpus, seed: int, rows: int = TIMED_ROWS) -> Corpus:
    """Draw the rows on which the duration of a fit is measured."""
    drawn = random.Random(seed).sample(list(corpus), min(rows, len(corpus)))
    return Corpus(tuple(drawn), corpus.files)
