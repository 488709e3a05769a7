"""What the comparison of classifiers found, and the report of it."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..metrics.bootstrap import Resamples
from ..metrics.report import ScoreCI
from ..metrics.scores import average_precision, macro_f1, outcomes, precision_recall_f1
from ..reporting.render import render

#: A classifier that comes first in the order of preference is kept if it is behind the best by less than one standard error and by
#: less than this.
TOLERANCE = 0.05

#: Why a macro-F1 may not be defined.
NO_LABEL = "no row has a label, and none was predicted"


@dataclass(frozen=True)
class Compared:
    """A candidate's out-of-fold scores on the rows on which all candidates are compared.

    `kind` says how it is trained, and `name` also names its encoder. `average_precision` is the mean over labels and folds.
    `behind` is how much lower it is than that of the best candidate, with the standard error `error`. `seconds` is the duration of
    one fold.
    """

    name: str
    kind: str
    average_precision: ScoreCI
    macro_f1: ScoreCI
    f1: dict[str, float]
    behind: ScoreCI
    error: float
    folds: int
    seconds: float


@dataclass(frozen=True)
class Selection:
    """The choice between classifiers.

    `rows` and `documents` count the labelled data, `compared_rows` those on which the candidates were compared. `candidates` are
    in order of preference. `warnings` are the reasons why the kept one is not fit for
    use, such as that it is no better than constant predictions.
    """

    chosen: str
    best: str
    requested: str
    candidates: tuple[Compared, ...]
    rows: int
    documents: int
    compared_rows: int
    folds: int
    tuning_rows: int
    positives: dict[str, int]
    thresholds: dict[str, float]
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def __getitem__(self, name: str) -> Compared:
        return next(one for one in self.candidates if one.name == name)

    def render(self) -> str:
        """Return the report as Markdown."""
        return render("selection.md.jinja", selection=self, tolerance=TOLERANCE).rstrip()


def compare(
    gold: NDArray[np.bool_],
    probabilities: dict[str, NDArray[np.float32]],
    decisions: dict[str, NDArray[np.bool_]],
    folds: NDArray[np.int64],
    resamples: Resamples,
    names: tuple[str, ...],
    candidates: Sequence[tuple[str, int, float]],
) -> tuple[Compared, ...]:
    """Compare candidates on the same n rows, in the order of `decisions`.

    What counts is average precision: it depends on the order of the rows alone. With few rows, F1 depends as much on the
    accidents of the thresholds; train/LOG.md has the measurement.

    Args:
        gold: Labels (n, k).
        probabilities: Out-of-fold probabilities (n, k) of each candidate.
        decisions: Out-of-fold decisions (n, k) of each candidate.
        folds: Fold of each row (n,).
        resamples: Bootstrap samples of the rows' documents, the same for all candidates, so that differences are paired.
        names: The k labels.
        candidates: Kind, number of folds, and seconds per fold of each candidate.
    """
    values = {name: float(mean_average_precision(gold, p, folds)) for name, p in probabilities.items()}
    parts: dict[str, list[NDArray[np.float64]]] = {name: [] for name in values}
    for weights in resamples.row_weights():
        for name, p in probabilities.items():
            parts[name].append(mean_average_precision(gold, p, folds, weights))
    drawn = {name: np.concatenate(part) for name, part in parts.items()}
    best = max(values, key=lambda name: np.nan_to_num(values[name], nan=-1.0))
    found = []
    for (name, decided), (kind, number, seconds) in zip(decisions.items(), candidates, strict=True):
        behind = drawn[best] - drawn[name]
        counts = outcomes(gold, decided)
        drawn_f1 = macro_f1(resamples.sums(counts))
        f1 = precision_recall_f1(counts.sum(axis=0))[:, 2]
        found.append(
            Compared(
                name,
                kind,
                ScoreCI.from_bootstrap(values[name], drawn[name], resamples.clusters, NO_LABEL),
                ScoreCI.from_bootstrap(float(macro_f1(counts.sum(axis=0))), drawn_f1, resamples.clusters, NO_LABEL),
                dict(zip(names, f1.tolist(), strict=True)),
                ScoreCI.from_bootstrap(values[best] - values[name], behind, resamples.clusters, NO_LABEL),
                float(np.nanstd(behind)) if np.isfinite(behind).any() else float("nan"),
                number,
                seconds,
            )
        )
    return tuple(found)


def mean_average_precision(
    gold: NDArray[np.bool_],
    probability: NDArray[np.float32],
    folds: NDArray[np.int64],
    weights: NDArray[np.float64] | None = None,
) -> NDArray[np.float64]:
    """Return the average precision, as a mean over labels and folds.

    Rows of different folds are not put into one order, because different models predicted them. A label that no row of a fold has
    is left out there.

    Args:
        gold: Labels (n, k).
        probability: (n, k).
        folds: Fold of each row (n,).
        weights: How often each row counts, (..., n). Default: once.

    Returns:
        (...); NaN if no row has a label.
    """
    each = [
        average_precision(gold[rows, i], probability[rows, i], None if weights is None else weights[..., rows])
        for rows in (np.flatnonzero(folds == fold) for fold in np.unique(folds))
        for i in range(gold.shape[1])
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # Of all NaN.
        mean: NDArray[np.float64] = np.asarray(np.nanmean(np.stack(each), axis=0))
    return mean


def choose(candidates: tuple[Compared, ...], kind: str | None = None) -> str:
    """Return the first candidate that is behind the best by less than one standard error and by less than `TOLERANCE`.

    With few rows a comparison is mostly noise. What usually does best comes first, so that another candidate must show that it is
    better; train/LOG.md has the measurement. The prior is not chosen, because it does not read the text.

    Args:
        candidates: In order of preference.
        kind: Choose among the candidates of this kind. Default: all.
    """
    eligible = [one for one in candidates if (one.kind != "prior" if kind is None else one.kind == kind)] or candidates
    behind = {one.name: float(np.nan_to_num(one.behind.value, nan=np.inf)) for one in eligible}
    least = min(behind.values())
    return next(
        one.name
        for one in eligible
        if behind[one.name] <= least or (behind[one.name] < one.error and behind[one.name] < TOLERANCE)
    )
