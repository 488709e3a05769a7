"""Rules by which a share is called doubtful, read from simulations such as `benchmarks/estimation.py simulate`."""

from __future__ import annotations

from .design import FloatArray

#: Gold sentences that carry the label, or lack it. With a true share of 2 % and 100 gold sentences (two cases on average) the
#: intervals covered in 98 to 100 % of draws: they hold and are wider than need be, but a normal approximation no longer does,
#: and p-values of differences rest on a handful of sentences.
FEW_CASES = 10

#: Documents with gold. Two-stage samples of 20 documents covered in 93 to 96 % of 200 draws
#: (true shares 10 and 40 %), of 60 documents in 94 to 98 %: fewer than 20 were not simulated over all groups, and clusters more
#: alike than these would do worse.
FEW_DOCUMENTS = 30

#: Kish's effective size of the gold, as a share of its size. Below it few heavy sentences decide. A rule of survey practice,
#: not of the simulation, whose designs stay above it.
UNEVEN = 0.25


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
        with_or_without = "with" if cases == positives else "without"
        found.append(f"only {cases} gold sentence{'s' * (cases != 1)} {with_or_without} the label")
    if documents < FEW_DOCUMENTS:
        found.append(f"gold of only {documents} documents")
    if n and weights.sum() ** 2 / (weights**2).sum() < UNEVEN * n:
        found.append("the weights of the gold are very uneven")
    return tuple(found)
