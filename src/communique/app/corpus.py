"""Count the labels of a table over time and by group, and arrange documents as strips of labels.

The counts contain the errors of the model. They describe what the model assigned, and do not estimate proportions.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..errors import NotFoundError
from ..sampling.population import MISSING_GROUP, Column, column_of
from .context import OpenProject
from .sources import Source, find_table
from .tables import LabelledTable

#: Largest number of groups that a page shows, and number of documents per page.
MAX_GROUPS, DOCUMENTS_PER_PAGE = 60, 40

#: Largest number of cells of a strip. In longer documents, a cell contains several sentences.
CELLS = 200

#: Number of sentences below which the proportions of a group are marked, because a few sentences change them.
FEW = 30

#: Suffix of the name of a grouping by the year of a column with dates. A name of a column rarely contains a semicolon.
BY_YEAR = ";year"

_DATE = re.compile(r"(1[5-9]|20|21)\d\d-\d\d(-\d\d.*)?")
_YEAR = re.compile(r"(1[5-9]|20|21)\d\d(\.0)?")


class Grouping(NamedTuple):
    """A way to group the sentences of a table.

    Attributes:
        name: Its name in addresses: the column, with `BY_YEAR` if the groups are the years of its dates.
        title: The name that people see.
        is_time: Whether the groups are times.
    """

    name: str
    title: str
    is_time: bool


class Group(NamedTuple):
    """A group: its number of labelled sentences, and how many of them have each label."""

    name: str
    n: int
    counts: tuple[int, ...]

    def proportion(self, label: int) -> float | None:
        """Return the proportion of sentences with a label, or None without sentences."""
        return self.counts[label] / self.n if self.n else None


class Strip(NamedTuple):
    """A document as a strip.

    Attributes:
        number: Number of the document in the table.
        name: Its name.
        n: Number of its sentences.
        counts: Number of sentences with each label.
        cells: For each label, the cells that contain it.
        width: Number of cells.
        per_cell: Largest number of sentences in a cell.
    """

    number: int
    name: str
    n: int
    counts: tuple[int, ...]
    cells: tuple[tuple[int, ...], ...]
    width: int
    per_cell: int


@dataclass(frozen=True)
class Corpus:
    """The counts of a labelled table."""

    table: LabelledTable

    @cached_property
    def groupings(self) -> list[Grouping]:
        """The ways to group the sentences: by columns with few values, and by the years of columns with dates."""
        found = []
        for name, column in self.table.columns.items():
            levels = [level for level in column.levels if level]
            if levels and all(map(_DATE.fullmatch, levels)):
                found.append(Grouping(name + BY_YEAR, f"{name} (by year)", True))
            if 1 < len(column.levels) <= MAX_GROUPS:
                found.append(Grouping(name, name, bool(levels) and all(map(_is_time, levels))))
        # Time comes first, because most questions are about it.
        return sorted(found, key=lambda one: not one.is_time)

    @cached_property
    def total(self) -> Group:
        """The whole table."""
        return self._group("all sentences", self.table.labelled)

    def groups(self, grouping: Grouping) -> list[Group]:
        """Return the groups in the order of their names or times. At most `MAX_GROUPS` years are returned, the latest ones."""
        column = self._column(grouping)
        found, labelled = [], self.table.labelled
        n = np.bincount(column.codes[labelled], minlength=len(column.levels))
        counts = np.stack(
            [
                np.bincount(column.codes[given & labelled], minlength=len(column.levels))
                for given in self.table.decisions.T
            ]
        )
        for code, level in enumerate(column.levels):
            if n[code]:
                name = level.removesuffix(".0") if grouping.is_time else level
                found.append(Group(name or MISSING_GROUP, int(n[code]), tuple(map(int, counts[:, code]))))
        return found[-MAX_GROUPS:]

    def documents(self, words: str = "") -> NDArray[np.int64]:
        """Return the numbers of the documents whose name contains some words, in the order of the table."""
        names = self.table.document_names
        wanted = words.casefold()
        if not wanted:
            return np.arange(len(names))
        return np.array([i for i, name in enumerate(names) if wanted in name.casefold()], np.int64)

    def strips(self, documents: Sequence[int]) -> list[Strip]:
        """Return documents as strips."""
        return [self._strip(int(document)) for document in documents]

    def _strip(self, document: int) -> Strip:
        rows = self.table.rows_of(document)
        given = self.table.decisions[rows]
        per_cell = max(1, -(-len(rows) // CELLS))
        cells = tuple(
            tuple(map(int, np.unique(np.flatnonzero(given[:, label]) // per_cell))) for label in range(given.shape[1])
        )
        name, width = self.table.document_names[document], -(-len(rows) // per_cell)
        return Strip(document, name, len(rows), tuple(map(int, given.sum(axis=0))), cells, width, per_cell)

    def _column(self, grouping: Grouping) -> Column:
        if not grouping.name.endswith(BY_YEAR):
            return self.table.columns[grouping.name]
        column = self.table.columns[grouping.name.removesuffix(BY_YEAR)]
        years = column_of([level[:4] for level in column.levels])
        return Column(years.levels, years.codes[column.codes])

    def _group(self, name: str, inside: NDArray[np.bool_]) -> Group:
        return Group(name, int(inside.sum()), tuple(map(int, self.table.decisions[inside].sum(axis=0))))


def find_newest(opened: OpenProject, name: str, paths: Mapping[str, Path]) -> Source:
    """Return a labelled table of a project. Arguments are those of `find_table`, but without a name it is the newest table.

    Raises:
        NotFoundError: There is no such table, or none at all.
    """
    if not paths:
        raise NotFoundError("This project has no labelled table yet. Label its documents first")
    return find_table(opened, name or list(paths)[-1], paths)


def find_grouping(corpus: Corpus, name: str) -> Grouping:
    """Return a way to group the sentences of a table.

    Raises:
        NotFoundError: There is no such way.
    """
    groupings = {one.name: one for one in corpus.groupings}
    if name not in groupings:
        raise NotFoundError(
            f"The sentences cannot be grouped by {name!r}. Allowed: {', '.join(groupings) or 'nothing'}"
        )
    return groupings[name]


def _is_time(level: str) -> bool:
    return _YEAR.fullmatch(level) is not None or _DATE.fullmatch(level) is not None
