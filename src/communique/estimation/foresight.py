"""Find out before anyone codes which groups of a sample `communique estimate` would refuse or call doubtful.

The rules are those of the estimates (`domains.lacking`, and the limits of `warnings`), applied to a sample that is not coded yet.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ..data.codes import factorize
from ..reporting.format import counted
from ..sampling.design import Design
from ..sampling.population import Population
from ..sampling.size import assumed, by_rates
from .domains import LEAST_DOCUMENTS, LEAST_SENTENCES, Group, build_groups, lacking
from .inputs import group_column
from .sample import BoolArray, FloatArray, Sample
from .warnings import FEW_CASES, FEW_DOCUMENTS, NAMED


@dataclass(frozen=True)
class PlannedGroup:
    """A group of a sample that is not coded yet.

    Attributes:
        group: The group.
        sample: The sample.
        chances: Probability that each drawn sentence has each label, by label, (n,) each. None if nothing is known about them.
    """

    group: Group
    sample: Sample
    chances: Mapping[str, FloatArray] | None

    @cached_property
    def drawn(self) -> BoolArray:
        """Whether each drawn sentence belongs to the group, (n,)."""
        return self.group.gold(self.sample)

    @property
    def rows(self) -> int:
        """Number of drawn sentences."""
        return int(self.drawn.sum())

    @property
    def documents(self) -> int:
        """Number of documents that these come from."""
        return len(np.unique(self.sample.gold_documents[self.drawn]))

    def cases(self, label: str) -> float:
        """Return the expected number of drawn sentences with a label, or without it, whichever is smaller."""
        expected = float(self.chances[label][self.drawn].sum()) if self.chances else 0.0
        return min(expected, self.rows - expected)


def foresee(
    population: Population,
    design: Design,
    *,
    rates: Mapping[str, tuple[float, float]] | None = None,
    proportions: Mapping[str, float] | None = None,
) -> list[str]:
    """Return warnings about groups whose estimates would be refused or doubtful, with the remedy.

    The groups are those that `communique estimate --by` reports. The numbers of sentences with a label are expectations.

    Args:
        population: The rows that the sample was drawn from.
        design: The design of the sample.
        rates: Measured precision and recall by label, see `size.by_rates`.
        proportions: Expected proportion by label. They are used instead of predictions.
    """
    groups = _planned(population, design, _chances(population, rates or {}, proportions))
    lines = [*_refused(groups, design), *_few_documents(groups), *_few_cases(groups)]
    return [f"warning: {line}" for line in lines]


def _chances(
    population: Population, rates: Mapping[str, tuple[float, float]], proportions: Mapping[str, float] | None
) -> FloatArray | None:
    """Return the probability that each row has each label, (N, k), or None if nothing is known about the labels."""
    if proportions:
        return assumed(population, {name: proportions[name] for name in population.names}).probabilities
    return by_rates(population, rates).probabilities if population.has_predictions else None


def _planned(population: Population, design: Design, chances: FloatArray | None) -> list[PlannedGroup]:
    place = {identity: row for row, identity in enumerate(population.ids.to_pylist())}
    drawn = np.array([place[row.id] for row in design.rows], np.int64)
    sample = Sample(
        population.documents,
        drawn,
        np.array([row.inclusion_probability for row in design.rows], np.float64),
        factorize([row.stratum for row in design.rows])[0],
        two_stage=design.sampling == "two-stage",
    )
    by_label = None if chances is None else dict(zip(population.names, chances[drawn].T, strict=True))
    columns = {name: group_column(population.column(name)) for name in design.by}
    return [PlannedGroup(group, sample, by_label) for group in build_groups(columns, len(population))]


def _refused(groups: Sequence[PlannedGroup], design: Design) -> Iterator[str]:
    """Yield a line about groups that are refused for each target, and one about those refused for the default target."""
    never = [one for one in groups if lacking(one.sample, one.group, "finite-population") is not None]
    if never:
        few, remedy = f"fewer than {LEAST_SENTENCES} sentences would be coded", "Use --design stratified"
        if design.sampling == "two-stage":
            few = f"all coded sentences would come from fewer than {LEAST_DOCUMENTS} documents"
            remedy = "Draw from more documents, or use --design stratified"
        yield f"{_in(never, groups)}: {few}, so there would be no estimate. {remedy}, or code more sentences"
    known = set(map(id, never))
    if alone := [one for one in groups if id(one) not in known and one.documents < LEAST_DOCUMENTS]:
        yield (
            f"{_in(alone, groups)}: all coded sentences would come from fewer than {LEAST_DOCUMENTS} documents. Estimate these "
            "groups with `communique estimate --target finite-population`, which needs only the sentences that are drawn within "
            "each group. The default target, superpopulation, refuses them"
        )


def _few_documents(groups: Sequence[PlannedGroup]) -> Iterator[str]:
    if scarce := [one for one in groups if LEAST_DOCUMENTS <= one.documents < FEW_DOCUMENTS]:
        yield (
            f"{_in(scarce, groups)}: coded sentences would come from fewer than {FEW_DOCUMENTS} documents. `communique estimate` "
            "would call estimates for the default target, superpopulation, doubtful"
        )


def _few_cases(groups: Sequence[PlannedGroup]) -> Iterator[str]:
    """Yield a line per label that too few of the coded sentences of some group are expected to have, or not to have.

    If all sentences of a group are coded, nothing about them is doubtful.
    """
    random = [one for one in groups if not one.drawn.any() or one.sample.left[one.drawn].any()]
    if small := [one for one in random if one.chances is None and one.rows < 2 * FEW_CASES]:
        yield (
            f"{_in(small, groups)}: fewer than {2 * FEW_CASES} sentences would be coded. At least {FEW_CASES} with and "
            f"{FEW_CASES} without each label are needed, otherwise `communique estimate` calls the estimate doubtful"
        )
    for label in (groups[0].chances or {}) if groups else ():
        if few := [one for one in random if one.cases(label) < FEW_CASES]:
            yield (
                f"{_in(few, groups)}: fewer than {FEW_CASES} coded sentences are expected to have the label {label}, or not to "
                "have it. `communique estimate` would call this estimate doubtful. Code more sentences, or use fewer groups"
            )


def _in(some: Sequence[PlannedGroup], groups: Sequence[PlannedGroup]) -> str:
    more = f" and {counted(len(some) - NAMED, 'more group')}" if len(some) > NAMED else ""
    return f"{len(some)} of {counted(len(groups), 'group')} ({'; '.join(one.group.name for one in some[:NAMED])}{more})"
