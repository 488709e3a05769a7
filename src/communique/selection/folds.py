"""Out-of-fold predictions: each row is predicted by a model that was trained on other documents."""

from __future__ import annotations

import time
import warnings
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..data.codebook import Codebook
from ..data.codes import factorize
from ..data.corpus import Corpus
from ..errors import DataError, require_extra
from ..metrics.calibration import decide, probabilities, tune
from ..metrics.scores import indicator
from .candidates import Candidate

#: Folds of the cross-validation, fewer if there are fewer documents.
FOLDS = 5


@dataclass(frozen=True)
class OutOfFold:
    """Logits (n, k) of all rows of a corpus, NaN for rows of folds that were not run, and the seconds per fold."""

    logits: NDArray[np.float32]
    seconds: float


def document_folds(corpus: Corpus, codebook: Codebook, *, seed: int, number: int = FOLDS) -> NDArray[np.int64]:
    """Assign each row (n,) to a fold. Documents stay whole, and each fold gets a similar share of every label.

    Raises:
        DataError: All rows are from one document.
    """
    require_extra("sklearn", "the comparison of classifiers", extra="analysis")
    from sklearn.model_selection import StratifiedGroupKFold

    documents = len(corpus.documents)
    if documents < 2:
        raise DataError(
            f"{corpus.name}: {len(corpus)} labelled rows from {documents} document; cross-validation needs at least 2. Name the "
            "column that says which text a sentence is from: document"
        )
    count = Counter(label for s in corpus for label in s.labels or ())
    # A row stands in the class of its rarest label: rare labels are the ones that a fold could miss.
    classes = [min(s.labels or ("",), key=lambda label: count[label]) for s in corpus]
    groups, _ = factorize(s.document_key for s in corpus)
    number = min(number, documents, max(Counter(classes).values()))
    folds = np.zeros(len(corpus), np.int64)
    if number < 2:
        return groups % 2
    splitter = StratifiedGroupKFold(number, shuffle=True, random_state=seed)
    with warnings.catch_warnings():
        # It warns of labels with fewer rows than folds, which are common here.
        warnings.simplefilter("ignore", UserWarning)
        for fold, (_, rows) in enumerate(splitter.split(classes, classes, groups)):
            folds[rows] = fold
    return folds


def predict_out_of_fold(
    candidate: Candidate,
    corpus: Corpus,
    folds: NDArray[np.int64],
    *,
    only: int | None = None,
    say: Callable[[str], None] = lambda line: None,
) -> OutOfFold:
    """Train a candidate on all folds but one, predict that one, and repeat.

    Args:
        candidate: The candidate; each fit starts from nothing.
        corpus: n labelled rows.
        folds: Fold of each row (n,).
        only: Number of folds to predict. Default: all.
        say: Receives one line per fold.
    """
    logits = np.full((len(corpus), len(candidate.codebook.names)), np.nan, np.float32)
    numbers = np.unique(folds)[:only]
    start = time.monotonic()
    for done, fold in enumerate(numbers, 1):
        inside = folds == fold
        train, test = (
            Corpus(tuple(s for s, keep in zip(corpus, rows, strict=True) if keep), corpus.files)
            for rows in (~inside, inside)
        )
        logits[inside] = candidate.fit(train).predict_logits(test.sentences)
        say(f"{candidate.name}: fold {done} of {len(numbers)}")
    return OutOfFold(logits, (time.monotonic() - start) / len(numbers))


def tuning_rows(corpus: Corpus) -> NDArray[np.bool_]:
    """Mark the rows (n,) that may tune temperature and thresholds: those sampled at random, or all if rows do not say."""
    random = np.array([s.sampling == "random" for s in corpus])
    return random if random.any() else np.ones(len(corpus), np.bool_)


def cross_fitted_decisions(
    logits: NDArray[np.float32], corpus: Corpus, codebook: Codebook, folds: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """Decide labels (n, k) of each fold with temperature and thresholds that the other folds tuned.

    Args:
        logits: Out-of-fold logits (n, k).
        corpus: n labelled rows.
        codebook: The codebook.
        folds: Fold of each row (n,), at least two different ones.
    """
    gold, usable = indicator(corpus.sentences, codebook), tuning_rows(corpus)
    decisions = np.zeros(gold.shape, np.bool_)
    for fold in np.unique(folds):
        inside = folds == fold
        tuning = usable & ~inside
        tuning = tuning if tuning.any() else ~inside
        temperature, thresholds = tune(logits[tuning], gold[tuning], multilabel=codebook.multilabel)
        probability = probabilities(logits[inside], multilabel=codebook.multilabel, temperature=temperature)
        decisions[inside] = decide(probability, thresholds)
    return decisions
