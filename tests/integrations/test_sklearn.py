"""Tests of the scikit-learn estimator with a model: scikit-learn's own checks, texts, labels and copies."""

from __future__ import annotations

import hashlib
import pickle
import warnings
from typing import Any

import numpy as np
import pytest
from fakes import RuleModel, model_info
from helpers import TINY, TINY_MULTICLASS, NumbersAsTexts, written

from communique.errors import DataError
from communique.integrations import sklearn as estimator
from communique.integrations.sklearn import StanceClassifier

TEXTS = ["We agree.", "We condemn it.", "Non."]


def hash_scores(text: str) -> list[float]:
    return [byte / 255 for byte in hashlib.sha256(text.encode()).digest()[:3]]


@pytest.fixture(autouse=True)
def opened(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    folders: list[object] = []

    def load(folder: object, *, threads: int | None = None) -> RuleModel:
        folders.append(folder)
        codebook = TINY_MULTICLASS if folder == "single" else TINY
        return RuleModel(model_info(codebook), codebook, hash_scores)

    monkeypatch.setattr(estimator, "load_model", load)
    return folders


class OnNumbers(NumbersAsTexts, StanceClassifier):
    """An estimator that uses the checks' rows of numbers as texts, and ignores their labels, which are not in the codebook."""

    def fit(self, X: Any, y: Any = None, groups: Any = None) -> OnNumbers:
        return super().fit(written(X))


#: Checks that do not apply, with the reason.
LABELS = "the estimator learns no labels, and those of the check are not in the codebook"
SPARSE = "texts are never sparse; a matrix raises a DataError, which is not a ValueError"
NOT_APPLICABLE = {
    "check_fit_score_takes_y": LABELS,
    "check_pipeline_consistency": LABELS,
    "check_classifiers_one_label": LABELS,
    "check_classifiers_classes": LABELS,
    "check_classifiers_train": LABELS,
    "check_classifiers_multilabel_output_format_predict": LABELS,
    "check_classifiers_multilabel_output_format_predict_proba": LABELS,
    "check_estimator_sparse_tag": SPARSE,
    "check_estimator_sparse_array": SPARSE,
    "check_estimator_sparse_matrix": SPARSE,
}


def test_the_estimator_passes_the_checks_of_scikit_learn() -> None:
    from sklearn.utils.estimator_checks import check_estimator

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        results = check_estimator(OnNumbers(), on_fail=None, on_skip=None)
    failed = {r["check_name"]: r["exception"] for r in results if r["status"] == "failed"}
    # The sets must be equal, so that a check that passes is removed from the list.
    assert failed.keys() == NOT_APPLICABLE.keys(), failed
    assert sum(r["status"] == "passed" for r in results) >= 25


def test_texts_are_labelled_with_the_labels_of_the_model(opened: list[object]) -> None:
    classifier = StanceClassifier("folder")
    assert classifier.fit(TEXTS, [["criticism"], [], ["policy_claim", "criticism"]]) is classifier
    assert classifier.classes_.tolist() == ["criticism", "policy_claim", "cooperation_pledge"]
    probabilities = classifier.predict_proba(np.array(TEXTS))
    assert probabilities.shape == (3, 3)
    assert (classifier.predict(iter(TEXTS)) == (probabilities > 0.5)).all()
    assert opened == ["folder"]
    single = StanceClassifier("single")
    assert single.predict(TEXTS).tolist() == [
        ("criticism", "policy_claim", "cooperation_pledge")[i] for i in probabilities.argmax(axis=1)
    ]


def test_score_is_the_accuracy_of_scikit_learn() -> None:
    classifier = StanceClassifier().fit(TEXTS)
    assert classifier.score(TEXTS, classifier.predict(TEXTS)) == 1.0


def test_copies_open_the_model_again(opened: list[object]) -> None:
    classifier = StanceClassifier("folder").fit(TEXTS)
    again = pickle.loads(pickle.dumps(classifier))
    assert (again.predict_proba(TEXTS) == classifier.predict_proba(TEXTS)).all()
    assert opened == ["folder", "folder"]
    classifier.set_params(model="single").predict(TEXTS)
    assert opened[-1] == "single"


@pytest.mark.parametrize(
    ("texts", "labels", "message"),
    [
        (["a", None], None, "texts[1]: None"),
        (TEXTS, ["criticism"], "y: 1 labels for 3 texts"),
        (
            TEXTS,
            ["criticism", "praise", "criticism"],
            "y[1]: 'praise' is not a label; allowed: criticism, policy_claim",
        ),
        (TEXTS, [[], ["praise"], []], "y[1]: 'praise' is not a label; allowed: criticism, policy_claim"),
        (TEXTS, np.full((3, 3), 7), "y: an array (n, k) of numbers may contain only 0 and 1"),
    ],
)
def test_fit_checks_texts_and_labels(texts: Any, labels: Any, message: str) -> None:
    with pytest.raises(DataError) as caught:
        StanceClassifier().fit(texts, labels)
    assert str(caught.value).startswith(message)
    StanceClassifier().fit(TEXTS, np.zeros((3, 3)))
