"""List the sentences to which two models assign different labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..sampling.population import Population
from .pairs import Pairs


@dataclass(frozen=True)
class ChangedSentence:
    """A sentence whose labels differ. `change` is the largest change in the probability of a label that was gained or lost."""

    id: str
    document: str
    language: str
    text: str
    first: tuple[str, ...]
    second: tuple[str, ...]
    gained: tuple[str, ...]
    lost: tuple[str, ...]
    change: float | None
    first_probabilities: dict[str, float]
    second_probabilities: dict[str, float]


def changed_sentences(
    one: Population, other: Population, pairs: Pairs, labels: Sequence[str], different: NDArray[np.int64]
) -> tuple[ChangedSentence, ...]:
    """Return the changed sentences, the largest changes of probability first, otherwise in the order of the rows."""
    found = [_sentence(one, other, int(pairs.first[i]), int(pairs.second[i]), labels) for i in different.tolist()]
    return tuple(sorted(found, key=lambda sentence: -(sentence.change or 0.0)))


def _sentence(one: Population, other: Population, row: int, partner: int, labels: Sequence[str]) -> ChangedSentence:
    first, second = one.predicted(row), other.predicted(partner)
    gained = tuple(name for name in labels if name in second and name not in first)
    lost = tuple(name for name in labels if name in first and name not in second)
    mine, theirs = _probabilities(one, row), _probabilities(other, partner)
    sentence = one.sentence(row)
    known = bool(mine and theirs)
    return ChangedSentence(
        id=sentence.id,
        document=sentence.document,
        language=sentence.language,
        text=sentence.text or other.sentence(partner).text,
        first=first,
        second=second,
        gained=gained,
        lost=lost,
        change=max(abs(theirs[name] - mine[name]) for name in (*gained, *lost)) if known else None,
        first_probabilities=mine,
        second_probabilities=theirs,
    )


def _probabilities(population: Population, row: int) -> dict[str, float]:
    if population.n_without_probabilities:
        return {}
    return dict(zip(population.names, map(float, population.probabilities[row]), strict=True))
