"""What the comparison of classifiers found, and the report of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..metrics.bootstrap import Resamples
from ..metrics.report import ScoreCI
from ..metrics.scores import macro_f1, outcomes, precision_recall_f1
from ..reporting.render import render

#: A simpler classifier is kept if it is worse than the best by less than one standard error and by less than this.
TOLERANCE = 0.02

#: Why a macro-F1 may not be defined.
NO_LABEL = "no row has a label, and none was predicted"


@dataclass(frozen=True)
class Compared:
    """A candidate's out-of-fold scores on the rows on which all candidates are compared.

    `kind` says how it is trained, and `name` also names its encoder. `behind` is how much lower its macro-F1 is than that of the
    best candidate, with the standard error `error`. `seconds` is the duration of one fold.
    """

    name: str
    kind: str
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
    kinds: dict[str, str],
    folds: dict[str, int],
    seconds: dict[str, float],
) -> tuple[Compared, ...]:
    """Compare candidates on the same n rows, in the order of `decisions`.

    Args:
        gold: Labels (n, k).
        decisions: Out-of-fold decisions (n, k) of each candidate.
        resamples: Bootstrap samples of the rows' documents, the same for all candidates, so that differences are paired.
        names: The k labels.
        kinds: How each candidate is trained.
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
                kinds[name],
                ScoreCI.from_bootstrap(values[name], drawn[name], resamples.clusters, NO_LABEL),
                dict(zip(names, f1.tolist(), strict=True)),
                ScoreCI.from_bootstrap(values[best] - values[name], behind, resamples.clusters, NO_LABEL),
                float(np.nanstd(behind)) if np.isfinite(behind).any() else float("nan"),
                folds[name],
                seconds[name],
            )
        )
    return tuple(found)


def choose(candidates: tuple[Compared, ...], kind: str | None = None) -> str:
    """Return the simplest candidate that is behind the best by less than one standard error and by less than `TOLERANCE`.

    Candidates of one kind are equally simple: of them only the best can be chosen. The prior is not chosen, because it does not
    read the text.

    Args:
        candidates: From the simplest to the most costly.
        kind: Choose among the candidates of this kind. Default: all.
    """
    eligible = [one for one in candidates if (one.kind != "prior" if kind is None else one.kind == kind)] or candidates
    behind = {one.name: float(np.nan_to_num(one.behind.value, nan=np.inf)) for one in eligible}
    best_of = {
        one.kind: min((o for o in eligible if o.kind == one.kind), key=lambda o: behind[o.name]) for one in eligible
    }
    least = min(behind.values())
    return next(
        one.name
        for one in best_of.values()
        if behind[one.name] <= least or (behind[one.name] < one.error and behind[one.name] < TOLERANCE)
    )
