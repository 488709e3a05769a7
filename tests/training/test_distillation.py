"""Test the training options for data and weights: soft labels of teachers, copies of rows, and averages of several fits."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from helpers import TINY, facts, tiny_rows, write_rows

from communique import Codebook, Corpus, LeakError, RecipeError
from communique.metrics.scores import indicator
from communique.models.folder import read_info
from communique.training.recipe import Recipe

pytestmark = pytest.mark.slow


class Stop(Exception):
    """Ends a run."""


def fresh_rows(documents: int, seed: int, prefix: str) -> list[dict[str, Any]]:
    rows = tiny_rows(documents, seed=seed)
    for row in rows:
        row["id"], row["document"], row["text"] = (f"{prefix}{row[key]}" for key in ("id", "document", "text"))
        # A full stop would divide the text into several sentences.
        row["text"] = row["text"].replace(prefix, "the ", 1).replace(".", "of")
    return rows


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, tiny_project: Path) -> Path:
    """Write a recipe with other documents than those of the checkpoint, unlabelled texts, and few steps."""
    folder = tmp_path_factory.mktemp("distil")
    (folder / "codebook.yaml").write_bytes((tiny_project / "codebook.yaml").read_bytes())
    write_rows(folder / "corpus.jsonl", fresh_rows(12, 3, "n"))
    unlabelled = fresh_rows(20, 4, "u")
    for row in unlabelled:
        del row["labels"]
    write_rows(folder / "unlabelled.jsonl", unlabelled)
    content = yaml.safe_load((tiny_project / "recipe.yaml").read_text())
    write_recipe(folder, "recipe.yaml", content | {"name": "student", "epochs": 2, "checkpoint_steps": 5})
    return folder


def write_recipe(folder: Path, name: str, content: dict[str, Any]) -> Path:
    (folder / name).write_text(yaml.safe_dump(content))
    return folder / name


def recipe(project: Path, **more: Any) -> Recipe:
    content = yaml.safe_load((project / "recipe.yaml").read_text())
    return Recipe.load(write_recipe(project, "changed.yaml", content | more))


def weights(folder: Path) -> dict[str, np.ndarray]:
    from safetensors.numpy import load_file

    return load_file(folder / "model.safetensors")


def stopping(monkeypatch: pytest.MonkeyPatch, at: Callable[[Any, Any], bool]) -> None:
    """Make training stop after a step at which a function of its arguments and its state is true."""
    from communique.training import callbacks, trainer

    class Stopping(callbacks.LogCallback):
        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            if at(args, state):
                raise Stop

    monkeypatch.setattr(trainer, "LogCallback", Stopping)


@pytest.mark.parametrize("multilabel", [True, False])
def test_soft_loss_equals_that_of_transformers_for_hard_labels(tiny_backbone: Path, multilabel: bool) -> None:
    import torch

    from communique.training.backbones import load_backbone
    from communique.training.loop import soft_loss

    book = TINY if multilabel else TINY.model_copy(update={"task": "multiclass"})
    model: Any = load_backbone(str(tiny_backbone), book, max_tokens=32)[0]
    model.eval()
    ids = torch.tensor([[0, 5, 2], [0, 6, 2]])
    targets = torch.tensor([[1.0, 0, 0], [0, 0, 1.0]])
    with torch.no_grad():
        stock = model(input_ids=ids, labels=targets if multilabel else targets.argmax(dim=1))
    ones = torch.ones(2)
    mine = soft_loss(stock.logits, targets, ones, multilabel=multilabel)
    assert float(mine) == pytest.approx(float(stock.loss), rel=1e-5)
    # A row with weight 0 counts in the number of rows.
    first = soft_loss(stock.logits, targets, torch.tensor([1.0, 0.0]), multilabel=multilabel)
    second = soft_loss(stock.logits, targets, torch.tensor([0.0, 1.0]), multilabel=multilabel)
    assert float(first + second) == pytest.approx(float(mine), rel=1e-5)
    # The loss is least if the predictions are the targets.
    logits = torch.tensor([[0.3, -1.0, 2.0]])
    soft = torch.sigmoid(logits) if multilabel else torch.softmax(logits, dim=1)
    least = soft_loss(logits, soft, torch.ones(1), multilabel=multilabel)
    assert all(
        soft_loss(logits + 0.1 * shift, soft, torch.ones(1), multilabel=multilabel) > least for shift in torch.eye(3)
    )
    if not multilabel:
        assert float(least) == pytest.approx(0, abs=1e-6)


def test_a_student_learns_from_a_model_that_labels_text(
    project: Path, tiny_checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from communique.evaluation.evaluate import evaluate
    from communique.models.checkpoint import CheckpointClassifier
    from communique.training.run import train

    wanted = recipe(
        project,
        teachers=[str(tiny_checkpoint)],
        unlabelled=[{"path": "unlabelled.jsonl"}],
        unlabelled_weight=0.5,
        epochs=8,
    )
    predicted: list[int] = []
    predict = CheckpointClassifier.predict

    def counting(self: CheckpointClassifier, texts: Sequence[Any], **options: Any) -> Any:
        predicted.append(len(texts))
        return predict(self, texts, **options)

    with monkeypatch.context() as patched:
        patched.setattr(CheckpointClassifier, "predict", counting)
        stopping(patched, lambda args, state: state.global_step == 12)
        with pytest.raises(Stop):
            train(wanted, tmp_path / "student")
    assert predicted == [200]
    assert list((tmp_path / "student.steps" / "teachers").iterdir())
    with monkeypatch.context() as patched:
        patched.setattr(CheckpointClassifier, "predict", counting)
        out = train(wanted, tmp_path / "student")
    # The stored probabilities of the teacher are used again.
    assert predicted == [200]
    whole = train(wanted, tmp_path / "whole")
    assert (out / "model.safetensors").read_bytes() == (whole / "model.safetensors").read_bytes()
    info = read_info(out)
    assert info.distillation is not None
    assert [(one.name, one.kind, one.sha256) for one in info.distillation.teachers] == [
        ("tiny", "model", read_info(tiny_checkpoint).sha256)
    ]
    assert (info.distillation.labelled, info.distillation.unlabelled) == (0, 200)
    assert list(info.distillation.files) == [f"{project.name}/unlabelled.jsonl"]
    card = (out / "README.md").read_text()
    assert "200 sentences without labels" in card
    assert "tiny" in card
    # The unlabelled texts count as seen.
    unlabelled = Corpus.read(project / "unlabelled.jsonl")
    rows = fresh_rows(20, 4, "u")
    seen = Corpus.read(write_rows(tmp_path / "seen.jsonl", rows), Codebook.load(project / "codebook.yaml"))
    with pytest.raises(LeakError, match=f"{len(unlabelled)} of"):
        evaluate(out, seen, data="seen")
    # A student that sees few labelled rows is better with the labels of the teacher. The held-out rows are too few to show this.
    plain = train(recipe(project, epochs=8), tmp_path / "plain")
    new = Corpus.read(write_rows(tmp_path / "new.jsonl", fresh_rows(40, 5, "m")), TINY)
    gold = indicator(new.sentences, TINY)
    taught, alone = (CheckpointClassifier(path).predict(new.sentences).probabilities for path in (out, plain))
    assert np.abs(gold - taught).mean() < np.abs(gold - alone).mean() - 0.1


def test_a_teacher_that_was_trained_on_scored_rows_is_refused(
    project: Path, tiny_project: Path, tiny_checkpoint: Path, tmp_path: Path
) -> None:
    from communique.training.run import train
    from communique.training.trainer import TransformerClassifier

    same = recipe(
        project,
        corpora=[{"path": str(tiny_project / "corpus.jsonl")}],
        teachers=[str(tiny_checkpoint)],
        unlabelled=[{"path": "unlabelled.jsonl"}],
        seed=1,
    )
    with pytest.raises(LeakError, match=facts(tiny_checkpoint, "scored", "--folds")):
        train(same, tmp_path / "student")
    assert not (tmp_path / "student.steps").exists()
    with pytest.raises(RecipeError, match=facts("teachers", "`communique train`")):
        TransformerClassifier(same, TINY)
    nothing = recipe(project, teachers=[str(tiny_checkpoint)])
    with pytest.raises(RecipeError, match=facts("nothing", "'unlabelled'")):
        train(nothing, tmp_path / "student")


def test_folds_are_kept_and_teach_a_student(project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from communique.selection.candidates import TransformerCandidate
    from communique.selection.select import train_selected
    from communique.training.fold_predictions import FoldPredictions

    fit, begun = TransformerCandidate.fit, []

    def counting(self: TransformerCandidate, corpus: Corpus, steps: Path | None = None) -> TransformerCandidate:
        begun.append(len(corpus))
        return fit(self, corpus, steps)

    monkeypatch.setattr(TransformerCandidate, "fit", counting)
    monkeypatch.setattr("communique.selection.select.FOLDS", 3)
    folds, unlabelled = tmp_path / "folds", [{"path": "unlabelled.jsonl"}]
    plain = recipe(project, unlabelled=unlabelled)
    first = train_selected(plain, tmp_path / "plain", kind="transformer", folds=folds, only_folds=True)
    assert len(begun) == 3
    assert not (tmp_path / "plain").exists()
    stored = FoldPredictions.read(folds)
    assert stored.task == TINY.task
    assert stored.logits.shape == (120, 3)
    assert stored.unlabelled.shape == (3, 200, 3)
    assert np.isfinite(stored.unlabelled).all()
    # The description of the model may change. The folds are used, and only the fit on all rows is new.
    described = plain.model_copy(update={"description": "A model.", "version": "2"})
    again = train_selected(described, tmp_path / "plain", kind="transformer", folds=folds)
    assert begun[3:] == [120]
    assert again.thresholds == first.thresholds
    assert FoldPredictions.read(folds).sha256 == stored.sha256
    assert not list(folds.glob("*-all"))
    assert read_info(tmp_path / "plain").distillation is None
    with pytest.raises(RecipeError, match=facts(folds, "another recipe")):
        train_selected(plain.model_copy(update={"seed": 1}), tmp_path / "other", kind="transformer", folds=folds)

    student = recipe(project, unlabelled=unlabelled, teachers=[str(folds)])
    train_selected(student, tmp_path / "student", kind="transformer", folds=tmp_path / "folds of the student")
    info = read_info(tmp_path / "student")
    assert info.tuned_by == "out-of-fold"
    assert info.distillation is not None
    assert (info.distillation.labelled, info.distillation.unlabelled) == (120, 200)
    assert info.distillation.teachers[0].sha256 == stored.sha256
    assert any(
        (weights(tmp_path / "student")[name] != value).any() for name, value in weights(tmp_path / "plain").items()
    )
    # Held-out rows were seen by all models except one.
    from communique.training.run import train

    with pytest.raises(LeakError, match=facts(folds, "--kind transformer")):
        train(student, tmp_path / "held out")


def test_several_fits_are_averaged_and_resume_to_the_same_weights(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from communique.training.trainer import TransformerClassifier

    corpus = Corpus.read(project / "corpus.jsonl", TINY)

    def fitted(size: int, steps: Path | None) -> dict[str, np.ndarray]:
        found = TransformerClassifier(recipe(project, soup=size), TINY, steps=steps).fit(corpus)
        return {name: value.numpy().copy() for name, value in found.model_.state_dict().items()}

    mean = fitted(2, tmp_path / "whole")
    stored = sorted((tmp_path / "whole").glob("fit-*.safetensors"))
    assert len(stored) == 2
    from safetensors.numpy import load_file

    first, second = map(load_file, stored)
    alone = fitted(1, None)
    for name, value in first.items():
        np.testing.assert_array_equal(value, alone[name], err_msg=name)
        np.testing.assert_allclose(mean[name], (value + second[name]) / 2, atol=1e-6, err_msg=name)
    assert any((second[name] != value).any() for name, value in first.items())
    # Both fits begin with the same head.
    with monkeypatch.context() as patched:
        stopping(patched, lambda args, state: state.global_step == 12 and "fit-1" in args.output_dir)
        with pytest.raises(Stop):
            fitted(2, tmp_path / "part")
    assert (tmp_path / "part" / "fit-0.safetensors").is_file()
    assert not list((tmp_path / "part").glob("checkpoint-*"))
    resumed = fitted(2, tmp_path / "part")
    for name, value in mean.items():
        np.testing.assert_array_equal(resumed[name], value, err_msg=name)


def test_weights_of_another_architecture_are_not_averaged(tiny_backbone: Path) -> None:
    from communique.training.backbones import load_backbone
    from communique.training.soup import set_weights, trained_weights

    two = TINY.model_copy(update={"labels": TINY.labels[:2]})
    one: Any = load_backbone(str(tiny_backbone), TINY, max_tokens=32)[0]
    other: Any = load_backbone(str(tiny_backbone), two, max_tokens=32)[0]
    with pytest.raises(RecipeError, match="another architecture or other labels"):
        set_weights(one, trained_weights(other))


def test_copies_train_the_model_but_are_not_held_out(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from communique.training.columns import sentence_columns
    from communique.training.run import train

    seen: list[tuple[int, int]] = []

    def recording(sentences: Sequence[Any], *arguments: Any) -> Any:
        seen.append((len(sentences), sum(s.sampling == "copy" for s in sentences)))
        return sentence_columns(sentences, *arguments)

    monkeypatch.setattr("communique.training.trainer.sentence_columns", recording)
    out = train(recipe(project, augment=True, augment_share=1.0, epochs=1), tmp_path / "out")
    info = read_info(out)
    (rows, copies), (held_out, no_copies) = seen
    assert rows == info.training.sentences + copies
    # The fillers name no actor, and all rows are in scripts with case.
    assert copies == info.training.sentences
    assert no_copies == 0
    assert held_out == info.tuned_on
    assert not any("~copy" in i for ids in json.loads((out / "validation.json").read_text()).values() for i in ids)
    assert "copies with another actor" in (out / "README.md").read_text()
