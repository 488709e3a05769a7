"""Groups of sentences: all sentences, the levels of each column, and the cells of all columns together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ..errors import DataError
from ..sampling.population import Column
from .inputs import EstimationData
from .sample import BoolArray, IntArray, Sample

#: Smallest number of documents with gold in a group. With fewer, the variance between documents cannot be estimated.
LEAST_DOCUMENTS = 2


@dataclass(frozen=True)
class Group:
    """A part of the corpus.

    Attributes:
        level: `all`, the name of a column, or `cell`.
        values: The value of the group in each column that defines it.
        codes: Number of each sentence's group within the level, (N,). All groups of a level share this array to save memory.
        code: Number of this group within the level.
    """

    level: str
    values: Mapping[str, str]
    codes: IntArray
    code: int

    @property
    def name(self) -> str:
        """Readable name, such as `country=FR, year=2021`."""
        return ", ".join(f"{column}={value}" for column, value in self.values.items()) or "all"

    @property
    def members(self) -> BoolArray:
        """Whether each sentence belongs to the group, (N,)."""
        return np.asarray(self.codes == self.code)

    def gold(self, sample: Sample) -> BoolArray:
        """Return whether each gold sentence belongs to the group, (n,)."""
        return np.asarray(self.codes[sample.gold] == self.code)


def build_groups(coded: EstimationData, columns: Sequence[str]) -> list[Group]:
    """Build all groups: all sentences, the levels of each column and, with several columns, all cells that have sentences."""
    groups = [Group("all", {}, np.zeros(len(coded.ids), np.int64), 0)]
    for column in columns:
        one = coded.columns[column]
        groups += [Group(column, {column: value}, one.codes, code) for code, value in enumerate(one.levels)]
    if len(columns) > 1:
        kinds, codes = cross([coded.columns[column] for column in columns])
        for code, kind in enumerate(kinds.tolist()):
            values = {c: coded.columns[c].levels[level] for c, level in zip(columns, kind, strict=True)}
            groups.append(Group("cell", values, codes, code))
    return groups


def cross(columns: Sequence[Column]) -> tuple[IntArray, IntArray]:
    """Cross columns.

    Returns:
        The combinations of levels that occur, in order, (C, columns), and the number of each sentence's combination, (N,).
    """
    joined = np.zeros(len(columns[0].codes), np.int64)
    for column in columns:
        joined = joined * len(column.levels) + column.codes
    found, place = np.unique(joined, return_inverse=True)
    kinds = np.stack(np.unravel_index(found, [len(column.levels) for column in columns]), axis=1)
    return kinds.astype(np.int64), place.reshape(-1).astype(np.int64)


def supported(coded: EstimationData, groups: Sequence[Group], *, skip: bool) -> tuple[list[Group], list[str]]:
    """Separate groups with enough gold from the other groups.

    Args:
        coded: Predictions and gold.
        groups: All groups.
        skip: Whether groups with too little gold are left out and reported. Otherwise, they are an error.

    Returns:
        The groups with gold from at least two documents, and the names of the other groups.

    Raises:
        DataError: A group has too little gold, and `skip` is False.
    """
    missing: list[str] = []
    kept = []
    for group in groups:
        documents = len(np.unique(coded.sample.gold_documents[group.gold(coded.sample)]))
        if documents >= LEAST_DOCUMENTS:
            kept.append(group)
        else:
            missing.append(f"{group.name} ({documents or 'no'} gold document{'s' * (documents != 1)})")
    if missing and not skip:
        shown = "; ".join(missing[:8]) + (f"; and {len(missing) - 8} more" if len(missing) > 8 else "")
        verb = "has" if len(missing) == 1 else "have"
        raise DataError(
            f"{len(missing)} of {len(groups)} groups {verb} gold from fewer than {LEAST_DOCUMENTS} documents, which is too little "
            f"for an estimate: {shown}. Draw gold in these groups (`communique sample` with strata), group by fewer columns, or "
            "leave the groups out with --skip-unsupported"
        )
    return kept, missing
