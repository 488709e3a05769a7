"""Rules that call a proportion doubtful. They come from simulations such as `benchmarks/estimation.py simulate`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..reporting.format import counted
from .sample import BoolArray, FloatArray, Sample, Target

#: Smallest number of gold sentences with the label, and of gold sentences without it. In the simulations, intervals covered the
#: true proportion in 93 % of draws with no such sentence, in 96 % with one or two, in 97 % with three to nine, and in 95 to 96 %
#: with more. Such intervals are still valid, but their widths depend on a handful of sentences. The normal approximation, on which
#: p-values of differences are based, is no longer valid.
FEW_CASES = 10

#: Smallest number of documents with gold. Simulated intervals covered the true proportion in 97 to 98 % of draws with fewer than 30
#: documents, and in 95 to 96 % with more. If sentences of a document are more similar than in the simulations, coverage is lower.
FEW_DOCUMENTS = 30

#: Smallest number of degrees of freedom. They are few if a handful of sentences, such as coded sentences with a large weight and an
#: error, make up most of the variance. In simulations of groups, intervals covered the true proportion in more than 99 % of draws
#: with fewer, and in 95 to 97 % with more.
FEW_FREEDOM = 15

#: Smallest effective size of the gold (Kish), as a proportion of its size. Below it, a few sentences with large weights dominate.
#: This is a rule of survey practice. The simulations did not test it, because their designs stay above it.
UNEVEN = 0.25

#: Largest number of groups that a warning names.
NAMED = 8


@dataclass(frozen=True)
class EstimateWarning:
    """Reason why a proportion is doubtful: the rule that it breaks, and a text with the numbers."""

    rule: str
    text: str


def group_warnings(
    sample: Sample, y: FloatArray, gold: BoolArray, target: Target, freedom: float
) -> tuple[EstimateWarning, ...]:
    """Return the reasons why the interval of a group's proportion is doubtful.

    The number of documents matters only if documents are random: for `superpopulation`, and if documents were drawn by chance.
    If every sentence of the group was coded, nothing is doubtful for `finite-population`.

    Args:
        sample: The gold sample.
        y: Gold values, (n,).
        gold: Whether each gold sentence belongs to the group, (n,).
        target: What is estimated, see `sample`.
        freedom: Degrees of freedom of the corrected proportion.
    """
    inside = sample.gold_documents[gold]
    documents: int | None = len(np.unique(inside))
    if target == "finite-population":
        if not sample.left[gold].any():
            return ()
        if not sample.two_stage or sample.certain_documents[inside].all():
            documents = None
    return find_warnings(sample.weights[gold], int(y[gold].sum()), documents, freedom)


def find_warnings(
    weights: FloatArray, positives: int, documents: int | None, freedom: float = float("inf")
) -> tuple[EstimateWarning, ...]:
    """Return the reasons why the interval of a proportion is doubtful.

    Args:
        weights: Design weights of the gold sentences in the group.
        positives: Number of these sentences with the label.
        documents: Number of documents that these sentences come from. None if documents are not random.
        freedom: Degrees of freedom of the proportion.
    """
    found = []
    n = len(weights)
    if (cases := min(positives, n - positives)) < FEW_CASES:
        with_or_without = "with" if cases == positives else "without"
        found.append(
            EstimateWarning(
                f"fewer than {FEW_CASES} gold sentences with the label, or without it",
                f"only {counted(cases, 'gold sentence')} {with_or_without} the label",
            )
        )
    if documents is not None and documents < FEW_DOCUMENTS:
        found.append(
            EstimateWarning(
                f"gold from fewer than {FEW_DOCUMENTS} documents", f"gold from only {counted(documents, 'document')}"
            )
        )
    if not found and freedom < FEW_FREEDOM:
        found.append(
            EstimateWarning(
                f"fewer than {FEW_FREEDOM} degrees of freedom",
                f"a few gold sentences decide the width of the interval ({freedom:.0f} degrees of freedom)",
            )
        )
    if n and weights.sum() ** 2 / (weights**2).sum() < UNEVEN * n:
        found.append(EstimateWarning("very uneven weights of the gold", "the weights of the gold are very uneven"))
    return tuple(found)


def summary(shares: Sequence[tuple[str, str, Sequence[EstimateWarning]]]) -> list[str]:
    """Return one line per broken rule, with the number of doubtful proportions and their groups and labels.

    Args:
        shares: Label, group and warnings of each proportion.
    """
    broken: dict[str, list[tuple[str, str]]] = {}
    for label, group, found in shares:
        for doubt in found:
            broken.setdefault(doubt.rule, []).append((label, group))
    lines = []
    for rule, where in broken.items():
        groups: dict[str, list[str]] = {}
        for label, group in where:
            groups.setdefault(group, []).append(label)
        named = [f"{group} ({', '.join(labels)})" for group, labels in groups.items()]
        more = f"; and {counted(len(named) - NAMED, 'more group')}" if len(named) > NAMED else ""
        verb = "is" if len(where) == 1 else "are"
        count = f"{len(where)} of {counted(len(shares), 'proportion')}"
        lines.append(f"{rule}: {count} {verb} doubtful: {'; '.join(named[:NAMED])}{more}")
    return lines
