"""Tests of the choice between classifiers: what is kept, why, and that the result is a model like any other."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Self

import numpy as np
import pytest
import yaml
from fakes import bundle_folder
from helpers import CODEBOOK, TINY, TINY_MULTICLASS, facts, has_facts, run, succeed, tiny_rows, write_rows
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from communique.data.codebook import Codebook
from communique.data.corpus import Corpus
from communique.data.sentence import Sentence
from communique.data.sources import TextFields
from communique.data.splits import document_folds, scored_folds
from communique.data.training_checks import count_repeats, describe_repeats
from communique.errors import CommuniqueError, DataError, OutputError, RecipeError
from communique.load import load_model
from communique.metrics.report import ScoreCI
from communique.metrics.scores import indicator
from communique.models.info import ModelInfo
from communique.models.predictor import MODEL_VARIABLE
from communique.reporting.progress import ProgressReporter
from communique.selection import candidates
from communique.selection.candidates import Candidate, Target, _Baseline, candidates_for
from communique.selection.durations import Duration
from communique.selection.encoders import encoders_for
from communique.selection.folds import (
    FoldedRows,
    cross_fitted_decisions,
    predict_out_of_fold,
    tuning_rows,
)
from communique.selection.results import Compared, Selection, choose, mean_average_precision
from communique.selection.select import _score, requested_candidates, select, train_selected
from communique.selection.steps import Steps
from communique.training import callbacks, trainer
from communique.training.recipe import Recipe
from communique.training.steps import check_run


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
    """A candidate whose logits are right in the proportion `right` of the rows."""

    kind = "fake"
    once = cost = 0.0

    def __init__(self, codebook: Codebook, name: str, right: float) -> None:
        self.codebook, self.right = codebook, right
        self.name = self.kind = name  # type: ignore[misc]
        self.trained: list[set[str]] = []
        self.predicted: list[set[str]] = []

    def fit(self, corpus: Corpus, steps: Path | None = None) -> Self:
        self.trained.append({s.document for s in corpus})
        return self

    def predict_logits(self, sentences: Sequence[Sentence]) -> NDArray[np.float32]:
        self.predicted.append({s.document for s in sentences})
        gold = indicator(sentences, self.codebook)
        flipped = np.random.default_rng(0).random(gold.shape) > self.right
        return np.where(gold ^ flipped, 2, -2).astype(np.float32)

    def estimate(self, corpus: Corpus) -> Duration:
        return Duration(self.once, self.cost)

    def write(self, target: Target) -> ModelInfo:
        raise NotImplementedError


class StoppingSelect:
    """Takes the place of `select`: records the unlabelled sentences, and stops the run."""

    def __call__(self, *_: object, unlabelled: Sequence[Sentence], **__: object) -> None:
        self.unlabelled = unlabelled
        raise KeyboardInterrupt


def test_no_document_is_in_both_training_and_test_rows_of_a_fold() -> None:
    data, fake = corpus(23), Fake(TINY, "fake", 1.0)
    folds = document_folds(data.sentences, 5, seed=0)
    assert len(np.unique(folds)) == 5
    found = predict_out_of_fold(fake, data, folds)
    assert np.isfinite(found.logits).all()
    for trained, predicted in zip(fake.trained, fake.predicted, strict=True):
        assert not trained & predicted
    assert set.union(*fake.predicted) == {s.document for s in data}


def test_folds_are_the_same_as_those_of_document_folds() -> None:
    data, fake = corpus(23), Fake(TINY, "fake", 1.0)
    select(data, TINY, [fake], kind="fake", seed=3)
    folds = document_folds(data.sentences, 5, seed=3)
    assert fake.predicted == [{s.document for s in data.rows(folds == fold)} for fold in range(5)]


def test_a_single_document_or_versions_of_one_text_raise_an_error() -> None:
    for data in (corpus(1), corpus(4, parallel="p")):
        with pytest.raises(DataError, match=facts(len(data), "document")):
            select(data, TINY, [Fake(TINY, "fake", 1.0)])


def test_thresholds_are_tuned_on_rows_sampled_at_random_if_there_are_any() -> None:
    data = corpus(4)
    everything = np.ones(len(data), np.bool_)
    assert tuning_rows(data, everything).tolist() == [s.sampling == "random" for s in data]
    for sampling in (None, "enriched"):
        other = corpus(4, sampling=sampling)
        assert tuning_rows(other, np.ones(len(other), np.bool_)).all()
    not_random = ~tuning_rows(data, everything)
    assert tuning_rows(data, not_random).tolist() == not_random.tolist()


def test_decisions_in_a_fold_use_tuning_on_the_other_folds_only() -> None:
    """The labels of a fold do not affect the decisions in this fold through thresholds."""
    data = corpus(10, sampling=None)
    folds = document_folds(data.sentences, 5, seed=0)
    gold = indicator(data.sentences, TINY)
    logits = np.random.default_rng(0).normal(np.where(gold, 1.0, -1.0), 1).astype(np.float32)
    before = cross_fitted_decisions(FoldedRows(data, TINY, folds), logits)
    first = folds == folds[0]
    changed = Corpus(
        tuple(Sentence(s.id, s.text, s.document, labels=()) if one else s for s, one in zip(data, first, strict=True))
    )
    after = cross_fitted_decisions(FoldedRows(changed, TINY, folds), logits)
    np.testing.assert_array_equal(after[first], before[first])


def compared(name: str, behind: float, error: float, kind: str = "") -> Compared:
    return Compared(
        name, kind or name, ScoreCI(0.6 - behind, 0, 1), ScoreCI(0.5, 0, 1), {}, ScoreCI(behind, 0, 1), error, 5, 1.0
    )


@given(
    st.lists(st.tuples(st.floats(0, 0.5), st.floats(0, 0.5)), min_size=1, max_size=5),
    st.integers(0, 4),
)
def test_the_first_candidate_within_one_standard_error_and_the_tolerance_is_chosen(
    pairs: list[tuple[float, float]], best: int
) -> None:
    pairs[best % len(pairs)] = (0.0, 0.0)
    chosen = int(choose(tuple(compared(str(i), *pair) for i, pair in enumerate(pairs))))
    assert pairs[chosen][0] == 0 or pairs[chosen][0] < min(pairs[chosen][1], 0.05)
    assert all(behind > 0 and behind >= min(error, 0.05) for behind, error in pairs[:chosen])


def test_the_prior_is_never_chosen() -> None:
    assert choose((compared("prior", 0.0, 0.0), compared("tfidf-logreg", 0.1, 0.01))) == "tfidf-logreg"


def test_the_better_candidate_is_kept_or_the_first_of_equally_good_ones() -> None:
    data = corpus(40)
    selection, kept, tuning = select(data, TINY, [Fake(TINY, "plain", 0.7), Fake(TINY, "costly", 0.95)])
    assert (selection.chosen, kept.name) == ("costly", "costly")
    assert selection["plain"].behind.value > 0.1 > selection["costly"].behind.value == 0
    assert tuning.rows == sum(s.sampling == "random" for s in data)
    assert "has the highest average precision" in selection.render()
    equal, _, _ = select(data, TINY, [Fake(TINY, "plain", 0.9), Fake(TINY, "costly", 0.9)])
    assert equal.chosen == "plain"


def test_only_slow_candidates_are_compared_on_two_folds_and_the_report_says_so() -> None:
    data, plain, costly = corpus(40), Fake(TINY, "plain", 0.7), Fake(TINY, "costly", 0.95)
    costly.cost = 1000.0
    selection, _, tuning = select(data, TINY, [plain, costly])
    assert len(plain.trained) == 5
    assert len(costly.trained) == 2
    assert selection.compared_rows < 0.6 * len(data)
    assert tuning.rows < 0.4 * len(data)
    assert "2 of 5 folds only" in selection.render()
    # The score of either candidate is that of the two folds.
    kept = replace(selection, chosen="plain")
    assert kept["plain"].folds == 5
    score = _score(kept, "mine")
    assert (score.n, score.documents) == (selection.compared_rows, selection.compared_documents)
    assert score.documents < 0.6 * selection.documents
    assert score.data.startswith("out-of-fold predictions, 2 of 5 folds")


def test_the_number_of_folds_of_slow_candidates_can_be_set() -> None:
    data, plain, costly = corpus(40), Fake(TINY, "plain", 0.7), Fake(TINY, "costly", 0.95)
    costly.cost = 100.0
    selection, _, _ = select(data, TINY, [plain, costly], max_folds=3)
    assert (len(plain.trained), len(costly.trained)) == (5, 3)
    assert "3 of 5 folds only" in selection.render()
    assert _score(selection, "mine").data.startswith("out-of-fold predictions, 3 of 5 folds")


def test_more_folds_can_be_added_to_a_kept_folder(tmp_path: Path) -> None:
    data = corpus(40)
    trained = []
    for number in (2, 2, None):
        costly = Fake(TINY, "costly", 0.95)
        costly.cost = 100.0
        select(data, TINY, [costly], max_folds=number, steps=Steps(tmp_path, {}, kept=True))
        trained.append(len(costly.trained))
    assert trained == [2, 0, 3]


def test_authored_rows_train_in_every_fold_and_are_never_scored() -> None:
    written = tuple(replace(s, id=f"a{s.id}", document=f"a{s.document}", sampling="authored") for s in corpus(12))
    real, fake = corpus(23), Fake(TINY, "fake", 0.9)
    selection, _, tuning = select(real + Corpus(written), TINY, [fake], kind="fake", seed=3)
    folds = document_folds(real.sentences, 5, seed=3)
    documents = {s.document for s in written}
    assert fake.predicted == [{s.document for s in real.rows(folds == fold)} for fold in range(5)]
    assert all(documents <= trained for trained in fake.trained)
    assert (selection.rows, selection.compared_rows) == (len(real) + len(written), len(real))
    assert selection.out_of_fold is not None
    assert set(selection.out_of_fold) == {s.id for s in real}
    assert tuning.rows == sum(s.sampling == "random" for s in real)


def test_authored_rows_are_scored_if_the_other_rows_are_from_one_document() -> None:
    written = corpus(12, sampling="authored")
    alone = Corpus(tuple(replace(s, id=f"x{s.id}", document="x") for s in corpus(1)))
    for data in (written, written + alone):
        assert sorted(set(scored_folds(data.sentences, 5, seed=0).tolist())) == [0, 1, 2, 3, 4]


def test_work_that_is_done_only_once_does_not_reduce_the_number_of_folds() -> None:
    data, plain, costly = corpus(40), Fake(TINY, "plain", 0.7), Fake(TINY, "costly", 0.95)
    plain.once, costly.cost = 10_000.0, 1000.0
    select(data, TINY, [plain, costly])
    assert (len(plain.trained), len(costly.trained)) == (5, 2)


def test_a_choice_that_is_no_better_than_constant_predictions_has_a_warning() -> None:
    selection, _, _ = select(corpus(40), TINY, [Fake(TINY, "prior", 0.6), Fake(TINY, "plain", 0.4)])
    assert selection.chosen == "plain"
    assert len(selection.warnings) == 1
    assert f"WARNING: {selection.warnings[0]}" in selection.render()
    assert not select(corpus(40), TINY, [Fake(TINY, "plain", 0.9)])[0].warnings


def test_the_report_says_whether_a_model_was_trained() -> None:
    selection, _, _ = select(corpus(40), TINY, [Fake(TINY, "plain", 0.9)])
    assert "The final model was trained on all" in selection.render()
    assert "trained on all" not in selection.render(trained=False)
    assert "No model was trained." in selection.render(trained=False)


def test_the_report_and_the_card_say_why_there_is_no_interval_and_what_the_score_leaves_out() -> None:
    data = corpus(4).where(lambda s: "criticism" not in (s.labels or ()))
    selection, _, _ = select(data, TINY, [Fake(TINY, "plain", 1.0)])
    assert "Scores without an interval: an interval requires at least" in selection.render()
    assert "positive rows for criticism" not in selection.render()
    recorded = _score(replace(selection, repeated=3), "tiny").data
    assert has_facts(recorded, "without criticism", "3 of", "nearly the same text", "an interval requires at least")


def test_candidates_depend_on_the_number_of_rows_and_on_the_requested_kind(tmp_path: Path, tiny_backbone: Path) -> None:
    settings = recipe(tmp_path, tiny_backbone)
    few, many = corpus(10), corpus(40)

    def names(data: Corpus, kind: str) -> list[str]:
        return [one.kind for one in requested_candidates(settings, TINY, data, kind)[0]]

    assert names(few, "auto") == ["prior", "frozen-encoder", "tfidf-logreg"]
    assert names(many, "auto") == ["prior", "frozen-encoder", "tfidf-logreg", "transformer"]
    assert names(few, "tfidf") == ["prior", "tfidf-logreg"]
    assert names(few, "transformer") == ["prior", "transformer"]
    (note,) = requested_candidates(settings, TINY, few, "auto")[1]
    assert has_facts(note, "transformer", "at least 200 rows")
    assert requested_candidates(settings, TINY, many, "auto")[1] == ()
    with pytest.raises(RecipeError, match=facts("'svm': unknown", "frozen-encoder")):
        names(few, "svm")
    with pytest.raises(RecipeError, match="did you mean 'tfidf'"):
        names(few, "TFIDF")


@pytest.mark.parametrize("kind", ["auto", "frozen-encoder", "tfidf"])
def test_a_recipe_with_acts_is_refused_for_classifiers_that_cannot_have_them(
    tmp_path: Path, tiny_backbone: Path, kind: str
) -> None:
    settings = recipe(tmp_path, tiny_backbone).model_copy(update={"acts": True})
    with pytest.raises(RecipeError, match=facts("acts: only a transformer", repr(kind), "--kind transformer")):
        requested_candidates(settings, TINY, corpus(40), kind)


@pytest.fixture
def shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a bundle that was trained on other texts, in place of the shipped model."""
    folder = bundle_folder(tmp_path / "ours", trained_on=[Sentence("x", "Something else.", "elsewhere", labels=())])
    monkeypatch.setenv(MODEL_VARIABLE, str(folder))
    return folder


def plain(folder: Path) -> Recipe:
    """Return a recipe that names no backbone, like the recipe for tables."""
    return Recipe.for_tables([folder / "corpus.jsonl"], folder / "codebook.yaml")


def test_the_shipped_encoder_is_compared_too_if_the_recipe_names_no_backbone(
    tmp_path: Path, tiny_backbone: Path, shipped: Path
) -> None:
    def found(settings: Recipe, kind: str = "auto") -> list[str]:
        compared, notes = requested_candidates(settings, TINY, corpus(40), kind)
        assert not notes
        return [one.name for one in compared]

    frozen = ["frozen-encoder (ours)", "frozen-encoder (e5-small)"]
    assert found(plain(tmp_path)) == ["prior", *frozen, "tfidf-logreg", "transformer"]
    assert found(plain(tmp_path), "frozen-encoder") == ["prior", *frozen]
    assert found(plain(tmp_path), "transformer") == ["prior", *frozen, "transformer"]
    assert found(recipe(tmp_path, tiny_backbone), "frozen-encoder") == ["prior", "frozen-encoder (backbone0)"]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (Sentence("x", "Same text", "elsewhere", labels=()), "same text"),
        (Sentence("x", "Something else", "d1", labels=()), "same document"),
    ],
)
def test_the_shipped_encoder_is_left_out_if_it_was_trained_on_labelled_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, row: Sentence, reason: str
) -> None:
    monkeypatch.setenv(MODEL_VARIABLE, str(bundle_folder(tmp_path / "ours", trained_on=[row])))
    data = corpus(30) + Corpus((Sentence("y", "Same text", "d99", labels=()),))
    backbones, (note,) = encoders_for(plain(tmp_path), data)
    assert backbones == ("e5-small",)
    assert has_facts(note, "not compared", reason, "fake")


def test_the_report_says_if_no_shipped_model_is_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(MODEL_VARIABLE, str(tmp_path / "nothing"))
    backbones, (note,) = encoders_for(plain(tmp_path), corpus(5))
    assert backbones == ("e5-small",)
    assert "no shipped model is installed" in note


@pytest.mark.parametrize(("scores", "best"), [((0.5, 0.6), "ours"), ((0.6, 0.5), "e5-small"), ((0.5, 0.5), "e5-small")])
def test_a_transformer_starts_from_the_encoder_whose_frozen_vectors_scored_better(
    tmp_path: Path, scores: tuple[float, float], best: str
) -> None:
    backbones = ("e5-small", "models/ours")
    candidate = candidates_for(plain(tmp_path), TINY, None, backbones)[-1]
    note = candidate.prepare(dict(zip(backbones, scores, strict=True)))
    assert candidate.name == f"transformer ({best})"
    assert Path(candidate.recipe.backbone).name == best
    assert note is not None
    assert has_facts(
        note, f"started from {best}", "frozen vectors scored better", *(f"{score:.3f}" for score in scores)
    )


def test_average_precision_does_not_rank_rows_of_different_folds_together() -> None:
    gold = np.array([[True], [False], [True], [False]])
    # Both models rank their own rows correctly, but the second is far less certain.
    probability = np.array([[0.9], [0.5], [0.4], [0.1]], np.float32)
    folds = np.array([0, 0, 1, 1])
    assert mean_average_precision(gold, probability, folds) == 1
    assert mean_average_precision(gold, probability, np.zeros(4, np.int64)) == pytest.approx((1 + 2 / 3) / 2)
    # In a resample without the positive row of the second fold, this fold is left out.
    weights = np.array([[1.0, 1, 0, 2], [0, 1, 0, 1]])
    np.testing.assert_array_equal(mean_average_precision(gold, probability, folds, weights), [1, np.nan])


def test_a_requested_kind_is_chosen_even_if_others_are_better() -> None:
    found = (
        compared("prior", 0.4, 0.1),
        compared("frozen (a)", 0.2, 0.1, "frozen"),
        compared("frozen (b)", 0.0, 0.0, "frozen"),
        compared("transformer (a)", 0.1, 0.05, "transformer"),
    )
    assert choose(found) == choose(found, "frozen") == "frozen (b)"
    assert choose(found, "transformer") == "transformer (a)"
    assert choose(found, "prior") == "prior"


@pytest.mark.slow
def test_the_encoder_with_the_better_vectors_is_used_and_recorded(
    tmp_path: Path, tiny_backbone: Path, tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One encoder cannot distinguish words, because its embeddings are zeros. The encoder of the bundle can."""
    from transformers import AutoModel, AutoTokenizer

    blind: Any = AutoModel.from_pretrained(tiny_backbone)
    blind.get_input_embeddings().weight.data.zero_()
    blind.save_pretrained(tmp_path / "blind")
    AutoTokenizer.from_pretrained(tiny_backbone).save_pretrained(tmp_path / "blind")
    both = (str(tmp_path / "blind"), str(tiny_bundle))
    monkeypatch.setattr("communique.selection.select.encoders_for", lambda *_: (both, ()))
    monkeypatch.setattr("communique.selection.select.FOLDS", 2)
    settings = recipe(tmp_path, tiny_backbone).model_copy(update={"epochs": 1, "min_steps": 0, "batch_size": 64})
    for kind in ("frozen-encoder", "transformer"):
        selection = train_selected(settings, tmp_path / kind, kind=kind)
        assert selection.chosen == f"{kind} (bundle)"
        info = load_model(tmp_path / kind).info
        assert (info.classifier, info.recipe["backbone"]) == (kind, str(tiny_bundle))
    assert "started from bundle, because its frozen vectors scored better" in selection.render()


@pytest.mark.parametrize("task", ["multilabel", "multiclass"])
def test_a_frozen_encoder_becomes_a_checkpoint_that_can_be_exported_and_can_label(
    tmp_path: Path, tiny_backbone: Path, task: str
) -> None:
    settings = recipe(tmp_path, tiny_backbone, CODEBOOK | {"task": task})
    selection = train_selected(settings, tmp_path / "run", kind="frozen-encoder")
    assert selection.chosen == "frozen-encoder (backbone0)"
    assert selection["frozen-encoder (backbone0)"].macro_f1.value > selection["prior"].macro_f1.value
    model = load_model(tmp_path / "run")
    info = model.info
    assert (info.kind, info.classifier, info.tuned_by) == ("checkpoint", "frozen-encoder", "out-of-fold")
    assert info.training.sentences == selection.rows
    if task == "multilabel":
        assert f"out-of-fold predictions for {info.tuned_on} training" in (tmp_path / "run" / "README.md").read_text()
    succeed("export", tmp_path / "run", "-o", tmp_path / "bundle")
    texts = ["we condemn the port", "they should trade", "we pledge fish"]
    bundle = load_model(tmp_path / "bundle")
    assert bundle.info.thresholds == info.thresholds
    assert bundle.info.scores == info.scores
    assert bundle.info.parity is not None
    assert bundle.info.parity.data.endswith("rows that trained the model")
    table = tmp_path / "new.csv"
    table.write_text("text\n" + "\n".join(texts) + "\n")
    succeed("label", table, "--model", tmp_path / "bundle", "-o", tmp_path / "out.csv")
    with pytest.raises(OutputError, match="exists"):
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
    kept = Selection.load(tmp_path / "run.selection.json")
    assert kept is not None
    assert kept.render() == selection.render()
    assert kept.reason == "Kept: tfidf-logreg, as requested with --kind."
    refused = run("export", tmp_path / "run")
    assert refused.exit_code == 1
    assert has_facts(refused.stderr, "needs no export", "communique label TEXT --model")


@pytest.mark.parametrize("kind", ["tfidf", "frozen-encoder"])
def test_a_model_records_the_commit_with_which_its_training_began(
    tmp_path: Path, tiny_backbone: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """A commit that is made during a long training is not that of the code that runs."""
    head = ["before"]

    def commit_and_select(*args: Any, **options: Any) -> Any:
        head[0] = "after"
        return select(*args, **options)

    for module in ("selection.select", "selection.candidates", "baselines.saving"):
        monkeypatch.setattr(f"communique.{module}.git_commit", lambda: head[0], raising=False)
    monkeypatch.setattr("communique.selection.select.select", commit_and_select)
    monkeypatch.setattr("communique.selection.select.FOLDS", 2)
    train_selected(recipe(tmp_path, tiny_backbone, documents=10), tmp_path / "run", kind=kind)
    assert load_model(tmp_path / "run").info.commit == "before"


@pytest.mark.parametrize(
    ("kind", "folds", "unused"),
    [
        ("tfidf", False, ["backbone", "max_tokens", "teachers", "unlabelled", "soup", "epochs", "precision"]),
        ("tfidf", True, ["backbone", "max_tokens", "teachers", "soup", "epochs", "precision"]),
        ("frozen-encoder", False, ["teachers", "unlabelled", "soup", "epochs"]),
        ("transformer", False, []),
    ],
)
def test_fields_of_a_recipe_that_the_classifier_does_not_use_are_named(
    tmp_path: Path, tiny_backbone: Path, monkeypatch: pytest.MonkeyPatch, kind: str, folds: bool, unused: list[str]
) -> None:
    """The texts and teachers are not opened either, unless `--folds` makes the models of the folds label the texts."""
    monkeypatch.setattr("communique.selection.select.FOLDS", 2)
    monkeypatch.setattr("communique.selection.select.select", stop := StoppingSelect())
    (tmp_path / "texts.jsonl").write_text('{"id": "u", "text": "They will blame the harbour."}\n')
    texts = [TextFields(path=str(tmp_path / "texts.jsonl"))]
    ours: dict[str, object] = {"soup": 2, "epochs": 9}
    if kind != "transformer":
        ours |= {"teachers": ("no folder",), "unlabelled": tuple(texts)}
    settings, lines = recipe(tmp_path, tiny_backbone).model_copy(update=ours), list[str]()
    reporter = ProgressReporter(line=lines.append)
    with pytest.raises(KeyboardInterrupt):
        train_selected(
            settings, tmp_path / "run", kind=kind, folds=tmp_path / "folds" if folds else None, progress=reporter
        )
    named = [line for line in lines if "does not use" in line]
    assert [line.partition("recipe: ")[2] for line in named] == ([f"{', '.join(unused)}."] if unused else [])
    assert [s.text for s in stop.unlabelled] == (["They will blame the harbour."] if folds else [])


def test_a_classifier_that_a_comparison_keeps_names_the_fields_that_it_does_not_use(
    tmp_path: Path, tiny_backbone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its model folder does not claim that these fields were used."""
    frozen = f"frozen-encoder ({tiny_backbone.name})"
    monkeypatch.setattr("communique.selection.select.choose", lambda *_: frozen)
    monkeypatch.setattr("communique.selection.select.FOLDS", 2)
    settings = recipe(tmp_path, tiny_backbone, documents=10).model_copy(update={"soup": 3, "pooling": "first"})
    selection = train_selected(settings, tmp_path / "run")
    (note,) = [line for line in selection.notes if "does not use" in line]
    assert has_facts(note, frozen, "recipe: pooling, soup.")
    assert note in selection.render()
    recorded = Recipe.model_validate(load_model(tmp_path / "run").info.recipe)
    assert (recorded.soup, recorded.pooling, recorded.backbone) == (1, "mean", settings.backbone)


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"candidates": [{}], "warnings": [], "notes": []}'])
def test_a_damaged_comparison_is_ignored(tmp_path: Path, content: str) -> None:
    path = tmp_path / "model.selection.json"
    assert Selection.load(path) is None
    path.write_text(content)
    assert Selection.load(path) is None


@pytest.mark.slow
def test_a_transformer_is_tuned_out_of_fold_and_trained_on_all_rows(
    tmp_path: Path, tiny_backbone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("communique.selection.select.FOLDS", 2)
    # The model must learn all labels: probabilities of a label that is hardly learned are close to its threshold, so that its
    # decisions change with the export.
    settings = recipe(tmp_path, tiny_backbone).model_copy(
        update={
            "freeze_embeddings": False,
            "pooling": "first",
            "epochs": 16,
            "min_steps": 0,
            "batch_size": 16,
            "learning_rate": 2e-3,
            "head_learning_rate": 2e-3,
        }
    )
    selection = train_selected(settings, tmp_path / "run", kind="transformer")
    info = load_model(tmp_path / "run").info
    assert (info.classifier, info.tuned_by, info.training.sentences) == ("transformer", "out-of-fold", selection.rows)
    succeed("export", tmp_path / "run", "-o", tmp_path / "bundle")


class Stopped(Exception):
    """An exception in place of Ctrl-C, to which the test runner would react itself."""


def stopping(fits: int, monkeypatch: pytest.MonkeyPatch, method: str) -> list[int]:
    """Stop after a number of fits of a candidate. Return a list that receives the number of rows of each fit that starts."""
    kind, name = method.rsplit(".", 1)
    owner = getattr(candidates, kind)
    fit, begun = getattr(owner, name), []

    def stopped(self: Candidate, data: Corpus, steps: Path | None = None) -> Candidate:
        begun.append(len(data))
        if len(begun) > fits:
            raise Stopped
        return fit(self, data, steps)  # type: ignore[no-any-return]

    monkeypatch.setattr(owner, name, stopped)
    return begun


# The first fit is the one that measures the duration.
@pytest.mark.parametrize(("kind", "fits"), [("tfidf", 1), ("tfidf", 4), ("tfidf", 6), ("frozen-encoder", 4)])
def test_a_stopped_comparison_resumes_where_it_stopped_and_writes_the_same_bytes(
    tmp_path: Path, tiny_backbone: Path, monkeypatch: pytest.MonkeyPatch, kind: str, fits: int
) -> None:
    method = {"tfidf": "_Baseline.fit", "frozen-encoder": "FrozenCandidate.fit"}[kind]
    settings = recipe(tmp_path, tiny_backbone)
    if kind == "tfidf":
        fits += 6  # The fits of the prior.
    whole = train_selected(settings, tmp_path / "whole", kind=kind)
    with monkeypatch.context() as patch:
        stopping(fits, patch, method)
        with pytest.raises(Stopped):
            train_selected(settings, tmp_path / "run", kind=kind)
    assert (tmp_path / "run.steps").is_dir()
    with monkeypatch.context() as patch:
        begun = stopping(100, patch, method)
        again = train_selected(settings, tmp_path / "run", kind=kind)
    assert len(begun) <= 7 - fits if kind == "frozen-encoder" else len(begun) <= 13 - fits
    assert [one.macro_f1 for one in again.candidates] == [one.macro_f1 for one in whole.candidates]
    assert again.thresholds == whole.thresholds
    files = [load_model(tmp_path / name).info.files for name in ("run", "whole")]
    assert files[0] == files[1]
    assert not (tmp_path / "run.steps").exists()


def test_a_run_that_was_stopped_while_its_duration_was_measured_resumes(
    tmp_path: Path, tiny_backbone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = recipe(tmp_path, tiny_backbone)

    def stopped(*_: object, **__: object) -> None:
        # Frozen encoders store vectors while their duration is measured.
        vectors = tmp_path / "run.steps" / "vectors"
        vectors.mkdir(parents=True)
        (vectors / "0.npz").write_bytes(b"")
        raise Stopped

    with monkeypatch.context() as patch:
        patch.setattr("communique.selection.select.plan_folds", stopped)
        with pytest.raises(Stopped):
            train_selected(settings, tmp_path / "run", kind="tfidf")
    train_selected(settings, tmp_path / "run", kind="tfidf")
    assert not (tmp_path / "run.steps").exists()


def test_the_steps_of_another_run_are_refused(
    tmp_path: Path, tiny_backbone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = recipe(tmp_path, tiny_backbone)
    with monkeypatch.context() as patch:
        stopping(8, patch, "_Baseline.fit")
        with pytest.raises(Stopped):
            train_selected(settings, tmp_path / "run", kind="tfidf")
    for other, kind in ((settings.model_copy(update={"seed": 1}), "tfidf"), (settings, "frozen-encoder")):
        with pytest.raises(
            RecipeError, match=r"run\.steps: this folder belongs to an interrupted run with another recipe.* --out"
        ):
            train_selected(other, tmp_path / "run", kind=kind)
    write_rows(tmp_path / "corpus.jsonl", tiny_rows(29))
    with pytest.raises(RecipeError, match="other data"):
        train_selected(settings, tmp_path / "run", kind="tfidf")


def test_a_run_that_was_killed_before_its_first_step_does_not_refuse_another_kind(
    tmp_path: Path, tiny_backbone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings, lines = recipe(tmp_path, tiny_backbone), list[str]()
    steps, killed = tmp_path / "run.steps", tmp_path / "killed"

    def stop(*_: object, **__: object) -> None:
        shutil.copytree(steps, killed)
        raise Stopped

    with monkeypatch.context() as patch:
        patch.setattr("communique.selection.select.plan_folds", stop)
        with pytest.raises(Stopped):
            train_selected(settings, tmp_path / "run", kind="frozen-encoder")
    assert not steps.exists()
    killed.rename(steps)
    train_selected(settings, tmp_path / "run", kind="tfidf", progress=ProgressReporter(line=lines.append))
    assert has_facts(lines[0], steps, "from the beginning")
    assert load_model(tmp_path / "run").info.classifier == "tfidf-logreg"


def test_a_run_does_not_resume_if_the_encoder_was_changed(
    tmp_path: Path, tiny_backbone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoder = tmp_path / "encoder"
    shutil.copytree(tiny_backbone, encoder)
    settings = recipe(tmp_path, encoder)
    with monkeypatch.context() as patch:
        stopping(8, patch, "_Baseline.fit")
        with pytest.raises(Stopped):
            train_selected(settings, tmp_path / "run")
    (encoder / "config.json").write_text((encoder / "config.json").read_text() + "\n")
    with pytest.raises(RecipeError, match="belongs to an interrupted run with another"):
        train_selected(settings, tmp_path / "run")


def test_a_run_resumes_in_a_folder_that_was_renamed(
    tmp_path: Path, tiny_backbone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, after = tmp_path / "before" / "study", tmp_path / "after"
    before.mkdir(parents=True)
    shutil.copytree(tiny_backbone, before / "encoder")
    with monkeypatch.context() as patch:
        stopping(8, patch, "_Baseline.fit")
        with pytest.raises(Stopped):
            train_selected(recipe(before, before / "encoder"), before / "run", kind="tfidf")
    before.rename(after)
    begun = stopping(100, monkeypatch, "_Baseline.fit")
    train_selected(recipe(after, after / "encoder"), after / "run", kind="tfidf")
    assert len(begun) < 8
    assert not (after / "run.steps").exists()


@pytest.mark.parametrize("folds", [False, True])
def test_two_trainings_of_one_model_do_not_run_at_the_same_time(
    tmp_path: Path, tiny_backbone: Path, monkeypatch: pytest.MonkeyPatch, folds: bool
) -> None:
    from communique.training.run import train

    settings, out = recipe(tmp_path, tiny_backbone), tmp_path / "run"
    train_tfidf = partial(train_selected, kind="tfidf", folds=tmp_path / "folds" if folds else None)
    # A killed process leaves its lock.
    (tmp_path / "run.steps").mkdir()
    (tmp_path / "run.steps" / "lock").touch()
    fit = _Baseline.fit
    refusals: list[str] = []

    def second(self: Any, data: Corpus, steps: Path | None = None) -> Any:
        if not refusals:
            for begin in (lambda: train_tfidf(settings, out), lambda: train(settings, out)):
                with pytest.raises(DataError) as caught:
                    begin()
                refusals.append(str(caught.value))
            if folds:
                with pytest.raises(DataError) as caught:
                    train_tfidf(settings, tmp_path / "other")
                refusals.append(str(caught.value))
        return fit(self, data, steps)

    monkeypatch.setattr(_Baseline, "fit", second)
    train_tfidf(settings, out)
    assert len(refusals) == 2 + folds
    for refusal in refusals[:2]:
        assert has_facts(refusal, "run.steps", "another process", "--out")
    assert all(has_facts(refusal, "folds", "another process", "--folds") for refusal in refusals[2:])
    left = {path.name for path in tmp_path.iterdir()}
    assert not left & {"run.steps", "other", "other.steps"}
    assert not folds or not (tmp_path / "folds" / "lock").exists()


@pytest.mark.parametrize("content", ["file", "folder", "damaged"])
def test_a_steps_folder_that_no_run_wrote_is_not_changed(tmp_path: Path, content: str) -> None:
    steps = tmp_path / "run.steps"
    if content == "file":
        steps.write_text("mine")
    else:
        steps.mkdir()
        (steps / ("thesis.txt" if content == "folder" else "run.json")).write_text('{"half')
    with pytest.raises(CommuniqueError, match=r"run\.steps"):
        check_run(steps, {"seed": 0})
    assert steps.is_file() or len(list(steps.iterdir())) == 1


def test_the_note_counts_texts_that_are_repeated_in_other_documents() -> None:
    rows = [Sentence(str(i), f"We condemn attack number {i} on the old port of our town.", f"d{i}") for i in range(10)]
    rows += [Sentence(f"x{i}", text, f"e{i}") for i, text in enumerate(("They met in Oslo.", "Harvests were good."))]
    repeated = count_repeats(Corpus(tuple(rows)), np.arange(12) % 2)
    assert has_facts(describe_repeats(repeated, 12), "10 of 12", "too high", "parallel")
    assert count_repeats(Corpus(tuple(rows[9:])), np.arange(3)) == 0


def test_a_damaged_fit_is_fitted_again(tmp_path: Path) -> None:
    data, steps = corpus(10), Steps(tmp_path / "run.steps", {})
    folds = document_folds(data.sentences, 5, seed=0)
    first = predict_out_of_fold(Fake(TINY, "fake", 0.8), data, folds, steps=steps)
    damaged = steps.folder / "fake-2.npz"
    damaged.write_bytes(damaged.read_bytes()[:100])
    fake = Fake(TINY, "fake", 0.8)
    np.testing.assert_array_equal(predict_out_of_fold(fake, data, folds, steps=steps).logits, first.logits)
    assert len(fake.trained) == 1


def test_a_damaged_plan_is_made_again(tmp_path: Path) -> None:
    steps = Steps(tmp_path / "run.steps", {})
    assert steps.read_plan() is None
    steps.begin()
    steps.keep_plan([5, 2], ["slow"])
    assert steps.read_plan() == ([5, 2], ["slow"])
    (steps.folder / "plan.json").write_text('{"folds": [5,')
    assert steps.read_plan() is None


@pytest.mark.slow
def test_a_stopped_transformer_resumes_within_a_fit(
    tmp_path: Path, tiny_backbone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from transformers import TrainerCallback

    monkeypatch.setattr("communique.selection.select.FOLDS", 2)
    settings = recipe(tmp_path, tiny_backbone).model_copy(
        update={"epochs": 2, "min_steps": 0, "batch_size": 16, "checkpoint_steps": 5, "learning_rate": 2e-3}
    )
    train_selected(settings, tmp_path / "whole", kind="transformer")
    steps = tmp_path / "run.steps"

    class Stop(TrainerCallback):
        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            if state.global_step == 12 and "all" in args.output_dir:
                raise Stopped

    with monkeypatch.context() as patch:
        init = callbacks.LogCallback
        patch.setattr(trainer, "LogCallback", type("Both", (init, Stop), {}))
        with pytest.raises(Stopped):
            train_selected(settings, tmp_path / "run", kind="transformer")
    assert [path.name for path in steps.glob("transformer-*-all/checkpoint-*")]
    train_selected(settings, tmp_path / "run", kind="transformer")
    files = [load_model(tmp_path / name).info.files for name in ("run", "whole")]
    assert files[0] == files[1]
    assert not steps.exists()


@pytest.mark.parametrize("kind", ["frozen-encoder", "transformer"])
def test_a_resumed_comparison_keeps_the_precision_that_its_first_run_chose(
    tmp_path: Path, tiny_backbone: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    update = {"precision": "auto", "epochs": 1, "min_steps": 0, "batch_size": 16}
    settings = recipe(tmp_path, tiny_backbone).model_copy(update=update)
    monkeypatch.setattr("communique.selection.select.FOLDS", 2)
    chosen: list[str] = []

    def resolve(wanted: str) -> str:
        chosen.append(wanted)
        return "fp32"

    monkeypatch.setattr("communique.training.precision.resolve_precision", resolve)
    with monkeypatch.context() as patch:
        stopping(2, patch, "_Baseline.fit")
        with pytest.raises(Stopped):
            train_selected(settings, tmp_path / "run", kind=kind)
    assert chosen.count("auto") == 1, "once for all fits"
    chosen.clear()
    train_selected(settings, tmp_path / "run", kind=kind)
    assert set(chosen) == {"fp32"}
    info = load_model(tmp_path / "run").info
    assert info.recipe is not None
    assert (info.precision, info.recipe["precision"]) == ("fp32", "auto")


def test_a_frozen_encoder_records_the_precision_of_its_vectors(
    tmp_path: Path, tiny_backbone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("communique.training.precision.resolve_precision", lambda wanted: "bf16")
    monkeypatch.setattr("communique.selection.select.FOLDS", 2)
    train_selected(recipe(tmp_path, tiny_backbone, documents=10), tmp_path / "run", kind="frozen-encoder")
    assert load_model(tmp_path / "run").info.precision == "bf16"


def test_multiclass_has_no_thresholds() -> None:
    data = corpus(40, single=True)
    selection, _, tuning = select(data, TINY_MULTICLASS, [Fake(TINY_MULTICLASS, "plain", 0.9)])
    assert tuning.thresholds is None
    assert selection.thresholds == {}


def test_rows_that_are_too_long_for_an_encoder_are_counted(tmp_path: Path, tiny_backbone: Path) -> None:
    rows = list(corpus(8))
    rows[0] = replace(rows[0], text="water " * 40)
    for one in candidates_for(recipe(tmp_path, tiny_backbone), TINY, None, [str(tiny_backbone)]):
        one.estimate(Corpus(tuple(rows)))
        found = one.warnings(Corpus(tuple(rows)))
        if one.kind in ("frozen-encoder", "transformer"):
            assert has_facts(*found, f"1 of {len(rows)} rows", "more than 32 tokens", "max_tokens")
        else:
            assert found == []


@pytest.mark.parametrize(
    ("folds", "out"), [("a", "a"), ("a/f", "a"), ("a", "a/m"), ("a/../b", "b/m"), ("a.steps", "a"), ("a.steps/f", "a")]
)
def test_the_folders_of_the_folds_and_of_the_model_must_not_overlap(
    tmp_path: Path, tiny_backbone: Path, folds: str, out: str
) -> None:
    with pytest.raises(OutputError, match="overlap"):
        train_selected(recipe(tmp_path, tiny_backbone), tmp_path / out, kind="tfidf", folds=tmp_path / folds)
    assert not list(tmp_path.glob("a*"))
