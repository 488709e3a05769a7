"""Test the probabilities of teachers: which models may label for which student, and how targets are computed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from helpers import TINY, TINY_MULTICLASS, facts

from communique import Corpus, LeakError, RecipeError, Sentence
from communique.metrics.calibration import fit_calibration, probabilities
from communique.metrics.scores import indicator
from communique.training.fold_predictions import FOLD_FILE, FoldPredictions, row_key
from communique.training.recipe import Recipe
from communique.training.soft_labels import SoftLabels
from communique.training.steps import IDENTITY
from communique.training.teachers import FoldTeacher
from communique.training.unlabelled import Unlabelled

ROWS = Corpus(
    tuple(
        Sentence(f"r{i}", f"Sentence number {i}.", f"d{i}", labels=(TINY.names[i % 3],) if i % 4 else ())
        for i in range(60)
    )
)
FOLDS = np.arange(60) % 3
TEXTS = Corpus(tuple(Sentence(f"u{i}", f"Unlabelled text {i}.", f"u{i}") for i in range(5)))


def predictions(folder: Path, *, texts: Corpus = TEXTS) -> FoldPredictions:
    """Write predictions in which model j predicts the logit j for all unlabelled texts."""
    draw = np.random.default_rng(0)
    gold = indicator(ROWS.sentences, TINY)
    logits = draw.normal(np.where(gold, 2.0, -2.0), 1.5).astype(np.float32)
    unlabelled = np.broadcast_to(np.arange(3, dtype=np.float32)[:, None, None], (3, len(texts), 3))
    found = FoldPredictions(
        "transformer (tiny)",
        TINY.names,
        tuple(row_key(s) for s in ROWS),
        FOLDS,
        logits,
        tuple(s.sha256 for s in texts),
        np.ascontiguousarray(unlabelled),
    )
    folder.mkdir(exist_ok=True)
    found.save(folder)
    return found


def soft(folder: Path, weight: float = 0.25) -> SoftLabels:
    recipe = Recipe.model_validate(
        {"name": "a", "codebook": "c", "corpora": [{"path": "p"}], "teachers": [str(folder)], "soft_weight": weight}
    )
    found = SoftLabels.open(recipe, TINY, Unlabelled(TEXTS), ROWS)
    assert found is not None
    return found


def calibrated(corpus: Corpus, logits: np.ndarray, values: np.ndarray) -> np.ndarray:
    temperature, bias = fit_calibration(logits, indicator(corpus.sentences, TINY), multilabel=True)
    return probabilities(values, multilabel=True, temperature=temperature, bias=bias)


def test_predictions_are_stored_without_texts(tmp_path: Path) -> None:
    stored = predictions(tmp_path / "folds")
    found = FoldPredictions.read(tmp_path / "folds")
    assert found.sha256 == stored.sha256
    np.testing.assert_array_equal(found.logits, stored.logits)
    content = (tmp_path / "folds" / FOLD_FILE).read_bytes()
    (tmp_path / "folds" / FOLD_FILE).write_bytes(content[:-200])
    with pytest.raises(RecipeError, match=facts(FOLD_FILE, "--folds")):
        FoldPredictions.read(tmp_path / "folds")
    assert b"Sentence" not in content


def test_a_student_of_all_rows_learns_from_all_models(tmp_path: Path) -> None:
    stored = predictions(tmp_path / "folds")
    found = soft(tmp_path / "folds").targets(ROWS)
    assert found.soft.all()
    expected = 0.75 * indicator(ROWS.sentences, TINY) + 0.25 * calibrated(ROWS, stored.logits, stored.logits)
    np.testing.assert_allclose(found.labelled, expected, atol=1e-6)
    mean = np.mean([calibrated(ROWS, stored.logits, stored.unlabelled[fold]) for fold in range(3)], axis=0)
    np.testing.assert_allclose(found.unlabelled, mean, atol=1e-6)
    record = soft(tmp_path / "folds").describe(found)
    assert (record.labelled, record.unlabelled, record.teachers[0].kind) == (60, 5, "folds")


@pytest.mark.parametrize("fold", range(3))
def test_a_student_of_a_fold_learns_only_from_the_model_that_has_not_seen_the_fold(tmp_path: Path, fold: int) -> None:
    stored = predictions(tmp_path / "folds")
    part = ROWS.rows(np.not_equal(FOLDS, fold))
    found = soft(tmp_path / "folds").targets(part)
    # The out-of-fold probabilities of these rows come from models that were trained on the fold.
    assert not found.soft.any()
    np.testing.assert_array_equal(found.labelled, indicator(part.sentences, TINY))
    expected = calibrated(part, stored.logits[np.not_equal(FOLDS, fold)], stored.unlabelled[fold])
    np.testing.assert_allclose(found.unlabelled, expected, atol=1e-6)


def test_models_that_were_trained_on_other_rows_are_refused(tmp_path: Path) -> None:
    predictions(tmp_path / "folds")
    with pytest.raises(LeakError, match=facts("folds", "too high", "--kind transformer")):
        soft(tmp_path / "folds").targets(ROWS.where(lambda s: int(s.id[1:]) < 40))


def test_a_new_row_and_a_row_with_another_text_keep_their_labels(tmp_path: Path) -> None:
    predictions(tmp_path / "folds")
    more = Sentence("new", "A new sentence.", "new", labels=("criticism",))
    found = soft(tmp_path / "folds").targets(Corpus((*ROWS, more)))
    assert found.soft.tolist() == [True] * 60 + [False]
    assert found.labelled[60].tolist() == indicator([more], TINY)[0].tolist()
    assert row_key(more) != row_key(Sentence("new", "Another text.", "new"))


def test_missing_unlabelled_texts_and_other_labels_are_refused(tmp_path: Path) -> None:
    predictions(tmp_path / "folds", texts=TEXTS.rows(np.arange(5) < 3))
    with pytest.raises(RecipeError, match=facts("2 of 5 unlabelled sentences", "'unlabelled'")):
        soft(tmp_path / "folds").targets(ROWS)
    other = TINY_MULTICLASS.model_copy(update={"labels": TINY.labels[:2]})
    with pytest.raises(RecipeError, match=facts("cooperation_pledge", "labels of the codebook")):
        FoldTeacher(tmp_path / "folds", other)


def test_predictions_for_another_task_are_refused(tmp_path: Path) -> None:
    found = predictions(tmp_path / "folds")
    # Files of earlier versions do not contain the task.
    FoldTeacher(tmp_path / "folds", TINY_MULTICLASS)
    replace(found, task="multiclass").save(tmp_path / "folds")
    assert FoldTeacher(tmp_path / "folds", TINY_MULTICLASS).predictions.task == "multiclass"
    with pytest.raises(RecipeError, match=facts(tmp_path / "folds", "multiclass", "multilabel")):
        FoldTeacher(tmp_path / "folds", TINY)


@pytest.mark.parametrize(
    "change",
    [
        lambda found: found.folds.__setitem__(3, 3),
        lambda found: found.logits.__setitem__((3, 1), np.nan),
        lambda found: found.logits.__setitem__((3, 1), np.inf),
        lambda found: found.unlabelled.__setitem__((1, 2, 0), np.nan),
    ],
)
def test_predictions_that_do_not_fit_each_other_are_refused(
    tmp_path: Path, change: Callable[[FoldPredictions], None]
) -> None:
    found = replace(predictions(tmp_path / "folds"), folds=FOLDS.copy())
    change(found)
    found.save(tmp_path / "folds")
    with pytest.raises(RecipeError, match=facts(FOLD_FILE, "damaged")):
        soft(tmp_path / "folds")


def test_a_teacher_that_is_neither_a_model_nor_a_cross_validation_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=facts(tmp_path, "neither a model", FOLD_FILE)):
        soft(tmp_path)
    with pytest.raises(RecipeError, match=facts(tmp_path / "nothing", "no such folder")):
        soft(tmp_path / "nothing")
    (tmp_path / IDENTITY).write_text("{}")
    with pytest.raises(RecipeError, match=facts(tmp_path, "not finished")):
        soft(tmp_path)
