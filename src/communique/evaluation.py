"""Hold a model against a labelled corpus that it has not seen."""

from __future__ import annotations

from pathlib import Path

from .corpus import Corpus
from .errors import DataError
from .loading import load_model
from .report import Report


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
    model = load_model(folder)
    trained = model.info.training.fingerprint
    n = len(corpus)
    if drop_shared:
        corpus = corpus.where(lambda s: trained.shares(s) is None)
    else:
        trained.check(corpus)
    if not len(corpus):
        raise DataError(f"{data}: no row is left to evaluate; {n} were given")
    guess = model.predict(corpus.statements).decisions
    return Report.compare(corpus.statements, guess, model.codebook, data=data, seed=seed), n - len(corpus)
