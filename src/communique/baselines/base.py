"""What all baselines share: the codebook, the seed, gold labels, and how one is saved."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from ..data.codebook import Codebook
from ..data.corpus import Corpus
from ..data.sentence import Sentence
from ..errors import DataError
from ..metrics.scores import indicator
from ..reporting.progress import ProgressReporter

BoolArray = NDArray[np.bool_]
FloatArray = NDArray[np.floating]
Arrays = Mapping[str, NDArray[Any]]


class Baseline(ABC):
    """A `TrainableClassifier` with a name. Its constructor stores; what `fit` learns ends in `_`.

    After `fit`: `notes_`, lines that say what the data did not allow. Set `progress` to see the progress of slow steps.
    """

    name: ClassVar[str]
    #: Options that can name a file or folder, whose content decides the result.
    files: ClassVar[tuple[str, ...]] = ()
    progress: ProgressReporter = ProgressReporter.silent()
    notes_: tuple[str, ...]

    def __init__(self, codebook: Codebook, *, seed: int = 0) -> None:
        self.codebook, self.seed = codebook, seed

    @abstractmethod
    def fit(self, corpus: Corpus) -> Self:
        """Learn from labelled sentences."""

    @abstractmethod
    def predict_proba(self, sentences: Sequence[Sentence]) -> NDArray[np.float32]:
        """Give probabilities (n, k) in the codebook's order of labels."""


class Storable(Baseline):
    """A baseline that is settings and arrays, so that a folder can hold it."""

    #: Packages whose versions go into `bundle.json`.
    packages: ClassVar[tuple[str, ...]] = ("numpy",)
    #: Longest input in tokens; 0 where nothing is cut.
    max_tokens: int = 0
    #: What it was computed in.
    precision_: str = "fp32"

    @abstractmethod
    def state(self) -> tuple[dict[str, Any], Arrays]:
        """Give what was learned: JSON, and arrays by name."""

    @abstractmethod
    def restore(self, content: Mapping[str, Any], arrays: Arrays) -> Self:
        """Take what `state` gave."""

    def truncated(self, sentences: Sequence[Sentence]) -> BoolArray:
        """Mark sentences (n,) of which only the beginning is seen."""
        return np.zeros(len(sentences), np.bool_)


def gold(corpus: Corpus, codebook: Codebook) -> BoolArray:
    """Write a training corpus's labels as (n, k).

    Raises:
        DataError: It is empty, or a sentence has no labels, or labels that the codebook does not allow.
    """
    name = next(iter(corpus.files), "corpus")
    if not len(corpus):
        raise DataError(f"{name}: no sentence to learn from; give labelled rows")
    for sentence in corpus:
        if sentence.labels is None:
            raise DataError(f"{name}: id {sentence.id!r} has no labels; a baseline learns from labelled rows alone")
        try:
            codebook.validate_labels(sentence.labels)
        except ValueError as error:
            raise DataError(f"{name}: id {sentence.id!r}: {error}") from error
    return indicator(corpus.sentences, codebook)
