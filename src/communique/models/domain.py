"""Measure how far a sentence is from the training sentences of a model.

A sentence is represented by the mean of its token vectors that enter the last layer of the network. The vectors of the training
sentences are described by their mean, the variances along their first principal components, and one variance for all other
directions (probabilistic PCA: Tipping and Bishop 1999). The distance of a sentence is its Mahalanobis distance in this description,
as in Podolskiy et al. 2021, "Revisiting Mahalanobis Distance for Transformer-Based Out-of-Domain Detection". Its score is the
proportion of other sentences of the same kind as the training sentences that are closer.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from ..errors import BundleError
from .folder import reading
from .info import DOMAIN
from .limits import DomainInfo

FloatArray = NDArray[np.floating]

#: Maximum number of principal components, and minimum number of training sentences for each of them.
DIMENSIONS, PER_DIMENSION = 64, 5

#: Proportions of the sentences that define the scores (see `DomainInfo`) for which a distance is stored.
LEVELS = np.linspace(0, 1, 101)


@dataclass(frozen=True)
class Domain:
    """A description of sentence vectors.

    Attributes:
        mean: Mean of the vectors (w,).
        components: Principal components (d, w).
        variances: Variance along each component (d,).
        noise: Mean variance along all other directions, (1,).
        quantiles: Distances of the sentences that define the scores, at `LEVELS`. Empty if they are not known yet.
    """

    mean: FloatArray
    components: FloatArray
    variances: FloatArray
    noise: FloatArray
    quantiles: FloatArray

    @classmethod
    def fit(cls, vectors: FloatArray) -> Self:
        """Describe the vectors (n, w) of training sentences."""
        n, width = vectors.shape
        mean = vectors.mean(axis=0, dtype=np.float64)
        centred = vectors - mean
        values, directions = np.linalg.eigh(centred.T @ centred / n)
        values, directions = np.maximum(values[::-1], 0), directions[:, ::-1]
        d = max(1, min(DIMENSIONS, n // PER_DIMENSION, width - 1))
        # Identical vectors have no variance, and every other vector is infinitely far from them.
        least = max(float(values.sum()) * 1e-9, 1e-12)
        return cls(
            mean,
            np.ascontiguousarray(directions[:, :d].T),
            np.maximum(values[:d], least),
            np.maximum(values[d:].mean(keepdims=True), least),
            np.zeros(0),
        )

    def distances(self, vectors: FloatArray) -> NDArray[np.float64]:
        """Return the squared Mahalanobis distances (n,) of vectors (n, w)."""
        centred = np.asarray(vectors, np.float64) - self.mean
        inside = (centred @ self.components.T) ** 2
        outside = np.maximum((centred**2).sum(axis=1) - inside.sum(axis=1), 0)
        return np.asarray((inside / self.variances).sum(axis=1) + outside / self.noise)

    def calibrate(self, distances: FloatArray) -> Self:
        """Return the description with the distances (n,) of the sentences that define the scores."""
        return replace(self, quantiles=np.quantile(distances, LEVELS))

    def scores(self, vectors: FloatArray) -> NDArray[np.float32]:
        """Return the out-of-domain scores (n,) of vectors (n, w): what proportion of the sentences that define them is closer."""
        return np.interp(self.distances(vectors), self.quantiles, LEVELS).astype(np.float32)

    def save(self, folder: Path) -> None:
        """Write the description into a model folder."""
        arrays = {name: np.asarray(value, np.float32) for name, value in vars(self).items()}
        np.savez_compressed(folder / DOMAIN, allow_pickle=False, **arrays)

    @classmethod
    def load(cls, folder: Path, info: DomainInfo) -> Self:
        """Read the description from a model folder.

        Raises:
            BundleError: The file is missing or damaged, or its arrays do not have the shapes that `bundle.json` describes.
        """
        path = folder / DOMAIN
        expected = {
            "mean": (info.width,),
            "components": (info.dimensions, info.width),
            "variances": (info.dimensions,),
            "noise": (1,),
            "quantiles": LEVELS.shape,
        }
        with reading(path), np.load(path, allow_pickle=False) as content:
            arrays = {name: content[name].astype(np.float64) for name in expected}
        if {name: value.shape for name, value in arrays.items()} != expected:
            raise BundleError(
                f"{path}: the arrays do not have the shapes that 'limits' in bundle.json describes. Copy the model folder again"
            )
        return cls(**arrays)
