"""Tests of baselines that use an encoder (frozen encoder, SetFit, zero-shot NLI), with a tiny encoder that the tests make."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers import TINY, TINY_MULTICLASS, tiny_rows

from communique import baselines
from communique.baselines import frozen_encoder
from communique.baselines.frozen_encoder import MEAN_SCALE, Encoder, FrozenEncoder
from communique.data.codebook import Codebook
from communique.data.corpus import Corpus
from communique.data.sentence import Sentence
from communique.errors import BundleError, MissingExtraError, RecipeError, UnreachableError
from communique.metrics.scores import indicator
from communique.models.checkpoint import checkpoint_outputs


def corpus(documents: int, *, single: bool = False) -> Corpus:
    rows = [Sentence(**row | {"labels": tuple(row["labels"])}) for row in tiny_rows(documents)]
    return Corpus(tuple(s for s in rows if not single or len(s.labels or ()) == 1))


def frozen(backbone: Path | str, codebook: Codebook = TINY, **options: Any) -> FrozenEncoder:
    settings: dict[str, Any] = {"backbone": str(backbone), "max_tokens": 32, "precision": "fp32", "C": 0.1} | options
    classifier = baselines.make("frozen-encoder", codebook, **settings)
    assert isinstance(classifier, FrozenEncoder)
    return classifier


def test_vectors_are_means_over_tokens_with_mean_zero_and_unit_variance(tiny_backbone: Path) -> None:
    import torch
    from transformers import AutoModel, AutoTokenizer

    texts = ["river trade", "we condemn the border fish", "oov"]
    found = frozen(tiny_backbone).embed(texts)
    model, tokenizer = AutoModel.from_pretrained(tiny_backbone).eval(), AutoTokenizer.from_pretrained(tiny_backbone)
    for text, vector in zip(texts, found, strict=True):
        with torch.inference_mode():
            tokens = model(**tokenizer(text, return_tensors="pt")).last_hidden_state[0].numpy()
        mean = MEAN_SCALE * tokens.mean(axis=0) + tokens[0]
        # A text has the same vector on its own and padded to the length of longer texts.
        np.testing.assert_allclose(vector, (mean - mean.mean()) / mean.std(), atol=1e-4)


@pytest.mark.parametrize("codebook", [TINY, TINY_MULTICLASS], ids=["multilabel", "multiclass"])
def test_the_network_has_the_same_logits_as_the_logistic_regression(
    tiny_backbone: Path, codebook: Codebook, tmp_path: Path
) -> None:
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    data = corpus(10, single=not codebook.multilabel)
    known = data.where(lambda s: "cooperation_pledge" not in (s.labels or ()))
    classifier = frozen(tiny_backbone, codebook).fit(known)
    assert classifier.predict_proba([]).shape == (0, 3)
    for part in classifier.network():
        part.save_pretrained(tmp_path)
    model = AutoModelForSequenceClassification.from_pretrained(tmp_path).eval()
    tokenizer = AutoTokenizer.from_pretrained(tmp_path, model_max_length=32)
    assert type(model).__name__ == "BertForSequenceClassification"
    found = checkpoint_outputs(model, tokenizer, [s.text for s in data]).logits
    np.testing.assert_allclose(found, classifier.predict_logits(data.sentences), atol=1e-4)


@pytest.fixture(scope="module")
def mean_checkpoint(tiny_project: Path) -> Path:
    from communique.training.recipe import Recipe
    from communique.training.run import train

    recipe = Recipe.load(tiny_project / "recipe.yaml").model_copy(update={"pooling": "mean", "epochs": 2})
    return train(recipe, tiny_project / "mean-checkpoint")


@pytest.mark.slow
@pytest.mark.parametrize("backbone", ["e5-small", "mean_checkpoint", "tiny_checkpoint", "tiny_bundle"])
def test_the_network_has_the_same_logits_with_and_without_a_mean_layer_in_the_backbone(
    backbone: str, request: pytest.FixtureRequest
) -> None:
    data = corpus(4)
    folder = backbone if backbone == "e5-small" else request.getfixturevalue(backbone)
    classifier = frozen(folder).fit(data)
    found = checkpoint_outputs(*classifier.network(), [s.text for s in data]).logits
    expected = classifier.predict_logits(data.sentences)
    np.testing.assert_allclose(found, expected, atol=2e-3)
    assert expected.std() > 0.1


def test_an_encoder_is_loaded_once(tiny_backbone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loads: list[str] = []
    load = frozen_encoder.load_frozen

    def recorded(backbone: str, *rest: Any) -> Any:
        loads.append(backbone)
        return load(backbone, *rest)

    monkeypatch.setattr(frozen_encoder, "load_frozen", recorded)
    data, classifier = corpus(4), frozen(tiny_backbone)
    before = classifier.fit(data).fit(data).predict_logits(data.sentences)
    classifier.network()
    assert len(loads) == 1
    # The network is a copy, so changes to its head and its last layer norm do not affect the vectors.
    np.testing.assert_array_equal(frozen(tiny_backbone).fit(data).predict_logits(data.sentences), before)
    assert classifier.embed(["a new text"]).shape == (1, 64)
    np.testing.assert_array_equal(classifier.embed(["port"]), frozen(tiny_backbone).embed(["port"]))


@pytest.mark.parametrize("codebook", [TINY, TINY_MULTICLASS], ids=["multilabel", "multiclass"])
def test_the_frozen_encoder_learns_the_labels(tiny_backbone: Path, codebook: Codebook) -> None:
    train, test = corpus(40, single=not codebook.multilabel).split(0.3, seed=0)
    classifier = frozen(tiny_backbone, codebook, C=None, folds=3).fit(train)
    p = classifier.predict_proba(test.sentences)
    gold = indicator(test.sentences, codebook)
    assert p.dtype == np.float32
    assert p[gold].mean() > p[~gold].mean() + 0.3
    assert set(classifier.strengths_) == (set(codebook.names) if codebook.multilabel else {"all"})
    assert classifier.precision_ == "fp32"


def test_vectors_in_the_cache_are_reused(tiny_backbone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = ["river trade", "river  trade", "grain", "grain"]
    first = frozen(tiny_backbone, cache=tmp_path).embed(texts)
    computed: list[str] = []
    compute = Encoder.compute

    def recorded(self: Encoder, given: list[str]) -> Any:
        computed.extend(given)
        return compute(self, given)

    monkeypatch.setattr(Encoder, "compute", recorded)
    again = frozen(tiny_backbone, cache=tmp_path).embed([*texts[::-1], "port"])
    assert computed == ["port"]
    np.testing.assert_array_equal(again[:4], first[::-1])
    # Another token limit leads to other vectors, which are stored in a separate folder.
    frozen(tiny_backbone, cache=tmp_path, max_tokens=16).embed(texts[:1])
    assert computed == ["port", texts[0]]
    assert len(list(tmp_path.iterdir())) == 2
    assert all(b"river" not in path.read_bytes() for path in tmp_path.rglob("*.npz"))


def test_a_killed_run_keeps_the_shards_that_it_finished(
    tiny_backbone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("communique.baselines.frozen_encoder.SHARD", 2)
    compute, calls = Encoder.compute, []

    def dies(self: Encoder, given: list[str]) -> Any:
        calls.append(list(given))
        if len(calls) == 2:
            raise KeyboardInterrupt
        return compute(self, given)

    monkeypatch.setattr(Encoder, "compute", dies)
    with pytest.raises(KeyboardInterrupt):
        frozen(tiny_backbone, cache=tmp_path).embed(["a", "b", "we", "it"])
    frozen(tiny_backbone, cache=tmp_path).embed(["a", "b", "we", "it"])
    assert calls == [["a", "b"], ["we", "it"], ["we", "it"]]


def test_several_fits_embed_each_text_once(tiny_backbone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    computed: list[str] = []
    compute = Encoder.compute

    def recorded(self: Encoder, given: list[str]) -> Any:
        computed.extend(given)
        return compute(self, given)

    monkeypatch.setattr(Encoder, "compute", recorded)
    data, classifier = corpus(4), frozen(tiny_backbone)
    classifier.fit(data).fit(data.where(lambda s: s.document != "d0")).predict_proba(data.sentences)
    assert len(computed) == len({s.text for s in data})


def test_a_frozen_encoder_cannot_be_saved_as_arrays(tiny_backbone: Path, tmp_path: Path) -> None:
    data = corpus(4)
    with pytest.raises(BundleError, match="communique train"):
        baselines.save(frozen(tiny_backbone).fit(data), tmp_path / "model", training=data)


@pytest.fixture(scope="module")
def tiny_nli(tiny_backbone: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    torch.manual_seed(1)
    classes = {0: "contradiction", 1: "neutral", 2: "entailment"}
    model = AutoModelForSequenceClassification.from_pretrained(
        tiny_backbone, num_labels=3, id2label=classes, label2id={name: i for i, name in classes.items()}
    )
    folder = tmp_path_factory.mktemp("nli")
    model.save_pretrained(folder)
    AutoTokenizer.from_pretrained(tiny_backbone).save_pretrained(folder)
    return folder


def test_nli_returns_the_entailment_of_each_definition(tiny_nli: Path) -> None:
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    texts = ["we condemn the port", "fish should"]
    sentences = [Sentence(str(i), text, "d") for i, text in enumerate(texts)]
    hypotheses = {"criticism": "condemn", "policy_claim": "should treaty", "cooperation_pledge": "pledge we"}
    model, tokenizer = (
        AutoModelForSequenceClassification.from_pretrained(tiny_nli).eval(),
        AutoTokenizer.from_pretrained(tiny_nli),
    )
    with torch.inference_mode():
        logits = np.array(
            [
                [model(**tokenizer(t, h, return_tensors="pt")).logits[0].numpy() for h in hypotheses.values()]
                for t in texts
            ]
        )
    several = baselines.make("zero-shot-nli", TINY, model=str(tiny_nli), hypotheses=hypotheses).fit(Corpus(()))
    np.testing.assert_allclose(
        several.predict_proba(sentences), 1 / (1 + np.exp(logits[..., 0] - logits[..., 2])), atol=1e-4
    )
    one = baselines.make("zero-shot-nli", TINY_MULTICLASS, model=str(tiny_nli), hypotheses=hypotheses).fit(Corpus(()))
    weights = np.exp(logits[..., 2])
    np.testing.assert_allclose(one.predict_proba(sentences), weights / weights.sum(axis=1, keepdims=True), atol=1e-4)
    np.testing.assert_allclose(one.predict_proba(sentences[1:]), one.predict_proba(sentences)[1:], atol=1e-5)
    assert one.predict_proba([]).shape == (0, 3)


def test_nli_does_not_read_invisible_characters(tiny_nli: Path) -> None:
    nli = baselines.make("zero-shot-nli", TINY, model=str(tiny_nli)).fit(Corpus(()))
    plain, marked = (nli.predict_proba([Sentence("0", text, "d")]) for text in ("we condemn", "we con\u00addemn\u200b"))
    np.testing.assert_array_equal(plain, marked)


def test_nli_requires_a_class_entailment_and_different_hypotheses(tiny_nli: Path, tiny_backbone: Path) -> None:
    def build(**options: Any) -> Any:
        return baselines.make("zero-shot-nli", TINY, **options).fit(Corpus(()))

    with pytest.raises(RecipeError, match="begins with 'entail'"):
        build(model=str(tiny_backbone))
    with pytest.raises(RecipeError, match="do not each have a different hypothesis"):
        build(model=str(tiny_nli), hypotheses={"criticism": "a"})
    with pytest.raises(RecipeError, match="do not each have a different hypothesis"):
        build(model=str(tiny_nli), hypotheses=dict.fromkeys(TINY.names, "same"))


def test_nli_raises_an_error_for_a_missing_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    for model in (str(tmp_path), "nobody/nothing-at-all"):
        with pytest.raises(UnreachableError, match=r"Use a folder with config\.json") as error:
            baselines.make("zero-shot-nli", TINY, model=model).fit(Corpus(()))
        assert "\n" not in str(error.value)


def test_a_missing_or_outdated_setfit_raises_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "setfit", None)
    with pytest.raises(MissingExtraError, match=r"\.\[setfit\]"):
        baselines.make("setfit", TINY).fit(corpus(2))
    monkeypatch.delitem(sys.modules, "setfit")

    def old(name: str, *rest: Any, **more: Any) -> Any:
        raise ImportError("cannot import name 'default_logdir'")

    monkeypatch.setattr("communique.baselines.setfit.import_module", old)
    with pytest.raises(MissingExtraError, match=r"default_logdir.*setfit>=1\.2"):
        baselines.make("setfit", TINY).fit(corpus(2))


@pytest.mark.slow
@pytest.mark.parametrize("codebook", [TINY, TINY_MULTICLASS], ids=["multilabel", "multiclass"])
def test_setfit_learns_the_labels(tiny_backbone: Path, codebook: Codebook) -> None:
    pytest.importorskip("setfit")
    data = corpus(6, single=not codebook.multilabel)
    data = data.where(lambda s: "cooperation_pledge" not in (s.labels or ()))
    settings: dict[str, Any] = {
        "backbone": str(tiny_backbone),
        "max_tokens": 32,
        "max_steps": 40,
        "learning_rate": 2e-3,
    }
    classifier = baselines.make("setfit", codebook, **settings).fit(data)
    p = classifier.predict_proba(data.sentences)
    gold = indicator(data.sentences, codebook)
    assert p.shape == gold.shape
    assert p[gold].mean() > p[~gold].mean() + 0.3
    assert (p[:, 2] == 0).all()
    assert classifier.notes_ == ("cooperation_pledge: either all training sentences have this label, or none",)
    again = baselines.make("setfit", codebook, **settings).fit(data).predict_proba(data.sentences)
    np.testing.assert_allclose(again, p, atol=1e-4)
