"""Groups of sentences that a report scores separately."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from ..data.sentence import Sentence
from ..text.language import UNDETERMINED

#: Kinds of groups, in the order of the report. All except `length` are attributes of `Sentence`.
KINDS = ("sampling", "language", "source", "genre", "year", "length")

#: Bands of text length: thirds of the texts of each language by number of characters. They are formed per language because the
#: same sentence needs fewer characters in some scripts.
BANDS = ("1 short", "2 middle", "3 long")


def members(sentences: Sequence[Sentence], kind: str) -> list[tuple[str, list[int]]]:
    """Return the groups of a kind, sorted by name, with their rows. Rows without a value are in no group."""
    names = _lengths(sentences) if kind == "length" else [getattr(s, kind) for s in sentences]
    missing = UNDETERMINED if kind == "language" else None
    groups: dict[str, list[int]] = defaultdict(list)
    for row, name in enumerate(names):
        if name != missing:
            groups[str(name)].append(row)
    return sorted(groups.items())


def documents(sentences: Sequence[Sentence], rows: Sequence[int]) -> list[tuple[str | None, str]]:
    """Return the document of each row, which is its cluster in the bootstrap."""
    return [sentences[i].document_key for i in rows]


def random_rows(sentences: Sequence[Sentence]) -> list[int]:
    """Return the rows for measuring proportions and calibration: rows with `sampling: random`, or all if there are none."""
    rows = [i for i, s in enumerate(sentences) if s.sampling == "random"]
    return rows or list(range(len(sentences)))


def _lengths(sentences: Sequence[Sentence]) -> list[str]:
    lengths: dict[str, list[int]] = defaultdict(list)
    for s in sentences:
        lengths[s.language].append(len(s.text))
    borders = {language: np.quantile(values, [1 / 3, 2 / 3]) for language, values in lengths.items()}
    return [BANDS[int(np.searchsorted(borders[s.language], len(s.text), side="left"))] for s in sentences]
