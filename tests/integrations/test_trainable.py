"""The scikit-learn estimator that learns: `StanceClassifier(kind=...)`."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from helpers import CUES, tiny_rows
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GroupKFold, cross_val_score

from communique.errors import DataError, RecipeError
from communique.integrations.sklearn import StanceClassifier

ROWS = tiny_rows(16, 6)
TEXTS = [str(row["text"]) for row in ROWS]
LABELS = [list(row["labels"]) for row in ROWS]
DOCUMENTS = [str(row["document"]) for row in ROWS]


def test_it_learns_several_labels_per_text() -> None:
    classifier = StanceClassifier(kind="tfidf").fit(TEXTS, LABELS, groups=DOCUMENTS)
    assert classifier.classes_.tolist() == sorted(CUES)
    gold = np.array([[name in labels for name in sorted(CUES)] for labels in LABELS])
    assert classifier.predict(TEXTS).shape == gold.shape
    assert (classifier.predict(TEXTS) == gold).mean() > 0.8
    assert classifier.selection_.documents == 16
    again = pickle.loads(pickle.dumps(classifier))
    np.testing.assert_array_equal(again.predict_proba(TEXTS), classifier.predict_proba(TEXTS))


def test_classes_may_be_numbers_or_have_spaces() -> None:
    y = np.array([len(labels) > 1 for labels in LABELS]).astype(int)
    assert set(StanceClassifier(kind="tfidf").fit(TEXTS, y).predict(TEXTS)) <= {0, 1}
    words = np.array(["one label", "two or more"])[y]
    assert set(StanceClassifier(kind="tfidf").fit(TEXTS, words).predict(TEXTS)) <= set(words)


def test_cross_validation_scores_what_was_learned_and_not_a_shipped_model() -> None:
    y = np.array(["criticism" in labels for labels in LABELS]).astype(int)
    scores = cross_val_score(
        clone(StanceClassifier(kind="tfidf")), TEXTS, y, groups=DOCUMENTS, cv=GroupKFold(2), scoring="balanced_accuracy"
    )
    shuffled = np.random.default_rng(0).permutation(y)
    chance = cross_val_score(
        StanceClassifier(kind="tfidf"), TEXTS, shuffled, groups=DOCUMENTS, cv=GroupKFold(2), scoring="balanced_accuracy"
    )
    assert scores.mean() > chance.mean() + 0.1


def test_what_cannot_be_learned_from_is_refused() -> None:
    with pytest.raises(NotFittedError):
        StanceClassifier(kind="tfidf").predict(TEXTS)
    with pytest.raises(DataError, match="no labels"):
        StanceClassifier(kind="auto").fit(TEXTS)
    with pytest.raises(DataError, match="equally many"):
        StanceClassifier(kind="tfidf").fit(TEXTS, LABELS[1:])
    with pytest.raises(DataError, match="at least 2"):
        StanceClassifier(kind="tfidf").fit(TEXTS, ["a"] * len(TEXTS))
    with pytest.raises(RecipeError, match="frozen-encoder"):
        StanceClassifier(kind="svm").fit(TEXTS, LABELS)
