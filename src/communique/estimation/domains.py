"""Groups of sentences: all sentences, the levels of each column, and the cells of all columns together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..errors import DataError
from ..reporting.format import counted
from ..sampling.population import MISSING_GROUP, Column
from .inputs import NO_VALUE, EstimationData
from .sample import BoolArray, IntArray, Sample, Target

#: Smallest number of documents with gold in a group, if documents are random, and of gold sentences, if only the drawing of
#: sentences is random. With fewer, the variance cannot be estimated. `lacking` is the rule.
LEAST_DOCUMENTS, LEAST_SENTENCES = 2, 2

#: Largest number of groups that a message names.
NAMED = 8


@dataclass(frozen=True)
class Group:
    """A part of the corpus.

    Attributes:
        level: `all`, the name of a column, or `cell`.
        values: The value of the group in each column that defines it.
        codes: Number of each sentence's group within the level, (N,). All groups of a level share this array to save memory.
            Sentences without a value have the number `NO_VALUE`.
        code: Number of this group within the level.
        rest: Whether this is the complement: the sentences of all other groups of the level. Sentences without a value belong to
            no complement.
    """

    level: str
    values: Mapping[str, str]
    codes: IntArray
    code: int
    rest: bool = False

    @property
    def name(self) -> str:
        """Readable name, such as `country=FR, year=2021`."""
        name = ", ".join(f"{column}={value}" for column, value in self.values.items()) or "all"
        return f"all but {name}" if self.rest else name

    @property
    def missing(self) -> bool:
        """Whether this is the group of the sentences without a value."""
        return self.code == NO_VALUE

    @property
    def members(self) -> BoolArray:
        """Whether each sentence belongs to the group, (N,)."""
        return self._of(self.codes)

    def gold(self, sample: Sample) -> BoolArray:
        """Return whether each gold sentence belongs to the group, (n,)."""
        return self._of(self.codes[sample.gold])

    def complement(self) -> Group:
        """Return the group of all other sentences that have a value."""
        return replace(self, rest=True)

    def _of(self, codes: IntArray) -> BoolArray:
        same: BoolArray = codes == self.code
        return np.asarray(~same & (codes != NO_VALUE)) if self.rest else same


def build_groups(columns: Mapping[str, Column], size: int) -> list[Group]:
    """Build all groups: all sentences, the levels of each column and, with several columns, all cells that have sentences.

    Sentences without a value in a column form a group of this column, and belong to no cell.

    Args:
        columns: The columns by name, see `inputs.group_column`.
        size: Number of sentences.

    Raises:
        DataError: Two groups have the same name, so that results of one could be taken for results of the other.
    """
    groups = [Group("all", {}, np.zeros(size, np.int64), 0)]
    for column, one in columns.items():
        groups += [Group(column, {column: value}, one.codes, code) for code, value in enumerate(one.levels)]
        if (one.codes == NO_VALUE).any():
            groups.append(Group(column, {column: MISSING_GROUP}, one.codes, NO_VALUE))
    if len(columns) > 1:
        kinds, codes = cross(list(columns.values()))
        for code, kind in enumerate(kinds.tolist()):
            values = {name: one.levels[level] for (name, one), level in zip(columns.items(), kind, strict=True)}
            groups.append(Group("cell", values, codes, code))
    _check_names(groups)
    return groups


def _check_names(groups: Sequence[Group]) -> None:
    known: dict[str, Group] = {}
    for group in groups:
        other = known.setdefault(group.name, group)
        if other is not group:
            raise DataError(
                f"two different groups would be named {group.name!r}, so their results could be confused. Rename the value "
                f"{next(iter(other.values.values()))!r} of column {next(iter(other.values))!r} in the predictions"
            )


def cross(columns: Sequence[Column]) -> tuple[IntArray, IntArray]:
    """Cross columns.

    Returns:
        The combinations of levels that occur, in order, (C, columns), and the number of each sentence's combination, (N,). It is
        `NO_VALUE` if the sentence has no value in one of the columns.
    """
    joined = np.zeros(len(columns[0].codes), np.int64)
    known = np.ones(len(joined), np.bool_)
    for column in columns:
        known &= column.codes != NO_VALUE
        joined = joined * len(column.levels) + column.codes
    found, place = np.unique(joined[known], return_inverse=True)
    kinds = np.stack(np.unravel_index(found, [max(len(column.levels), 1) for column in columns]), axis=1)
    codes = np.full(len(joined), NO_VALUE, np.int64)
    codes[known] = place.reshape(-1)
    return kinds.astype(np.int64), codes


def lacking(sample: Sample, group: Group, target: Target) -> str | None:
    """Return what a group lacks for an estimate, or None if it has enough gold.

    For `superpopulation`, documents are random, so gold from two documents is necessary. For `finite-population`, only the drawing
    of the gold is random. If sentences were drawn directly, or from documents that were drawn with certainty, two gold sentences
    are enough, or all sentences of the group. In other two-stage samples, two documents are necessary.

    Args:
        sample: The gold sample.
        group: The group.
        target: What is estimated, see `sample`.
    """
    gold = group.gold(sample)
    if target == "finite-population":
        members = group.members
        if int(gold.sum()) == int(members.sum()):
            return None
        if not sample.two_stage or sample.certain_documents[sample.documents[members]].all():
            n = int((gold & (sample.left > 0)).sum())
            return None if n >= LEAST_SENTENCES else f"{n or 'no'} gold sentence{'s' * (n != 1)}"
        gold = gold & ~sample.certain_documents[sample.gold_documents]
    documents = len(np.unique(sample.gold_documents[gold]))
    return None if documents >= LEAST_DOCUMENTS else f"{documents or 'no'} gold document{'s' * (documents != 1)}"


def supported(
    coded: EstimationData, groups: Sequence[Group], *, target: Target, skip: bool
) -> tuple[list[Group], list[str]]:
    """Separate groups with enough gold from the other groups, see `lacking`.

    Args:
        coded: Predictions and gold.
        groups: All groups.
        target: What is estimated, see `sample`.
        skip: Whether groups with too little gold are left out and reported. Otherwise, they are an error. Groups of sentences
            without a value are left out in any case.

    Returns:
        The groups with enough gold, and the names of the other groups.

    Raises:
        DataError: A group has too little gold, and `skip` is False.
    """
    reasons = [lacking(coded.sample, group, target) for group in groups]
    kept = [group for group, reason in zip(groups, reasons, strict=True) if reason is None]
    short = [(group, reason) for group, reason in zip(groups, reasons, strict=True) if reason is not None]
    refused = [group for group, _ in short if not group.missing]
    if refused and not skip:
        raise DataError(
            _refusal(coded.sample, groups, dict(zip(map(id, groups), reasons, strict=True)), refused, target)
        )
    return kept, [f"{group.name} ({reason})" for group, reason in short]


def _refusal(
    sample: Sample, groups: Sequence[Group], reasons: Mapping[int, str | None], refused: Sequence[Group], target: Target
) -> str:
    named = "; ".join(f"{group.name} ({reasons[id(group)]})" for group in refused[:NAMED])
    more = f"; and {len(refused) - NAMED} more" if len(refused) > NAMED else ""
    verb = "has" if len(refused) == 1 else "have"
    line = f"{len(refused)} of {counted(len(groups), 'group')} {verb} too little gold for the target {target}: {named}{more}. "
    remedy = (
        "Draw gold in these groups (`communique sample --by`), group by fewer columns, or leave the groups out with "
        "--skip-unsupported"
    )
    if target == "finite-population":
        needed = "gold from two documents" if sample.two_stage else "two gold sentences"
        return f"{line}A group needs {needed}, or gold for all of its sentences. {remedy}"
    line += f"This target treats documents as random, so a group needs gold from {LEAST_DOCUMENTS} documents. "
    if possible := sum(lacking(sample, group, "finite-population") is None for group in refused):
        line += (
            f"--target finite-population estimates {'all' if possible == len(refused) else possible} of these groups. It then "
            "describes exactly the sentences of this corpus, and does not generalise to other documents. "
        )
    return line + (f"Or: {remedy[0].lower()}{remedy[1:]}" if possible else remedy)
