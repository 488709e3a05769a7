"""Which sentences teach a model most: unsure ones, spread over documents, languages and labels."""

from __future__ import annotations

import heapq
import math
from collections.abc import Collection

import numpy as np

from .designs import Ints
from .population import Population
from .strata import uncertainty


def pick_for_training(population: Population, n: int, *, exclude: Collection[str] = (), seed: int = 0) -> Ints:
    """Pick rows whose labels would teach most.

    Maximises the sum, over documents, over languages and over labels in doubt (a label and on which side of the threshold
    the model is), of the square root of the uncertainty picked from each of them: every further row of a document, a
    language or a doubt counts for less (Lin and Bilmes 2011, "A Class of Submodular Functions for Document
    Summarization"). The greedy solution reaches at least 63 % of the best value (Nemhauser, Wolsey, Fisher 1978). Of equal
    texts one is picked.

    Args:
        population: The rows.
        n: How many to pick; fewer where the population has fewer different texts.
        exclude: Documents of which nothing may be picked, such as those of gold.
        seed: Decides between equal rows.

    Returns:
        Rows in the order in which they were picked.
    """
    gain = uncertainty(population.probabilities)
    doubtful = (population.probabilities * (1 - population.probabilities)).argmax(axis=1)
    groups = [
        (
            ("document", statement.document),
            ("language", statement.language),
            ("doubt", population.names[doubtful[i]], bool(population.decisions[i, doubtful[i]])),
        )
        for i, statement in enumerate(population.statements)
    ]
    held: dict[tuple[object, ...], float] = {}

    def added(row: int) -> float:
        return sum(math.sqrt(held.get(g, 0.0) + gain[row]) - math.sqrt(held.get(g, 0.0)) for g in groups[row])

    forbidden = set(exclude)
    ties = np.random.default_rng(seed).permutation(len(population))
    queue = [
        (-added(row), int(ties[row]), row)
        for row, statement in enumerate(population.statements)
        if statement.document not in forbidden
    ]
    heapq.heapify(queue)
    picked: list[int] = []
    texts: set[str] = set()
    while queue and len(picked) < n:
        _, tie, row = heapq.heappop(queue)
        if population.statements[row].sha256 in texts:
            continue
        # Gains only shrink as rows are picked: one that still leads after a fresh look is the best (Minoux 1978).
        if queue and (fresh := -added(row)) > queue[0][0]:
            heapq.heappush(queue, (fresh, tie, row))
            continue
        picked.append(row)
        texts.add(population.statements[row].sha256)
        for group in groups[row]:
            held[group] = held.get(group, 0.0) + float(gain[row])
    return np.array(picked, np.int64)
