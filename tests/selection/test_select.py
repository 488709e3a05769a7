"""The tool's choice between classifiers: what it keeps, why, and that the result is a model like any other."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import pytest
import yaml
from helpers import CODEBOOK, TINY, TINY_MULTICLASS, facts, succeed, tiny_rows, write_rows
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from communique.data.codebook import Codebook
from communique.data.corpus import Corpus
from communique.data.sentence import Sentence
from communique.data.splits import document_folds
from communique.errors import BundleError, DataError, RecipeError
from communique.load import load_model
from communique.metrics.scores import indicator
from communique.models.info import ModelInfo
from communique.selection.candidates import Candidate, Target, candidates_for
from communique.selection.folds import cross_fitted_decisions, predict_out_of_fold, tuning_rows
from communique.selection.results import Compared, Interval, choose
from communique.selection.select import requested_candidates, select, train_selected
from communique.training.recipe import Recipe


def corpus(documents: int, *, single: bool = False, **fields: Any) -> Corpus:
    rows = [Sentence(**row | {"labels": tuple(row["labels"])} | fields) for row in tiny_rows(documents)]
    return Corpus(tuple(s for s in rows if not single or len(s.labels or ()) == 1))


def recipe(folder: Path, backbone: Path, codebook: dict[str, Any] = CODEBOOK, documents: int = 30) -> Recipe:
    (folder / "codebook.yaml").write_text(yaml.safe_dump(codebook))
    rows = tiny_rows(documents)
    if codebook["task"] == "multiclass":
        rows = [row for row in rows if len(row["labels"]) == 1]
    write_rows(folder / "corpus.jsonl", rows)
    return Recipe.model_validate(
        {
            "name": "tiny",
            "codebook": str(folder / "codebook.yaml"),
            "corpora": [{"path": str(folder / "corpus.jsonl")}],
            "backbone": str(backbone),
            "max_tokens": 32,
            "precision": "fp32",
        }
    )


class Fake(Candidate):
    """A candidate whose logits are right in some share of the rows."""

    name = "fake"
    cost = 0.0

    def __init__(self, codebook: Codebook, name: str, right: float) -> None:
        self.codebook, self.right = codebook, right
        self.name = name  # type: ignore[misc]
        self.trained: list[set[str]] = []
        self.predicted: list[set[str]] = []

    def fit(self, corpus: Corpus) -> Self:
        self.trained.append({s.document for s in corpus})
        return self

    def predict_logits(self, sentences: Sequence[Sentence]) -> NDArray[np.float32]:
        self.predicted.append({s.document for s in sentences})
        gold = indicator(sentences, self.codebook)
        flipped = np.random.default_rng(0).random(gold.shape) > self.right
        return np.where(gold ^ flipped, 2, -2).astype(np.float32)

    def estimate(self, corpus: Corpus, fits: int) -> float:
        return self.cost * fits

    def write(self, target: Target) -> ModelInfo:
        raise NotImplementedError


def test_no_document_is_on_both_sides_of_a_fold() -> None:
    data, fake = corpus(23), Fake(TINY, "fake", 1.0)
    folds = document_folds(data.sentences, 5, seed=0)
    assert len(np.unique(folds)) == 5
    found = predict_out_of_fold(fake, data, folds)
    assert np.isfinite(found.logits).all()
    for trained, predicted in zip(fake.trained, fake.predicted, strict=True):
        assert not trained & predicted
    assert set.union(*fake.predicted) == {s.document for s in data}


def test_folds_are_those_of_every_cross_validation() -> None:
    data, fake = corpus(23), Fake(TINY, "fake", 1.0)
    select(data, TINY, [fake], kind="fake", seed=3)
    folds = document_folds(data.sentences, 5, seed=3)
    assert fake.predicted == [{s.document for s in data.rows(folds == fold)} for fold in range(5)]


def test_one_document_or_versions_of_one_text_are_refused() -> None:
    for data in (corpus(1), corpus(4, parallel="p")):
        with pytest.raises(DataError, match=facts(len(data), "document")):
            select(data, TINY, [Fake(TINY, "fake", 1.0)])


def test_thresholds_come_from_random_rows_where_rows_say_how_they_were_sampled() -> None:
    data = corpus(4)
    assert tuning_rows(data).tolist() == [s.sampling == "random" for s in data]
    assert tuning_rows(corpus(4, sampling=None)).all()
    assert tuning_rows(corpus(4, sampling="enriched")).all()


def test_a_fold_is_decided_with_what_other_folds_tuned() -> None:
    """The rows of a fold do not change their own decisions through thresholds."""
    data = corpus(10, sampling=None)
    folds = document_folds(data.sentences, 5, seed=0)
    gold = indicator(data.sentences, TINY)
    logits = np.random.default_rng(0).normal(np.where(gold, 1.0, -1.0), 1).astype(np.float32)
    before = cross_fitted_decisions(logits, data, TINY, folds)
    first = folds == folds[0]
    changed = Corpus(
        tuple(Sentence(s.id, s.text, s.document, labels=()) if one else s for s, one in zip(data, first, strict=True))
    )
    np.testing.assert_array_equal(cross_fitted_decisions(logits, changed, TINY, folds)[first], before[first])


def compared(name: str, behind: float, error: float) -> Compared:
    return Compared(name, Interval(0.6 - behind, 0, 1), {}, Interval(behind, 0, 1), error, 5, 1.0)


@given(
    st.lists(st.tuples(st.floats(0, 0.5), st.floats(0, 0.5)), min_size=1, max_size=5),
    st.integers(0, 4),
)
def test_the_choice_is_the_simplest_within_a_standard_error_and_the_tolerance(
    pairs: list[tuple[float, float]], best: int
) -> None:
    pairs[best % len(pairs)] = (0.0, 0.0)
    candidates = tuple(compared(str(i), *pair) for i, pair in enumerate(pairs))
    chosen = int(choose(candidates))
    assert pairs[chosen][0] == 0 or pairs[chosen][0] < min(pairs[chosen][1], 0.02)
    assert all(behind > 0 and behind >= min(error, 0.02) for behind, error in pairs[:chosen])


def test_the_prior_is_never_kept() -> None:
    assert choose((compared("prior", 0.0, 0.0), compared("tfidf-logreg", 0.1, 0.01))) == "tfidf-logreg"


def test_the_better_one_is_kept_or_of_equal_ones_the_simpler() -> None:
    data = corpus(40)
    selection, kept, tuning = select(data, TINY, [Fake(TINY, "plain", 0.7), Fake(TINY, "costly", 0.95)])
    assert (selection.chosen, kept.name) == ("costly", "costly")
    assert selection["plain"].behind.value > 0.1 > selection["costly"].behind.value == 0
    assert tuning.rows == sum(s.sampling == "random" for s in data)
    assert "no simpler classifier" in selection.render()
    equal, _, _ = select(data, TINY, [Fake(TINY, "plain", 0.9), Fake(TINY, "costly", 0.9)])
    assert equal.chosen == "plain"


def test_only_what_takes_long_is_screened_on_two_folds_and_the_report_says_so() -> None:
    data, plain, costly = corpus(40), Fake(TINY, "plain", 0.7), Fake(TINY, "costly", 0.95)
    costly.cost = 1000.0
    selection, _, tuning = select(data, TINY, [plain, costly])
    assert len(plain.trained) == 5
    assert len(costly.trained) == 2
    assert selection.compared_rows < 0.6 * len(data)
    assert tuning.rows < 0.4 * len(data)
    assert "2 of 5 folds only" in selection.render()


def test_a_choice_that_is_no_better_than_constant_predictions_says_so() -> None:
    selection, _, _ = select(corpus(40), TINY, [Fake(TINY, "prior", 0.6), Fake(TINY, "plain", 0.4)])
    assert selection.chosen == "plain"
    assert len(selection.warnings) == 1
    assert f"WARNING: {selection.warnings[0]}" in selection.render()
    assert not select(corpus(40), TINY, [Fake(TINY, "plain", 0.9)])[0].warnings


def test_candidates_follow_from_the_rows_or_from_what_is_requested(tmp_path: Path, tiny_backbone: Path) -> None:
    settings = recipe(tmp_path, tiny_backbone)
    assert [one.name for one in candidates_for(settings, TINY, 100)] == ["prior", "tfidf-logreg", "frozen-encoder"]
    assert [one.name for one in candidates_for(settings, TINY, 1000)][-1] == "transformer"
    assert [one.name for one in requested_candidates(settings, TINY, 100, "transformer")] == ["prior", "transformer"]
    with pytest.raises(RecipeError, match="frozen-encoder"):
        requested_candidates(settings, TINY, 100, "svm")


@pytest.mark.parametrize("task", ["multilabel", "multiclass"])
def test_a_frozen_encoder_becomes_a_checkpoint_that_is_exported_and_labels(
    tmp_path: Path, tiny_backbone: Path, task: str
) -> None:
    settings = recipe(tmp_path, tiny_backbone, CODEBOOK | {"task": task})
    selection = train_selected(settings, tmp_path / "run", kind="frozen-encoder")
    assert selection.chosen == "frozen-encoder"
    assert selection["frozen-encoder"].macro_f1.value > selection["prior"].macro_f1.value
    model = load_model(tmp_path / "run")
    info = model.info
    assert (info.kind, info.classifier, info.tuned_by) == ("checkpoint", "frozen-encoder", "out-of-fold")
    assert info.training.sentences == selection.rows
    if task == "multilabel":
        assert f"out-of-fold predictions of {info.tuned_on} training" in (tmp_path / "run" / "README.md").read_text()
    succeed("export", tmp_path / "run", "-o", tmp_path / "bundle")
    texts = ["we condemn the port", "they should trade", "we pledge fish"]
    bundle = load_model(tmp_path / "bundle")
    assert bundle.info.thresholds == info.thresholds
    assert bundle.info.scores == info.scores
    assert bundle.info.parity is not None
    assert bundle.info.parity.data.endswith("rows that trained it")
    table = tmp_path / "new.csv"
    table.write_text("text\n" + "\n".join(texts) + "\n")
    succeed("label", table, "--model", tmp_path / "bundle", "-o", tmp_path / "out.csv")
    with pytest.raises(BundleError, match="exists"):
        train_selected(settings, tmp_path / "run")


def test_tfidf_becomes_a_model_with_thresholds_from_out_of_fold_predictions(
    tmp_path: Path, tiny_backbone: Path
) -> None:
    selection = train_selected(recipe(tmp_path, tiny_backbone), tmp_path / "run", kind="tfidf")
    model = load_model(tmp_path / "run")
    assert model.info.tuned_by == "out-of-fold"
    assert model.info.thresholds == tuple(selection.thresholds.values())
    assert model.info.scores[0].value == pytest.approx(selection["tfidf-logreg"].macro_f1.value)
    assert model.predict(["we condemn it"]).labels[0] == ["criticism"]


@pytest.mark.slow
def test_a_transformer_is_tuned_out_of_fold_and_trained_on_all_rows(tmp_path: Path, tiny_backbone: Path) -> None:
    settings = recipe(tmp_path, tiny_backbone).model_copy(
        update={"epochs": 4, "batch_size": 16, "learning_rate": 2e-3, "head_learning_rate": 2e-3}
    )
    selection = train_selected(settings, tmp_path / "run", kind="transformer")
    info = load_model(tmp_path / "run").info
    assert (info.classifier, info.tuned_by, info.training.sentences) == ("transformer", "out-of-fold", selection.rows)
    succeed("export", tmp_path / "run", "-o", tmp_path / "bundle")


def test_multiclass_has_no_thresholds() -> None:
    data = corpus(40, single=True)
    selection, _, tuning = select(data, TINY_MULTICLASS, [Fake(TINY_MULTICLASS, "plain", 0.9)])
    assert tuning.thresholds is None
    assert selection.thresholds == {}
