"""Groups of sentences that a report looks at by themselves."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from ..data.sentence import Sentence

#: How groups are formed, in the order of the report. All but `length` are fields of `Sentence`.
KINDS = ("sampling", "language", "source", "genre", "year", "length")

#: Bands of length: thirds of the texts of each language, by characters, since a character is not as long everywhere.
BANDS = ("1 short", "2 middle", "3 long")


def members(sentences: Sequence[Sentence], kind: str) -> list[tuple[str, list[int]]]:
    """List the groups of a kind by name, each with its rows; rows without a value are in none."""
    names = _lengths(sentences) if kind == "length" else [getattr(s, kind) for s in sentences]
    groups: dict[str, list[int]] = defaultdict(list)
    for row, name in enumerate(names):
        if name is not None:
            groups[str(name)].append(row)
    return sorted(groups.items())


def documents(sentences: Sequence[Sentence], rows: Sequence[int]) -> list[tuple[str | None, str]]:
    """Give the document of each row, the cluster of every interval."""
    return [sentences[i].document_key for i in rows]


def random_rows(sentences: Sequence[Sentence]) -> list[int]:
    """List the rows from which shares and calibration may be read: those with `sampling: random`, else all."""
    rows = [i for i, s in enumerate(sentences) if s.sampling == "random"]
    return rows or list(range(len(sentences)))


def _lengths(sentences: Sequence[Sentence]) -> list[str]:
    lengths: dict[str, list[int]] = defaultdict(list)
    for s in sentences:
        lengths[s.language].append(len(s.text))
    borders = {language: np.quantile(values, [1 / 3, 2 / 3]) for language, values in lengths.items()}
    return [BANDS[int(np.searchsorted(borders[s.language], len(s.text), side="left"))] for s in sentences]
