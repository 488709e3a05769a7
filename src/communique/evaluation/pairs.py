"""Match the rows that both sides of a comparison labelled."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..data.sentence import text_sha256
from ..errors import DataError
from ..reporting.format import counted
from .sides import Side


@dataclass(frozen=True)
class Pairs:
    """The rows that both sides labelled.

    `first` and `second` (n,) are their row numbers in the two populations, in the order of the first. `only_first` and
    `only_second` count rows of one side, and `other_text` counts rows with the same id and different texts. All three are left
    out.
    """

    first: NDArray[np.int64]
    second: NDArray[np.int64]
    only_first: int
    only_second: int
    other_text: int

    def __len__(self) -> int:
        return len(self.first)


def match_rows(first: Side, second: Side) -> Pairs:
    """Match the rows of two sides by id and text. If a side has no texts, rows are matched by id alone.

    Raises:
        DataError: No row is in both.
    """
    one, other = first.population, second.population
    place = {identity: row for row, identity in enumerate(other.ids.to_pylist())}
    mine, theirs = one.texts.to_pylist(), other.texts.to_pylist()
    found: list[tuple[int, int]] = []
    other_text = 0
    for row, identity in enumerate(one.ids.to_pylist()):
        if (partner := place.get(identity)) is None:
            continue
        texts = mine[row], theirs[partner]
        if None not in texts and texts[0] != texts[1] and text_sha256(texts[0]) != text_sha256(texts[1]):
            other_text += 1
            continue
        found.append((row, partner))
    if not found:
        remedy = "The ids are the same, but the texts differ" if other_text else "No id is in both"
        raise DataError(
            f"{first.name} and {second.name} have no row in common. {remedy}. Label the same corpus with both"
        )
    rows = np.array(found, np.int64)
    only_first, only_second = len(one) - len(rows) - other_text, len(other) - len(rows) - other_text
    return Pairs(rows[:, 0], rows[:, 1], only_first, only_second, other_text)


def pair_notes(first: Side, second: Side, pairs: Pairs) -> list[str]:
    """Return lines that count the rows that were left out."""
    lines = []
    for side, n in ((first, pairs.only_first), (second, pairs.only_second)):
        if n:
            lines.append(f"{side.name}: {counted(n, 'labelled row')} without a partner on the other side left out")
    if pairs.other_text:
        rows = counted(pairs.other_text, "row has", "rows have")
        lines.append(
            f"{rows} the same id but different texts on both sides, and {'is' if pairs.other_text == 1 else 'are'} left out"
        )
    if first.population.texts.null_count or second.population.texts.null_count:
        lines.append("some rows have no text, so they were matched by id alone")
    return lines
