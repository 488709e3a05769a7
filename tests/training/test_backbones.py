"""Test backbones: the layer that computes the mean of all tokens, and encoders of earlier models."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers import CODEBOOK, ROOT, TINY, facts, has_facts, tiny_rows
from safetensors.torch import load_file, save_file
from transformers import AutoModel, AutoModelForSequenceClassification, DistilBertConfig, RobertaConfig, RobertaModel
from transformers import DistilBertForSequenceClassification as DistilBert

from communique.baselines.frozen_encoder import Encoder
from communique.data.codebook import Codebook
from communique.errors import RecipeError
from communique.models.info import IR
from communique.models.openvino import import_quietly
from communique.training.backbones import add_mean_layer, check_max_tokens, has_mean_layer, load_backbone
from communique.training.recipe import Recipe


def _norm(states: torch.Tensor) -> torch.Tensor:
    return torch.nn.functional.layer_norm(states, states.shape[-1:])


def test_the_first_token_becomes_the_mean_of_all_tokens_but_padding(tiny_backbone: Path) -> None:
    torch.manual_seed(0)
    bare = AutoModel.from_pretrained(tiny_backbone).eval()
    model = AutoModelForSequenceClassification.from_pretrained(tiny_backbone).eval()
    add_mean_layer(model)
    ids = torch.tensor([[0, 5, 6, 7, 2, 1, 1], [0, 8, 9, 10, 11, 12, 2]])
    mask = (ids != 1).long()
    with torch.no_grad():
        before = bare(input_ids=ids, attention_mask=mask).last_hidden_state
        after = model.base_model(input_ids=ids, attention_mask=mask).last_hidden_state[:, 0]
    mean = (before * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)
    expected, unmasked = (_norm(_norm(before[:, 0] + one)) for one in (mean, before.mean(1)))
    # Attention is only nearly uniform at first, because weights that are all zero could not learn.
    assert (after - expected).norm() < 0.05 * expected.norm()
    assert (after[0] - unmasked[0]).norm() > 2 * (after[0] - expected[0]).norm()


def test_the_model_remains_a_standard_one(tiny_backbone: Path, tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = AutoModelForSequenceClassification.from_pretrained(tiny_backbone).eval()
    layers = model.config.num_hidden_layers
    add_mean_layer(model)
    model.save_pretrained(tmp_path)
    again = AutoModelForSequenceClassification.from_pretrained(tmp_path).eval()
    assert again.config.num_hidden_layers == layers + 1
    ids = torch.tensor([[0, 5, 6, 7, 2]])
    with torch.no_grad():
        np.testing.assert_allclose(model(ids).logits, again(ids).logits, rtol=1e-5)


def test_another_architecture_is_refused() -> None:
    model = DistilBert(DistilBertConfig(vocab_size=20, dim=8, n_layers=1, n_heads=2, hidden_dim=8))
    with pytest.raises(RecipeError, match=r"'distilbert'.*'first'"):
        add_mean_layer(model)


@pytest.mark.slow
def test_training_can_start_from_a_bundle(tiny_bundle: Path, tiny_checkpoint: Path) -> None:
    """The dequantised encoder computes the same as that of the checkpoint, up to rounding to 8 bits."""
    before = AutoModel.from_pretrained(tiny_checkpoint).eval()
    loaded, tokenizer = load_backbone(str(tiny_bundle), TINY, max_tokens=32)
    model: Any = loaded.eval()  # type: ignore[no-untyped-call]
    assert model.config.num_attention_heads == before.config.num_attention_heads
    for row in tiny_rows(5, seed=3):
        given = tokenizer(row["text"], return_tensors="pt")
        with torch.no_grad():
            expected = before(**given).last_hidden_state.mean(dim=1)
            found = model.base_model(**given).last_hidden_state.mean(dim=1)
        assert torch.nn.functional.cosine_similarity(expected, found).item() > 0.99


@pytest.mark.slow
@pytest.mark.skipif(
    not (ROOT / "models/communique-small/model.bin").exists(), reason="the shipped model does not exist"
)
def test_training_can_start_from_the_shipped_model() -> None:
    from communique.models.predictor import Predictor
    from communique.training.dequantize import read_weights

    folder = ROOT / "models/communique-small"
    predictor = Predictor(folder)
    model: Any
    model, tokenizer = load_backbone(str(folder), predictor.codebook, max_tokens=160)
    # Training would start with the new head. With that of the bundle, the logits can be compared.
    weights = read_weights(import_quietly("openvino").Core().read_model(folder / IR))
    model.classifier.load_state_dict({n: torch.from_numpy(weights[f"classifier.{n}"]) for n in ("weight", "bias")})
    authored = (ROOT / "data/authored/ar.jsonl").read_text(encoding="utf-8").splitlines()
    texts = [json.loads(line)["text"] for line in authored[:50]]
    given = tokenizer(texts, return_tensors="pt", padding=True)
    with torch.no_grad():
        found = model.eval()(**given).logits.numpy()
    expected = predictor.predict_logits(texts)
    for label in range(expected.shape[1]):
        assert np.corrcoef(found[:, label], expected[:, label])[0, 1] > 0.99


@pytest.mark.slow
def test_training_can_start_from_a_checkpoint_with_other_labels(tiny_checkpoint: Path) -> None:
    two = Codebook.model_validate(CODEBOOK | {"labels": CODEBOOK["labels"][:2]})
    trained: Any = AutoModelForSequenceClassification.from_pretrained(tiny_checkpoint)
    for codebook in (two, TINY):
        model: Any = load_backbone(str(tiny_checkpoint), codebook, max_tokens=32)[0]
        assert model.config.num_labels == len(codebook.names)
        torch.testing.assert_close(model.bert.encoder.state_dict(), trained.bert.encoder.state_dict())
        # The head is new even if the number of labels is the same.
        assert model.classifier.weight.shape != trained.classifier.weight.shape or not torch.equal(
            model.classifier.weight, trained.classifier.weight
        )


def test_the_mean_layer_is_recognised_in_an_earlier_model(tmp_path: Path, fake_bundle: Path) -> None:
    assert not has_mean_layer("org/model")
    assert not has_mean_layer(str(fake_bundle))
    content = json.loads((fake_bundle / "bundle.json").read_text())
    content["recipe"] = {"pooling": "mean"}
    (tmp_path / "bundle.json").write_text(json.dumps(content))
    assert has_mean_layer(str(tmp_path))


def test_a_baseline_is_refused_as_a_backbone(tmp_path: Path, fake_bundle: Path) -> None:
    content = json.loads((fake_bundle / "bundle.json").read_text()) | {"kind": "baseline", "files": {}}
    (tmp_path / "bundle.json").write_text(json.dumps(content))
    with pytest.raises(RecipeError, match="baseline"):
        load_backbone(str(tmp_path), TINY, max_tokens=32)


def _without_weights(folder: Path) -> None:
    weights = load_file(folder / "model.safetensors")
    kept = {name: value for name, value in weights.items() if "layer.1" not in name}
    save_file(kept, folder / "model.safetensors", metadata={"format": "pt"})


def _as_pickle(folder: Path) -> None:
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()


def _configured(**changes: Any) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        path = folder / "config.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | changes))

    return change


def _as_roberta(folder: Path) -> None:
    config = RobertaConfig(
        vocab_size=640, hidden_size=64, num_hidden_layers=1, num_attention_heads=2, intermediate_size=64, pad_token_id=1
    )
    config.max_position_embeddings = 66
    RobertaModel(config).save_pretrained(folder)


@pytest.mark.parametrize("change", [lambda folder: None, _as_roberta])
def test_more_tokens_than_the_backbone_accepts_are_refused_before_weights_are_read(
    tiny_backbone: Path, tmp_path: Path, change: Callable[[Path], None]
) -> None:
    folder, limit = tmp_path / "encoder", 64
    shutil.copytree(tiny_backbone, folder)
    change(folder)
    model, _ = load_backbone(str(folder), TINY, max_tokens=limit)
    with torch.inference_mode():
        model(input_ids=torch.full((1, limit), 5))
    with pytest.raises(RecipeError, match=facts(limit + 1, limit)):
        load_backbone(str(folder), TINY, max_tokens=limit + 1)
    (folder / "model.safetensors").unlink()
    for name, most in ((str(folder), limit), ("e5-small", 512)):
        recipe = Recipe(name="x", codebook="c", corpora=[{"path": "p"}], backbone=name, max_tokens=most)
        check_max_tokens(recipe)
        with pytest.raises(RecipeError, match=facts(repr(name), most + 1, f"at most {most} tokens")):
            check_max_tokens(recipe.model_copy(update={"max_tokens": most + 1}))


def test_training_refuses_too_many_tokens_before_it_reads_the_codebook_and_the_data(
    tiny_backbone: Path, tmp_path: Path
) -> None:
    from communique.selection.select import train_selected
    from communique.training.run import train

    fields = {"corpora": [{"path": "missing.csv"}], "backbone": str(tiny_backbone), "max_tokens": 65}
    recipe = Recipe(name="x", codebook="missing.yaml", **fields)
    for run in (train, train_selected):
        with pytest.raises(RecipeError, match=facts(tiny_backbone, "at most 64 tokens")):
            run(recipe, tmp_path / "out")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("change", "fact"),
    [
        (_without_weights, "missing from the file of weights"),
        (_configured(num_hidden_layers=3), "missing from the file of weights"),
        (_configured(intermediate_size=64), "another size"),
        (_configured(num_hidden_layers=10**6), "1,000,000 layers"),
        (_configured(vocab_size=10), "word_embeddings"),
        (_as_pickle, "pickle"),
        (lambda folder: (folder / "model.safetensors").write_bytes(b"short"), "deserializing"),
    ],
)
def test_a_damaged_backbone_is_refused(
    tiny_backbone: Path, tmp_path: Path, change: Callable[[Path], None], fact: str
) -> None:
    """transformers would draw missing weights at random, without an error."""
    folder = tmp_path / "damaged"
    shutil.copytree(tiny_backbone, folder)
    change(folder)
    with pytest.raises(RecipeError) as caught:
        load_backbone(str(folder), TINY, max_tokens=32)
    assert has_facts(str(caught.value), "damaged", fact)


def test_vectors_that_are_no_numbers_are_refused(tiny_backbone: Path, tmp_path: Path) -> None:
    folder = tmp_path / "damaged"
    shutil.copytree(tiny_backbone, folder)
    weights = {name: value * float("nan") for name, value in load_file(folder / "model.safetensors").items()}
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(RecipeError, match="not finite numbers"):
        Encoder(str(folder), TINY, 32, "fp32", None).embed(["we condemn it"])
