"""Base classes of the baselines, and the labels that they learn from as an array."""

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
Arrays = Mapping[str, NDArray[Any]]


class Baseline(ABC):
    """A `TrainableClassifier` with a name. The constructor only stores its arguments; attributes that `fit` sets end in `_`.

    After `fit`, `notes_` lists what could not be learned from the data. Set `progress` to report the progress of slow steps.
    """

    name: ClassVar[str]
    #: Options that can name a file or folder whose content affects the predictions.
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
        """Return probabilities (n, k), with columns in the codebook's order."""


class Storable(Baseline):
    """A baseline that consists of settings and arrays, so that it can be saved in a folder."""

    #: Packages whose versions are written to `bundle.json`.
    packages: ClassVar[tuple[str, ...]] = ("numpy",)
    #: Numerical precision of the computations.
    precision_: str = "fp32"

    @abstractmethod
    def state(self) -> tuple[dict[str, Any], Arrays]:
        """Return what was learned: values for JSON, and arrays by name."""

    @abstractmethod
    def restore(self, content: Mapping[str, Any], arrays: Arrays) -> Self:
        """Restore what `state` returned."""


def gold(corpus: Corpus, codebook: Codebook) -> BoolArray:
    """Return the labels of a training corpus as an array (n, k).

    Raises:
        DataError: The corpus is empty, or a sentence has no labels or labels that the codebook does not allow.
    """
    if not len(corpus):
        raise DataError(f"{corpus.name}: there is no sentence to learn from. Provide labelled rows")
    for sentence in corpus:
        if sentence.labels is None:
            raise DataError(
                f"{corpus.name}: id {sentence.id!r} has no labels. A baseline learns from labelled rows only; remove this row or "
                "label it"
            )
        try:
            codebook.validate_labels(sentence.labels)
        except ValueError as error:
            raise DataError(f"{corpus.name}: id {sentence.id!r}: {error}") from error
    return indicator(corpus.sentences, codebook)
