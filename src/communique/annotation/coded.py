"""Recognise sentences that were already coded, so that they are not offered for coding again."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..data.codebook import Codebook
from ..sampling.design import SUFFIX, Design
from ..sampling.population import Population, display_sha256
from .detect import read_coded


@dataclass(frozen=True)
class CodedSentences:
    """Sentences of coded files and design files.

    Attributes:
        texts: Hashes of their texts, see `display_sha256`.
        ids: Ids of the sentences whose texts are not known.
    """

    texts: frozenset[str]
    ids: frozenset[str]

    def rows(self, population: Population) -> NDArray[np.bool_]:
        """Return which rows of a population are among these sentences, (N,). Rows with the same text are too."""
        sentences = map(population.sentence, range(len(population)))
        known = (s.id in self.ids or display_sha256(s.text) in self.texts for s in sentences)
        return np.fromiter(known, np.bool_, len(population))


def read_coded_sentences(paths: Iterable[str | Path], codebook: Codebook) -> CodedSentences:
    """Read which sentences are in coded files: sheets, exports of coding tools, gold, and design files of samples.

    All rows of a file count, including those that are not filled in yet, because somebody will code them.

    Args:
        paths: The files.
        codebook: The codebook of the labels.

    Raises:
        DataError: A file cannot be read.
    """
    texts: set[str] = set()
    ids: set[str] = set()
    for path in map(Path, paths):
        if path.name.endswith(SUFFIX):
            texts.update(row.display_sha256 or row.sha256 for row in Design.load(path).rows)
            continue
        for row in read_coded(path, codebook).rows:
            if row.text is not None:
                texts.add(display_sha256(row.text))
            elif row.id is not None:
                ids.add(row.id)
    return CodedSentences(frozenset(texts), frozenset(ids))
