"""TF-IDF of word and character n-grams with a linear model: the classic of supervised text classification.

Vectoriser and solvers are scikit-learn's (extra `analysis`), also when a saved model is opened: what is kept are the
n-grams, their document frequencies and the coefficients.
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

#: Which n-grams each vectoriser makes. Characters stay within words, which serves inflected languages; for Chinese, where
#: a clause has no spaces, they are what carries the model.
ANALYZERS = ("word", "char_wb")


class _Tfidf(Storable):
    """TF-IDF features and a linear model.

    Args:
        codebook: Labels.
        seed: Of the folds and the solver.
        C: Inverse strength of the L2 penalty; chosen by grouped cross-validation from `grid` where None.
        word_ngrams: Shortest and longest n-gram of words.
        char_ngrams: Shortest and longest n-gram of characters.
        max_features: So many most frequent n-grams of each kind are kept.
        folds: Of the cross-validation, which keeps documents whole.

    After `fit`: `model_`, `strengths_` (C by label), `notes_`.
    """

    packages = ("numpy", "scikit-learn", "scipy")
    machine: ClassVar[Machine]
    #: Values of C that are tried.
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
            raise DataError(f"{next(iter(corpus.files), 'corpus')}: no words in its texts ({error})") from error
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
        """Give probabilities (n, k) in the codebook's order."""
        if not sentences:
            return np.zeros((0, len(self.codebook.names)), np.float32)
        logits = self.model_.logits(self._features([s.model_text for s in sentences]))
        return probabilities(logits, multilabel=self.codebook.multilabel)

    def state(self) -> tuple[dict[str, Any], Arrays]:
        """Give n-grams in the order of the columns; frequencies and coefficients."""
        content: dict[str, Any] = {"strengths": self.strengths_, "notes": list(self.notes_)}
        arrays = {"coefficients": self.model_.coefficients, "intercepts": self.model_.intercepts}
        for kind, vectorizer in zip(ANALYZERS, self._vectorizers, strict=True):
            content[kind] = vectorizer.get_feature_names_out().tolist()
            arrays[f"idf_{kind}"] = vectorizer.idf_
        return content, arrays

    def restore(self, content: Mapping[str, Any], arrays: Arrays) -> Self:
        """Take what `state` gave."""
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
            # Without this a text of one-letter words, or of digits alone, has no features.
            token_pattern=r"(?u)\b\w+\b" if kind == "word" else None,
        )

    def _features(self, texts: Sequence[str]) -> Any:
        from scipy.sparse import hstack

        return hstack([vectorizer.transform(texts) for vectorizer in self._vectorizers], format="csr")


class TfidfLogReg(_Tfidf):
    """TF-IDF and logistic regression; arguments as in `_Tfidf`."""

    name = "tfidf-logreg"
    machine = "logistic"
    grid = (3.0, 10.0, 30.0)


class TfidfSVM(_Tfidf):
    """TF-IDF and a linear support vector machine with sigmoid calibration; arguments as in `_Tfidf`."""

    name = "tfidf-svm"
    machine = "svm"
    grid = (0.1, 0.3, 1.0, 3.0)
