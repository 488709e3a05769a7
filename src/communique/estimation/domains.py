"""Groups of sentences: all of them, the levels of each column, and the cells of all columns together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ..errors import DataError
from ..sampling.population import Column
from .inputs import EstimationData
from .sample import BoolArray, IntArray, Sample

#: Fewer documents with gold leave no variance between documents to estimate.
LEAST_DOCUMENTS = 2


@dataclass(frozen=True)
class Group:
    """A part of the corpus. `level` is `all`, the name of a column, or `cell`; `values` has the group's value of each column.

    `codes` numbers the groups of the level, (N,); groups share it, so that a thousand of them need no more memory than one.
    """

    level: str
    values: Mapping[str, str]
    codes: IntArray
    code: int

    @property
    def name(self) -> str:
        """For people, such as `country=FR, year=2021`."""
        return ", ".join(f"{column}={value}" for column, value in self.values.items()) or "all"

    @property
    def members(self) -> BoolArray:
        """Which sentences belong to it, (N,)."""
        return np.asarray(self.codes == self.code)

    def gold(self, sample: Sample) -> BoolArray:
        """Which gold sentences belong to it, (n,)."""
        return np.asarray(self.codes[sample.gold] == self.code)


def build_groups(coded: EstimationData, columns: Sequence[str]) -> list[Group]:
    """Form all groups: everything, each column's levels, and, with several columns, the cells that have sentences."""
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
    """Cross columns: the combinations of levels that appear, (C, columns) in order, and the number of each sentence's, (N,)."""
    joined = np.zeros(len(columns[0].codes), np.int64)
    for column in columns:
        joined = joined * len(column.levels) + column.codes
    found, place = np.unique(joined, return_inverse=True)
    kinds = np.stack(np.unravel_index(found, [len(column.levels) for column in columns]), axis=1)
    return kinds.astype(np.int64), place.reshape(-1).astype(np.int64)


def supported(coded: EstimationData, groups: Sequence[Group], *, skip: bool) -> tuple[list[Group], list[str]]:
    """Tell groups that the gold can speak of from those it cannot.

    Args:
        coded: Predictions and gold.
        groups: All groups.
        skip: Whether groups without enough gold are left out and told, not refused.

    Returns:
        The groups with gold from at least two documents, and the names of the others.

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
        raise DataError(
            f"gold of fewer than {LEAST_DOCUMENTS} documents in {len(missing)} of {len(groups)} groups: {shown}; nothing can be "
            "said of them: draw gold by these groups (`communique sample` with strata), group by fewer columns, or leave them "
            "out with --skip-unsupported"
        )
    return kept, missing
