"""Find out before anyone codes which groups of a sample `communique estimate` would refuse or call doubtful."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ..reporting.format import counted
from ..sampling.design import Design
from ..sampling.population import Population
from .domains import LEAST_DOCUMENTS, LEAST_SENTENCES
from .sample import FloatArray, IntArray
from .warnings import FEW_CASES, FEW_DOCUMENTS, NAMED


@dataclass(frozen=True)
class PlannedGroup:
    """A group of a sample that is not coded yet.

    Attributes:
        name: Name of the group, such as `country=FR, year=2021`, or `all`.
        size: Number of its sentences in the population.
        rows: Number of its sentences in the sample.
        documents: Number of documents that these come from.
        expected: Expected number of these sentences with each label. None if nothing is known about the proportions.
    """

    name: str
    size: int
    rows: int
    documents: int
    expected: Mapping[str, float] | None


def planned_groups(population: Population, design: Design, chances: FloatArray | None) -> list[PlannedGroup]:
    """Return the groups that `communique estimate --by` would report: all sentences, each level of each column, and all cells.

    Args:
        population: The rows that the sample was drawn from.
        design: The design of the sample.
        chances: Probability that each row of the population has each label, (N, k). None if nothing is known.
    """
    place = {identity: row for row, identity in enumerate(population.ids.to_pylist())}
    drawn = np.array([place[row.id] for row in design.rows], np.int64)
    found = []
    for names, codes in _levels(population, design.by):
        for code, name in enumerate(names):
            rows = drawn[codes[drawn] == code]
            expected = None if chances is None else dict(zip(population.names, chances[rows].sum(axis=0), strict=True))
            documents = len(np.unique(population.documents[rows]))
            found.append(PlannedGroup(name, int((codes == code).sum()), len(rows), documents, expected))
    return found


def _levels(population: Population, by: Sequence[str]) -> Iterator[tuple[list[str], IntArray]]:
    """Yield the names and codes of the groups on each level."""
    yield ["all"], np.zeros(len(population), np.int64)
    columns = {name: population.column(name) for name in by}
    for name, column in columns.items():
        yield [f"{name}={value}" for value in column.levels], column.codes
    if len(columns) > 1:
        rows = np.stack([column.codes for column in columns.values()], axis=1)
        cells, codes = np.unique(rows, axis=0, return_inverse=True)
        names = [
            ", ".join(f"{name}={column.levels[i]}" for (name, column), i in zip(columns.items(), cell, strict=True))
            for cell in cells.tolist()
        ]
        yield names, codes.reshape(-1).astype(np.int64)


def foresee(groups: Sequence[PlannedGroup], design: Design) -> list[str]:
    """Return warnings about groups whose estimates would be refused or doubtful, with the remedy.

    The numbers of documents are those of the sample. The numbers of sentences with a label are expectations.

    Args:
        groups: The groups of the sample, as `planned_groups` returns them.
        design: The design of the sample.
    """
    found = []
    if few := [group.name for group in groups if group.rows < min(LEAST_SENTENCES, group.size)]:
        found.append(
            f"{_in(few, groups)}: fewer than {LEAST_SENTENCES} sentences would be coded, so there would be no interval. Add "
            "the columns of these groups to --by, or code more sentences"
        )
    if alone := [group.name for group in groups if 0 < group.documents < LEAST_DOCUMENTS]:
        remedy = (
            "Draw from more documents, or use --design stratified"
            if design.sampling == "two-stage"
            else "Estimate these groups with `communique estimate --target finite-population`, which needs only the sentences that "
            "are drawn within each group. The default target, superpopulation, refuses them"
        )
        found.append(
            f"{_in(alone, groups)}: all coded sentences would come from fewer than {LEAST_DOCUMENTS} documents. {remedy}"
        )
    elif scarce := [group.name for group in groups if group.documents < FEW_DOCUMENTS]:
        found.append(
            f"{_in(scarce, groups)}: coded sentences would come from fewer than {FEW_DOCUMENTS} documents. `communique estimate` "
            "would call estimates for the default target, superpopulation, doubtful"
        )
    return [f"warning: {line}" for line in (*found, *_few_cases(groups))]


def _few_cases(groups: Sequence[PlannedGroup]) -> Iterator[str]:
    """Yield a line per label that too few of the coded sentences of some group are expected to have, or not to have.

    If all sentences of a group are coded, nothing about them is doubtful.
    """
    all_groups, groups = groups, [group for group in groups if group.rows < group.size]
    if small := [group.name for group in groups if group.expected is None and group.rows < 2 * FEW_CASES]:
        yield (
            f"{_in(small, all_groups)}: fewer than {2 * FEW_CASES} sentences would be coded. At least {FEW_CASES} with and "
            f"{FEW_CASES} without each label are needed, otherwise `communique estimate` calls the estimate doubtful"
        )
    for label in dict.fromkeys(label for group in groups for label in group.expected or ()):
        few = [group.name for group in groups if group.expected and _cases(group, label) < FEW_CASES]
        if few:
            yield (
                f"{_in(few, all_groups)}: fewer than {FEW_CASES} coded sentences are expected to have the label {label}, or not to "
                "have it. `communique estimate` would call this estimate doubtful. Code more sentences, or use fewer groups"
            )


def _cases(group: PlannedGroup, label: str) -> float:
    expected = (group.expected or {})[label]
    return min(expected, group.rows - expected)


def _in(names: Sequence[str], groups: Sequence[PlannedGroup]) -> str:
    more = f" and {counted(len(names) - NAMED, 'more group')}" if len(names) > NAMED else ""
    return f"{len(names)} of {counted(len(groups), 'group')} ({'; '.join(names[:NAMED])}{more})"
