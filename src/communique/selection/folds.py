"""Out-of-fold predictions, by models trained on other documents, and what they are used for: comparison and tuning."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..data import near_duplicates
from ..data.codebook import Codebook
from ..data.corpus import Corpus
from ..metrics.bootstrap import Resamples
from ..metrics.calibration import Tuning, probabilities, tune
from ..metrics.scores import indicator
from .candidates import Candidate
from .results import Compared, compare, mean_average_precision
from .steps import Steps

#: Proportion of rows with the text of another document from which the scores are reported as too high.
REPEATED = 0.02


@dataclass(frozen=True)
class OutOfFold:
    """Predictions of a candidate.

    Attributes:
        kind: The candidate's kind.
        logits: Logits (n, k) of all rows of a corpus; NaN for rows of folds that were not run.
        folds: Number of folds that were run.
        seconds: Mean duration of a fold.
    """

    kind: str
    logits: NDArray[np.float32]
    folds: int
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
    return OutOfFold(candidate.kind, logits, len(numbers), seconds / len(numbers))


def describe_repeats(corpus: Corpus, folds: NDArray[np.int64]) -> str | None:
    """Describe how many rows have nearly the text of a row of another fold, which makes scores too high; None if few have.

    Args:
        corpus: n labelled rows.
        folds: Fold of each row (n,).
    """
    if not near_duplicates.available():
        return None
    signatures = near_duplicates.signatures(s.text for s in corpus)
    repeats = sum(
        len(near_duplicates.find_signed(signatures[folds != fold], signatures[folds == fold]))
        for fold in np.unique(folds)
    )
    if repeats < REPEATED * len(corpus):
        return None
    return (
        f"WARNING: {repeats} of {len(corpus)} rows have the same text as a row of another document, or nearly the same, so the "
        "scores are too high. If these rows come from one text or template, give them the same value in a column 'parallel'."
    )


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


def compare_out_of_fold(
    corpus: Corpus, codebook: Codebook, predicted: Mapping[str, OutOfFold], folds: NDArray[np.int64], seed: int
) -> tuple[tuple[Compared, ...], NDArray[np.bool_], dict[str, NDArray[np.bool_]]]:
    """Compare candidates on the folds that all of them predicted.

    Args:
        corpus: n labelled rows.
        codebook: The codebook.
        predicted: The predictions of each candidate by its name, in order of preference.
        folds: Fold of each row (n,).
        seed: Seed of the bootstrap.

    Returns:
        The comparison, and of the rows that were compared the gold labels and each candidate's decisions (rows, k).
    """
    part, rows = known_rows(corpus, np.stack([one.logits for one in predicted.values()]).sum(axis=0))
    decisions = {
        name: cross_fitted_decisions(one.logits[rows], part, codebook, folds[rows]) for name, one in predicted.items()
    }
    gold = indicator(part.sentences, codebook)
    compared = compare(
        gold,
        {name: probabilities(one.logits[rows], multilabel=codebook.multilabel) for name, one in predicted.items()},
        decisions,
        folds[rows],
        Resamples.draw([s.document_key for s in part], seed=seed),
        codebook.names,
        [(one.kind, one.folds, one.seconds) for one in predicted.values()],
    )
    return compared, gold, decisions


def score_out_of_fold(
    corpus: Corpus, codebook: Codebook, logits: NDArray[np.float32], folds: NDArray[np.int64]
) -> float:
    """Return the mean average precision on the rows that were predicted."""
    part, rows = known_rows(corpus, logits)
    probability = probabilities(logits[rows], multilabel=codebook.multilabel)
    return float(mean_average_precision(indicator(part.sentences, codebook), probability, folds[rows]))


def known_rows(corpus: Corpus, logits: NDArray[np.float32]) -> tuple[Corpus, NDArray[np.bool_]]:
    """Return the sentences with logits (n, k) that are not NaN, and a mask (n,) of their rows."""
    rows = ~np.isnan(logits[:, 0])
    return corpus.rows(rows), rows


def tune_out_of_fold(
    corpus: Corpus, codebook: Codebook, logits: NDArray[np.float32]
) -> tuple[Tuning, NDArray[np.bool_]]:
    """Tune temperature, biases and thresholds on the out-of-fold logits (n, k), and return the rows (n,) that were used."""
    known: NDArray[np.bool_] = ~np.isnan(logits[:, 0])
    rows = known & tuning_rows(corpus)
    rows = rows if rows.any() else known
    gold = indicator(corpus.sentences, codebook)
    return tune(logits[rows], gold[rows], multilabel=codebook.multilabel, by="out-of-fold"), rows
