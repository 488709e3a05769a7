"""Scores of predicted kinds, holders and targets, given the gold labels.

For each sentence and each of its gold labels whose act was annotated, the predicted holder is compared with the gold holder, and
the predicted target with the gold target. Each such comparison is one item. A sentence that names nobody has the gold value "null",
which a model predicts by marking no words. Null therefore counts as a value like any other:

- **Overlap** is the character-overlap F1 of an item: `2 |G ∩ P| / (|G| + |P|)`, where G and P are the sets of the positions of the
  gold and the predicted characters. It is 1 if both are null, and 0 if only one of them is. The score is the mean over items
  (micro: the items of all labels are pooled).
- **Exact match** is the proportion of items whose two spans are equal or both null.
- **Overlap of named words** ignores items in which both are null. It is the micro-F1 of characters: `2 Σ |G ∩ P| / Σ (|G| + |P|)`.
- **Kind accuracy** is the proportion of sentences with a gold label whose kind was annotated, for which the most probable kind is
  the gold kind.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np

from ..data.acts import ROLES, Act, Span
from ..data.codebook import Codebook
from ..data.sentence import Sentence
from ..reporting.format import without_nan
from .bootstrap import RESAMPLES, Array, Resamples
from .report import ScoreCI

#: What is compared for each label, in the order of the second-last axis of `compare_acts`.
OUTPUTS = ("kind", *ROLES)

#: Reason why the overlap of named words is not defined. The other scores are defined if there are items.
_NO_WORDS = "no words are named in gold, and the model marks none"

#: Acts by label, as in `Sentence.acts`.
Acts = Mapping[str, Act]


class Sums(NamedTuple):
    """Sums over items, or values of single items (...): the last axis of `compare_acts`."""

    items: Array
    overlap: Array
    exact: Array
    common: Array
    gold_characters: Array
    predicted_characters: Array
    gold_named: Array
    predicted_named: Array

    @classmethod
    def of(cls, values: Array) -> Sums:
        """Return the parts of an array (..., 8)."""
        return cls(*np.moveaxis(values, -1, 0))

    @property
    def mean_overlap(self) -> Array:
        """The mean overlap of items (...), or the accuracy of kinds."""
        return _ratio(self.overlap, self.items)

    @property
    def exact_match(self) -> Array:
        """The proportion of items that are exactly right (...)."""
        return _ratio(self.exact, self.items)

    @property
    def named_overlap(self) -> Array:
        """The overlap of named words (...)."""
        return _ratio(2 * self.common, self.gold_characters + self.predicted_characters)


@dataclass(frozen=True)
class SpanScores:
    """Scores of the holder or the target of a label, or of all labels together (`label` is "all").

    `n` is the number of items. `gold` and `predicted` are the numbers of items with a gold and with a predicted span.
    """

    role: str
    label: str
    n: int
    gold: int
    predicted: int
    overlap: ScoreCI
    exact_match: ScoreCI
    named_overlap: ScoreCI


@dataclass(frozen=True)
class KindScores:
    """Accuracy of the kinds of a label on `n` sentences."""

    label: str
    n: int
    accuracy: ScoreCI


@dataclass(frozen=True)
class ActReport:
    """Scores of kinds, holders and targets given the gold labels.

    `documents` is the number of documents with at least one item, and `without` the number of gold labels whose act nobody
    annotated.
    """

    documents: int
    without: int
    spans: tuple[SpanScores, ...]
    kinds: tuple[KindScores, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON. Undefined values are None."""
        plain: dict[str, Any] = without_nan(asdict(self))
        return plain


def overlap(gold: Span | None, predicted: Span | None) -> float:
    """Return the character-overlap F1 of two spans: 1 if both are null, 0 if only one is."""
    if gold is None or predicted is None:
        return float(gold is predicted)
    return 2 * _common(gold, predicted) / (gold[1] - gold[0] + predicted[1] - predicted[0])


def compare_acts(gold: Sequence[Acts | None], predicted: Sequence[Acts], labels: Sequence[str]) -> Array:
    """Compare predicted acts with gold acts.

    Args:
        gold: Acts of n sentences by label. None, or a missing label, means that nobody annotated them.
        predicted: Predicted acts of at least the labels in `gold`. A missing act names nobody.
        labels: The k labels.

    Returns:
        Values (n, k, 3, 8) of single items, for `OUTPUTS` and the fields of `Sums`. They are 0 where there is no item.
    """
    values = np.zeros((len(gold), len(labels), len(OUTPUTS), len(Sums._fields)))
    for row, (acts, found) in enumerate(zip(gold, predicted, strict=True)):
        for i, label in enumerate(labels):
            if (act := (acts or {}).get(label)) is None:
                continue
            other = found.get(label, Act())
            if act.kind is not None:
                right = act.kind == other.kind
                values[row, i, 0, :3] = 1, right, right
            for j, role in enumerate(ROLES if act.with_spans else (), 1):
                values[row, i, j] = _item(act.span(role), other.span(role))
    return values


def score_acts(
    sentences: Sequence[Sentence],
    predicted: Sequence[Acts],
    codebook: Codebook,
    *,
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> ActReport | None:
    """Score predicted kinds, holders and targets given the gold labels, with 95 % intervals of a bootstrap over documents.

    Args:
        sentences: n labelled sentences. Those without `acts` are ignored.
        predicted: Predicted acts of the gold labels of each sentence (see `ActOutputs.given`).
        codebook: The codebook.
        seed: Seed of the bootstrap.
        resamples: Number of resamples.

    Returns:
        The scores, or None if no sentence has acts.
    """
    rows = [i for i, s in enumerate(sentences) if s.acts]
    without = sum(name not in (s.acts or {}) for s in sentences for name in s.labels or ())
    if not rows:
        return None
    values = compare_acts([sentences[i].acts for i in rows], [predicted[i] for i in rows], codebook.names)
    # All labels together come first.
    values = np.concatenate([values.sum(axis=1, keepdims=True), values], axis=1)
    drawn = Resamples.draw([sentences[i].document_key for i in rows], seed=seed, resamples=resamples)
    point, resampled = Sums.of(values.sum(axis=0)), Sums.of(drawn.sums(values))

    def score(name: str, at: tuple[int, int]) -> ScoreCI:
        of_resamples = getattr(resampled, name)[:, at[0], at[1]]
        return ScoreCI.from_bootstrap(getattr(point, name)[at], of_resamples, drawn.clusters, _NO_WORDS)

    names = ("all", *codebook.names)
    spans = tuple(
        SpanScores(
            role,
            label,
            n=int(point.items[i, j]),
            gold=int(point.gold_named[i, j]),
            predicted=int(point.predicted_named[i, j]),
            overlap=score("mean_overlap", (i, j)),
            exact_match=score("exact_match", (i, j)),
            named_overlap=score("named_overlap", (i, j)),
        )
        for j, role in enumerate(OUTPUTS)
        if role in ROLES
        for i, label in enumerate(names)
        if point.items[i, j]
    )
    kinds = tuple(
        KindScores(label, int(point.items[i, 0]), score("exact_match", (i, 0)))
        for i, label in enumerate(names)
        if label != "all" and point.items[i, 0]
    )
    return ActReport(drawn.clusters, without, spans, kinds)


def _item(gold: Span | None, predicted: Span | None) -> tuple[float, ...]:
    """Return the fields of `Sums` for one comparison."""
    sizes = [0 if span is None else span[1] - span[0] for span in (gold, predicted)]
    named = [span is not None for span in (gold, predicted)]
    common = _common(gold, predicted) if gold is not None and predicted is not None else 0
    return (1, overlap(gold, predicted), gold == predicted, common, *sizes, *named)


def _common(one: Span, other: Span) -> int:
    return max(0, min(one[1], other[1]) - max(one[0], other[0]))


def _ratio(above: Array, below: Array) -> Array:
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(below > 0, above / below, np.nan)
