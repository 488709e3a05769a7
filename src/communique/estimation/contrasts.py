"""Estimate differences between groups and trends over an ordered column, and correct for multiple comparisons."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, pairwise

import numpy as np

from ..errors import DataError
from ..metrics.multiple_testing import holm
from ..sampling.population import Column
from .domains import Group
from .estimators import Estimate
from .intervals import LEVEL, Interval, interval
from .sample import FloatArray, Sample, Target, combine

#: Largest number of levels for which all pairs are compared. With more, each level is compared only with the previous one,
#: because 10 levels would already make 45 pairs.
PAIRED = 6

#: Smallest number of groups for a trend. A slope through two points would be a difference.
LEAST_FOR_TREND = 3


@dataclass(frozen=True)
class ContrastSpec:
    """A linear combination of the proportions of groups. Contrasts of the same `family` are corrected together."""

    family: str
    name: str
    groups: tuple[str, ...]
    coefficients: FloatArray


@dataclass(frozen=True)
class Contrast:
    """An estimated contrast of one label.

    Attributes:
        naive: The contrast according to the model's labels alone.
        estimate: The corrected estimate, with the interval of this contrast alone.
        family_low, family_high: Ends of the interval that is valid for the whole family together (Bonferroni).
        p_holm: p-value, corrected within the family by Holm's method.
        doubtful: Names of the groups whose proportions are doubtful.
    """

    label: str
    family: str
    name: str
    naive: float
    estimate: Interval
    family_low: float
    family_high: float
    p_holm: float
    doubtful: tuple[str, ...] = ()


def plan(groups: Sequence[Group], columns: Mapping[str, Column]) -> list[ContrastSpec]:
    """Plan the comparisons: pairs of the levels of each column, and trends over each numeric column.

    Trends are planned over all sentences and within each cell of the other columns.

    Args:
        groups: The groups with enough gold.
        columns: The columns that define the groups.
    """
    plans: list[ContrastSpec] = []
    for column, values in columns.items():
        margin = [group for group in groups if group.level == column]
        pairs = list(combinations(margin, 2)) if len(margin) <= PAIRED else list(pairwise(margin))
        plans += [
            ContrastSpec(
                f"differences by {column}", f"{b.name} minus {a.name}", (b.name, a.name), np.array([1.0, -1.0])
            )
            for a, b in pairs
        ]
        if values.numbers is None:
            continue
        series = {"all": margin}
        for group in groups:
            if group.level == "cell":
                rest = ", ".join(f"{c}={v}" for c, v in group.values.items() if c != column)
                series.setdefault(rest, []).append(group)
        plans += [
            ContrastSpec(
                f"trends over {column}",
                f"{name}: slope per 1 {column}",
                tuple(g.name for g in line),
                _slope(line, column),
            )
            for name, line in series.items()
            if len(line) >= LEAST_FOR_TREND
        ]
    return plans


def _slope(line: Sequence[Group], column: str) -> FloatArray:
    """Return the coefficients of the least-squares slope through the proportions of groups, with equal weights.

    With equal weights, the slope that is estimated depends neither on the number of sentences of a group nor on the amount of
    its gold. Weights by precision would change it from sample to sample if the proportions do not lie on a line.
    """
    x = np.array([float(group.values[column]) for group in line])
    centred: FloatArray = x - x.mean()
    return centred / (centred @ centred)


def parse(text: str, groups: Sequence[Group]) -> ContrastSpec:
    """Parse a comparison that the user requests, such as ``country=FR,year=2021 vs country=DE,year=2021``.

    Args:
        text: Two groups, separated by `vs`.
        groups: The groups with enough gold.

    Raises:
        DataError: The text is not a comparison, or one of its groups does not exist or has too little gold.
    """
    sides = [side.strip() for side in text.split(" vs ")]
    if len(sides) != 2:
        raise DataError(
            f"--contrast {text!r}: this does not name two groups. Separate them with ' vs ', such as 'country=FR vs country=DE'"
        )
    by_values = {frozenset(group.values.items()): group.name for group in groups}
    names = []
    for side in sides:
        pairs = [pair.partition("=") for pair in side.split(",")] if side != "all" else []
        name = by_values.get(frozenset((column.strip(), value.strip()) for column, _, value in pairs))
        if name is None:
            raise DataError(
                f"--contrast {text!r}: the group {side!r} does not exist or has too little gold. Draw gold in this group, or "
                f"compare groups with enough gold: {'; '.join(list(by_values.values())[:12])}"
            )
        names.append(name)
    return ContrastSpec("asked for", f"{names[0]} minus {names[1]}", tuple(names), np.array([1.0, -1.0]))


def contrast(
    sample: Sample,
    label: str,
    plans: Sequence[ContrastSpec],
    estimates: Mapping[str, Estimate],
    naive: Mapping[str, float],
    target: Target,
    *,
    doubtful: Collection[str] = (),
) -> list[Contrast]:
    """Estimate the planned contrasts of a label. p-values are corrected within each family.

    Args:
        sample: The gold sample.
        label: Name of the label.
        plans: The planned contrasts.
        estimates: Corrected estimates by group name.
        naive: Naive proportions by group name.
        target: What is estimated, see `sample`.
        doubtful: Names of the groups whose proportions are doubtful.
    """
    found: list[Contrast] = []
    for family in dict.fromkeys(plan.family for plan in plans):
        members = [plan for plan in plans if plan.family == family]
        family_level = 1 - (1 - LEVEL) / len(members)
        rows = []
        for one in members:
            value = float(one.coefficients @ [estimates[name].value for name in one.groups])
            influence = combine([estimates[name].influence for name in one.groups], one.coefficients)
            alone = interval(sample, value, influence, target)
            wide = interval(sample, value, influence, target, level=family_level)
            model = float(one.coefficients @ [naive[name] for name in one.groups])
            doubted = tuple(name for name in one.groups if name in doubtful)
            rows.append(Contrast(label, family, one.name, model, alone, wide.low, wide.high, float("nan"), doubted))
        found += [replace(row, p_holm=p) for row, p in zip(rows, holm([row.estimate.p for row in rows]), strict=True)]
    return found
