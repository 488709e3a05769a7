"""Test training on a tiny model: it learns, it resumes to the same weights, and its checkpoint is a standard one."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers import PATIENCE, TINY, facts, has_facts, tiny_rows, until, write_rows

from communique import Codebook, Corpus, OutputError, RecipeError
from communique.data.sentence import Sentence
from communique.evaluation.evaluate import evaluate
from communique.models.folder import read_info, verify_files
from communique.training.recipe import Recipe

pytestmark = pytest.mark.slow


def test_sampler_depends_only_on_seed_and_epoch() -> None:
    from communique.training.loop import LengthGroupedSampler

    lengths = [(7 * i) % 50 for i in range(333)]

    def order(seed: int, epoch: int) -> list[int]:
        sampler = LengthGroupedSampler(lengths, 16, seed)
        sampler.set_epoch(epoch)
        return list(sampler)

    assert order(1, 0) == order(1, 0)
    assert sorted(order(1, 0)) == list(range(333))
    assert len({tuple(order(seed, epoch)) for seed in (1, 2) for epoch in (0, 1)}) == 4


def test_sampler_yields_batches_of_similar_length_in_random_order() -> None:
    from communique.training.loop import LengthGroupedSampler

    lengths = np.random.default_rng(0).integers(5, 160, 1600)
    order = np.array(list(LengthGroupedSampler(lengths.tolist(), 32, 0)))
    means = lengths[order].reshape(-1, 32).mean(axis=1)
    spread = lengths[order].reshape(-1, 32).std(axis=1)
    assert spread.mean() < 0.15 * lengths.std()
    # The sampler of transformers goes from the longest to the shortest batch, which this correlation would show.
    assert abs(np.corrcoef(means[:-1], means[1:])[0, 1]) < 0.5


def test_parameter_groups_separate_the_head_and_parameters_without_decay(tiny_backbone: Path) -> None:

    from communique.training.backbones import load_backbone
    from communique.training.loop import parameter_groups

    model, _ = load_backbone(str(tiny_backbone), TINY, max_tokens=32)
    recipe = Recipe(name="x", codebook="c", corpora=[{"path": "p"}], learning_rate=1e-5, head_learning_rate=1e-3)
    groups = {(g["lr"], g["weight_decay"]): g["params"] for g in parameter_groups(model, recipe)}
    assert sum(len(members) for members in groups.values()) == len(list(model.parameters()))
    head = {id(p) for name, p in model.named_parameters() if name.startswith(("classifier", "bert.pooler"))}
    assert {id(p) for (lr, _), members in groups.items() if lr == 1e-3 for p in members} == head
    assert all(p.ndim == 1 for (_, decay), members in groups.items() if decay == 0 for p in members)


def test_checkpoint_learns_and_agrees_with_the_pipeline_of_transformers(tiny_checkpoint: Path) -> None:
    from transformers import pipeline

    from communique.models.checkpoint import CheckpointClassifier

    info = read_info(tiny_checkpoint, "checkpoint")
    verify_files(tiny_checkpoint, info)
    # Predicting every label for every sentence would score 0.52.
    assert (info.scores[0].value or 0) > 0.8
    fresh = Corpus.read(write_rows(tiny_checkpoint.parent / "fresh.jsonl", tiny_rows(5, seed=9)))
    ours = CheckpointClassifier(tiny_checkpoint).predict_proba(fresh.sentences)
    stock: Any = pipeline("text-classification", str(tiny_checkpoint), top_k=None, device="cpu")
    for row, answers in zip(ours, stock([s.text for s in fresh]), strict=True):
        by_name = {answer["label"]: answer["score"] for answer in answers}
        assert set(by_name) == set(info.labels)
        np.testing.assert_allclose([by_name[name] for name in info.labels], row, atol=1e-6)


def test_evaluation_refuses_training_data_and_can_drop_it(tiny_checkpoint: Path, tiny_project: Path) -> None:
    from communique import LeakError

    codebook = Codebook.load(tiny_project / "codebook.yaml")
    seen = Corpus.read(tiny_project / "corpus.jsonl", codebook)
    with pytest.raises(LeakError, match=facts("600 of 600 rows", "--drop-shared")):
        evaluate(tiny_checkpoint, seen, data="seen")
    rows = tiny_rows(10, seed=5)
    for row in rows:
        row["id"], row["document"] = f"new-{row['id']}", f"new-{row['document']}"
    fresh = Corpus.read(write_rows(tiny_project / "unseen.jsonl", rows), codebook)
    evaluation = evaluate(tiny_checkpoint, seen + fresh, data="both", shared="drop")
    report = evaluation.report
    assert (report.overall.n, evaluation.dropped) == (100, 600)
    assert report.overall.documents == 10
    assert report.overall.macro_f1.value > 0.8


def test_training_refuses_to_replace_a_checkpoint(tiny_checkpoint: Path, tiny_project: Path) -> None:
    from communique.training.run import train

    with pytest.raises(OutputError, match=facts(tiny_checkpoint, "--overwrite")):
        train(tiny_project / "recipe.yaml", tiny_checkpoint)


def _train(project: Path, out: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "communique", "train", str(project / "recipe.yaml"), "--out", str(out)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )


def test_a_killed_run_ends_with_the_weights_of_an_uninterrupted_one(
    tiny_project: Path, tiny_checkpoint: Path, tmp_path: Path
) -> None:
    out = tmp_path / "checkpoint"
    steps = tmp_path / "checkpoint.steps"
    process = _train(tiny_project, out)

    def has_two_checkpoints() -> bool:
        assert process.poll() is None, process.stderr and process.stderr.read().decode()
        return len(list(steps.glob("checkpoint-*/trainer_state.json"))) >= 2

    # The second checkpoint is written in the middle of an epoch.
    until(has_two_checkpoints, "fewer than two checkpoints were written")
    process.kill()
    process.wait()
    assert not out.exists()
    # A kill during saving leaves a checkpoint without the state, because it is written last.
    (steps / "checkpoint-99999").mkdir()
    for path in steps.glob("checkpoint-*/trainer_state.json"):
        state = json.loads(path.read_text())
        assert 0 < state["stateful_callbacks"]["Clock"]["seconds"] < 5000
        state["stateful_callbacks"]["Clock"]["seconds"] = 5000.0
        path.write_text(json.dumps(state))

    resumed = _train(tiny_project, out)
    _, told = resumed.communicate(timeout=PATIENCE)
    assert resumed.returncode == 0, told.decode()
    assert b"resuming" in told
    assert (out / "model.safetensors").read_bytes() == (tiny_checkpoint / "model.safetensors").read_bytes()
    assert not steps.exists()
    assert read_info(out).training_seconds > 5000 > read_info(tiny_checkpoint).training_seconds


@pytest.mark.parametrize("soup", [1, 2])
@pytest.mark.parametrize("older", [False, True])
def test_a_resumed_training_adds_the_seconds_of_earlier_runs(
    tiny_project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, soup: int, older: bool
) -> None:
    import transformers
    from safetensors.torch import load_file, save_file

    from communique.training import callbacks, trainer

    settings = {"epochs": 2, "min_steps": 0, "checkpoint_steps": 5, "soup": soup}
    recipe = Recipe.load(tiny_project / "recipe.yaml").model_copy(update=settings)
    corpus = Corpus.read(tiny_project / "corpus.jsonl")

    class Stop(transformers.TrainerCallback):
        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            if state.global_step == 12 and (soup == 1 or args.output_dir.endswith("fit-1")):
                raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(trainer, "LogCallback", type("Both", (callbacks.LogCallback, Stop), {}))
        with pytest.raises(KeyboardInterrupt):
            trainer.TransformerClassifier(recipe, TINY, steps=tmp_path).fit(corpus)
    # Earlier runs took 1,000 seconds for each fit. A folder of an older version does not say so.
    for path in tmp_path.rglob("trainer_state.json"):
        state = json.loads(path.read_text())
        clock = state["stateful_callbacks"].pop("Clock")
        assert clock["seconds"] > 0
        if not older:
            state["stateful_callbacks"]["Clock"] = {"seconds": 1000.0}
        path.write_text(json.dumps(state))
    for path in tmp_path.glob("fit-*.safetensors"):
        save_file(load_file(path), path, metadata=None if older else {"seconds": "1000.0"})
    resumed = trainer.TransformerClassifier(recipe, TINY, steps=tmp_path).fit(corpus)
    earlier = 0 if older else 1000 * soup
    assert resumed.earlier_seconds_ == earlier
    assert earlier < resumed.seconds_ < earlier + 900


def test_the_duration_of_a_resumed_fold_includes_earlier_runs() -> None:
    from communique.selection.candidates import PriorCandidate
    from communique.selection.folds import predict_out_of_fold

    class Resumed(PriorCandidate):
        earlier_seconds = 1000.0

    recipe = Recipe(name="x", codebook="c", corpora=[{"path": "p"}])
    rows = Corpus(tuple(Sentence(str(i), f"text {i}", f"d{i}", labels=()) for i in range(6)))
    found = predict_out_of_fold(Resumed(recipe, TINY), rows, np.arange(6) % 2)
    assert found.seconds > 1000


def test_a_resumed_training_keeps_the_precision_that_its_first_run_chose(
    tiny_project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from communique.training import trainer

    settings = {"epochs": 1, "min_steps": 0, "precision": "auto"}
    recipe = Recipe.load(tiny_project / "recipe.yaml").model_copy(update=settings)
    corpus = Corpus.read(tiny_project / "corpus.jsonl")
    monkeypatch.setattr("communique.training.precision.resolve_precision", lambda wanted: "fp32")
    trainer.TransformerClassifier(recipe, TINY, steps=tmp_path).fit(corpus)

    def other(wanted: str) -> str:
        raise AssertionError(wanted)

    monkeypatch.setattr("communique.training.precision.resolve_precision", other)
    assert trainer.TransformerClassifier(recipe, TINY, steps=tmp_path).fit(corpus).precision_ == "fp32"


def test_steps_of_another_recipe_are_refused(tiny_project: Path, tmp_path: Path) -> None:
    from communique.training.trainer import prepare_steps

    corpus = Corpus.read(tiny_project / "corpus.jsonl")
    recipe = Recipe.load(tiny_project / "recipe.yaml")
    moved = recipe.model_copy(update={"codebook": "elsewhere/codebook.yaml"})
    for one in (recipe, moved):
        prepare_steps(tmp_path / "steps", one, TINY, corpus)
    with pytest.raises(RecipeError, match=facts(tmp_path / "steps")):
        prepare_steps(tmp_path / "steps", recipe.model_copy(update={"seed": 1}), TINY, corpus)
    # With other labels, or with the same ones in another order, the outputs in the checkpoint would belong to the wrong labels.
    other = TINY.model_copy(update={"labels": TINY.labels[::-1]})
    with pytest.raises(RecipeError, match=facts(tmp_path / "steps", "another codebook")):
        prepare_steps(tmp_path / "steps", recipe, other, corpus)
    # With other tokens, the embeddings in the checkpoint would belong to the wrong tokens.
    with pytest.raises(RecipeError, match=facts(tmp_path / "steps")):
        prepare_steps(tmp_path / "steps", recipe, TINY, corpus, [1, 2, 3])


def test_training_without_a_folder_for_steps_writes_nothing(
    tiny_project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from communique.training.trainer import TransformerClassifier

    recipe = Recipe.load(tiny_project / "recipe.yaml").model_copy(update={"epochs": 1, "min_steps": 0})
    monkeypatch.chdir(tmp_path)
    TransformerClassifier(recipe, TINY).fit(Corpus.read(tiny_project / "corpus.jsonl"))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("batch_size", "reason"),
    [(16, "the loss in step 2 is"), (10_000, "its predictions are")],
    ids=["early", "last step"],
)
def test_a_training_that_diverges_is_an_error(tiny_project: Path, batch_size: int, reason: str) -> None:
    from communique.training.trainer import TransformerClassifier

    changed = {"learning_rate": 1e38, "warmup_share": 0.0, "epochs": 1, "batch_size": batch_size}
    recipe = Recipe.load(tiny_project / "recipe.yaml").model_copy(update=changed)
    corpus = Corpus.read(tiny_project / "corpus.jsonl", TINY, labelled=True)
    with pytest.raises(
        RecipeError, match=rf"learning_rate 1e\+38, .* diverged, because {reason} .* smaller learning rates"
    ):
        TransformerClassifier(recipe, TINY).fit(corpus).predict_logits(corpus.sentences)


def test_a_multiclass_model_is_trained_with_softmax(tiny_project: Path, tiny_backbone: Path, tmp_path: Path) -> None:
    import yaml

    from communique.models.predictor import Predictor
    from communique.training.export import export
    from communique.training.run import train

    names = ["negative", "positive"]
    (tmp_path / "codebook.yaml").write_text(
        yaml.safe_dump(
            {
                "name": "tone",
                "version": "1",
                "task": "multiclass",
                "labels": [{"name": name, "definition": name} for name in names],
            }
        )
    )
    rows = tiny_rows(40)
    for row in rows:
        row["labels"] = [names[0] if "condemn" in str(row["text"]) else names[1]]
    write_rows(tmp_path / "corpus.jsonl", rows)
    recipe = yaml.safe_load((tiny_project / "recipe.yaml").read_text())
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    checkpoint = train(tmp_path / "recipe.yaml", tmp_path / "checkpoint")
    assert read_info(checkpoint).thresholds is None
    export(checkpoint, tmp_path / "bundle")
    predictions = Predictor(tmp_path / "bundle").predict(["the condemn river", "the grain port"])
    assert predictions.labels == [["negative"], ["positive"]]
    np.testing.assert_allclose(predictions.probabilities.sum(axis=1), 1, atol=1e-5)


def test_held_out_ids_are_saved_and_do_not_train_the_model(tiny_checkpoint: Path, tiny_project: Path) -> None:
    held_out = json.loads((tiny_checkpoint / "validation.json").read_text())
    corpus = Corpus.read(tiny_project / "corpus.jsonl")
    document = {s.id: s.document for s in corpus}
    sampling = {s.id: s.sampling for s in corpus}
    # The other rows of the held-out documents are too few for a parity check, so random rows tune the model and check the export.
    assert {sampling[i] for part in held_out.values() for i in part} == {"random"}
    kept_out = {document[i] for part in held_out.values() for i in part}
    info = read_info(tiny_checkpoint)
    assert info.training.documents == 60 - len(kept_out)
    assert info.training.sentences == 600 - 10 * len(kept_out)


def test_training_reports_rows_that_are_too_long(tiny_project: Path) -> None:
    from communique.reporting.progress import ProgressReporter
    from communique.training.trainer import TransformerClassifier

    recipe = Recipe.load(tiny_project / "recipe.yaml").model_copy(update={"epochs": 1, "max_tokens": 8})
    rows = Corpus(
        tuple(Sentence(f"r{i}", "water " * (20 if i < 3 else 2), f"d{i}", labels=("criticism",)) for i in range(8))
    )
    lines: list[str] = []
    TransformerClassifier(recipe, TINY, progress=ProgressReporter(line=lines.append)).fit(rows)
    assert [line for line in lines if has_facts(line, "3 of 8 rows", "more than 8 tokens")]


@pytest.mark.parametrize("field", ["dropout", "attention_dropout"])
def test_a_dropout_that_the_backbone_does_not_have_is_refused(tiny_project: Path, tmp_path: Path, field: str) -> None:
    from transformers import AutoTokenizer, DistilBertConfig, DistilBertModel

    from communique.training.trainer import TransformerClassifier

    recipe = Recipe.load(tiny_project / "recipe.yaml")
    AutoTokenizer.from_pretrained(recipe.backbone).save_pretrained(tmp_path)
    DistilBertModel(DistilBertConfig(dim=8, hidden_dim=8, n_layers=1, n_heads=1)).save_pretrained(tmp_path)
    settings = {"backbone": str(tmp_path), "pooling": "first", "dropout": 0.0, "attention_dropout": 0.0}
    refused = recipe.model_copy(update=settings | {field: 0.1})
    with pytest.raises(RecipeError, match=facts(f"{field}:", "'distilbert'", "recipe")):
        TransformerClassifier(refused, TINY).fit(Corpus.read(tiny_project / "corpus.jsonl"))
