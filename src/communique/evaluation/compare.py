"""Compare the labels of two models, or of two codebooks, on the same sentences."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..data.corpus import Corpus
from ..errors import DataError
from ..metrics.bootstrap import RESAMPLES, Resamples
from ..metrics.report import ScoreCI
from ..sampling.population import Population
from .changed import ChangedSentence, changed_sentences
from .compare_scores import CodedScores, score
from .pairs import Pairs, match_rows, pair_notes
from .sides import Side

BoolArray = NDArray[np.bool_]

#: Largest number of draws, which limits the memory of a bootstrap over many documents to 200 MB.
_DRAWS = 100_000_000

#: Least number of resamples, however many documents there are.
_FEWEST = 200


@dataclass(frozen=True)
class LabelChange:
    """The proportion of a label by two models in a group.

    Attributes:
        kind, name: The columns that define the group and its values, or "all" for all sentences.
        label: Name of the label.
        n: Number of sentences.
        documents: Number of documents.
        first, second: Predicted proportions. None if the model does not have the label.
        difference: The second minus the first proportion. The interval comes from a paired bootstrap over documents. None if one of
            the models does not have the label.
        gained: Number of sentences to which only the second model assigns the label.
        lost: Number of sentences to which only the first model assigns the label.
    """

    kind: str
    name: str
    label: str
    n: int
    documents: int
    first: float | None
    second: float | None
    difference: ScoreCI | None
    gained: int
    lost: int


@dataclass(frozen=True)
class ModelComparison:
    """What changes in labels and proportions from one model to another.

    Attributes:
        first, second: Names of the models.
        labels: The labels that both models have, in the order of the first.
        only_first, only_second: Labels that only one of them has.
        pairs: The rows that both sides labelled.
        documents: Number of documents of these rows.
        by: Columns that define the groups.
        changes: Proportions per group and label. The first ones are those of all sentences.
        n_changed: Number of sentences whose common labels differ.
        changed: These sentences, the largest changes first.
        scores: Scores on coded rows, or None if there are none.
        codebooks: Differences between the codebooks.
        notes: Lines for the user.
        seed, resamples: Settings of the bootstrap.
    """

    first: str
    second: str
    labels: tuple[str, ...]
    only_first: tuple[str, ...]
    only_second: tuple[str, ...]
    pairs: Pairs
    documents: int
    by: tuple[str, ...]
    changes: tuple[LabelChange, ...]
    n_changed: int
    changed: tuple[ChangedSentence, ...]
    scores: CodedScores | None
    codebooks: tuple[str, ...]
    notes: tuple[str, ...]
    seed: int
    resamples: int


def compare_models(
    first: Side,
    second: Side,
    *,
    by: Sequence[str] = (),
    coded: Corpus | None = None,
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> ModelComparison:
    """Compare two models, or two tables of predictions, on the rows that both labelled.

    Rows are matched by id and text. Proportions are compared for the labels that both sides have.

    Args:
        first: The first side.
        second: The second side.
        by: Columns that define groups, such as country and year.
        coded: Coded rows, on which both sides are scored. Rows that share a document or a text with the training data of one of the
            models are left out.
        seed: Seed of the bootstrap and of the permutation test.
        resamples: Number of resamples. With many documents, fewer are drawn.

    Raises:
        DataError: No row is in both, the sides have no label in common, or there is no column of that name.
    """
    one, other = first.population, second.population
    labels = tuple(name for name in one.names if name in other.names)
    if not labels:
        raise DataError(
            f"{first.name} and {second.name} have no label in common ({', '.join(one.names)}; {', '.join(other.names)}). Compare "
            "models whose labels have the same names"
        )
    pairs = match_rows(first, second)
    mine, theirs = _decisions(one, pairs.first, labels), _decisions(other, pairs.second, labels)
    documents = one.documents[pairs.first]
    n_documents = len(np.unique(documents))
    resamples = max(min(resamples, _FEWEST), min(resamples, _DRAWS // max(1, n_documents)))
    groups = [("all", "all", np.arange(len(pairs)))]
    groups += _groups(first, second, pairs, by)
    changes: list[LabelChange] = []
    for kind, name, rows in groups:
        drawn = Resamples.draw(documents[rows].tolist(), seed=seed, resamples=resamples)
        changes += _label_changes(kind, name, labels, mine[rows], theirs[rows], drawn)
        if kind == "all":
            changes += _unpaired(one, pairs.first, labels, drawn.clusters, is_first=True)
            changes += _unpaired(other, pairs.second, labels, drawn.clusters, is_first=False)
    different = np.flatnonzero((mine != theirs).any(axis=1))
    notes = [
        *first.notes,
        *(line for line in second.notes if line not in first.notes),
        *pair_notes(first, second, pairs),
    ]
    codebooks: list[str] = []
    if first.codebook is not None and second.codebook is not None:
        codebooks = first.codebook.differences(second.codebook)
    return ModelComparison(
        first=first.name,
        second=second.name,
        labels=labels,
        only_first=tuple(name for name in one.names if name not in labels),
        only_second=tuple(name for name in other.names if name not in labels),
        pairs=pairs,
        documents=n_documents,
        by=tuple(by),
        changes=tuple(changes),
        n_changed=len(different),
        changed=changed_sentences(one, other, pairs, labels, different),
        scores=None
        if coded is None
        else score(first, second, pairs, coded, labels, (mine, theirs), seed=seed, resamples=resamples),
        codebooks=tuple(codebooks),
        notes=tuple(notes),
        seed=seed,
        resamples=resamples,
    )


def _decisions(population: Population, rows: NDArray[np.int64], labels: Sequence[str]) -> BoolArray:
    columns = [population.names.index(name) for name in labels]
    return np.asarray(population.decisions[rows][:, columns])


def _groups(first: Side, second: Side, pairs: Pairs, by: Sequence[str]) -> list[tuple[str, str, NDArray[np.int64]]]:
    """Return the name and the pairs of each group, in the order of the levels."""
    if not by:
        return []
    values = []
    for name in by:
        side, rows = first, pairs.first
        if name != "language" and name not in first.population.columns and name in second.population.columns:
            side, rows = second, pairs.second
        column = side.population.language if name == "language" else side.population.column(name)
        values.append([(int(code), column.levels[code] or "(missing)") for code in column.codes[rows].tolist()])
    members: dict[tuple[tuple[int, str], ...], list[int]] = {}
    for i, key in enumerate(zip(*values, strict=True)):
        members.setdefault(key, []).append(i)
    return [
        (
            ", ".join(by),
            "; ".join(f"{name}={level}" for name, (_, level) in zip(by, key, strict=True)),
            np.array(members[key], np.int64),
        )
        for key in sorted(members)
    ]


def _label_changes(
    kind: str, name: str, labels: Sequence[str], mine: BoolArray, theirs: BoolArray, drawn: Resamples
) -> list[LabelChange]:
    n = len(mine)
    changes = theirs.astype(np.float64) - mine
    sums = drawn.sums(np.column_stack([changes, np.ones(n)]))
    differences = sums[:, :-1] / sums[:, -1:]
    return [
        LabelChange(
            kind,
            name,
            label,
            n=n,
            documents=drawn.clusters,
            first=float(mine[:, i].mean()),
            second=float(theirs[:, i].mean()),
            difference=ScoreCI.from_bootstrap(
                float(changes[:, i].mean()), differences[:, i], drawn.clusters, "there is no row"
            ),
            gained=int((theirs[:, i] & ~mine[:, i]).sum()),
            lost=int((mine[:, i] & ~theirs[:, i]).sum()),
        )
        for i, label in enumerate(labels)
    ]


def _unpaired(
    population: Population, rows: NDArray[np.int64], labels: Sequence[str], documents: int, *, is_first: bool
) -> list[LabelChange]:
    """Return the proportions of the labels that only one side has."""
    found = []
    for i, label in enumerate(population.names):
        if label in labels:
            continue
        given = population.decisions[rows, i]
        share, n = float(given.mean()), int(given.sum())
        found.append(
            LabelChange(
                "all",
                "all",
                label,
                len(rows),
                documents,
                first=share if is_first else None,
                second=None if is_first else share,
                difference=None,
                gained=0 if is_first else n,
                lost=n if is_first else 0,
            )
        )
    return found
