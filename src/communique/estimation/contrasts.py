"""Estimate differences between groups and trends over an ordered column, and correct for multiple comparisons."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from ..metrics.multiple_testing import holm
from .comparisons import ContrastSpec
from .estimators import Estimate
from .intervals import LEVEL, Interval, interval
from .sample import Sample, Target, combine


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
        plans: The planned contrasts, see `comparisons.plan`.
        estimates: Corrected estimates by group name.
        naive: Naive proportions by group name.
        target: What is estimated, see `sample`.
        doubtful: Names of the groups whose proportions are doubtful.
    """
    families: dict[str, list[ContrastSpec]] = {}
    for plan in plans:
        families.setdefault(plan.family, []).append(plan)
    found: list[Contrast] = []
    for family, members in families.items():
        family_level = 1 - (1 - LEVEL) / len(members)
        rows = []
        for one in members:
            value = float(one.coefficients @ [estimates[name].value for name in one.groups])
            influence = combine([estimates[name].influence for name in one.groups], one.coefficients)
            alone = interval(sample, value, influence, target)
            wide = alone.at(family_level)
            model = float(one.coefficients @ [naive[name] for name in one.groups])
            doubted = tuple(name for name in one.groups if name in doubtful)
            rows.append(Contrast(label, family, one.name, model, alone, wide.low, wide.high, float("nan"), doubted))
        found += [replace(row, p_holm=p) for row, p in zip(rows, holm([row.estimate.p for row in rows]), strict=True)]
    return found
