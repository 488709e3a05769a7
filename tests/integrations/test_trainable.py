"""Tests of the scikit-learn estimator that is trained, `StanceClassifier(kind=...)`."""

from __future__ import annotations

import pickle
import warnings
from typing import Any

import numpy as np
import pytest
import sklearn
from helpers import CUES, NumbersAsTexts, has_facts, tiny_rows, written
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, GroupKFold, cross_val_score

from communique.baselines.tfidf import TfidfLogReg
from communique.data.codebook import Codebook, Label
from communique.errors import DataError, RecipeError
from communique.integrations import trainable
from communique.integrations.sklearn import StanceClassifier

ROWS = tiny_rows(16, 6)
TEXTS = [str(row["text"]) for row in ROWS]
LABELS = [list(row["labels"]) for row in ROWS]
DOCUMENTS = [str(row["document"]) for row in ROWS]


def test_the_estimator_learns_several_labels_per_text() -> None:
    classifier = StanceClassifier(kind="tfidf").fit(TEXTS, LABELS, groups=DOCUMENTS)
    assert classifier.classes_.tolist() == sorted(CUES)
    gold = np.array([[name in labels for name in sorted(CUES)] for labels in LABELS])
    assert classifier.predict(TEXTS).shape == gold.shape
    assert (classifier.predict(TEXTS) == gold).mean() > 0.8
    assert classifier.selection_.documents == 16
    assert classifier.predict([]).shape == classifier.predict_proba([]).shape == (0, 3)
    again = pickle.loads(pickle.dumps(classifier))
    np.testing.assert_array_equal(again.predict_proba(TEXTS), classifier.predict_proba(TEXTS))


def test_classes_can_be_numbers_or_contain_spaces() -> None:
    y = np.array([len(labels) > 1 for labels in LABELS]).astype(int)
    assert set(StanceClassifier(kind="tfidf").fit(TEXTS, y).predict(TEXTS)) <= {0, 1}
    words = np.array(["one label", "two or more"])[y]
    assert set(StanceClassifier(kind="tfidf").fit(TEXTS, words).predict(TEXTS)) <= set(words)


def test_classes_can_be_strings_that_are_no_names_of_labels() -> None:
    classes = ["", "a b", "a_b", "none", "x" * 70 + "1", "x" * 70 + "2"]
    names = trainable._label_names(classes)
    assert len(set(names)) == len(classes)
    Codebook(name="x", version="1", task="multilabel", labels=tuple(Label(name=n, definition=n) for n in names))
    y = np.array(["a b", "a_b"])[[int("criticism" in labels) for labels in LABELS]]
    assert (StanceClassifier(kind="tfidf").fit(TEXTS, y).predict(TEXTS) == y).mean() > 0.8


def test_cross_validation_scores_the_trained_classifier_and_not_the_shipped_model() -> None:
    y = np.array(["criticism" in labels for labels in LABELS]).astype(int)
    scores = cross_val_score(
        clone(StanceClassifier(kind="tfidf")), TEXTS, y, groups=DOCUMENTS, cv=GroupKFold(2), scoring="balanced_accuracy"
    )
    shuffled = np.random.default_rng(0).permutation(y)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # The classifiers learn nothing, and a warning says so.
        chance = cross_val_score(
            clone(StanceClassifier(kind="tfidf")),
            TEXTS,
            shuffled,
            groups=DOCUMENTS,
            cv=GroupKFold(2),
            scoring="balanced_accuracy",
        )
    assert scores.mean() > chance.mean() + 0.1


def test_invalid_training_data_raise_errors() -> None:
    with pytest.raises(NotFittedError):
        StanceClassifier(kind="tfidf").predict(TEXTS)
    with pytest.raises(DataError, match="there are no labels"):
        StanceClassifier(kind="auto").fit(TEXTS)
    with pytest.raises(DataError, match="numbers of texts"):
        StanceClassifier(kind="tfidf").fit(TEXTS, LABELS[1:])
    with pytest.raises(DataError, match="at least 2"):
        StanceClassifier(kind="tfidf").fit(TEXTS, ["a"] * len(TEXTS))
    with pytest.raises(RecipeError, match="frozen-encoder"):
        StanceClassifier(kind="svm").fit(TEXTS, LABELS)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Use two folds and one penalty in cross-validation, because the test makes many small fits."""
    monkeypatch.setattr("communique.selection.select.FOLDS", 2)
    monkeypatch.setattr(TfidfLogReg, "grid", (3.0,))


class OnNumbers(NumbersAsTexts, StanceClassifier):
    """An estimator that uses the checks' rows of numbers as texts."""

    def fit(self, X: Any, y: Any = None, groups: Any = None) -> OnNumbers:
        return super().fit(written(X), y, groups)


#: Checks that do not apply, with the reason.
ERROR = "invalid input raises a DataError, which is not a ValueError"
NOT_APPLICABLE = {
    "check_estimator_sparse_tag": ERROR,
    "check_estimator_sparse_array": ERROR,
    "check_estimator_sparse_matrix": ERROR,
    "check_classifiers_one_label": ERROR + "; a classifier cannot be trained on one class",
    "check_fit2d_1sample": ERROR + "; a classifier cannot be trained on one text",
    "check_classifier_multioutput": "labels are predicted with tuned thresholds, but the check expects 0.5",
}


@pytest.mark.slow
@pytest.mark.usefixtures("quick")
def test_the_estimator_passes_the_checks_of_scikit_learn() -> None:
    from sklearn.utils.estimator_checks import check_estimator

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        results = check_estimator(OnNumbers(kind="tfidf"), on_fail=None, on_skip=None)
    failed = {r["check_name"]: r["exception"] for r in results if r["status"] == "failed"}
    # The sets must be equal, so that a check that passes is removed from the list.
    assert failed.keys() == NOT_APPLICABLE.keys(), failed
    assert sum(r["status"] == "passed" for r in results) >= 40


def test_parameters_are_stored_and_copied() -> None:
    classifier = StanceClassifier(kind="tfidf", random_state=3)
    assert clone(classifier).get_params() == classifier.get_params()
    assert classifier.set_params(kind="auto").kind == "auto"
    assert set(classifier.get_params()) == {"model", "threads", "kind", "random_state", "verbose"}


@pytest.mark.usefixtures("quick")
def test_pandas_columns_and_rows_of_0_and_1_are_treated_like_lists() -> None:
    pd = pytest.importorskip("pandas")
    gold = np.array([[name in labels for name in sorted(CUES)] for labels in LABELS]).astype(int)
    expected = StanceClassifier(kind="tfidf").fit(TEXTS, gold).predict(TEXTS)
    index = range(5, 5 + len(TEXTS))
    table = pd.DataFrame({"text": TEXTS, "labels": LABELS, "document": DOCUMENTS}, index=index)
    for y in (gold.tolist(), list(gold), table["labels"], pd.DataFrame(gold, index=index)):
        found = StanceClassifier(kind="tfidf").fit(table["text"], y)
        np.testing.assert_array_equal(found.predict(table["text"]), expected)
    assert StanceClassifier(kind="tfidf").fit(table["text"], gold, table["document"]).selection_.documents == 16


@pytest.mark.usefixtures("quick")
def test_a_grid_search_compares_kinds(monkeypatch: pytest.MonkeyPatch) -> None:
    y = np.array(["criticism" in labels for labels in LABELS]).astype(int)
    search = GridSearchCV(StanceClassifier(), {"kind": ["tfidf", None]}, cv=2, error_score=0.0)
    with warnings.catch_warnings():
        # Without a kind, the shipped model is used, whose labels are not 0 and 1.
        warnings.simplefilter("ignore")
        search.fit(TEXTS, y)
    assert search.best_params_ == {"kind": "tfidf"}
    assert search.best_estimator_.score(TEXTS, y) > 0.7


@pytest.mark.usefixtures("quick")
def test_metadata_routing_passes_groups_to_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    y = np.array(["criticism" in labels for labels in LABELS]).astype(int)
    seen = []
    train = trainable.train_on_texts

    def recorded(texts: Any, y: Any, groups: Any, **options: Any) -> Any:
        seen.append(None if groups is None else len(set(groups)))
        return train(texts, y, groups, **options)

    monkeypatch.setattr(trainable, "train_on_texts", recorded)
    with sklearn.config_context(enable_metadata_routing=True):
        classifier = StanceClassifier(kind="tfidf").set_fit_request(groups=True)
        cross_val_score(classifier, TEXTS, y, params={"groups": DOCUMENTS}, cv=GroupKFold(2))
    assert seen == [8, 8]


BINARY = ["criticism" if "criticism" in labels else "other" for labels in LABELS]


@pytest.mark.usefixtures("quick")
def test_verbose_prints_the_duration_and_the_progress(capsys: pytest.CaptureFixture[str]) -> None:
    silent = StanceClassifier(kind="tfidf").fit(TEXTS, BINARY)
    assert capsys.readouterr() == ("", "")
    printed = StanceClassifier(kind="tfidf", verbose=1).fit(TEXTS, BINARY)
    out, err = capsys.readouterr()
    assert (has_facts(out, "takes about", "minutes", "tfidf-logreg: fold 2 of 2", "training tfidf-logreg"), err) == (
        True,
        "",
    )
    np.testing.assert_array_equal(silent.predict_proba(TEXTS), printed.predict_proba(TEXTS))


@pytest.mark.parametrize(
    ("y", "facts"),
    [
        ([*BINARY[:-1], None], ["y[95]", "missing"]),
        ([*BINARY[:-1], float("nan")], ["y[95]", "missing"]),
        ([1.0] * 95 + [float("nan")], ["y[95]", "missing"]),
        ([*LABELS[:-1], [None]], ["y[95]", "missing"]),
        ([*BINARY[:-1], 3], ["different types", "3"]),
        ([*LABELS[:-1], "criticism"], ["y[95]", "is not a list"]),
        ([*BINARY[:-1], ["criticism"]], ["y[95]", "is a list"]),
        (np.linspace(0, 1, 96), ["is not a class"]),
        (np.tile([0, 2], (96, 1)), ["only 0 and 1"]),
        (np.zeros((96, 2, 2)), ["3 dimensions"]),
        (dict(enumerate(BINARY)), ["dict"]),
        ("a" * 96, ["str"]),
        ([[]] * 96, ["at least 2 classes"]),
        (np.tile([0, 1], (96, 1)), ["the same labels"]),
    ],
)
def test_labels_that_cannot_be_used_are_refused(y: Any, facts: list[str]) -> None:
    with pytest.raises(DataError) as caught:
        StanceClassifier(kind="tfidf").fit(TEXTS, y)
    assert has_facts(str(caught.value), *facts)


def test_labels_of_pandas_that_are_missing_are_refused() -> None:
    pd = pytest.importorskip("pandas")
    for y in (pd.Series([*BINARY[:-1], None], dtype="string"), pd.Series([1] * 95 + [None], dtype="Int64")):
        with pytest.raises(DataError, match=r"y\[95\]"):
            StanceClassifier(kind="tfidf").fit(TEXTS, y)


@pytest.mark.usefixtures("quick")
def test_a_column_of_classes_and_a_sparse_matrix_are_read() -> None:
    sparse = pytest.importorskip("scipy.sparse")
    expected = StanceClassifier(kind="tfidf").fit(TEXTS, BINARY).predict(TEXTS)
    found = StanceClassifier(kind="tfidf").fit(TEXTS, np.array(BINARY).reshape(-1, 1)).predict(TEXTS)
    np.testing.assert_array_equal(found, expected)
    gold = np.array([[name in labels for name in sorted(CUES)] for labels in LABELS]).astype(int)
    expected = StanceClassifier(kind="tfidf").fit(TEXTS, gold).predict(TEXTS)
    found = StanceClassifier(kind="tfidf").fit(TEXTS, sparse.csr_matrix(gold)).predict(TEXTS)
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("missing", [None, float("nan")])
def test_a_missing_document_is_refused(missing: Any) -> None:
    with pytest.raises(DataError, match=r"groups\[1\]"):
        StanceClassifier(kind="tfidf").fit(TEXTS, BINARY, groups=[DOCUMENTS[0], missing, *DOCUMENTS[2:]])


@pytest.mark.usefixtures("quick")
def test_documents_of_different_types_are_different() -> None:
    groups = [1, "1"] * (len(TEXTS) // 2)
    assert StanceClassifier(kind="tfidf").fit(TEXTS, BINARY, groups=groups).selection_.documents == 2


@pytest.mark.usefixtures("quick")
def test_random_state_can_be_anything_that_scikit_learn_accepts() -> None:
    seed = np.random.RandomState(0).randint(2**31)
    states: tuple[Any, ...] = (None, np.random.RandomState(0), np.int64(3))
    for state in states:
        classifier = StanceClassifier(kind="tfidf", random_state=state).fit(TEXTS, BINARY)
        assert set(classifier.predict(TEXTS)) <= set(BINARY)
    drawn = StanceClassifier(kind="tfidf", random_state=np.random.RandomState(0)).fit(TEXTS, BINARY)
    given = StanceClassifier(kind="tfidf", random_state=seed).fit(TEXTS, BINARY)
    np.testing.assert_array_equal(drawn.predict_proba(TEXTS), given.predict_proba(TEXTS))
    with pytest.raises(DataError, match="random_state"):
        StanceClassifier(kind="tfidf", random_state=-1).fit(TEXTS, BINARY)


def test_the_report_warns_about_few_texts() -> None:
    report = StanceClassifier(kind="tfidf").fit(TEXTS[:40], BINARY[:40]).selection_.render()
    assert "only 40 rows" in report


@pytest.mark.usefixtures("quick")
def test_a_classifier_that_has_learned_nothing_is_reported_as_a_warning() -> None:
    same = ["Fish is sold here."] * len(TEXTS)
    with pytest.warns(UserWarning, match="Macro-F1") as caught:
        classifier = StanceClassifier(kind="tfidf").fit(same, BINARY, groups=DOCUMENTS)
    (warning,) = caught
    assert warning.filename == __file__
    lines = [*classifier.selection_.warnings, "Do not use this model", f"trained on {len(TEXTS)} rows"]
    assert has_facts(str(warning.message), *lines)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        StanceClassifier(kind="tfidf").fit(TEXTS, BINARY, groups=DOCUMENTS)


@pytest.mark.parametrize("value", [5, np.array(5)])
def test_a_single_value_instead_of_labels_or_groups_is_refused(value: object) -> None:
    with pytest.raises(DataError, match=r"y: the type .* one value per text"):
        StanceClassifier(kind="tfidf").fit(TEXTS, value)
    if isinstance(value, int):
        with pytest.raises(DataError, match=r"groups: the type int .* one value per text"):
            StanceClassifier(kind="tfidf").fit(TEXTS, LABELS, groups=value)


def test_a_seed_that_numpy_does_not_accept_is_refused() -> None:
    with pytest.raises(DataError, match=r"random_state: .* Pass a whole number from 0 to 2147483647"):
        StanceClassifier(kind="tfidf", random_state=2**32).fit(TEXTS, LABELS)
