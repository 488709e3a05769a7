"""Plan a sample for intervals of a wished width: in all sentences together, or in each group."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

import numpy as np

from ..io.read import as_number
from ..reporting.format import counted
from .draws import MINIMUM
from .population import Population
from .size import ASSUMED_CORRELATION, Need, assumed, needed
from .strata import Strata, make_strata

#: Expected proportion of a label about which nothing is known. No other proportion needs more sentences.
WORST_CASE = 0.5

#: Name in messages if all labels are expected to have the same proportion.
ANY = "any label"


def as_width(text: str) -> float:
    """Return the width of an interval, such as 0.05 or 5%.

    Raises:
        ValueError: The text is not a width between 0 and 1.
    """
    number, percent = text.strip().removesuffix("%"), text.strip().endswith("%")
    with suppress(ValueError):
        value = as_number(number) / (100 if percent else 1)
        if 0 < value < 1:
            return value
    raise ValueError(
        f"{text!r} is not a width. Use a number between 0 and 1, such as 0.05, or a percentage, such as 5%"
    )


def as_proportions(texts: Iterable[str], names: Sequence[str]) -> dict[str, float]:
    """Return the expected proportion of each label. Labels about which nothing is known have `WORST_CASE`.

    Args:
        texts: Proportions of all labels, such as `0.1`, or of one label, such as `criticism=0.1`. Later ones replace earlier ones.
        names: Names of the labels.

    Raises:
        ValueError: A text is not a proportion between 0 and 1, or names a label that does not exist.
    """
    found = dict.fromkeys(names, WORST_CASE)
    for text in texts:
        name, separator, number = text.rpartition("=")
        value = 0.0
        with suppress(ValueError):
            value = as_number(number)
        if not 0 < value < 1 or (separator and name not in names):
            raise ValueError(
                f"{text!r} is not an expected proportion. Write a number between 0 and 1, or LABEL=NUMBER with one of the labels "
                f"{', '.join(names)}"
            )
        found |= {name: value} if separator else dict.fromkeys(names, value)
    return found


@dataclass(frozen=True)
class GroupNeed:
    """The number of sentences that a group needs.

    Attributes:
        group: Name of the group.
        size: Number of sentences in the group.
        documents: Number of documents in the group.
        need: The need of the label that requires most sentences.
    """

    group: str
    size: int
    documents: int
    need: Need

    @property
    def n(self) -> int:
        """Number of sentences to draw from the group. It is at least 2, so that a variance can be estimated."""
        return min(self.size, max(MINIMUM, self.need.n))

    def __str__(self) -> str:
        if self.n == self.size:
            return f"{self.group}: all {self.size} sentences, from {counted(self.documents, 'document')}"
        return (
            f"{self.group}: {self.n} of {self.size} sentences, from {counted(self.documents, 'document')}; widest interval "
            f"{self.need.width:.3f}, for {self.need.label} (expected proportion {self.need.share:.3f})"
        )


def needed_by_group(
    population: Population,
    width: float,
    groups: Strata,
    *,
    per_document: int | None = None,
    rates: Mapping[str, tuple[float, float]] | None = None,
    correlation: float | None = None,
) -> list[GroupNeed]:
    """Compute how many sentences of each group make its intervals `width` wide (see `size.needed`).

    Each group is treated as a population of its own. The label that requires most sentences decides. A group whose sentences are
    too few for the width is coded as a whole.

    Args:
        population: The rows, with calibrated or assumed probabilities.
        width: Distance between the ends of the interval, such as 0.05.
        groups: The groups, as `strata.make_strata` builds them.
        per_document: Number of sentences that a two-stage design reads per document.
        rates: Measured precision and recall by label.
        correlation: Intraclass correlation of the labels within documents. Default: estimated from the probabilities.

    Returns:
        One need per group, in the order of the groups.
    """
    found = []
    for name, members in zip(groups.names, groups.members(), strict=True):
        part = population.take(members)
        needs = needed(part, width, per_document=per_document, rates=rates, correlation=correlation)
        largest = max(needs, key=lambda need: need.n)
        found.append(GroupNeed(name, len(members), len(np.unique(part.documents)), largest))
    return found


@dataclass(frozen=True)
class Plan:
    """How many sentences to code.

    Attributes:
        n: Number of sentences.
        per_group: Number of sentences per group, by name, or None if the width applies to all sentences together.
        lines: Lines for the user: one per label or group, and the total.
    """

    n: int
    per_group: Mapping[str, int] | None
    lines: tuple[str, ...]


def plan_sample(
    population: Population,
    width: float,
    *,
    design: str | None = None,
    by: Sequence[str] = (),
    strata: Sequence[str] = (),
    allocation: str = "proportional",
    per_document: int = 5,
    rates: Mapping[str, tuple[float, float]] | None = None,
    proportions: Mapping[str, float] | None = None,
) -> Plan:
    """Compute how many sentences to code for 95 % intervals of a certain width.

    With groups, each group gets as many sentences as its own interval needs, except in a simple design, which does not divide its
    sentences among groups.

    Args:
        population: The rows.
        width: Distance between the ends of the intervals, such as 0.05.
        design: The sampling design, as in `design.draw_sample`.
        by: Columns that define groups.
        strata: Further strata, as in `strata.make_strata`.
        allocation: Allocation of the rows to the strata, if the width applies to all sentences together.
        per_document: Number of sentences per document in a two-stage design.
        rates: Measured precision and recall by label.
        proportions: Expected proportion by label. They are used instead of predictions. Default: the predictions or, without
            predictions, `WORST_CASE` for each label.

    Raises:
        DataError: A column does not exist, or an option needs predictions.
    """
    if rates:
        population.require_predictions("--report")
    if strata or allocation == "optimal":
        make_strata(population, (), strata)
        if allocation == "optimal":
            population.require_predictions("--allocation optimal")
    clustered = per_document if design == "two-stage" else None
    correlation = None
    if proportions or not population.has_predictions:
        expected = dict(proportions or {})
        if len(set(expected.values())) < 2:
            expected = {ANY: next(iter(expected.values()), WORST_CASE)}
        population, correlation = assumed(population, expected), ASSUMED_CORRELATION
        basis = _assumption(expected, bool(proportions), clustered)
    else:
        basis = ""
    if by and design != "simple":
        needs = needed_by_group(
            population,
            width,
            make_strata(population, by, ()),
            per_document=clustered,
            rates=rates,
            correlation=correlation,
        )
        per_group = {need.group: need.n for need in needs}
        n = sum(per_group.values())
        total = f"all groups: {counted(n, 'sentence')}{basis}"
        return Plan(n, per_group, (*map(str, needs), total))
    stratified = design != "simple" and bool(strata)
    found = needed(
        population,
        width,
        strata=make_strata(population, (), strata) if stratified else None,
        allocation=allocation,
        per_document=clustered,
        rates=rates,
        correlation=correlation,
    )
    n = max(need.n for need in found)
    lines = [str(need) for need in found]
    if basis:
        lines = [f"{need.label}: {need.n} sentences; expected proportion {need.share:.3f}" for need in found]
    return Plan(n, None, (*lines, f"all labels: {counted(n, 'sentence')}{basis}"))


def _assumption(expected: Mapping[str, float], given: bool, clustered: int | None) -> str:
    if given:
        what = "if the proportions are " + ", ".join(f"{name} {p:g}" for name, p in expected.items())
    else:
        what = f"whatever the proportions are (planned for {WORST_CASE:g}, which needs most sentences)"
    return f", {what}" + (f"; intraclass correlation {ASSUMED_CORRELATION} (assumed)" if clustered else "")
