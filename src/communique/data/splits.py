"""Split sentences by document, into folds for cross-validation or into a held-out set and the rest.

The unit of a split is a document, or all documents that are connected because they are versions of the same text (see
`Sentence.split_keys`). A unit is never divided.
"""

from __future__ import annotations

import random
import warnings
from collections import defaultdict
from collections.abc import Hashable, Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from ..errors import require_extra
from .codes import factorize
from .sentence import AUTHORED, Sentence

#: Number of folds of the cross-validation; fewer if there are fewer documents.
FOLDS = 5

#: Fold of rows that are training rows in every fold.
NEVER_SCORED = -1


def split_units(sentences: Iterable[Sentence]) -> NDArray[np.int64]:
    """Return the number of the unit of each sentence (n,), in order of first appearance.

    The sentences of a document are in the same unit. Documents with the same value of `parallel` are in the same unit too.
    """
    parents: dict[Hashable, Hashable] = {}

    def root(key: Hashable) -> Hashable:
        while (parent := parents.setdefault(key, key)) != key:
            parents[key] = key = parents[parent]
        return key

    keys = [s.split_keys for s in sentences]
    for first, *others in keys:
        for other in others:
            parents[root(other)] = root(first)
    return factorize(root(first) for first, *_ in keys)[0]


def document_folds(sentences: Sequence[Sentence], number: int, *, seed: int) -> NDArray[np.int64]:
    """Return the fold of each sentence (n,), from `assign_folds`. No unit is divided.

    The folds are balanced by label. If there are several sources, they are also balanced by source, and if there are
    several languages, by the labels of each language.

    Args:
        sentences: n sentences. Unlabelled sentences are treated like sentences to which no label applies.
        number: Number of folds.
        seed: Seed of the random assignment.
    """
    labels = [s.labels or ("",) for s in sentences]
    # A single source or language would only duplicate the other classes.
    several_sources = len({s.source for s in sentences}) > 1
    several_languages = len({s.language for s in sentences}) > 1
    classes: list[list[Hashable]] = [
        [
            *given,
            *((("source", s.source),) if several_sources else ()),
            *((s.language, label) for label in given if several_languages),
        ]
        for s, given in zip(sentences, labels, strict=True)
    ]
    return assign_folds(split_units(sentences), classes, number, seed=seed)


def scored_folds(sentences: Sequence[Sentence], number: int, *, seed: int) -> NDArray[np.int64]:
    """Return the fold of each row (n,) from `document_folds`, or `NEVER_SCORED`.

    Rows that were written for training are not a sample of the text that a model will label, so they are never scored. They are
    scored like other rows if the others are from a single document.

    Args:
        sentences: n labelled rows.
        number: Number of folds.
        seed: Seed of the random assignment.
    """
    folds = np.full(len(sentences), NEVER_SCORED, np.int64)
    found = np.array([s.sampling != AUTHORED for s in sentences], np.bool_)
    folds[found] = document_folds([s for s, yes in zip(sentences, found, strict=True) if yes], number, seed=seed)
    return folds if folds.max(initial=0) > 0 else document_folds(sentences, number, seed=seed)


def fold_numbers(folds: NDArray[np.int64]) -> list[int]:
    """Return the numbers of the folds that are scored, in order."""
    return [int(fold) for fold in np.unique(folds) if fold != NEVER_SCORED]


def assign_folds(
    units: Sequence[int] | NDArray[np.int64], classes: Sequence[Sequence[Hashable]], number: int, *, seed: int
) -> NDArray[np.int64]:
    """Assign each row to a fold, so that no unit is divided and the folds are similar in size and in every class.

    Args:
        units: Unit of each row (n,).
        classes: The classes of each row (n lists), such as its labels and its source.
        number: Number of folds, at least 1. If there are fewer units than this, there is one fold per unit.
        seed: Seed of the random assignment.

    Returns:
        Fold numbers (n,), starting from 0. No fold is empty.

    Raises:
        MissingExtraError: scikit-learn is not installed.
    """
    require_extra("sklearn", "cross-validation by document", extra="analysis")
    from sklearn.model_selection import StratifiedGroupKFold

    groups, distinct = factorize(int(unit) for unit in units)
    number = min(number, len(distinct))
    if number < 2:
        return np.zeros(len(groups), np.int64)
    # scikit-learn balances one class per row. A row is therefore repeated for each of its classes, and once more (None) for the
    # size of its fold. Because of the latter, assigning a unit to an empty fold always gives the best balance, so no fold is empty.
    entries = [(row, key) for row, given in enumerate(classes) for key in (None, *given)]
    rows = np.array([row for row, _ in entries])
    codes, _ = factorize(key for _, key in entries)
    of_group = np.zeros(len(distinct), np.int64)
    splitter = StratifiedGroupKFold(number, shuffle=True, random_state=seed)
    with warnings.catch_warnings():
        # scikit-learn warns about classes with fewer rows than folds, which are common here.
        warnings.filterwarnings("ignore", message="The least populated class")
        for fold, (_, inside) in enumerate(splitter.split(codes, codes, groups[rows])):
            of_group[groups[rows[inside]]] = fold
    return of_group[groups]


def held_out(sentences: Sequence[Sentence], share: float, *, seed: int) -> NDArray[np.bool_]:
    """Return a mask (n,) of whole units with about the wanted proportion of the sentences of each source and language.

    If any sentence has `sampling: random`, the proportion refers to those sentences only, and only units that contain some
    of them are drawn.

    Args:
        sentences: n sentences.
        share: Proportion to hold out, from 0 to 1.
        seed: Seed of the random draw.
    """
    units = split_units(sentences)
    counted = np.array([s.sampling == "random" for s in sentences], np.bool_)
    counted = counted if counted.any() else ~counted
    members: dict[int, list[Sentence]] = defaultdict(list)
    for unit, s in zip(
        units[counted].tolist(), (s for s, yes in zip(sentences, counted, strict=True) if yes), strict=True
    ):
        members[unit].append(s)
    strata: dict[tuple[str, str], list[int]] = defaultdict(list)
    # Units are sorted by name, so that the draw does not depend on the order of the rows.
    for unit in sorted(members, key=lambda unit: min((s.document, s.source or "") for s in members[unit])):
        strata[min((s.source or "", s.language) for s in members[unit])].append(unit)
    drawn: list[int] = []
    missing = 0.0
    for stratum, inside in sorted(strata.items()):
        # A shortfall is carried over to the next stratum. Otherwise, nothing would be drawn from strata with only a few rows.
        wanted, taken = share * sum(len(members[unit]) for unit in inside) + missing, 0
        random.Random(f"{seed}/{stratum}").shuffle(inside)
        for unit in inside:
            size = len(members[unit])
            # A unit that would overshoot too far is skipped: a single debate can contain half of the sentences of a language.
            if abs(taken + size - wanted) < abs(taken - wanted):
                drawn.append(unit)
                taken += size
        missing = wanted - taken
    return np.isin(units, drawn)
