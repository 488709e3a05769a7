"""Find the labelled sentences whose vectors in a model are most similar to that of a sentence.

Similarity is the cosine of the sentence vectors from which a model computes out-of-domain scores (see `models.domain`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np

from ..io.vectors import Vectors


@runtime_checkable
class ClassifierWithVectors(Protocol):
    """A loaded model that computes sentence vectors."""

    def predict_vectors(self, texts: Sequence[str], width: int) -> Vectors:
        """Compute sentence vectors (n, width)."""
        ...


class Neighbour(NamedTuple):
    """A row of vectors, and its cosine similarity to another vector."""

    row: int
    similarity: float


def nearest(vector: Vectors, vectors: Vectors, count: int) -> list[Neighbour]:
    """Return the most similar vectors, from the most similar one on.

    Args:
        vector: A vector (w,).
        vectors: Vectors (n, w).
        count: Maximum number of neighbours.
    """
    lengths = np.linalg.norm(vectors, axis=1) * np.linalg.norm(vector)
    # A vector of zeros has no direction, and is similar to nothing.
    similarities = np.divide(vectors @ vector, lengths, out=np.zeros(len(vectors)), where=lengths > 0)
    order = np.argsort(-similarities, kind="stable")[:count]
    return [Neighbour(int(row), float(similarities[row])) for row in order]
