"""Open any model folder: a bundle, a saved baseline, or (with the extra `train`) a checkpoint."""

from __future__ import annotations

from pathlib import Path

from .errors import MissingExtraError
from .models.classifier import Classifier
from .models.folder import read_info
from .models.info import ModelInfo
from .models.predictor import Predictor, model_folder


def load_model(
    folder: str | Path | None = None, *, threads: int | None = None, info: ModelInfo | None = None
) -> Classifier:
    """Open a model folder.

    Args:
        folder: The folder, or `communique-small` for the shipped model. Default: the folder that COMMUNIQUE_MODEL names, or else
            the shipped model.
        threads: Number of CPU threads that a bundle uses. Default: all cores.
        info: Content of the folder's `bundle.json`, if it has already been read.

    Raises:
        BundleError: The folder is not a complete model in a known format.
        MissingExtraError: The model is a checkpoint or a baseline, and its packages are not installed.
    """
    folder = model_folder(folder)
    info = info or read_info(folder)
    if info.kind == "bundle":
        return Predictor(folder, threads=threads, info=info)
    if info.kind == "baseline":
        # Imported here, because users of a bundle need none of these modules.
        from .baselines.saving import load

        return load(folder, info=info)
    try:
        from .models.checkpoint import CheckpointClassifier
    except ModuleNotFoundError as error:
        raise MissingExtraError(str(error.name), "train", f"{folder}: this checkpoint") from None
    return CheckpointClassifier(folder, info=info)
