"""Hold a model against a labelled corpus that it has not seen."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from . import bundle
from .calibration import decide
from .corpus import Corpus
from .errors import DataError, MissingExtraError
from .predictor import Predictor
from .report import Report
from .statements import Statement


def model_probabilities(
    folder: str | Path, info: bundle.ModelInfo, statements: Sequence[Statement]
) -> NDArray[np.float32]:
    """Give probabilities (n, k) of a bundle, or of a checkpoint in fp32.

    Raises:
        MissingExtraError: The model is a checkpoint and torch is not installed.
    """
    if info.kind == "bundle":
        return Predictor(folder).predict_proba(statements)
    try:
        from .training import CheckpointLabeler
    except ModuleNotFoundError as error:
        raise MissingExtraError(str(error.name), "train", f"{folder}: a checkpoint") from None
    return CheckpointLabeler(folder).predict_proba(statements)


def evaluate(
    folder: str | Path, corpus: Corpus, *, data: str, drop_shared: bool = False, seed: int = 0
) -> tuple[Report, int]:
    """Evaluate a bundle or a checkpoint.

    Args:
        folder: The model's folder.
        corpus: Labelled statements.
        data: What they are, in a few words, for the report.
        drop_shared: Leave out rows that share a document or a text with the training data, rather than refuse.
        seed: Of the bootstrap.

    Returns:
        The report, and how many rows were left out.

    Raises:
        LeakError: The corpus shares documents or texts with the training data.
        DataError: No labelled row is left.
    """
    info = bundle.read_info(folder)
    codebook = bundle.read_codebook(folder, info)
    trained = info.training.fingerprint
    n = len(corpus)
    if drop_shared:
        corpus = corpus.where(lambda s: trained.shares(s) is None)
    else:
        trained.check(corpus)
    if not len(corpus):
        raise DataError(f"{data}: no row is left to evaluate; {n} were given")
    thresholds = None if info.thresholds is None else np.array(info.thresholds)
    guess = decide(model_probabilities(folder, info, corpus.statements), thresholds)
    return Report.compare(corpus.statements, guess, codebook, data=data, seed=seed), n - len(corpus)
