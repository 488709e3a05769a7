"""Open any model folder: a bundle, a baseline, or a checkpoint where the extra `train` is installed."""

from __future__ import annotations

from pathlib import Path

from .errors import MissingExtraError
from .models.classifier import Classifier
from .models.folder import read_info
from .models.predictor import Predictor, default_model


def load_model(folder: str | Path | None = None, *, threads: int | None = None) -> Classifier:
    """Open a model's folder.

    Args:
        folder: The folder; the default model without it.
        threads: CPU threads of a bundle; all cores where None.

    Raises:
        BundleError: The folder is no whole model of a format that is known.
        MissingExtraError: The model is a checkpoint and torch is not installed, or a baseline whose packages are not.
    """
    folder = folder or default_model()
    info = read_info(folder)
    if info.kind == "bundle":
        return Predictor(folder, threads=threads)
    if info.kind == "baseline":
        # Not at the top: the chain of imports behind it is long, and a user of a bundle needs none of it.
        from .baselines.saving import load

        return load(folder)
    try:
        from .models.checkpoint import CheckpointClassifier
    except ModuleNotFoundError as error:
        raise MissingExtraError(str(error.name), "train", f"{folder}: a checkpoint") from None
    return CheckpointClassifier(folder)
