"""Select informative sentences for training: uncertain ones, spread over documents, languages and labels."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from .draws import Ints
from .population import Population
from .strata import uncertainty


def pick_for_training(population: Population, n: int, *, exclude: Collection[str] = (), seed: int = 0) -> Ints:
    """Select the rows from whose labels a model would learn most.

    Each row belongs to three groups: its document, its language, and its most uncertain label (together with whether that
    label is predicted). The selection maximises the sum, over all groups, of the square root of the total uncertainty of the
    selected rows in the group. Because of the square root, each further row of a group adds less (Lin and Bilmes 2011, "A Class
    of Submodular Functions for Document Summarization"). The greedy algorithm reaches at least 63 % of the maximum (Nemhauser,
    Wolsey, Fisher 1978). Of equal texts, only one is selected.

    Args:
        population: The rows.
        n: Number of rows to select. If the population has fewer different texts, fewer rows are selected.
        exclude: Names of documents from which no row may be selected, such as documents with gold labels.
        seed: Seed for choosing between equally uncertain rows.

    Returns:
        Row numbers in the order of selection.

    Raises:
        DataError: The predictions have no probabilities.
    """
    population.require_predictions("--for training")
    population.require_probabilities("--for training")
    uncertain = uncertainty(population.probabilities)
    doubtful = (population.probabilities * (1 - population.probabilities)).argmax(axis=1)
    side = population.decisions[np.arange(len(population)), doubtful]
    groups = np.stack([population.documents, population.language.codes, 2 * doubtful + side], axis=1)
    forbidden = set(exclude)
    allowed = np.flatnonzero(
        np.array([name not in forbidden for name in population.document_names])[population.documents]
    )
    if not len(allowed):
        return np.zeros(0, np.int64)
    # A cell contains the rows that belong to the same groups. Among them, the most uncertain row adds most. The rows of each cell
    # are therefore queued by uncertainty, and only the first remaining row competes.
    cells, cell_of = np.unique(groups[allowed], axis=0, return_inverse=True)
    ties = np.random.default_rng(seed).permutation(len(allowed))
    queue = allowed[np.lexsort((ties, -uncertain[allowed], cell_of))]
    ends = np.cumsum(np.bincount(cell_of))
    first = np.concatenate([[0], ends[:-1]])
    held = [np.zeros(int(column.max()) + 1) for column in cells.T]
    picked: list[int] = []
    texts: set[str] = set()
    while len(picked) < n and (first < ends).any():
        offered = np.where(first < ends, uncertain[queue[np.minimum(first, len(queue) - 1)]], -np.inf)
        added = np.zeros(len(cells))
        for sums, column in zip(held, cells.T, strict=True):
            added += np.sqrt(sums[column] + np.maximum(offered, 0)) - np.sqrt(sums[column])
        best = int(np.where(offered >= 0, added, -1).argmax())
        row = int(queue[first[best]])
        first[best] += 1
        if (text := population.sentence(row).sha256) in texts:
            continue
        picked.append(row)
        texts.add(text)
        for sums, group in zip(held, cells[best], strict=True):
            sums[group] += uncertain[row]
    return np.array(picked, np.int64)
