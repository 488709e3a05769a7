"""Out-of-fold predictions: each row is predicted by a model that was trained on other documents."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..data.codebook import Codebook
from ..data.corpus import Corpus
from ..metrics.calibration import tune
from ..metrics.scores import indicator
from .candidates import Candidate
from .steps import Steps


@dataclass(frozen=True)
class OutOfFold:
    """Logits (n, k) of all rows of a corpus, NaN for rows of folds that were not run, and the seconds per fold."""

    logits: NDArray[np.float32]
    seconds: float


def predict_out_of_fold(
    candidate: Candidate,
    corpus: Corpus,
    folds: NDArray[np.int64],
    *,
    only: int | None = None,
    steps: Steps | None = None,
    say: Callable[[str], None] = lambda line: None,
) -> OutOfFold:
    """Train a candidate on all folds but one, predict that one, and repeat.

    Args:
        candidate: The candidate; each fit starts from nothing.
        corpus: n labelled rows.
        folds: Fold of each row (n,).
        only: Number of folds to predict. Default: all.
        steps: Keeps finished folds; those of an interrupted run are not fitted again. Default: none is kept.
        say: Receives one line per fold.
    """
    logits = np.full((len(corpus), len(candidate.codebook.names)), np.nan, np.float32)
    numbers = np.unique(folds)[:only]
    seconds = 0.0
    for done, fold in enumerate(numbers.tolist(), 1):
        inside = folds == fold
        train, test = corpus.rows(~inside), corpus.rows(inside)
        found = steps.read_fit(candidate.name, fold, (len(test), logits.shape[1])) if steps else None
        if found is None:
            start = time.monotonic()
            fitted = candidate.fit(train, steps.training(candidate.name, fold) if steps else None)
            found = fitted.predict_logits(test.sentences), time.monotonic() - start
            if steps:
                steps.keep_fit(candidate.name, fold, *found)
            say(f"{candidate.name}: fold {done} of {len(numbers)}")
        else:
            say(f"{candidate.name}: fold {done} of {len(numbers)}, from the interrupted run")
        logits[inside] = found[0]
        seconds += found[1]
    return OutOfFold(logits, seconds / len(numbers))


def tuning_rows(corpus: Corpus) -> NDArray[np.bool_]:
    """Mark the rows (n,) that may tune temperature, biases and thresholds: those sampled at random, or all if rows do not say."""
    random = np.array([s.sampling == "random" for s in corpus])
    return random if random.any() else np.ones(len(corpus), np.bool_)


def cross_fitted_decisions(
    logits: NDArray[np.float32], corpus: Corpus, codebook: Codebook, folds: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """Decide labels (n, k) of each fold with temperature, biases and thresholds that the other folds tuned.

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
        tuned = tune(logits[tuning], gold[tuning], multilabel=codebook.multilabel)
        decisions[inside] = tuned.decide(logits[inside])
    return decisions
