"""Splits by document: folds of a cross-validation, and a held-out part.

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
from .sentence import Sentence


def split_units(sentences: Iterable[Sentence]) -> NDArray[np.int64]:
    """Return the number of each sentence's unit (n,), in order of first appearance.

    Sentences of one document are in one unit, and so are those of documents that are connected by equal values of `parallel`.
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
    """Assign each labelled sentence (n,) to a fold by `assign_folds`. Units stay whole.

    Labels are balanced over the folds, and so are sources and the labels of each language, where there are several.

    Args:
        sentences: n sentences; sentences without labels count as such with none.
        number: Number of folds.
        seed: Another seed makes other folds.
    """
    labels = [s.labels or ("",) for s in sentences]
    # What is the same in all rows would only count double.
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


def assign_folds(
    units: Sequence[int] | NDArray[np.int64], classes: Sequence[Sequence[Hashable]], number: int, *, seed: int
) -> NDArray[np.int64]:
    """Assign each row to a fold (n,), so that units stay whole and folds are similar in size and in all classes.

    Args:
        units: Unit of each row (n,).
        classes: The classes that each row counts for (n lists), such as its labels and its source.
        number: Number of folds, at least 1. There are fewer if there are fewer units.
        seed: Another seed makes other folds.

    Returns:
        Numbers from 0; no fold is empty.
    """
    require_extra("sklearn", "cross-validation by document", extra="analysis")
    from sklearn.model_selection import StratifiedGroupKFold

    groups, distinct = factorize(int(unit) for unit in units)
    number = min(number, len(distinct))
    if number < 2:
        return np.zeros(len(groups), np.int64)
    # scikit-learn balances one class per row. Here a row stands once for each of its classes, and once for the size of its fold:
    # an empty fold then always balances best, so that none stays empty.
    entries = [(row, key) for row, given in enumerate(classes) for key in (None, *given)]
    rows = np.array([row for row, _ in entries])
    codes, _ = factorize(key for _, key in entries)
    of_group = np.zeros(len(distinct), np.int64)
    splitter = StratifiedGroupKFold(number, shuffle=True, random_state=seed)
    with warnings.catch_warnings():
        # It warns of classes with fewer rows than folds, which are common here.
        warnings.filterwarnings("ignore", message="The least populated class")
        for fold, (_, inside) in enumerate(splitter.split(codes, codes, groups[rows])):
            of_group[groups[rows[inside]]] = fold
    return of_group[groups]


def held_out(sentences: Sequence[Sentence], share: float, *, seed: int) -> NDArray[np.bool_]:
    """Mark whole units (n,) with about a share of each source's and language's sentences.

    If sentences say how they were sampled, only those with `sampling: random` count for the share, and only units that have
    some are drawn.

    Args:
        sentences: n sentences.
        share: Between 0 and 1.
        seed: Another seed draws other units.
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
    # Names decide the order, so that the draw does not depend on the order of the rows.
    for unit in sorted(members, key=lambda unit: min((s.document, s.source or "") for s in members[unit])):
        strata[min((s.source or "", s.language) for s in members[unit])].append(unit)
    drawn: list[int] = []
    missing = 0.0
    for stratum, inside in sorted(strata.items()):
        # What earlier strata lack is carried over: otherwise nothing is drawn from many strata of a few rows.
        wanted, taken = share * sum(len(members[unit]) for unit in inside) + missing, 0
        random.Random(f"{seed}/{stratum}").shuffle(inside)
        for unit in inside:
            size = len(members[unit])
            # A unit that overshoots by more than it helps is left: one debate can be half of a language.
            if abs(taken + size - wanted) < abs(taken - wanted):
                drawn.append(unit)
                taken += size
        missing = wanted - taken
    return np.isin(units, drawn)
