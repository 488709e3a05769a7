from __future__ import annotations

import dataclasses
import inspect
import json
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from helpers import CODEBOOK, CUES, TINY, TINY_MULTICLASS, run, succeed, tiny_rows, write_rows

from communique import baselines
from communique.baselines.linear import fit_linear, folds
from communique.data.codebook import Codebook
from communique.data.corpus import Corpus
from communique.data.sentence import Sentence
from communique.data.splits import document_folds, split_units
from communique.errors import BundleError, DataError, LeakError, MissingExtraError, OutputError, RecipeError
from communique.load import load_model
from communique.metrics.calibration import decide, to_logits
from communique.metrics.scores import indicator, macro_f1, outcome_counts
from communique.models.classifier import TrainableClassifier, tune_on
from communique.models.folder import read_codebook

#: Baselines that need no torch, no server and no options.
LIGHT = ("prior", "majority", "lexicon", "tfidf-logreg", "tfidf-svm")
NEEDED: dict[str, dict[str, Any]] = {
    "chat": {"base_url": "http://127.0.0.1:9/v1", "model": "m"},
    "zero-shot-nli": {"model": "nowhere"},
}


def sentence(number: int, text: str, labels: tuple[str, ...] | None, document: str = "d") -> Sentence:
    return Sentence(id=f"s{number}", text=text, document=document, language="en", labels=labels)


def corpus(codebook: Codebook = TINY, documents: int = 40) -> Corpus:
    rows = [Sentence(**row | {"labels": tuple(row["labels"])}) for row in tiny_rows(documents)]
    if not codebook.multilabel:
        rows = [s for s in rows if len(s.labels or ()) == 1]
    return Corpus(tuple(rows))


def few(labels: Sequence[tuple[str, ...]], documents: int = 4) -> Corpus:
    """Make a corpus with the given labels, which also occur as words in the texts."""
    rows = [sentence(i, f"text {i} {' '.join(given)}", given, f"d{i % documents}") for i, given in enumerate(labels)]
    return Corpus(tuple(rows))


def test_an_unknown_name_raises_an_error_that_suggests_the_closest_name() -> None:
    with pytest.raises(RecipeError, match="did you mean 'tfidf-svm'"):
        baselines.make("tfidf-swm", TINY)


@pytest.mark.parametrize("codebook", [TINY, TINY_MULTICLASS])
@pytest.mark.parametrize("name", ["prior", "lexicon", "tfidf-logreg", "tfidf-svm"])
def test_no_sentences_have_no_probabilities(name: str, codebook: Codebook) -> None:
    fitted = baselines.make(name, codebook).fit(corpus(codebook, 10))
    assert np.asarray(fitted.predict_proba([])).shape == (0, 3)


def test_an_unknown_or_missing_option_raises_an_error_that_names_the_options() -> None:
    with pytest.raises(RecipeError, match=r"'tfidf-svm': unknown option 'c'; allowed: seed, C, word_ngrams"):
        baselines.make("tfidf-svm", TINY, c=1)
    with pytest.raises(RecipeError, match="option 'base_url' is missing"):
        baselines.make("chat", TINY)


@pytest.mark.parametrize("name", baselines.NAMES)
def test_every_baseline_is_a_classifier_whose_constructor_only_stores_its_arguments(name: str) -> None:
    classifier = baselines.make(name, TINY, seed=7, **NEEDED.get(name, {}))
    assert isinstance(classifier, TrainableClassifier)
    assert classifier.name == name
    assert classifier.seed == 7
    stored = vars(classifier)
    assert set(stored) == {"codebook", "seed", *baselines.options(name)}
    assert all(stored[option] == value for option, value in NEEDED.get(name, {}).items())


@pytest.mark.parametrize("name", LIGHT)
@pytest.mark.parametrize("codebook", [TINY, TINY_MULTICLASS], ids=["multilabel", "multiclass"])
def test_probabilities_have_the_shape_dtype_and_range_that_the_protocol_requires(name: str, codebook: Codebook) -> None:
    data = corpus(codebook, 12)
    classifier = baselines.make(name, codebook)
    assert classifier.fit(data) is classifier
    p = classifier.predict_proba(data.sentences)
    assert p.shape == (len(data), 3)
    assert p.dtype == np.float32
    assert ((p >= 0) & (p <= 1)).all()
    if not codebook.multilabel:
        np.testing.assert_allclose(p.sum(axis=1), 1, atol=1e-5)
    assert classifier.predict_proba([]).shape == (0, 3)
    # A sentence's probabilities do not depend on the other sentences.
    np.testing.assert_allclose(classifier.predict_proba(data.sentences[5:6]), p[5:6], atol=1e-6)


@pytest.mark.parametrize("name", LIGHT)
@pytest.mark.parametrize("task", ["multilabel", "multiclass"])
def test_columns_are_in_the_order_of_the_codebook(name: str, task: str) -> None:
    labels = CODEBOOK["labels"]
    there = Codebook.model_validate(CODEBOOK | {"task": task})
    back = Codebook.model_validate(CODEBOOK | {"task": task, "labels": labels[::-1]})
    data = corpus(there, 16)
    one, other = (baselines.make(name, c).fit(data).predict_proba(data.sentences) for c in (there, back))
    np.testing.assert_allclose(one, other[:, ::-1], atol=2e-3)


def test_prior_predicts_proportions_and_majority_predicts_the_most_frequent_label_set() -> None:
    data = few([("criticism",), ("criticism", "policy_claim"), ("criticism", "policy_claim"), ()])
    np.testing.assert_allclose(baselines.make("prior", TINY).fit(data).predict_proba(data.sentences)[0], [0.75, 0.5, 0])
    most = baselines.make("majority", TINY).fit(data).predict_proba(data.sentences)
    np.testing.assert_array_equal(most, np.tile([1, 1, 0], (4, 1)))


def test_majority_does_not_depend_on_the_order_of_rows_when_sets_are_equally_frequent() -> None:
    labels: list[tuple[str, ...]] = [("policy_claim",), ("criticism",), ()]
    found = [
        baselines.make("majority", TINY).fit(few(order)).predict_proba([sentence(0, "", None)])
        for order in (labels, labels[::-1])
    ]
    np.testing.assert_array_equal(found[0], [[1, 0, 0]])
    np.testing.assert_array_equal(found[0], found[1])


@pytest.mark.parametrize("name", ["tfidf-logreg", "tfidf-svm"])
@pytest.mark.parametrize("codebook", [TINY, TINY_MULTICLASS], ids=["multilabel", "multiclass"])
def test_tfidf_learns_the_words_that_determine_the_label(name: str, codebook: Codebook) -> None:
    train, test = corpus(codebook, 60).split(0.3, seed=0)
    p = baselines.make(name, codebook).fit(train).predict_proba(test.sentences)
    gold = indicator(test.sentences, codebook)
    thresholds = np.full(3, 0.5) if codebook.multilabel else None
    assert macro_f1(outcome_counts(gold, decide(p, thresholds))) > 0.95
    # Calibrated probabilities have the proportions of the labels as their means.
    np.testing.assert_allclose(p.mean(axis=0), gold.mean(axis=0), atol=0.06)


def test_the_support_vector_machine_returns_probabilities_and_not_decision_values() -> None:
    """The features determine the label in three out of four rows, so a calibrated probability is about 0.75 or 0.25."""
    draw = np.random.default_rng(0)
    x = draw.normal(size=(1200, 1))
    gold = np.stack([draw.random(1200) < np.where(x[:, 0] > 0, 0.75, 0.25)], axis=1)
    documents = np.arange(1200) // 4
    fitted = fit_linear(
        np.sign(x), gold, documents, ["a"], machine="svm", multilabel=True, strengths=(0.1,), number=5, seed=0
    )
    p = 1 / (1 + np.exp(-fitted.model.logits(np.array([[-1.0], [1.0]]))))
    np.testing.assert_allclose(p[:, 0], [0.25, 0.75], atol=0.05)


def test_two_exclusive_classes_have_separate_logits() -> None:
    x = np.array([[-1.0], [-0.5], [0.5], [1.0]] * 6)
    gold = np.stack([x[:, 0] > 0, x[:, 0] < 0], axis=1)
    documents = np.arange(24) // 4
    for machine in ("logistic", "svm"):
        fitted = fit_linear(
            x, gold, documents, ["a", "b"], machine=machine, multilabel=False, strengths=(1.0,), number=3, seed=0
        )
        logits = fitted.model.logits(np.array([[1.0], [-1.0]]))
        assert logits.shape == (2, 2)
        assert logits.argmax(axis=1).tolist() == [0, 1]


@pytest.mark.parametrize("documents", [5, 9, 30])
def test_folds_are_the_same_as_those_of_document_folds(documents: int) -> None:
    data = Corpus(
        tuple(Sentence(str(i), "text", str(i // 4), labels=(TINY.names[i % 2],)) for i in range(4 * documents))
    )
    classes = np.array([TINY.names.index((s.labels or ())[0]) for s in data])
    expected = document_folds(data.sentences, 5, seed=3)
    splits = folds(classes, split_units(data), 5, seed=3)
    assert len(splits) == 5
    for fold, (train, test) in enumerate(splits):
        assert test.tolist() == np.flatnonzero(expected == fold).tolist()
        assert train.tolist() == np.flatnonzero(expected != fold).tolist()


def test_there_are_no_folds_if_a_class_would_be_missing_from_training() -> None:
    documents = np.arange(24) // 4
    assert folds((documents == 3).astype(np.int64), documents, 5, seed=0) == []
    assert len(folds(np.isin(documents, (1, 3)).astype(np.int64), documents, 5, seed=0)) == 2


def noisy(rows: int = 600, width: int = 12) -> tuple[Any, Any, Any]:
    """Return dense features that partly determine two labels, the labels, and documents of four rows."""
    draw = np.random.default_rng(1)
    x = draw.normal(size=(rows, width))
    gold = x[:, :2] + x[:, 2:3] + draw.normal(size=(rows, 2)) > 0
    return x, gold, np.arange(rows) // 4


@pytest.mark.parametrize("multilabel", [True, False])
def test_the_chosen_strength_and_the_coefficients_equal_those_of_separate_fits(multilabel: bool) -> None:
    """Cross-validation takes short cuts, which must affect neither the value of C that it chooses nor the final fit."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import log_loss

    x, gold, documents = noisy()
    if not multilabel:
        gold = np.eye(2, dtype=np.bool_)[gold[:, 0].astype(int)]
    grid = (0.0003, 0.003, 0.03, 0.3)
    names = ["a", "b"]
    fitted = fit_linear(
        x, gold, documents, names, machine="logistic", multilabel=multilabel, strengths=grid, number=5, seed=0
    )
    problems = {"a": gold[:, 0], "b": gold[:, 1]} if multilabel else {"all": gold.argmax(axis=1)}
    assert set(fitted.strengths) == set(problems)
    for name, target in problems.items():
        y = target.astype(np.int64)
        losses = []
        for c in grid:
            p = np.zeros(len(y))
            for train, test in folds(y, documents, 5, seed=0):
                p[test] = LogisticRegression(C=c, tol=1e-8).fit(x[train], y[train]).predict_proba(x[test])[:, 1]
            losses.append(log_loss(y, p))
        assert fitted.strengths[name] == grid[int(np.argmin(losses))]
        kept = LogisticRegression(C=fitted.strengths[name], max_iter=5000, random_state=0).fit(x, y)
        found = (
            fitted.model.coefficients[names.index(name)] if multilabel else np.diff(fitted.model.coefficients, axis=0)
        )
        np.testing.assert_allclose(np.ravel(found), kept.coef_[0], atol=1e-6)


def test_cross_validation_on_dense_features_starts_each_fit_from_the_previous_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from sklearn.linear_model import LogisticRegression
    from threadpoolctl import threadpool_info

    seen: list[tuple[float, bool, str, bool]] = []
    fit = LogisticRegression.fit

    def recorded(self: Any, features: Any, classes: Any) -> Any:
        assert all(pool["num_threads"] == 1 for pool in threadpool_info() if pool["user_api"] == "blas")
        seen.append((self.C, self.warm_start, str(features.dtype), hasattr(self, "coef_")))
        return fit(self, features, classes)

    monkeypatch.setattr(LogisticRegression, "fit", recorded)
    x, gold, documents = noisy()
    settings: dict[str, Any] = {"machine": "logistic", "multilabel": True, "number": 2, "seed": 0}
    fit_linear(x, gold[:, :1], documents, ["a"], strengths=(0.01, 0.1), **settings)
    fold = [(0.01, True, "float32", False), (0.1, True, "float32", True)]
    assert seen[:-1] == fold * 2
    assert seen[-1][1:] == (False, "float64", False)


def test_too_few_documents_for_folds_are_noted() -> None:
    data = few([("criticism",), ()] * 6, documents=1)
    classifier = baselines.make("tfidf-logreg", TINY).fit(data)
    note = "criticism: too few documents for grouped cross-validation, so the default C = 10 is used"
    assert note in classifier.notes_
    assert "not calibrated" in baselines.make("tfidf-svm", TINY).fit(data).notes_[0]


def test_a_label_that_occurs_never_or_always_gets_a_constant_probability_and_a_note() -> None:
    data = few([("criticism", "policy_claim"), ("criticism",)] * 10)
    classifier = baselines.make("tfidf-logreg", TINY).fit(data)
    p = classifier.predict_proba(data.sentences)
    np.testing.assert_allclose(p[:, 0], 20.5 / 21, atol=1e-5)
    np.testing.assert_allclose(p[:, 2], 0.5 / 21, atol=1e-5)
    assert [note.split(",")[0] for note in classifier.notes_] == [
        "criticism: 20 of 20 training sentences have this label",
        "cooperation_pledge: 0 of 20 training sentences have this label",
    ]


@pytest.mark.parametrize("name", LIGHT)
def test_a_single_class_causes_neither_an_error_nor_nan(name: str) -> None:
    data = few([("policy_claim",)] * 8)
    for codebook in (TINY, TINY_MULTICLASS):
        p = baselines.make(name, codebook).fit(data).predict_proba(data.sentences)
        assert np.isfinite(p).all()
        assert (p.argmax(axis=1) == 1).all()


@pytest.mark.parametrize("name", LIGHT)
def test_training_rows_must_be_labelled(name: str) -> None:
    with pytest.raises(DataError, match=r"'s1' has no labels"):
        baselines.make(name, TINY).fit(Corpus((sentence(0, "a", ()), sentence(1, "b", None))))
    with pytest.raises(DataError, match="there is no sentence to learn from"):
        baselines.make(name, TINY).fit(Corpus(()))
    with pytest.raises(DataError, match="exactly one"):
        baselines.make(name, TINY_MULTICLASS).fit(few([()]))


def test_texts_without_words_raise_an_error() -> None:
    with pytest.raises(DataError, match="the texts contain no words"):
        baselines.make("tfidf-logreg", TINY).fit(Corpus((sentence(0, "—", ("criticism",)), sentence(1, "", ()))))


@pytest.mark.parametrize("name", LIGHT)
@pytest.mark.parametrize("codebook", [TINY, TINY_MULTICLASS], ids=["multilabel", "multiclass"])
def test_a_saved_baseline_makes_the_same_predictions(name: str, codebook: Codebook, tmp_path: Path) -> None:
    data = corpus(codebook, 12)
    classifier = baselines.make(name, codebook, seed=3).fit(data)
    info = baselines.save(classifier, tmp_path / "model", training=data)
    model = load_model(tmp_path / "model")
    others = [Sentence("x", "we condemn\ud800 pledge 界", "n", language="ru"), *data.sentences]
    np.testing.assert_allclose(model.predict_proba(others), classifier.predict_proba(others), atol=1e-6)
    assert model.info == info
    assert info.kind == "baseline"
    assert info.recipe["seed"] == 3
    assert (info.thresholds is None) == (not codebook.multilabel)
    assert model.predict(["condemn"]).truncated.tolist() == [False]
    assert {path.suffix for path in (tmp_path / "model").iterdir()} <= {".json", ".npz", ".yaml", ".md"}


def test_a_saved_baseline_reads_all_containers_of_texts_and_refuses_a_table(tmp_path: Path) -> None:
    data = corpus(TINY, 12)
    baselines.save(baselines.make("prior", TINY).fit(data), tmp_path / "model", training=data)
    model: Any = load_model(tmp_path / "model")
    for texts in (pa.array(["a", "b"]), (text for text in ("a", "b")), list(data.sentences[:2])):
        assert len(model.predict(texts)) == 2
    assert len(model.predict(data.sentences[0])) == 1
    for wrong, message in (({"text": ["a"]}, "the type dict is not supported"), (["a", None], r"texts\[1\]: None")):
        with pytest.raises(DataError, match=message):
            model.predict(wrong)


def test_label_warns_about_a_model_that_is_not_fit_for_use(tmp_path: Path) -> None:
    data = corpus(TINY, 12)
    fitted = baselines.make("prior", TINY).fit(data)
    baselines.save(fitted, tmp_path / "model", training=data, warnings=("It predicts one label",))
    rows = write_rows(tmp_path / "rows.jsonl", [{"text": "a"}])
    result = succeed("label", rows, "-o", tmp_path / "out.jsonl", "--model", tmp_path / "model")
    assert f"WARNING: {tmp_path / 'model'}: this model is not fit for use. It predicts one label\n" in result.stderr


def test_save_tunes_the_baseline_and_refuses_a_leak(tmp_path: Path) -> None:
    train, tuning = corpus(TINY, 40).split(0.3, seed=0)
    classifier = baselines.make("tfidf-svm", TINY).fit(train)
    info = baselines.save(classifier, tmp_path / "model", training=train, tuning=tuning, name="words", version="1.0")
    assert info.tuned_on == len(tuning)
    assert info.temperature != 1
    assert info.scores[0].n == len(tuning)
    assert info.training.sentences == len(train)
    card = (tmp_path / "model" / "README.md").read_text()
    assert "# words 1.0" in card
    assert "the baseline tfidf-svm" in card
    assert "tokens" not in card
    with pytest.raises(LeakError):
        baselines.save(classifier, tmp_path / "leak", training=train, tuning=train)
    with pytest.raises(OutputError, match="exists"):
        baselines.save(classifier, tmp_path / "model", training=train)


def test_an_edited_file_is_refused(tmp_path: Path) -> None:
    data = corpus(TINY, 6)
    baselines.save(baselines.make("prior", TINY).fit(data), tmp_path / "model", training=data)
    path = tmp_path / "model" / "baseline.json"
    path.write_text(path.read_text().replace("prior", "majority"))
    with pytest.raises(BundleError, match=r"baseline\.json: this is not the file that was saved"):
        load_model(tmp_path / "model")


def test_a_missing_codebook_says_to_copy_the_model_again(tmp_path: Path) -> None:
    data = corpus(TINY, 6)
    info = baselines.save(baselines.make("prior", TINY).fit(data), tmp_path / "model", training=data)
    (tmp_path / "model" / "codebook.yaml").unlink()
    with pytest.raises(BundleError, match=r"codebook\.yaml: No such file .* Copy the model folder again$"):
        read_codebook(tmp_path / "model", info)


def test_a_baseline_from_a_later_version_is_refused(tmp_path: Path) -> None:
    from communique.io.atomic import file_sha256

    data = corpus(TINY, 6)
    folder = tmp_path / "model"
    baselines.save(baselines.make("prior", TINY).fit(data), folder, training=data)
    path = folder / "baseline.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"baseline": "priors"}))
    content = json.loads((folder / "bundle.json").read_text())
    content["files"]["baseline.json"] = file_sha256(path)
    (folder / "bundle.json").write_text(json.dumps(content))
    with pytest.raises(BundleError, match=r"'priors': unknown; did you mean 'prior'"):
        load_model(folder)


def test_a_baseline_that_does_not_consist_of_arrays_cannot_be_saved(tmp_path: Path) -> None:
    data = corpus(TINY, 4)
    classifier = baselines.make("chat", TINY, **NEEDED["chat"]).fit(data)
    with pytest.raises(BundleError, match="'chat' cannot be saved as arrays and JSON"):
        baselines.save(classifier, tmp_path / "model", training=data)


def test_the_error_for_a_missing_package_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn", None)
    with pytest.raises(MissingExtraError, match=r"\.\[analysis\]"):
        baselines.make("tfidf-logreg", TINY).fit(corpus(TINY, 4))


def test_the_base_install_opens_a_lexicon(tmp_path: Path, run_python: Any) -> None:
    data = corpus(TINY, 6)
    baselines.save(baselines.make("lexicon", TINY).fit(data), tmp_path / "model", training=data)
    code = (
        "import sys\n"
        "for name in ('torch', 'transformers', 'sklearn', 'scipy', 'datasets', 'datasketch'): sys.modules[name] = None\n"
        "from communique.load import load_model\n"
        f"print(load_model({str(tmp_path / 'model')!r}).predict(['We condemn it.']).probabilities.shape)"
    )
    done = run_python(code, home=tmp_path)
    assert done.stdout.strip() == "(1, 3)", done.stderr


def test_label_and_evaluate_accept_a_saved_baseline(tmp_path: Path) -> None:
    rows = tiny_rows(40)
    path = write_rows(tmp_path / "corpus.jsonl", rows)
    data = Corpus.read(path, TINY)
    train, test = data.split(0.3, seed=0)
    classifier = baselines.make("tfidf-logreg", TINY).fit(train)
    baselines.save(classifier, tmp_path / "model", training=train)
    held_out = write_rows(tmp_path / "test.jsonl", [row for row in rows if row["id"] in {s.id for s in test}])

    out = tmp_path / "out.jsonl"
    succeed("label", held_out, "-o", out, "--model", tmp_path / "model")
    found = [json.loads(line) for line in out.read_text().splitlines()]
    assert [row["id"] for row in found] == [s.id for s in test]
    p = np.array([[row["probabilities"][name] for name in TINY.names] for row in found])
    np.testing.assert_allclose(p, classifier.predict_proba(test.sentences), atol=1e-6)
    right = [set(row["labels"]) == {label for label, cue in CUES.items() if cue in row["text"]} for row in found]
    assert np.mean(right) > 0.9

    assert "macro-F1" in succeed("evaluate", tmp_path / "model", held_out).output
    assert run("evaluate", tmp_path / "model", path).exit_code == 1


@pytest.mark.parametrize("codebook", [TINY, TINY_MULTICLASS], ids=["multilabel", "multiclass"])
@pytest.mark.parametrize("right", [True, False])
def test_a_baseline_with_probabilities_0_and_1_is_tuned_as_in_the_benchmark(
    tmp_path: Path, right: bool, codebook: Codebook
) -> None:
    data = few([("criticism",)] * 16 + [("policy_claim",)] * (0 if right else 8))
    train, tuning = data.where(lambda s: s.document != "d0"), data.where(lambda s: s.document == "d0")
    classifier = baselines.make("majority", codebook).fit(train)
    assert set(np.unique(classifier.predict_proba(tuning.sentences))) == {0, 1}
    info = baselines.save(classifier, tmp_path / "model", training=train, tuning=tuning)
    tuned = tune_on(classifier, tuning, codebook)
    assert (info.temperature, info.bias) == (tuned.temperature, tuple(tuned.bias))
    assert info.thresholds == (None if tuned.thresholds is None else tuple(tuned.thresholds))
    opened = load_model(tmp_path / "model").predict(tuning.sentences)
    logits = to_logits(classifier.predict_proba(tuning.sentences), multilabel=codebook.multilabel)
    np.testing.assert_array_equal(opened.decisions, tuned.decide(logits))
    np.testing.assert_allclose(opened.probabilities, tuned.probabilities(logits), atol=1e-6)
    # No temperature changes an infinite logit, so the search would end at 4 even for a classifier that is always right.
    assert tuned.temperature == pytest.approx(4, rel=0.01) if not right else tuned.temperature < 2


def test_fit_and_predict_do_not_change_the_sentences() -> None:
    data = corpus(TINY, 4)
    before = [dataclasses.asdict(s) for s in data]
    baselines.make("tfidf-logreg", TINY, C=1.0).fit(data).predict_proba(data.sentences)
    assert [dataclasses.asdict(s) for s in data] == before


@pytest.mark.parametrize("name", LIGHT)
def test_invisible_characters_affect_neither_training_nor_predictions(name: str) -> None:
    data = corpus(TINY, 12)
    marked = Corpus(tuple(dataclasses.replace(s, text="\u200b" + "\u00ad".join(s.text)) for s in data))
    learned, again = baselines.make(name, TINY).fit(data), baselines.make(name, TINY).fit(marked)
    expected = learned.predict_proba(data.sentences)
    np.testing.assert_array_equal(learned.predict_proba(marked.sentences), expected)
    np.testing.assert_array_equal(again.predict_proba(data.sentences), expected)


def test_setfit_does_not_read_the_raw_text() -> None:
    # SetFit is not installed in every test environment, so its source is searched.
    source = inspect.getsource(sys.modules[type(baselines.make("setfit", TINY)).__module__])
    assert "model_text" in source
    assert not re.search(r"\.text\b", source)
