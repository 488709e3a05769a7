"""Find the labelled sentences whose vectors in a model are most similar to that of a sentence.

Similarity is the cosine of the sentence vectors from which a model computes out-of-domain scores (see `models.domain`).
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from ..data.sentence import text_sha256
from ..io.atomic import replacing
from .info import ModelInfo

Vectors = NDArray[np.float32]


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


def vector_width(info: ModelInfo) -> int | None:
    """Return the size of the sentence vectors of a model, or None if it has none."""
    return None if info.limits is None or info.limits.domain is None else info.limits.domain.width


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


class VectorCache:
    """Sentence vectors of one model by text, which are kept in a file. A file that cannot be read counts as empty.

    Args:
        path: The file. It should have a name of its own for each model.
        width: Size of the vectors.
    """

    def __init__(self, path: Path, width: int) -> None:
        self._path, self._width = path, width
        self._vectors = self._read()

    def missing(self, texts: Iterable[str]) -> list[str]:
        """Return the different texts whose vectors are not known."""
        return list({key: text for text in texts if (key := text_sha256(text)) not in self._vectors}.values())

    def add(self, texts: Sequence[str], vectors: Vectors) -> None:
        """Add the vectors (n, w) of texts, and write the file."""
        self._vectors |= {text_sha256(text): vector for text, vector in zip(texts, vectors, strict=True)}
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(self._path, "wb") as handle:
            stacked = np.stack(list(self._vectors.values())).astype(np.float16)
            np.savez(handle, allow_pickle=False, keys=np.array(list(self._vectors), "U64"), vectors=stacked)

    def get(self, texts: Sequence[str]) -> Vectors:
        """Return the vectors (n, w) of texts that are known."""
        return np.array([self._vectors[text_sha256(text)] for text in texts], np.float32).reshape(-1, self._width)

    def _read(self) -> dict[str, Vectors]:
        try:
            with self._path.open("rb") as handle, np.load(handle, allow_pickle=False) as arrays:
                keys, vectors = arrays["keys"].tolist(), arrays["vectors"].astype(np.float32)
        except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile):
            return {}
        fits = vectors.ndim == 2 and vectors.shape == (len(keys), self._width)
        return dict(zip(keys, vectors, strict=True)) if fits else {}
