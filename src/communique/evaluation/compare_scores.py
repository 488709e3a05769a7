"""Score two models on the same coded rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..benchmark.comparison import Decided, bootstrap, differences, mean_macro_f1
from ..data.corpus import Corpus
from ..data.sentence import text_sha256
from ..errors import DataError
from ..metrics.report import ScoreCI
from ..metrics.scores import precision_recall_f1
from ..models.leakage import find_leak
from ..reporting.format import counted
from .pairs import Pairs
from .sides import Side

BoolArray = NDArray[np.bool_]

#: Names of the two sides in the functions of `benchmark.comparison`.
FIRST, SECOND = "first", "second"


@dataclass(frozen=True)
class PairedScore:
    """A score of both models, and the second minus the first. All intervals come from the same resamples of documents."""

    name: str
    gold: int
    first: ScoreCI
    second: ScoreCI
    difference: ScoreCI


@dataclass(frozen=True)
class CodedScores:
    """Scores on coded rows.

    Attributes:
        n: Number of scored rows.
        documents: Number of their documents.
        macro_f1: Macro-F1 over the labels that both models and the gold have. `gold` is the number of labels.
        p: Two-sided p-value of a permutation test by document for the difference in macro-F1.
        f1: F1 per label. `gold` is the number of rows with the label.
        notes: Lines that count the rows that were left out.
    """

    n: int
    documents: int
    macro_f1: PairedScore
    p: float
    f1: tuple[PairedScore, ...]
    notes: tuple[str, ...]


def score(
    first: Side,
    second: Side,
    pairs: Pairs,
    coded: Corpus,
    labels: Sequence[str],
    decisions: tuple[BoolArray, BoolArray],
    *,
    seed: int,
    resamples: int,
) -> CodedScores:
    """Score both sides on the coded rows among the pairs.

    Args:
        first: The first side.
        second: The second side.
        pairs: The rows that both sides labelled.
        coded: Coded rows. Those without labels, without a pair or with another text are left out, and so are those that share a
            document, a text or nearly a text with the training data of one of the models.
        labels: The k labels that both sides have.
        decisions: Labels of both sides, (pairs, k).
        seed: Seed of the bootstrap and the permutations.
        resamples: Number of resamples.

    Raises:
        DataError: No coded row is left.
    """
    population = first.population
    ids = population.ids.to_pylist()
    place = {ids[row]: i for i, row in enumerate(pairs.first.tolist())}
    labelled = [s for s in coded if s.labels is not None]
    absent = [s for s in labelled if s.id not in place]
    texts = population.texts
    other_text = {
        s.id
        for s in labelled
        if s.id in place
        and (text := texts[int(pairs.first[place[s.id]])].as_py()) is not None
        and text_sha256(text) != s.sha256
    }
    kept = coded.where(lambda s: s.labels is not None and s.id in place and s.id not in other_text)
    notes = []
    for n, reason in (
        (len(coded) - len(labelled), "without labels"),
        (len(absent), f"whose id is not among the rows that both {first.name} and {second.name} labelled"),
        (len(other_text), "whose text differs from that of the labelled row"),
    ):
        if n:
            notes.append(f"{coded.name}: left out of the scores: {counted(n, 'row')} {reason}")
    kept, lines = _without_trained(first, second, kept)
    notes += lines
    if not len(kept):
        raise DataError(
            *notes,
            f"{coded.name}: no row is left to score. Use coded rows of the compared corpus that trained neither model",
        )
    rows = np.array([place[s.id] for s in kept], np.int64)
    gold = np.array([[name in (s.labels or ()) for name in labels] for s in kept], np.bool_)
    documents = population.documents[pairs.first[rows]].tolist()
    predicted = {FIRST: decisions[0][rows][None], SECOND: decisions[1][rows][None]}
    return _scores(Decided(gold, documents, predicted), labels, tuple(notes), seed=seed, resamples=resamples)


def _without_trained(first: Side, second: Side, coded: Corpus) -> tuple[Corpus, list[str]]:
    """Leave out rows that trained one of the models."""
    shared: set[str] = set()
    notes = []
    for side in (first, second):
        if side.folder is None or side.info is None:
            notes.append(
                f"{side.name}: a table does not show what its model was trained on. Check that the coded rows did not train it"
            )
            continue
        leak = find_leak(side.folder, side.info, coded)
        shared |= set(leak.kinds)
        if leak.kinds:
            notes.append(f"{side.name}: {leak.describe()}. These rows were left out of the scores")
        if leak.unchecked:
            notes.append(f"{side.name}: near-duplicates of the training data were not searched for: {leak.unchecked}")
    return coded.where(lambda s: s.id not in shared), notes


def _scores(
    decided: Decided, labels: Sequence[str], notes: tuple[str, ...], *, seed: int, resamples: int
) -> CodedScores:
    counts = decided.by_document()
    drawn = bootstrap(counts, seed=seed, resamples=resamples)
    documents = counts[FIRST].shape[1]
    [test] = differences(counts, FIRST, seed=seed, resamples=resamples)
    undefined = "no row has a gold label or a predicted label"

    def paired(
        name: str, gold: int, values: dict[str, float], of_resamples: dict[str, NDArray[np.float64]]
    ) -> PairedScore:
        one, other = (ScoreCI.from_bootstrap(values[s], of_resamples[s], documents, undefined) for s in (FIRST, SECOND))
        change = ScoreCI.from_bootstrap(
            values[SECOND] - values[FIRST], of_resamples[SECOND] - of_resamples[FIRST], documents, undefined
        )
        return PairedScore(name, gold, one, other, change)

    f1 = {side: precision_recall_f1(counts[side].sum(axis=(0, 1)))[:, 2] for side in (FIRST, SECOND)}
    return CodedScores(
        n=len(decided.gold),
        documents=documents,
        macro_f1=paired(
            "macro-F1",
            len(labels),
            {side: mean_macro_f1(counts[side]) for side in f1},
            {side: drawn[side].scores for side in f1},
        ),
        p=test.p,
        f1=tuple(
            paired(
                label,
                int(decided.gold[:, i].sum()),
                {side: float(f1[side][i]) for side in f1},
                {side: drawn[side].f1[:, i] for side in f1},
            )
            for i, label in enumerate(labels)
        ),
        notes=notes,
    )
