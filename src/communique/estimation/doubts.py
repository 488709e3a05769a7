"""Rules by which a share is called doubtful. They were read from the simulation (`benchmarks/estimation.py simulate`)."""

from __future__ import annotations

from .design import FloatArray

#: PLACEHOLDER until measured
FEW_CASES = 5
FEW_DOCUMENTS = 20
UNEVEN = 0.5


def doubts(weights: FloatArray, positives: int, documents: int) -> tuple[str, ...]:
    """Say what makes a share's interval doubtful.

    Args:
        weights: Design weights of the group's gold sentences.
        positives: How many of these carry the label.
        documents: How many documents they come from.
    """
    found = []
    n = len(weights)
    if (cases := min(positives, n - positives)) < FEW_CASES:
        found.append(f"only {cases} gold sentences {'carry' if cases == positives else 'lack'} the label")
    if documents < FEW_DOCUMENTS:
        found.append(f"gold of only {documents} documents")
    if n and weights.sum() ** 2 / (weights**2).sum() < UNEVEN * n:
        found.append("the weights of the gold are very uneven")
    return tuple(found)
