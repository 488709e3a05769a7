"""The report: scores of predicted labels compared with gold labels, each with its interval and number of rows."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..data.codebook import Codebook
from ..data.sentence import Sentence
from ..errors import DataError
from ..reporting.format import score, signed_score, without_nan
from .bootstrap import MIN_CLUSTERS, RESAMPLES, Resamples, interval_or_nan, log_odds_interval
from .scores import (
    Array,
    BoolArray,
    average_precision,
    exact_match,
    indicator,
    macro_f1,
    matthews,
    micro_f1,
    outcomes,
    precision_recall_f1,
    sample_f1,
    weighted_f1,
)
from .slices import KINDS, documents, members, random_rows

#: Scores of a label with fewer gold rows are marked and not ranked, because a single row can change them by percentage points.
MIN_GOLD = 10

#: Reasons why precision, recall and F1 are not defined.
_UNDEFINED = (
    "the label is never predicted",
    "no gold row has the label",
    "no gold row has the label and it is never predicted",
)


@dataclass(frozen=True)
class ScoreCI:
    """A number with its 95 % interval. Undefined values are NaN, and `reason` explains why."""

    value: float
    low: float
    high: float
    reason: str | None = None

    @classmethod
    def from_bootstrap(
        cls,
        value: float,
        drawn: Array,
        clusters: int,
        undefined: str,
        ends: Callable[[], tuple[float, float]] | None = None,
    ) -> ScoreCI:
        """Return a score with its interval from `interval_or_nan`, and with the reason if it has no interval.

        Args:
            value: The score.
            drawn: The score in each resample (resamples,).
            clusters: Number of documents that were drawn from.
            undefined: Reason if the score is NaN.
            ends: Computes the interval. Default: expanded percentiles.
        """
        value, low, high = interval_or_nan(float(value), drawn, clusters, ends)
        reason = None
        if math.isnan(value):
            reason = undefined
        elif clusters < MIN_CLUSTERS:
            reason = (
                f"an interval requires at least {MIN_CLUSTERS} documents, but there {'is' if clusters == 1 else 'are'} only "
                f"{clusters}"
            )
        elif math.isnan(low):
            reason = "every bootstrap resample gives the same value, so no interval can be computed"
        return cls(value, low, high, reason)

    def __str__(self) -> str:
        return score(self.value, self.low, self.high)

    @property
    def signed(self) -> str:
        """The number and its interval as a difference, with signs."""
        return signed_score(self.value, self.low, self.high)


@dataclass(frozen=True)
class LabelScores:
    """Scores of one label.

    `gold` is the number of rows with the label, and `predicted` the number of rows for which the model predicts it. `few` is
    True if there are fewer than `MIN_GOLD` gold rows. `rank` is the rank of the group by F1 among the groups of its kind,
    starting from 1 for the best. It is None if `few` is True, and for all rows together.
    """

    label: str
    gold: int
    predicted: int
    precision: ScoreCI
    recall: ScoreCI
    f1: ScoreCI
    average_precision: ScoreCI
    mcc: ScoreCI
    prevalence: ScoreCI
    few: bool
    rank: int | None = None


@dataclass(frozen=True)
class GroupScores:
    """Scores of a group of sentences.

    `left_out` lists the labels that occur neither in gold nor in predictions. Macro-F1 ignores them.
    """

    kind: str
    name: str
    n: int
    documents: int
    macro_f1: ScoreCI
    micro_f1: ScoreCI
    weighted_f1: ScoreCI
    sample_f1: ScoreCI
    exact_match: ScoreCI
    labels: tuple[LabelScores, ...]
    left_out: tuple[str, ...]


@dataclass(frozen=True)
class ShareError:
    """Difference between the predicted and the gold proportion of a label.

    `gold`, `predicted` and `error` (predicted - gold) refer to the rows that were drawn at random, or to all rows if none is
    marked as such. `weighted_error` is the error over all rows with their weights, or None if they have no weights.
    """

    kind: str
    name: str
    label: str
    n: int
    documents: int
    gold: float
    predicted: float
    error: ScoreCI
    weighted_error: ScoreCI | None


def score_names(*, multilabel: bool) -> dict[str, str]:
    """Return the names of the scores over all labels, by field of `GroupScores`, in the order of a report.

    If each sentence has exactly one label, micro-F1, F1 per sentence and exact match are the same number, the accuracy.
    """
    names = {"macro_f1": "macro-F1", "micro_f1": "micro-F1", "weighted_f1": "F1 weighted by gold"}
    if multilabel:
        return names | {"sample_f1": "F1 per sentence, averaged", "exact_match": "exact match"}
    del names["micro_f1"]
    return names | {"exact_match": "accuracy"}


@dataclass(frozen=True)
class Report:
    """Scores overall and by group. `multilabel` says whether a sentence can have several labels.

    Intervals are percentile intervals of a bootstrap over documents (see `bootstrap`), and for average precision Student's
    intervals on the log-odds scale. If rows have a `weight`, `weighted` contains the same groups with weighted scores, and
    `effective_n` is Kish's effective sample size. `shares_basis` describes the rows that `shares` refers to.
    """

    data: str
    labels: tuple[str, ...]
    multilabel: bool
    seed: int
    resamples: int
    groups: tuple[GroupScores, ...]
    weighted: tuple[GroupScores, ...]
    effective_n: float | None
    shares_basis: str
    shares: tuple[ShareError, ...]

    @classmethod
    def compare(
        cls,
        sentences: Sequence[Sentence],
        predicted: BoolArray,
        codebook: Codebook,
        *,
        data: str,
        probabilities: NDArray[np.floating] | None = None,
        seed: int = 0,
        resamples: int = RESAMPLES,
    ) -> Report:
        """Compare predicted labels with the gold labels of sentences.

        Args:
            sentences: n labelled sentences.
            predicted: Predicted labels (n, k) in the order of the codebook.
            codebook: The labels.
            data: Short description of the sentences.
            probabilities: Probabilities (n, k). Default: no average precision is computed.
            seed: Seed of the bootstrap.
            resamples: Number of resamples.

        Raises:
            DataError: Some rows have a weight and others do not.
        """
        weights = _weights(sentences)
        scorer = _Scorer(sentences, predicted, probabilities, codebook, seed, resamples)
        groups = [("all", "all", list(range(len(sentences))))]
        groups += [(kind, name, rows) for kind in KINDS for name, rows in members(sentences, kind)]
        drawn_rows = set(random_rows(sentences))
        return cls(
            data=data,
            labels=codebook.names,
            multilabel=codebook.multilabel,
            seed=seed,
            resamples=resamples,
            groups=_ranked([scorer.scores(*group) for group in groups]),
            weighted=() if weights is None else _ranked([scorer.scores(*group, weights) for group in groups]),
            effective_n=None if weights is None else float(weights.sum() ** 2 / (weights**2).sum()),
            shares_basis="all rows"
            if len(drawn_rows) == len(sentences)
            else f"the {len(drawn_rows)} rows drawn at random",
            shares=tuple(
                share
                for kind, name, rows in groups
                if kind != "sampling"
                for share in scorer.shares(kind, name, rows, [i for i in rows if i in drawn_rows], weights)
            ),
        )

    @property
    def score_names(self) -> dict[str, str]:
        """Names of the scores over all labels (see the function `score_names`)."""
        return score_names(multilabel=self.multilabel)

    @property
    def overall(self) -> GroupScores:
        """Scores of all sentences together."""
        return self.groups[0]

    def group(self, kind: str, name: str) -> GroupScores:
        """Return a group, such as `group("sampling", "random")`.

        Raises:
            KeyError: There is no such group.
        """
        for group in self.groups:
            if (group.kind, group.name) == (kind, name):
                return group
        raise KeyError(f"there is no group {name!r} of the kind {kind!r}")

    def to_dict(self) -> dict[str, Any]:
        """Return the report as plain values for JSON. Undefined values are None, and their `reason` explains why."""
        plain: dict[str, Any] = without_nan(asdict(self))
        return plain


class _Measures(NamedTuple):
    """Scores computed from sums over rows. They have the same leading dimensions as the sums."""

    precision_recall_f1: Array
    mcc: Array
    prevalence: Array
    share_error: Array
    macro_f1: Array
    micro_f1: Array
    weighted_f1: Array
    sample_f1: Array
    exact_match: Array

    @classmethod
    def from_sums(cls, sums: Array, k: int) -> _Measures:
        counts = sums[..., : 3 * k].reshape(*sums.shape[:-1], k, 3)
        n, right, whole = np.moveaxis(sums[..., 3 * k :], -1, 0)
        with np.errstate(invalid="ignore", divide="ignore"):
            return cls(
                precision_recall_f1(counts),
                matthews(counts, n),
                counts[..., [0, 2]].sum(axis=-1) / n[..., None],
                (counts[..., 1] - counts[..., 2]) / n[..., None],
                macro_f1(counts),
                micro_f1(counts),
                weighted_f1(counts),
                right / n,
                whole / n,
            )


@dataclass(frozen=True)
class _Scorer:
    """The data and settings from which the scores of every group are computed."""

    sentences: Sequence[Sentence]
    predicted: BoolArray
    probabilities: NDArray[np.floating] | None
    codebook: Codebook
    seed: int
    resamples: int

    def _measure(
        self, rows: Sequence[int], weights: Array | None
    ) -> tuple[BoolArray, Resamples, Array, _Measures, _Measures]:
        """Return gold labels, resamples, weights, the scores of the rows, and the scores of each resample."""
        chosen = np.asarray(rows, np.int64)
        gold = indicator([self.sentences[i] for i in rows], self.codebook)
        predicted = self.predicted[chosen]
        weighing = np.ones(len(chosen)) if weights is None else weights[chosen]
        k = len(self.codebook.names)
        of_rows = np.column_stack(
            [
                outcomes(gold, predicted).reshape(len(chosen), 3 * k),
                np.ones(len(chosen)),
                sample_f1(gold, predicted),
                exact_match(gold, predicted),
            ]
        )
        of_rows *= weighing[:, None]
        resamples = Resamples.draw(documents(self.sentences, rows), seed=self.seed, resamples=self.resamples)
        drawn = _Measures.from_sums(resamples.sums(of_rows), k)
        return gold, resamples, weighing, _Measures.from_sums(of_rows.sum(axis=0), k), drawn

    def scores(self, kind: str, name: str, rows: Sequence[int], weights: Array | None = None) -> GroupScores:
        gold, resamples, weighing, scores, drawn = self._measure(rows, weights)

        def value(point: Array, of_resamples: Array, undefined: str = "there is no row") -> ScoreCI:
            return ScoreCI.from_bootstrap(float(point), of_resamples, resamples.clusters, undefined)

        labels = []
        counted = self.predicted[np.asarray(rows, np.int64)].sum(axis=0)
        for i, label in enumerate(self.codebook.names):
            n_gold = int(gold[:, i].sum())
            precision, recall, f1 = (
                value(scores.precision_recall_f1[i, j], drawn.precision_recall_f1[:, i, j], undefined)
                for j, undefined in enumerate(_UNDEFINED)
            )
            labels.append(
                LabelScores(
                    label,
                    gold=n_gold,
                    predicted=int(counted[i]),
                    precision=precision,
                    recall=recall,
                    f1=f1,
                    average_precision=self._average_precision(i, gold[:, i], rows, resamples, weighing),
                    mcc=value(
                        scores.mcc[i],
                        drawn.mcc[:, i],
                        "either all rows or no rows have the label, in gold or among the predictions",
                    ),
                    prevalence=value(scores.prevalence[i], drawn.prevalence[:, i]),
                    few=n_gold < MIN_GOLD,
                )
            )
        return GroupScores(
            kind,
            name,
            n=len(rows),
            documents=resamples.clusters,
            macro_f1=value(scores.macro_f1, drawn.macro_f1, "no row has a gold label or a predicted label"),
            micro_f1=value(scores.micro_f1, drawn.micro_f1, "no row has a gold label or a predicted label"),
            weighted_f1=value(scores.weighted_f1, drawn.weighted_f1, "no gold row has a label"),
            sample_f1=value(scores.sample_f1, drawn.sample_f1),
            exact_match=value(scores.exact_match, drawn.exact_match),
            labels=tuple(labels),
            left_out=tuple(s.label for s in labels if s.gold == s.predicted == 0),
        )

    def _average_precision(
        self, label: int, gold: BoolArray, rows: Sequence[int], resamples: Resamples, weighing: Array
    ) -> ScoreCI:
        if self.probabilities is None:
            return ScoreCI(float("nan"), float("nan"), float("nan"), "there are no probabilities")
        scores = self.probabilities[np.asarray(rows, np.int64), label]
        # Average precision is the most expensive score to resample, so it is not resampled if there will be no interval.
        wanted = gold.any() and resamples.clusters >= MIN_CLUSTERS
        parts = [average_precision(gold, scores, w * weighing) for w in resamples.row_weights()] if wanted else []
        value, drawn = float(average_precision(gold, scores, weighing)), np.concatenate([*parts, np.empty(0)])
        return ScoreCI.from_bootstrap(
            value,
            drawn,
            resamples.clusters,
            "no gold row has the label",
            ends=lambda: log_odds_interval(value, drawn, clusters=resamples.clusters, rows=len(rows)),
        )

    def shares(
        self, kind: str, name: str, rows: Sequence[int], at_random: Sequence[int], weights: Array | None
    ) -> list[ShareError]:
        """Return the error of the predicted proportion of each label, or an empty list if no row of the group is random."""
        if not at_random:
            return []
        gold, resamples, _, scores, drawn = self._measure(at_random, None)
        predicted = self.predicted[np.asarray(at_random, np.int64)]
        weighted = None if weights is None else self._measure(rows, weights)

        def error(i: int, clusters: int, scores: _Measures, drawn: _Measures) -> ScoreCI:
            return ScoreCI.from_bootstrap(
                float(scores.share_error[i]), drawn.share_error[:, i], clusters, "there is no row"
            )

        return [
            ShareError(
                kind,
                name,
                label,
                n=len(at_random),
                documents=resamples.clusters,
                gold=float(gold[:, i].mean()),
                predicted=float(predicted[:, i].mean()),
                error=error(i, resamples.clusters, scores, drawn),
                weighted_error=None if weighted is None else error(i, weighted[1].clusters, *weighted[3:]),
            )
            for i, label in enumerate(self.codebook.names)
        ]


def _weights(sentences: Sequence[Sentence]) -> Array | None:
    given = [s.weight for s in sentences]
    if all(weight is None for weight in given):
        return None
    for sentence in sentences:
        if sentence.weight is None:
            raise DataError(
                f"id {sentence.id!r}: the weight is missing, although {sum(w is not None for w in given)} of {len(given)} rows "
                "have one. Give every row a weight, or remove the column 'weight'"
            )
    return np.array(given, np.float64)


def _ranked(groups: Sequence[GroupScores]) -> tuple[GroupScores, ...]:
    """Rank the groups of each kind by the F1 of each label. Labels with few gold rows are not ranked."""
    ranks: dict[tuple[str, str, str], int] = {}
    for kind in dict.fromkeys(g.kind for g in groups if g.kind != "all"):
        for i in range(len(groups[0].labels)):
            cells = [(g.labels[i].f1.value, g) for g in groups if g.kind == kind and not g.labels[i].few]
            for f1, group in cells:
                ranks[kind, group.name, group.labels[i].label] = 1 + sum(other > f1 for other, _ in cells)
    return tuple(
        replace(g, labels=tuple(replace(s, rank=ranks.get((g.kind, g.name, s.label))) for s in g.labels))
        for g in groups
    )
