"""Compute out-of-fold predictions, with models that were trained on other documents, and use them for comparison and tuning."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ..data.codebook import Codebook
from ..data.corpus import Corpus
from ..data.sentence import Sentence
from ..data.splits import fold_numbers
from ..metrics.bootstrap import Resamples
from ..metrics.calibration import Tuning, describe_few_positives, probabilities, tune
from ..metrics.scores import indicator
from .candidates import Candidate
from .results import Compared, compare, mean_average_precision
from .steps import Fit, Steps


@dataclass(frozen=True)
class FoldedRows:
    """Labelled rows that are divided into folds.

    Attributes:
        corpus: The n rows.
        codebook: The codebook.
        folds: Fold of each row (n,).
    """

    corpus: Corpus
    codebook: Codebook
    folds: NDArray[np.int64]

    @cached_property
    def gold(self) -> NDArray[np.bool_]:
        """The labels of the rows (n, k)."""
        return indicator(self.corpus.sentences, self.codebook)

    def with_predictions(self, logits: NDArray[np.float32]) -> tuple[FoldedRows, NDArray[np.bool_]]:
        """Return the rows whose logits (n, k) are not NaN, and a mask (n,) of these rows."""
        rows = ~np.isnan(logits[:, 0])
        return FoldedRows(self.corpus.rows(rows), self.codebook, self.folds[rows]), rows


@dataclass(frozen=True)
class OutOfFold:
    """The out-of-fold predictions of a candidate.

    Attributes:
        kind: The candidate's kind.
        logits: Logits (n, k) of all rows of a corpus; NaN for rows of folds that were not run.
        folds: Number of folds that were run.
        seconds: Mean duration of a fold in seconds.
        unlabelled: Logits (all folds, m, k) of unlabelled sentences by the model of each fold; NaN for folds that were not run.
    """

    kind: str
    logits: NDArray[np.float32]
    folds: int
    seconds: float
    unlabelled: NDArray[np.float32]


def predict_out_of_fold(
    candidate: Candidate,
    corpus: Corpus,
    folds: NDArray[np.int64],
    *,
    only: int | None = None,
    unlabelled: Sequence[Sentence] = (),
    steps: Steps | None = None,
    say: Callable[[str], None] = lambda line: None,
) -> OutOfFold:
    """For each fold, train a candidate on all other folds and predict this fold.

    Args:
        candidate: The candidate. Each fold is a new fit.
        corpus: n labelled rows.
        folds: Fold of each row (n,) from `scored_folds`.
        only: Number of folds to predict. Default: all.
        unlabelled: m sentences without labels, which the model of each fold predicts too. Default: none.
        steps: Folder in which finished folds are stored. Folds that an interrupted run finished are not fitted again. Default:
            nothing is stored.
        say: Function that receives one line per fold.
    """
    k = len(candidate.codebook.names)
    everything = fold_numbers(folds)
    numbers = everything[:only]
    logits = np.full((len(corpus), k), np.nan, np.float32)
    of_unlabelled = np.full((len(everything), len(unlabelled), k), np.nan, np.float32)
    seconds = 0.0
    for done, fold in enumerate(numbers, 1):
        inside = folds == fold
        train, test = corpus.rows(~inside), corpus.rows(inside)
        found = steps.read_fit(candidate.name, fold, (len(test), k), len(unlabelled)) if steps else None
        if found is None:
            start = time.monotonic()
            fitted = candidate.fit(train, steps.training(candidate.name, fold) if steps else None)
            predicted = fitted.predict_logits(test.sentences)
            taken = fitted.earlier_seconds + time.monotonic() - start
            more = fitted.predict_logits(unlabelled) if unlabelled else of_unlabelled[done - 1]
            found = Fit(predicted, more, taken)
            if steps:
                steps.keep_fit(candidate.name, fold, found)
            say(f"{candidate.name}: fold {done} of {len(numbers)}")
        else:
            say(f"{candidate.name}: fold {done} of {len(numbers)}, already finished")
        logits[inside], of_unlabelled[done - 1] = found.logits, found.unlabelled
        seconds += found.seconds
    return OutOfFold(candidate.kind, logits, len(numbers), seconds / len(numbers), of_unlabelled)


def tuning_rows(corpus: Corpus, among: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return a mask (n,) of the rows for tuning: those that were sampled at random, or all if none is marked as such.

    Args:
        corpus: n labelled rows.
        among: Mask (n,) of the rows that can be used, for example because their out-of-fold predictions are known.
    """
    random = among & np.array([s.sampling == "random" for s in corpus], np.bool_)
    return random if random.any() else among


def count_positives(corpus: Corpus, codebook: Codebook, rows: NDArray[np.bool_]) -> dict[str, int]:
    """Return how many of some rows, a mask (n,), have each label."""
    counts = indicator(corpus.sentences, codebook)[rows].sum(axis=0)
    return dict(zip(codebook.names, counts.tolist(), strict=True))


def describe_rare(corpus: Corpus, codebook: Codebook, rows: NDArray[np.bool_]) -> list[str]:
    """Return a line about labels that only a few of the rows for tuning (n,) have. Labels that none of them has are left out."""
    if not codebook.multilabel:
        return []
    found = {name: n for name, n in count_positives(corpus, codebook, rows).items() if n}
    return describe_few_positives(list(found), list(found.values()), "rows for tuning")


def cross_fitted_decisions(data: FoldedRows, logits: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Predict the labels (n, k) of each fold with temperature, biases and thresholds that were tuned on the other folds.

    Args:
        data: n labelled rows in at least two folds.
        logits: Out-of-fold logits (n, k).
    """
    decisions = np.zeros(data.gold.shape, np.bool_)
    for fold in np.unique(data.folds):
        inside = data.folds == fold
        tuning = tuning_rows(data.corpus, ~inside)
        tuned = tune(logits[tuning], data.gold[tuning], multilabel=data.codebook.multilabel)
        decisions[inside] = tuned.decide(logits[inside])
    return decisions


def label_out_of_fold(data: FoldedRows, logits: NDArray[np.float32]) -> dict[str, tuple[str, ...]]:
    """Return the labels from `cross_fitted_decisions` by id, for the rows whose logits (n, k) are not NaN."""
    part, rows = data.with_predictions(logits)
    decisions = cross_fitted_decisions(part, logits[rows])
    return {
        s.id: tuple(name for name, yes in zip(data.codebook.names, decided, strict=True) if yes)
        for s, decided in zip(part.corpus, decisions, strict=True)
    }


def compare_out_of_fold(
    data: FoldedRows, predicted: Mapping[str, OutOfFold], seed: int
) -> tuple[tuple[Compared, ...], FoldedRows, dict[str, NDArray[np.bool_]]]:
    """Compare candidates on the folds that were predicted for all of them.

    Args:
        data: n labelled rows.
        predicted: The predictions by name of the candidate, in order of preference.
        seed: Seed of the bootstrap.

    Returns:
        The comparison, the rows that were compared, and the decisions (rows, k) by candidate.
    """
    part, rows = data.with_predictions(np.stack([one.logits for one in predicted.values()]).sum(axis=0))
    logits = {name: one.logits[rows] for name, one in predicted.items()}
    decisions = {name: cross_fitted_decisions(part, values) for name, values in logits.items()}
    compared = compare(
        part.gold,
        {name: probabilities(values, multilabel=data.codebook.multilabel) for name, values in logits.items()},
        decisions,
        part.folds,
        Resamples.draw([s.document_key for s in part.corpus], seed=seed),
        data.codebook.names,
        [(one.kind, one.folds, one.seconds) for one in predicted.values()],
    )
    return compared, part, decisions


def score_out_of_fold(data: FoldedRows, logits: NDArray[np.float32]) -> float:
    """Return the mean average precision on the rows that have predictions."""
    part, rows = data.with_predictions(logits)
    probability = probabilities(logits[rows], multilabel=data.codebook.multilabel)
    return float(mean_average_precision(part.gold, probability, part.folds))


def tune_out_of_fold(
    corpus: Corpus, codebook: Codebook, logits: NDArray[np.float32]
) -> tuple[Tuning, NDArray[np.bool_]]:
    """Tune temperature, biases and thresholds on out-of-fold logits (n, k). Return them and a mask (n,) of the rows used."""
    rows = tuning_rows(corpus, ~np.isnan(logits[:, 0]))
    gold = indicator(corpus.sentences, codebook)
    return tune(logits[rows], gold[rows], multilabel=codebook.multilabel, by="out-of-fold"), rows
