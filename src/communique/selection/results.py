"""The results of a comparison of classifiers, the choice between them, and the report."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ..io.atomic import replacing
from ..metrics.bootstrap import Resamples
from ..metrics.report import ScoreCI
from ..metrics.scores import average_precision, macro_f1, outcomes, precision_recall_f1
from ..reporting.format import without_nan
from ..reporting.render import render

#: Ending of the file next to a model folder that contains the comparison from which the model was chosen. It is not in the folder,
#: whose bytes do not depend on how long the comparison took.
SELECTION = ".selection.json"

#: Maximum difference in average precision from the best classifier. A classifier that comes earlier in the order of preference is
#: kept if it is behind the best by less than this and by less than one standard error.
TOLERANCE = 0.05

#: Reason why a score may be undefined.
NO_LABEL = "no row has a label, and none was predicted"


@dataclass(frozen=True)
class Compared:
    """The out-of-fold scores of a candidate on the rows on which all candidates are compared.

    `kind` is the method of training; `name` also contains the name of the encoder. `average_precision` is the mean over labels and
    folds. `behind` is the difference from the best candidate's average precision, and `error` its standard error. `seconds` is the
    mean duration of a fold in seconds.
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
    """The result of a choice between classifiers.

    `rows` and `documents` are the numbers of labelled rows and documents, and `compared_rows` and `compared_documents` the numbers
    of those on which the candidates were compared. `candidates` is in order of preference. `warnings` lists reasons why the
    candidate that was kept is unfit for use, for example because it is no better than predictions without the text. `out_of_fold`
    has its out-of-fold labels by id of the row, for all rows that it predicted. `repeated` is the number of rows whose text nearly
    repeats that of a row in another fold; 0 if they are too few to matter.
    """

    chosen: str
    best: str
    requested: str
    candidates: tuple[Compared, ...]
    rows: int
    documents: int
    compared_rows: int
    compared_documents: int
    folds: int
    tuning_rows: int
    positives: dict[str, int]
    thresholds: dict[str, float]
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    repeated: int = 0
    out_of_fold: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def __getitem__(self, name: str) -> Compared:
        return next(one for one in self.candidates if one.name == name)

    def render(self, *, trained: bool = True) -> str:
        """Return the report as Markdown.

        Args:
            trained: Whether the candidate that was kept has been trained on all rows.
        """
        return render("selection.md.jinja", selection=self, reason=self.reason, trained=trained).rstrip()

    @property
    def no_interval(self) -> str | None:
        """Why the scores of the candidate that was kept have no interval, or None if they have one."""
        chosen = self[self.chosen]
        return next((one.reason for one in (chosen.average_precision, chosen.macro_f1) if one.reason), None)

    @property
    def reason(self) -> str:
        """Which candidate was kept, and why, in words."""
        return render("selection_reason.md.jinja", selection=self, tolerance=TOLERANCE).strip()

    def dump(self, path: Path) -> None:
        """Write the comparison as JSON, without the out-of-fold labels, which the model folder contains. NaN becomes null."""
        content = without_nan(asdict(replace(self, out_of_fold={})))
        del content["out_of_fold"]
        with replacing(path) as handle:
            handle.write(json.dumps(content, indent=1, ensure_ascii=False) + "\n")

    @classmethod
    def load(cls, path: Path) -> Self | None:
        """Read a comparison, or return None if there is no readable file. Models from elsewhere and older ones have none."""
        try:
            content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            candidates = tuple(_candidate(one) for one in content.pop("candidates"))
            content |= {name: tuple(content[name]) for name in ("warnings", "notes")}
            found = cls(candidates=candidates, **content)
            found[found.chosen], found[found.best]  # both are needed to describe the choice
        except (OSError, ValueError, KeyError, TypeError, AttributeError, StopIteration):
            return None
        return found


def _candidate(content: dict[str, Any]) -> Compared:
    """Return a candidate from its values in JSON, where null stands for NaN."""
    for name in ("average_precision", "macro_f1", "behind"):
        one = content[name]
        value, low, high = (_or_nan(one[key]) for key in ("value", "low", "high"))
        content[name] = ScoreCI(value, low, high, one["reason"])
    content["error"] = _or_nan(content["error"])
    return Compared(**content)


def _or_nan(value: float | None) -> float:
    return float("nan") if value is None else float(value)


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

    Candidates are compared by average precision, which depends only on the ranking of the rows. With few rows, F1 depends as much
    on thresholds that are partly due to chance; the measurement is in train/LOG.md.

    Args:
        gold: Labels (n, k).
        probabilities: Out-of-fold probabilities (n, k) of each candidate.
        decisions: Out-of-fold decisions (n, k) of each candidate.
        folds: Fold of each row (n,).
        resamples: Bootstrap samples of the rows' documents. All candidates share them, so that differences are paired.
        names: Names of the k labels.
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
    """Compute the mean of average precision over labels and folds.

    Rows of different folds are not ranked together, because different models predicted them. If no row of a fold has a label, the
    mean does not include this label in this fold.

    Args:
        gold: Labels (n, k).
        probability: Probabilities (n, k).
        folds: Fold of each row (n,).
        weights: How often each row counts (..., n). Default: once.

    Returns:
        The mean (...), or NaN if no row has a label.
    """
    each = [
        average_precision(gold[rows, i], probability[rows, i], None if weights is None else weights[..., rows])
        for rows in (np.flatnonzero(folds == fold) for fold in np.unique(folds))
        for i in range(gold.shape[1])
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # numpy warns if all values are NaN.
        mean: NDArray[np.float64] = np.asarray(np.nanmean(np.stack(each), axis=0))
    return mean


def choose(candidates: tuple[Compared, ...], kind: str | None = None) -> str:
    """Return the first candidate that is behind the best by less than one standard error and by less than `TOLERANCE`.

    With few rows, most of the difference between candidates is noise. The candidate that usually performs best comes first, and a
    later one is chosen only if it is clearly better; the measurement is in train/LOG.md. The prior is not chosen, because it does
    not read the text.

    Args:
        candidates: The candidates, in order of preference.
        kind: Choose among the candidates of this kind. Default: all candidates except the prior.
    """
    eligible = [one for one in candidates if (one.kind != "prior" if kind is None else one.kind == kind)] or candidates
    behind = {one.name: float(np.nan_to_num(one.behind.value, nan=np.inf)) for one in eligible}
    least = min(behind.values())
    return next(
        one.name
        for one in eligible
        if behind[one.name] <= least or (behind[one.name] < one.error and behind[one.name] < TOLERANCE)
    )
