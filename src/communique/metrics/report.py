"""The report: scores of labels against gold, each with its interval and n."""

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

#: Scores of a label with fewer gold rows are marked and take no part in a ranking: one row more or less moves them by points.
MIN_GOLD = 10

#: Why precision, recall and F1 may not be defined.
_UNDEFINED = (
    "the label was never given",
    "no gold row has the label",
    "no gold row has the label and it was never given",
)


@dataclass(frozen=True)
class ScoreCI:
    """A number with its 95 % interval; NaN where it is not defined, and then `reason` says why."""

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
        """Return a score with the interval from `interval_or_nan`, and the reason if there is none.

        Args:
            value: The score.
            drawn: The score in each resample (resamples,).
            clusters: Number of documents that were drawn from.
            undefined: Why the score is not defined, in case it is NaN.
            ends: Computes the interval. Default: expanded percentiles.
        """
        value, low, high = interval_or_nan(float(value), drawn, clusters, ends)
        reason = None
        if math.isnan(value):
            reason = undefined
        elif clusters < MIN_CLUSTERS:
            reason = f"an interval needs at least {MIN_CLUSTERS} documents; there are {clusters}"
        elif math.isnan(low):
            reason = "every bootstrap resample gives the same value, so no interval can be computed"
        return cls(value, low, high, reason)

    def __str__(self) -> str:
        return score(self.value, self.low, self.high)

    @property
    def signed(self) -> str:
        """The number as a difference, with its sign."""
        return signed_score(self.value, self.low, self.high)


@dataclass(frozen=True)
class LabelScores:
    """Scores of one label: how many rows carry it (`gold`), how many the model gave it (`predicted`).

    `few` marks fewer than `MIN_GOLD` gold rows. `rank` orders the F1 of the groups of a kind from 1, the best; None for
    marked ones and overall.
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
    """Scores within a group of sentences. `left_out` names labels with no gold and no prediction, which macro-F1 skips."""

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
    """How far the share of a label among decisions is off its share in gold.

    `gold`, `predicted` and `error` (predicted - gold) are of rows drawn at random, where rows say how they were drawn.
    `weighted_error` is of all rows by their weights; None where they have none.
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


@dataclass(frozen=True)
class Report:
    """Scores overall and by group.

    Intervals are percentiles of a bootstrap over documents (see `bootstrap`); for average precision they are Student's on the
    log-odds. `weighted` repeats all groups with each row counted by its `weight` where rows have one, and `effective_n` is then
    Kish's size of an unweighted sample that is as informative. `shares_basis` names the rows that `shares` is about.
    """

    data: str
    labels: tuple[str, ...]
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
            predicted: Decisions (n, k) in the codebook's order.
            codebook: The labels.
            data: What the sentences are, in a few words.
            probabilities: (n, k), for the average precision.
            seed: Of the bootstrap.
            resamples: Of the bootstrap.

        Raises:
            DataError: Some rows have a weight and others have none.
        """
        weights = _weights(sentences)
        judge = _Scorer(sentences, predicted, probabilities, codebook, seed, resamples)
        groups = [("all", "all", list(range(len(sentences))))]
        groups += [(kind, name, rows) for kind in KINDS for name, rows in members(sentences, kind)]
        drawn_rows = set(random_rows(sentences))
        return cls(
            data=data,
            labels=codebook.names,
            seed=seed,
            resamples=resamples,
            groups=_ranked([judge.scores(*group) for group in groups]),
            weighted=() if weights is None else _ranked([judge.scores(*group, weights) for group in groups]),
            effective_n=None if weights is None else float(weights.sum() ** 2 / (weights**2).sum()),
            shares_basis="all rows"
            if len(drawn_rows) == len(sentences)
            else f"the {len(drawn_rows)} rows drawn at random",
            shares=tuple(
                share
                for kind, name, rows in groups
                if kind != "sampling"
                for share in judge.shares(kind, name, rows, [i for i in rows if i in drawn_rows], weights)
            ),
        )

    @property
    def overall(self) -> GroupScores:
        """Scores of all sentences together."""
        return self.groups[0]

    def group(self, kind: str, name: str) -> GroupScores:
        """Find a group, such as `("sampling", "random")`.

        Raises:
            KeyError: There is none.
        """
        for group in self.groups:
            if (group.kind, group.name) == (kind, name):
                return group
        raise KeyError(f"no group {kind} {name!r}")

    def to_dict(self) -> dict[str, Any]:
        """Give the report as plain values for JSON; what is not defined is None, with the reason beside it."""
        plain: dict[str, Any] = without_nan(asdict(self))
        return plain


class _Measures(NamedTuple):
    """Scores of sums over rows, all with the leading dimensions of the sums."""

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
    """What all groups are measured with."""

    sentences: Sequence[Sentence]
    predicted: BoolArray
    probabilities: NDArray[np.floating] | None
    codebook: Codebook
    seed: int
    resamples: int

    def _measure(
        self, rows: Sequence[int], weights: Array | None
    ) -> tuple[BoolArray, Resamples, Array, _Measures, _Measures]:
        """Give gold, resamples, weights, and the scores of the rows and of each resample."""
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
                        scores.mcc[i], drawn.mcc[:, i], "all rows or none have the label, in gold or among decisions"
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
            macro_f1=value(scores.macro_f1, drawn.macro_f1, "no label has a gold row or was given"),
            micro_f1=value(scores.micro_f1, drawn.micro_f1, "no label has a gold row or was given"),
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
            return ScoreCI(float("nan"), float("nan"), float("nan"), "no probabilities were given")
        scores = self.probabilities[np.asarray(rows, np.int64), label]
        # Where there is no interval, the costliest drawing of the report would be for nothing.
        wanted = gold.any() and resamples.clusters >= MIN_CLUSTERS
        parts = [average_precision(gold, scores, w * weighing) for w in resamples.row_weights()] if wanted else []
        value, drawn = float(average_precision(gold, scores, weighing)), np.concatenate([*parts, np.empty(0)])
        return ScoreCI.from_bootstrap(
            value,
            drawn,
            resamples.clusters,
            "no gold row has the label",
            ends=lambda: log_odds_interval(value, drawn, clusters=resamples.clusters),
        )

    def shares(
        self, kind: str, name: str, rows: Sequence[int], at_random: Sequence[int], weights: Array | None
    ) -> list[ShareError]:
        """Measure the error of each label's share in a group; none where the group has no row drawn at random."""
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
                f"id {sentence.id!r}: no weight, though {sum(w is not None for w in given)} of {len(given)} rows have one; "
                "give every row a weight, or take the column 'weight' away"
            )
    return np.array(given, np.float64)


def _ranked(groups: Sequence[GroupScores]) -> tuple[GroupScores, ...]:
    """Rank the F1 of each label among the groups of a kind; labels with few gold rows are not ranked."""
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
