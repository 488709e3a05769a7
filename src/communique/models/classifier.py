"""Define the interface that all classifiers implement."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol, Self, cast, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from ..data.codebook import Codebook
from ..data.corpus import Corpus
from ..data.sentence import Sentence
from ..metrics.calibration import Tuning, to_logits, tune
from ..metrics.scores import indicator
from .info import ModelInfo
from .predictions import Predictions


class Classifier(Protocol):
    """A loaded model: a bundle, a checkpoint or a saved baseline."""

    info: ModelInfo
    codebook: Codebook

    def predict(
        self, texts: str | Iterable[str] | Iterable[Sentence], *, languages: Sequence[str] | None = None
    ) -> Predictions:
        """Label texts or sentences and return predictions in the same order.

        Args:
            texts: Texts in any form that `data.inputs.as_texts` accepts.
            languages: Language code (BCP 47) of each text. Only some models use it, such as a lexicon.
        """
        ...

    def predict_proba(self, sentences: Sequence[Sentence]) -> NDArray[np.float32]:
        """Compute probabilities (n, k), with columns in the codebook's order."""
        ...


class ClassifierWithActs(Protocol):
    """A loaded model that can also predict kinds, holders and targets."""

    def predict(
        self,
        texts: str | Iterable[str] | Iterable[Sentence],
        *,
        languages: Sequence[str] | None = None,
        acts: bool = False,
    ) -> Predictions:
        """Label texts as a `Classifier` does. With `acts`, the predictions have `acts`."""
        ...


def predict_fully(model: Classifier, sentences: Sequence[Sentence]) -> Predictions:
    """Label sentences with all outputs that a model has: kinds, holders and targets too, if it was trained with them."""
    if model.info.acts is None:
        return model.predict(sentences)
    # Only networks have these outputs, and both of their classes have this argument.
    return cast(ClassifierWithActs, model).predict(sentences, acts=True)


@runtime_checkable
class TrainableClassifier(Protocol):
    """A classifier that can be trained: the transformer or a baseline. The benchmark compares these."""

    def fit(self, corpus: Corpus) -> Self:
        """Learn from labelled sentences."""
        ...

    def predict_proba(self, sentences: Sequence[Sentence]) -> NDArray[np.float32]:
        """Compute probabilities (n, k), with columns in the codebook's order."""
        ...


def tune_on(classifier: TrainableClassifier, rows: Corpus, codebook: Codebook) -> Tuning:
    """Tune a trained classifier on rows that did not train it. If there are no rows, return a tuning that changes nothing."""
    if not len(rows):
        return Tuning.none(len(codebook.names), multilabel=codebook.multilabel)
    # Probabilities become logits again, so that every classifier is tuned in the same way as the transformer.
    logits = to_logits(classifier.predict_proba(rows.sentences), multilabel=codebook.multilabel)
    return tune(logits, indicator(rows.sentences, codebook), multilabel=codebook.multilabel)
