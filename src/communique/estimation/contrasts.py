"""Differences between groups and trends over an ordered column, with intervals and correction for their number."""

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

#: A column with more levels is compared level against the previous one, not every pair: 10 levels would make 45 pairs.
PAIRED = 6

#: A slope through two points is a difference.
LEAST_FOR_TREND = 3


@dataclass(frozen=True)
class ContrastSpec:
    """A linear combination of groups' shares. `family` names what is corrected together."""

    family: str
    name: str
    groups: tuple[str, ...]
    coefficients: FloatArray


@dataclass(frozen=True)
class Contrast:
    """An estimated contrast of one label.

    `estimate` has the interval of this contrast alone, `family_low` and `family_high` that which holds for the whole family
    together (Bonferroni); `p_holm` is corrected within the family, `naive` what the model's labels alone would say.
    `doubtful` names the groups whose shares are doubtful.
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
    """Plan the comparisons: pairs of each column's levels, and trends over each column of numbers.

    Trends are planned over all sentences and within each cell of the other columns.

    Args:
        groups: Those that the gold supports.
        columns: The columns that define groups.
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
    """Give the coefficients of the least-squares slope through the groups' shares, each group weighing the same.

    What is estimated, the slope through the true shares, then depends neither on how many sentences a year has nor on how much
    gold; weights by precision would change it from sample to sample wherever the shares do not lie on a line.
    """
    x = np.array([float(group.values[column]) for group in line])
    centred: FloatArray = x - x.mean()
    return centred / (centred @ centred)


def parse(text: str, groups: Sequence[Group]) -> ContrastSpec:
    """Read a comparison that a user asks for: ``country=FR,year=2021 vs country=DE,year=2021``.

    Args:
        text: Two groups around `vs`.
        groups: Those that the gold supports.

    Raises:
        DataError: It is none, or the gold does not support one of its groups.
    """
    sides = [side.strip() for side in text.split(" vs ")]
    if len(sides) != 2:
        raise DataError(f"--contrast {text!r}: write two groups around ' vs ', such as 'country=FR vs country=DE'")
    by_values = {frozenset(group.values.items()): group.name for group in groups}
    names = []
    for side in sides:
        pairs = [pair.partition("=") for pair in side.split(",")] if side != "all" else []
        name = by_values.get(frozenset((column.strip(), value.strip()) for column, _, value in pairs))
        if name is None:
            raise DataError(
                f"--contrast {text!r}: the gold does not support the group {side!r}; supported: "
                f"{'; '.join(list(by_values.values())[:12])}; draw gold in it, or compare groups that have some"
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
    """Estimate planned contrasts of a label; p-values are corrected within each family.

    Args:
        sample: The design.
        label: Its name.
        plans: What to compare.
        estimates: Corrected estimates by name of the group.
        naive: Naive shares by name of the group.
        target: What is estimated, see `design`.
        doubtful: Names of the groups whose shares are doubtful.
    """
    found: list[Contrast] = []
    for family in dict.fromkeys(plan.family for plan in plans):
        members = [plan for plan in plans if plan.family == family]
        co_occurrence = 1 - (1 - LEVEL) / len(members)
        rows = []
        for one in members:
            value = float(one.coefficients @ [estimates[name].value for name in one.groups])
            influence = combine([estimates[name].influence for name in one.groups], one.coefficients)
            alone = interval(sample, value, influence, target)
            wide = interval(sample, value, influence, target, level=co_occurrence)
            model = float(one.coefficients @ [naive[name] for name in one.groups])
            doubted = tuple(name for name in one.groups if name in doubtful)
            rows.append(Contrast(label, family, one.name, model, alone, wide.low, wide.high, float("nan"), doubted))
        found += [replace(row, p_holm=p) for row, p in zip(rows, holm([row.estimate.p for row in rows]), strict=True)]
    return found
