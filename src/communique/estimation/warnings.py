"""Rules by which a share is called doubtful, read from simulations such as `benchmarks/estimation.py simulate`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .sample import FloatArray

#: Gold sentences that carry the label, or lack it. Over all simulated shares intervals covered in 93 % of draws where none
#: did, in 96 % where one or two, in 97 % where three to nine, in 95 to 96 % above: they hold, but widths vary with a handful of
#: sentences, a normal approximation no longer does, and p-values of differences rest on it.
FEW_CASES = 10

#: Documents with gold. Simulated intervals covered in 97 to 98 % of draws below 30 documents, in 95 to 96 % above; clusters
#: more alike than these would do worse.
FEW_DOCUMENTS = 30

#: Kish's effective size of the gold, as a share of its size. Below it few heavy sentences decide. A rule of survey practice,
#: not of the simulation, whose designs stay above it.
UNEVEN = 0.25

#: Groups that a warning names.
NAMED = 8


@dataclass(frozen=True)
class EstimateWarning:
    """Why a share is doubtful: the rule that it breaks, and by how much."""

    rule: str
    text: str


def find_warnings(weights: FloatArray, positives: int, documents: int) -> tuple[EstimateWarning, ...]:
    """Say what makes a share's interval doubtful.

    Args:
        weights: Design weights of the group's gold sentences.
        positives: How many of these carry the label.
        documents: How many documents they come from.
    """
    found = []
    n = len(weights)
    if (cases := min(positives, n - positives)) < FEW_CASES:
        with_or_without = "with" if cases == positives else "without"
        found.append(
            EstimateWarning(
                f"fewer than {FEW_CASES} gold sentences with the label, or without it",
                f"only {cases} gold sentence{'s' * (cases != 1)} {with_or_without} the label",
            )
        )
    if documents < FEW_DOCUMENTS:
        found.append(
            EstimateWarning(f"gold of fewer than {FEW_DOCUMENTS} documents", f"gold of only {documents} documents")
        )
    if n and weights.sum() ** 2 / (weights**2).sum() < UNEVEN * n:
        found.append(EstimateWarning("very uneven weights of the gold", "the weights of the gold are very uneven"))
    return tuple(found)


def summary(shares: Sequence[tuple[str, str, Sequence[EstimateWarning]]]) -> list[str]:
    """Give one line for each rule that shares break: how many, and which groups of which labels.

    Args:
        shares: Label, group and warnings of each share.
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
        more = f"; and {len(named) - NAMED} more groups" if len(named) > NAMED else ""
        lines.append(f"{rule}: {len(where)} of {len(shares)} shares are doubtful: {'; '.join(named[:NAMED])}{more}")
    return lines
