"""What the comparison of classifiers found, and the report of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..metrics.bootstrap import Resamples, interval_or_nan
from ..metrics.scores import macro_f1, outcomes, precision_recall_f1
from ..reporting.render import render

#: A simpler classifier is kept if it is worse than the best by less than one standard error and by less than this.
TOLERANCE = 0.02


@dataclass(frozen=True)
class Interval:
    """A value with its 95 % interval over documents; the ends are NaN if no interval can be computed."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Compared:
    """A candidate's out-of-fold scores on the rows on which all candidates are compared.

    `behind` is how much lower its macro-F1 is than that of the best candidate, with the standard error `error`. `seconds` is
    the duration of one fold.
    """

    name: str
    macro_f1: Interval
    f1: dict[str, float]
    behind: Interval
    error: float
    folds: int
    seconds: float


@dataclass(frozen=True)
class Selection:
    """The choice between classifiers.

    `rows` and `documents` count the labelled data, `compared_rows` those on which the candidates were compared. `candidates` are
    in order from the simplest to the most costly. `warnings` are the reasons why the kept one is not fit for
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
    decisions: dict[str, NDArray[np.bool_]],
    resamples: Resamples,
    names: tuple[str, ...],
    folds: dict[str, int],
    seconds: dict[str, float],
) -> tuple[Compared, ...]:
    """Compare candidates on the same n rows, in the order of `decisions`.

    Args:
        gold: Labels (n, k).
        decisions: Out-of-fold decisions (n, k) of each candidate.
        resamples: Bootstrap samples of the rows' documents, the same for all candidates, so that differences are paired.
        names: The k labels.
        folds: Number of folds by candidate.
        seconds: Seconds per fold by candidate.
    """
    counts = {name: outcomes(gold, decided) for name, decided in decisions.items()}
    values = {name: float(macro_f1(one.sum(axis=0))) for name, one in counts.items()}
    drawn = {name: macro_f1(resamples.sums(one)) for name, one in counts.items()}
    best = max(values, key=lambda name: np.nan_to_num(values[name], nan=-1.0))
    found = []
    for name, one in counts.items():
        behind = drawn[best] - drawn[name]
        f1 = precision_recall_f1(one.sum(axis=0))[:, 2]
        found.append(
            Compared(
                name,
                Interval(*interval_or_nan(values[name], drawn[name], resamples.clusters)),
                dict(zip(names, f1.tolist(), strict=True)),
                Interval(*interval_or_nan(values[best] - values[name], behind, resamples.clusters)),
                float(np.nanstd(behind)),
                folds[name],
                seconds[name],
            )
        )
    return tuple(found)


def choose(candidates: tuple[Compared, ...]) -> str:
    """Return the simplest candidate that is behind the best by less than one standard error and by less than `TOLERANCE`.

    The prior is not chosen: it does not read the text.

    Args:
        candidates: From the simplest to the most costly.
    """
    reading = [one for one in candidates if one.name != "prior"] or list(candidates)
    least = min(one.behind.value for one in reading)
    for one in reading:
        if one.behind.value <= least or (one.behind.value < one.error and one.behind.value < TOLERANCE):
            return one.name
    return reading[-1].name
