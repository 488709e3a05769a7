"""Test that kinds, holders and targets are trained with the labels, saved, resumed, exported and scored."""

from __future__ import annotations

import json
import pickle
import random
import shutil
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from helpers import CODEBOOK, CUES, FILLERS, ROUNDING, facts, run, write_rows

from communique import BundleError, Codebook, Corpus, Predictor, RecipeError, Sentence
from communique.data.acts import Act
from communique.metrics.scores import indicator
from communique.models.folder import read_info, verify_files
from communique.models.info import ACT_HEADS, INFO, IR, ActsInfo
from communique.training.recipe import Recipe

pytestmark = pytest.mark.slow

KINDS = ("demand", "norm")
HOLDERS = {"criticism": "minister", "policy_claim": "treaty", "cooperation_pledge": "minister"}
TARGET = "port"
WORDS = [word for word in FILLERS if word not in (*HOLDERS.values(), TARGET, "oov")]


def book() -> dict[str, Any]:
    labels = [dict(label) for label in CODEBOOK["labels"]]
    labels[1]["kinds"] = [{"name": kind, "definition": kind} for kind in KINDS]
    return CODEBOOK | {"labels": labels}


def rows(documents: int, seed: int, *, prefix: str = "d") -> list[dict[str, Any]]:
    """Create sentences in which words determine labels, holders and targets. A claim that also criticises is a norm."""
    draw = random.Random(seed)
    found = []
    for document in range(documents):
        for index in range(10):
            labels = [label for label in CUES if draw.random() < 0.4]
            words = draw.choices(WORDS, k=draw.randint(3, 8)) + [CUES[label] for label in labels]
            words += [word for word in ("minister", "treaty", TARGET) if draw.random() < 0.5]
            draw.shuffle(words)
            text = " ".join(words)
            acts: dict[str, Any] = {}
            for label in labels:
                acts[label] = {
                    f"{role}_span": [text.index(f" {word} ") + 1, text.index(f" {word} ") + 1 + len(word)]
                    if f" {word} " in text
                    else None
                    for role, word in (("holder", HOLDERS[label]), ("target", TARGET))
                }
                if label == "policy_claim":
                    acts[label]["kind"] = KINDS["criticism" in labels]
            found.append(
                {
                    "id": f"{prefix}{document}.{index}",
                    "document": f"{prefix}{document}",
                    "index": index,
                    "language": ("en", "fr")[document % 2],
                    "text": f"the {text} .",
                    "labels": labels,
                    "acts": {k: _moved(act) for k, act in acts.items()} if index != 9 else None,
                }
            )
    return found


def _moved(act: dict[str, Any]) -> dict[str, Any]:
    return {k: [v[0] + 4, v[1] + 4] if isinstance(v, list) else v for k, v in act.items()}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, tiny_backbone: Path) -> Path:
    folder = tmp_path_factory.mktemp("acts")
    (folder / "codebook.yaml").write_text(yaml.safe_dump(book()))
    write_rows(folder / "corpus.jsonl", rows(60, 0))
    recipe = {
        "name": "acts",
        "codebook": "codebook.yaml",
        "corpora": [{"path": "corpus.jsonl"}],
        "backbone": str(tiny_backbone),
        "max_tokens": 32,
        "freeze_embeddings": False,
        "acts": True,
        "pooling": "first",
        "epochs": 16,
        "min_steps": 0,
        "learning_rate": 2e-3,
        "head_learning_rate": 2e-3,
        "precision": "fp32",
        "checkpoint_steps": 10,
        "validation_share": 0.3,
    }
    (folder / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    return folder


@pytest.fixture(scope="module")
def checkpoint(project: Path) -> Path:
    from communique.training.run import train

    return train(project / "recipe.yaml", project / "checkpoint")


@pytest.fixture(scope="module")
def bundle(project: Path, checkpoint: Path) -> Path:
    from communique.training.export import export

    export(checkpoint, project / "bundle")
    return project / "bundle"


@pytest.fixture(scope="module")
def fresh(project: Path) -> Corpus:
    return Corpus.read(
        write_rows(project / "fresh.jsonl", rows(12, 7, prefix="n")), Codebook.load(project / "codebook.yaml")
    )


def scores(model: Any, corpus: Corpus) -> tuple[float, float, float]:
    """Return the overlap of holders and targets, and the accuracy of kinds."""
    from communique.metrics.spans import score_acts

    outputs = model.predict(corpus.sentences, acts=True).acts
    report = score_acts(
        corpus.sentences, outputs.given(indicator(corpus.sentences, model.codebook)), model.codebook, resamples=10
    )
    assert report is not None
    holder, target = (s.overlap.value for s in report.spans if s.label == "all")
    return holder, target, report.kinds[0].accuracy.value


def test_a_checkpoint_learns_labels_and_acts(checkpoint: Path, fresh: Corpus) -> None:
    from communique.models.checkpoint import CheckpointClassifier

    info = read_info(checkpoint, "checkpoint")
    verify_files(checkpoint, info)
    assert ACT_HEADS in info.files
    assert info.acts == ActsInfo(kinds={"policy_claim": KINDS}, width=64)
    # Half of the sentences name nobody, and always predicting one kind is right for half of the claims.
    model = CheckpointClassifier(checkpoint)
    assert min(scores(model, fresh)) > 0.7
    # After so few steps, one of the three labels may not be learned yet, which depends on the processor.
    probabilities, gold = model.predict_proba(fresh.sentences), indicator(fresh.sentences, model.codebook)
    assert probabilities[gold].mean() > probabilities[~gold].mean() + 0.3


def test_the_checkpoint_is_a_standard_one_with_the_same_probabilities(checkpoint: Path, fresh: Corpus) -> None:
    from safetensors import safe_open
    from transformers import pipeline

    from communique.models.checkpoint import CheckpointClassifier

    with safe_open(checkpoint / "model.safetensors", "pt") as weights:
        assert all(name.startswith(("bert.", "classifier.")) for name in weights.keys())  # noqa: SIM118
    model = CheckpointClassifier(checkpoint)
    plain, with_acts = model.predict(fresh.sentences), model.predict(fresh.sentences, acts=True)
    assert plain.acts is None
    np.testing.assert_allclose(with_acts.probabilities, plain.probabilities, atol=1e-6)
    stock: Any = pipeline("text-classification", str(checkpoint), top_k=None, device="cpu")
    for row, answers in zip(plain.probabilities, stock([s.text for s in fresh]), strict=True):
        by_name = {answer["label"]: answer["score"] for answer in answers}
        np.testing.assert_allclose([by_name[name] for name in plain.names], row, atol=1e-6)


def test_a_transformer_that_is_tuned_out_of_fold_has_acts(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from communique.models.checkpoint import CheckpointClassifier
    from communique.selection.select import train_selected

    monkeypatch.setattr("communique.selection.select.FOLDS", 2)
    recipe = Recipe.load(project / "recipe.yaml").model_copy(update={"epochs": 1})
    train_selected(recipe, tmp_path / "run", kind="transformer")
    info = read_info(tmp_path / "run", "checkpoint")
    assert info.acts == ActsInfo(kinds={"policy_claim": KINDS}, width=64)
    assert info.tuned_by == "out-of-fold"
    acts = CheckpointClassifier(tmp_path / "run").predict(["the minister should fish ."], acts=True).acts
    assert acts is not None
    assert acts.kinds["policy_claim"].shape == (1, len(KINDS))


def test_an_interrupted_run_resumes_to_the_same_heads(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from communique.training import callbacks, trainer

    recipe = Recipe.load(project / "recipe.yaml").model_copy(update={"epochs": 2})
    codebook = Codebook.load(project / "codebook.yaml")
    corpus = Corpus.read(project / "corpus.jsonl", codebook).where(lambda s: s.index < 5)
    whole = trainer.TransformerClassifier(recipe, codebook, steps=tmp_path / "whole").fit(corpus)

    class Stop(Exception):
        """Ends a run."""

    class Interrupted(callbacks.LogCallback):
        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            if state.global_step == 25:
                raise Stop

    with monkeypatch.context() as patched:
        patched.setattr(trainer, "LogCallback", Interrupted)
        with pytest.raises(Stop):
            trainer.TransformerClassifier(recipe, codebook, steps=tmp_path / "part").fit(corpus)
    assert (tmp_path / "part" / "checkpoint-20").is_dir()
    resumed = trainer.TransformerClassifier(recipe, codebook, steps=tmp_path / "part").fit(corpus)
    for one, other in ((whole.heads_, resumed.heads_), (whole.model_, resumed.model_)):
        assert one is not None
        assert other is not None
        theirs = other.state_dict()
        for name, value in one.state_dict().items():
            assert bool((value == theirs[name]).all()), name


def test_the_loss_ignores_what_is_not_annotated(project: Path, tiny_backbone: Path) -> None:
    import torch

    from communique.models.act_heads import PRIOR, ActHeads, ActsClassifier
    from communique.training.act_targets import act_targets
    from communique.training.backbones import load_backbone

    codebook = Codebook.load(project / "codebook.yaml")
    model: Any
    tokenizer: Any
    model, tokenizer = load_backbone(str(tiny_backbone), codebook, max_tokens=32)
    info = ActsInfo.of(codebook, model.config.hidden_size)
    heads = ActHeads(info, len(codebook.names))
    text = "the minister should fish in the port"
    act = Act("norm", (4, 12), None)
    base = Sentence("a", text, "d", labels=("policy_claim",))
    sentences = [replace(base, acts={"policy_claim": act}), replace(base, acts={}), base]
    encoded = tokenizer([text] * 3, return_offsets_mapping=True)
    targets = act_targets(sentences, encoded["offset_mapping"], info, codebook)
    masked = [[[-100, -100], [-100, -100]]]
    assert targets["spans"] == [[*masked, [[2, 3], [-1, -1]], *masked], masked * 3, masked * 3]
    assert targets["kinds"] == [[1], [-100], [-100]]

    wrapped = ActsClassifier(model.eval(), heads, acts_weight=0.5, kind_weight=0.25)
    inputs = {name: torch.tensor(encoded[name]) for name in ("input_ids", "attention_mask")}
    labels = torch.tensor([[0.0, 1.0, 0.0]] * 3)
    given = {name: torch.tensor(values) for name, values in targets.items()}
    with torch.no_grad():
        # Without features, each loss depends only on the biases.
        for head in (heads.kinds, heads.tags):
            assert head is not None
            head.weight.zero_()
        plain = model(**inputs, labels=labels).loss
        found = wrapped(**inputs, labels=labels, **given)
        outside = -np.log(np.exp(PRIOR) / (np.exp(PRIOR) + 2))
        inside = np.log(np.exp(PRIOR) + 2)
        tokens = len(encoded["input_ids"][0])
        expected = 0.5 * ((tokens - 1) * outside + inside + tokens * outside) / 3 + 0.25 * np.log(2) / 3
        assert float(found.loss - plain) == pytest.approx(expected, rel=1e-4)
        nothing = {name: values[1:] for name, values in given.items()}
        rest = {name: values[1:] for name, values in inputs.items()}
        loss = wrapped(**rest, labels=labels[1:], **nothing).loss
        assert float(loss) == pytest.approx(float(model(**rest, labels=labels[1:]).loss))


def test_a_truncated_span_is_unknown(project: Path, tiny_backbone: Path) -> None:
    from communique.training.act_targets import act_targets
    from communique.training.backbones import load_backbone

    codebook = Codebook.load(project / "codebook.yaml")
    tokenizer: Any = load_backbone(str(tiny_backbone), codebook, max_tokens=8)[1]
    text = "the minister should fish in the grain port today"
    sentence = Sentence(
        "a", text, "d", labels=("criticism",), acts={"criticism": Act(None, (4, 12), (text.index("port"), 42))}
    )
    offsets = tokenizer([text], truncation=True, return_offsets_mapping=True)["offset_mapping"]
    spans = act_targets([sentence], offsets, ActsInfo.of(codebook, 64), codebook)["spans"][0][0]
    assert spans == [[2, 3], [-100, -100]]


def test_recipes_with_acts_need_rows_with_acts(project: Path) -> None:
    from communique.training.trainer import TransformerClassifier

    recipe = Recipe.load(project / "recipe.yaml")
    codebook = Codebook.load(project / "codebook.yaml")
    corpus = Corpus.read(project / "corpus.jsonl", codebook).where(lambda s: s.acts is None)
    with pytest.raises(RecipeError, match=facts("acts: no training row", "'acts: false'")):
        TransformerClassifier(recipe, codebook).fit(corpus)


def test_a_bundle_computes_the_acts_of_its_checkpoint(bundle: Path, checkpoint: Path, fresh: Corpus) -> None:
    from communique.models.checkpoint import CheckpointClassifier

    predictor = Predictor(bundle, threads=2)
    verify_files(bundle, predictor.info)
    before = CheckpointClassifier(checkpoint).predict(fresh.sentences, acts=True).acts
    after = predictor.predict(fresh.sentences, acts=True).acts
    assert before is not None
    assert after is not None
    assert (before.spans == after.spans).mean() > 0.97
    np.testing.assert_allclose(after.kinds["policy_claim"], before.kinds["policy_claim"], atol=0.1)
    assert min(scores(predictor, fresh)) > 0.7
    parity = predictor.info.parity
    assert parity is not None
    assert {(row.output, row.label) for row in parity.acts} == {
        ("kind", "policy_claim"),
        *((role, label) for role in ("holder", "target") for label in CUES),
    }
    assert min(row.agreement or 0 for row in parity.acts) > 0.9
    assert "| holder | criticism |" in (bundle / "README.md").read_text()
    # A used predictor can be sent to another process, and spans do not depend on the batch.
    sent = pickle.loads(pickle.dumps(predictor)).predict(fresh.sentences[::-1], acts=True).acts
    assert (sent.spans[::-1] == after.spans).mean() > 0.99
    for model in (predictor, CheckpointClassifier(checkpoint)):
        nothing = model.predict([], acts=True).acts
        assert nothing is not None
        assert len(nothing.given(np.zeros((0, 3), np.bool_))) == 0
        assert nothing.kinds["policy_claim"].shape == (0, before.kinds["policy_claim"].shape[1])


def test_training_can_start_from_a_bundle_and_a_checkpoint_with_acts(bundle: Path, checkpoint: Path) -> None:
    from communique.models.checkpoint import CheckpointClassifier
    from communique.training.backbones import load_backbone

    original = CheckpointClassifier(checkpoint).model.base_model.state_dict()
    for folder, tolerance in ((checkpoint, 0), (bundle, 0.05)):
        found = load_backbone(str(folder), Codebook.load(folder / "codebook.yaml"), max_tokens=32)[0]
        weights = found.base_model.state_dict()
        assert weights.keys() == original.keys()
        for name, value in weights.items():
            np.testing.assert_allclose(value.numpy(), original[name].numpy(), atol=tolerance, err_msg=name)


def operations(network: Any) -> list[str]:
    return sorted(op.get_type_name() for op in network.get_ops())


def test_outputs_that_nobody_asks_for_cost_nothing(
    bundle: Path, checkpoint: Path, project: Path, fresh: Corpus
) -> None:
    from communique.models.checkpoint import CheckpointClassifier
    from communique.models.openvino import import_quietly
    from communique.models.predictor import remove_act_outputs
    from communique.training.export import _samples
    from communique.training.quantize import quantize, silenced

    ov = import_quietly("openvino")
    core = ov.Core()
    network = core.read_model(str(bundle / IR))
    assert [sorted(one.get_names()) for one in network.outputs] == [["logits"], ["vector"], ["kinds"], ["acts"]]
    remove_act_outputs(network)
    model = CheckpointClassifier(checkpoint)
    with silenced():
        plain = quantize(
            model.model, _samples(fresh.sentences, model.tokenizer, 0), four_bit_embeddings=False, heads=None
        )
    assert operations(network) == operations(plain)
    # OpenVINO executes the same matrix products too, and the labels do not depend on whether the other outputs are computed. The
    # number of conversions between them depends on the processor.
    compiled = [core.compile_model(one, "CPU", {"INFERENCE_PRECISION_HINT": "f32"}) for one in (network, plain)]
    executed = [
        Counter(str(op.get_rt_info()["layerType"].value) for op in one.get_runtime_model().get_ops())
        for one in compiled
    ]
    products = "FullyConnected", "MatMul"
    assert sum(executed[0][name] for name in products) > 0
    assert [executed[0][name] for name in products] == [executed[1][name] for name in products]
    predictor = Predictor(bundle, threads=2)
    alone, together = predictor.predict(fresh.sentences), predictor.predict(fresh.sentences, acts=True)
    assert alone.acts is None
    np.testing.assert_allclose(alone.probabilities, together.probabilities, atol=ROUNDING)
    assert np.abs(alone.probabilities - together.probabilities).mean() < 1e-5


def test_a_model_without_acts_and_damaged_heads_are_reported(
    bundle: Path, checkpoint: Path, tiny_checkpoint: Path, tiny_bundle: Path, tmp_path: Path
) -> None:
    from communique.models.checkpoint import CheckpointClassifier

    models: Sequence[Any] = (Predictor(tiny_bundle), CheckpointClassifier(tiny_checkpoint))
    for model in models:
        assert model.info.acts is None
        with pytest.raises(BundleError, match=facts(model.folder, "acts: true")):
            model.predict(["we condemn the treaty"], acts=True)
    shutil.copytree(checkpoint, tmp_path / "checkpoint")
    content = (checkpoint / ACT_HEADS).read_bytes()
    for broken in (content[:100], (checkpoint / "model.safetensors").read_bytes()):
        (tmp_path / "checkpoint" / ACT_HEADS).write_bytes(broken)
        with pytest.raises(BundleError, match=ACT_HEADS):
            CheckpointClassifier(tmp_path / "checkpoint")
    shutil.copytree(bundle, tmp_path / "bundle")
    info = json.loads((bundle / INFO).read_text())
    info["acts"]["kinds"] = {"criticism": ["a", "b"]}
    (tmp_path / "bundle" / INFO).write_text(json.dumps(info))
    with pytest.raises(BundleError, match=facts(INFO, "'acts'")):
        Predictor(tmp_path / "bundle")


def test_evaluate_reports_acts(bundle: Path, fresh: Corpus, tmp_path: Path) -> None:
    (path,) = fresh.files
    result = run("evaluate", bundle, path, "--json", tmp_path / "report.json", "--html", tmp_path / "report.html")
    assert result.exit_code == 0, result.output
    assert "Kind, holder and target" in result.stdout
    found = json.loads((tmp_path / "report.json").read_text())["acts"]
    assert {(s["role"], s["label"]) for s in found["spans"]} == {
        (role, label) for role in ("holder", "target") for label in ("all", *CUES)
    }
    assert found["without"] == sum(len(s.labels or ()) for s in fresh if s.acts is None)
    assert min(s["overlap"]["value"] for s in found["spans"]) > 0.7
    assert found["kinds"][0]["accuracy"]["value"] > 0.7
    assert "policy_claim" in (tmp_path / "report.html").read_text()
    # The model predicts these outputs, but the corpus has none to compare them with.
    bare = write_rows(tmp_path / "bare.jsonl", [row | {"acts": None} for row in rows(6, 9, prefix="b")])
    assert "Kind, holder" not in run("evaluate", bundle, bare).stdout
