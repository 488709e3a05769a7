"""TF-IDF of word and character n-grams with a linear model, a classic method of supervised text classification.

The vectoriser and the solvers are those of scikit-learn (extra `analysis`), which a saved model needs too. A saved model
consists of the n-grams, their document frequencies and the coefficients.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from ..data.codebook import Codebook
from ..data.corpus import Corpus
from ..data.sentence import Sentence
from ..data.splits import split_units
from ..errors import DataError, require_extra
from ..metrics.calibration import probabilities
from .base import Arrays, Storable, gold
from .linear import Linear, Machine, fit_linear

#: Types of n-grams. Character n-grams do not cross word boundaries, which suits inflected languages. In Chinese, where a clause
#: has no spaces, the model relies on them.
ANALYZERS = ("word", "char_wb")


class _Tfidf(Storable):
    """TF-IDF features and a linear model.

    Args:
        codebook: Codebook with the labels.
        seed: Seed of the folds and the solver.
        C: Inverse strength of the L2 penalty. Default: chosen from `grid` by grouped cross-validation.
        word_ngrams: Length of the shortest and the longest word n-gram.
        char_ngrams: Length of the shortest and the longest character n-gram.
        max_features: Number of n-grams of each type to keep; the most frequent ones are kept.
        folds: Number of folds of the cross-validation, which keeps documents whole.

    After `fit`: `model_`, `strengths_` (C by label) and `notes_`.
    """

    packages = ("numpy", "scikit-learn", "scipy")
    machine: ClassVar[Machine]
    #: Values of C that cross-validation compares.
    grid: ClassVar[tuple[float, ...]]

    def __init__(
        self,
        codebook: Codebook,
        *,
        seed: int = 0,
        C: float | None = None,
        word_ngrams: tuple[int, int] = (1, 2),
        char_ngrams: tuple[int, int] = (2, 5),
        max_features: int = 100_000,
        folds: int = 3,
    ) -> None:
        super().__init__(codebook, seed=seed)
        self.C, self.word_ngrams, self.char_ngrams = C, word_ngrams, char_ngrams
        self.max_features, self.folds = max_features, folds

    def fit(self, corpus: Corpus) -> Self:
        """Learn n-grams, their frequencies and the linear model."""
        labels = gold(corpus, self.codebook)
        self._vectorizers = [self._vectorizer(kind) for kind in ANALYZERS]
        texts = [s.model_text for s in corpus]
        try:
            for vectorizer in self._vectorizers:
                vectorizer.fit(texts)
        except ValueError as error:
            raise DataError(
                f"{corpus.name}: the texts contain no words ({error}). Check which column contains the text"
            ) from error
        fitted = fit_linear(
            self._features(texts),
            labels,
            split_units(corpus),
            self.codebook.names,
            machine=self.machine,
            multilabel=self.codebook.multilabel,
            strengths=self.grid if self.C is None else (self.C,),
            number=self.folds,
            seed=self.seed,
        )
        self.model_, self.strengths_, self.notes_ = fitted.model, fitted.strengths, fitted.notes
        return self

    def predict_proba(self, sentences: Sequence[Sentence]) -> NDArray[np.float32]:
        """Compute probabilities (n, k), with columns in the codebook's order."""
        if not sentences:
            return np.zeros((0, len(self.codebook.names)), np.float32)
        logits = self.model_.logits(self._features([s.model_text for s in sentences]))
        return probabilities(logits, multilabel=self.codebook.multilabel)

    def state(self) -> tuple[dict[str, Any], Arrays]:
        """Return the n-grams in the order of the columns, and their document frequencies and coefficients."""
        content: dict[str, Any] = {"strengths": self.strengths_, "notes": list(self.notes_)}
        arrays = {"coefficients": self.model_.coefficients, "intercepts": self.model_.intercepts}
        for kind, vectorizer in zip(ANALYZERS, self._vectorizers, strict=True):
            content[kind] = vectorizer.get_feature_names_out().tolist()
            arrays[f"idf_{kind}"] = vectorizer.idf_
        return content, arrays

    def restore(self, content: Mapping[str, Any], arrays: Arrays) -> Self:
        """Restore what `state` returned."""
        self.model_ = Linear(arrays["coefficients"], arrays["intercepts"])
        self.strengths_, self.notes_ = dict(content["strengths"]), tuple(content["notes"])
        self._vectorizers = [self._vectorizer(kind, content[kind]) for kind in ANALYZERS]
        for kind, vectorizer in zip(ANALYZERS, self._vectorizers, strict=True):
            vectorizer.idf_ = arrays[f"idf_{kind}"]
        return self

    def _vectorizer(self, kind: str, vocabulary: Sequence[str] | None = None) -> Any:
        require_extra("sklearn", f"the baseline {self.name!r}", extra="analysis")
        from sklearn.feature_extraction.text import TfidfVectorizer

        return TfidfVectorizer(
            analyzer=kind,
            ngram_range=tuple(self.word_ngrams if kind == "word" else self.char_ngrams),
            max_features=self.max_features,
            vocabulary=vocabulary,
            sublinear_tf=True,
            dtype=np.float32,
            # The default pattern would leave a text that consists of one-letter words or single digits without features.
            token_pattern=r"(?u)\b\w+\b" if kind == "word" else None,
        )

    def _features(self, texts: Sequence[str]) -> Any:
        from scipy.sparse import hstack

        return hstack([vectorizer.transform(texts) for vectorizer in self._vectorizers], format="csr")


class TfidfLogReg(_Tfidf):
    """TF-IDF with logistic regression. The arguments are those of `_Tfidf`."""

    name = "tfidf-logreg"
    machine = "logistic"
    grid = (3.0, 10.0, 30.0)


class TfidfSVM(_Tfidf):
    """TF-IDF with a linear support vector machine and sigmoid calibration. The arguments are those of `_Tfidf`."""

    name = "tfidf-svm"
    machine = "svm"
    grid = (0.1, 0.3, 1.0, 3.0)
