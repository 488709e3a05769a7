"""Open any model folder: a bundle, a baseline, or a checkpoint where the extra `train` is installed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from . import bundle
from .codebook import Codebook
from .errors import MissingExtraError
from .predictor import Predictions, Predictor, default_model
from .statements import Statement


class Model(Protocol):
    """What every opened model does, whatever it is made of."""

    info: bundle.ModelInfo
    codebook: Codebook

    def predict(self, texts: str | Iterable[str] | Iterable[Statement]) -> Predictions:
        """Label texts or statements, in their order."""
        ...

    def predict_proba(self, statements: Sequence[Statement]) -> NDArray[np.float32]:
        """Give probabilities (n, k) in the codebook's order."""
        ...


def load_model(folder: str | Path | None = None, *, threads: int | None = None) -> Model:
    """Open a model's folder.

    Args:
        folder: The folder; the default model without it.
        threads: CPU threads of a bundle; all cores where None.

    Raises:
        BundleError: The folder is no whole model of a format that is known.
        MissingExtraError: The model is a checkpoint and torch is not installed, or a baseline whose packages are not.
    """
    folder = folder or default_model()
    info = bundle.read_info(folder)
    if info.kind == "bundle":
        return Predictor(folder, threads=threads)
    if info.kind == "baseline":
        # Not at the top: the chain of imports behind it is long, and a user of a bundle needs none of it.
        from .baselines import load

        return load(folder)
    try:
        from .training import CheckpointLabeler
    except ModuleNotFoundError as error:
        raise MissingExtraError(str(error.name), "train", f"{folder}: a checkpoint") from None
    return CheckpointLabeler(folder)
