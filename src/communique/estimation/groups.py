"""Groups of sentences: all of them, the levels of each column, and the cells of all columns together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ..errors import DataError
from .design import BoolArray, FloatArray
from .inputs import Coded

#: Fewer documents with gold leave no variance between documents to estimate.
LEAST_DOCUMENTS = 2


@dataclass(frozen=True)
class Group:
    """A part of the corpus. `level` is `all`, the name of a column, or `cell`; `values` has the group's value of each column."""

    level: str
    values: Mapping[str, str]
    members: BoolArray

    @property
    def name(self) -> str:
        """For people, such as `country=FR, year=2021`."""
        return ", ".join(f"{column}={value}" for column, value in self.values.items()) or "all"


def number(values: Sequence[str]) -> FloatArray | None:
    """Give a column as numbers, such as years; None where a value is none."""
    try:
        numbers = np.array([float(value) for value in values])
    except ValueError:
        return None
    return numbers if np.isfinite(numbers).all() else None


def levels(values: Sequence[str]) -> list[str]:
    """Give the different values of a column in order: by size where all are numbers, else by name."""
    different = sorted(set(values))
    numbers = number(different)
    return different if numbers is None else [different[i] for i in np.argsort(numbers, kind="stable")]


def form(coded: Coded, columns: Sequence[str]) -> list[Group]:
    """Form all groups: everything, each column's levels, and, with several columns, the cells that have sentences."""
    arrays = {column: np.array(coded.columns[column]) for column in columns}
    groups = [Group("all", {}, np.ones(len(coded.ids), np.bool_))]
    for column in columns:
        groups += [Group(column, {column: value}, arrays[column] == value) for value in levels(coded.columns[column])]
    if len(columns) > 1:
        cells: list[tuple[dict[str, str], BoolArray]] = [({}, groups[0].members)]
        for column in columns:
            cells = [
                ({**values, column: value}, members & (arrays[column] == value))
                for values, members in cells
                for value in levels(coded.columns[column])
            ]
        groups += [Group("cell", values, members) for values, members in cells if members.any()]
    return groups


def supported(coded: Coded, groups: Sequence[Group], *, skip: bool) -> tuple[list[Group], list[str]]:
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
        documents = len(np.unique(coded.sample.gold_documents[group.members[coded.sample.gold]]))
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
