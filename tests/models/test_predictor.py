"""Test the predictor on a tiny bundle: order, batches, truncation and incomplete folders."""

from __future__ import annotations

import json
import multiprocessing
import pickle
import random
import re
import shutil
from collections.abc import Iterable
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from fakes import model_info
from helpers import FILLERS, PATIENCE, ROUNDING, facts, tiny_rows

from communique import BundleError, DataError, Predictor, Sentence
from communique.integrations.sklearn import StanceClassifier
from communique.load import load_model
from communique.models.info import FORMAT
from communique.models.predictions import Predictions
from communique.models.predictor import LENGTH_STEP, _padded, default_model

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def predictor(tiny_bundle: Path) -> Predictor:
    return Predictor(tiny_bundle, threads=2)


def test_labels_depend_on_the_words_of_the_text(predictor: Predictor) -> None:
    predictions = predictor.predict(["we condemn the treaty", "the river should pledge today", "fish and grain"])
    assert predictions.labels == [["criticism"], ["policy_claim", "cooperation_pledge"], []]
    assert predictions.names == ("criticism", "policy_claim", "cooperation_pledge")
    assert predictions.probabilities.dtype == np.float32


def test_a_text_gets_the_same_probabilities_in_any_batch(predictor: Predictor) -> None:
    texts = [str(row["text"]) for row in tiny_rows(30, seed=3)]
    together = predictor.predict(texts).probabilities
    order = random.Random(0).sample(range(len(texts)), len(texts))
    shuffled = predictor.predict([texts[i] for i in order]).probabilities
    alone = np.concatenate([predictor.predict(text).probabilities for text in texts[:40]])
    for found, expected in ((shuffled, together[order]), (alone, together[:40])):
        np.testing.assert_allclose(found, expected, atol=ROUNDING)
        assert np.abs(found - expected).mean() < ROUNDING / 20
    # Texts of one batch differ by far more.
    assert together.std(axis=0).min() > 10 * ROUNDING


def test_input_can_be_one_text_a_sentence_an_iterator_or_empty(predictor: Predictor) -> None:
    text = "we condemn the treaty"
    one = predictor.predict(text).probabilities
    sentence = Sentence(id="1", text=text, document="d")
    np.testing.assert_array_equal(predictor.predict([sentence]).probabilities, one)
    np.testing.assert_array_equal(predictor.predict(iter([text])).probabilities, one)
    empty = predictor.predict([])
    assert (len(empty), empty.labels, empty.probabilities.shape) == (0, [], (0, 3))


@pytest.mark.parametrize("kind", ["checkpoint", "bundle"])
def test_no_texts_get_no_predictions(tiny_project: Path, tiny_bundle: Path, kind: str) -> None:
    model: Any = load_model(tiny_project / kind)
    nothing: tuple[Iterable[str], ...] = ([], iter(()))
    for given in nothing:
        empty = model.predict(given)
        assert (len(empty), empty.labels) == (0, [])
        assert empty.probabilities.shape == empty.decisions.shape == (0, 3)
        assert empty.truncated.shape == empty.unusual_length.shape == (0,)
    assert model.predict_proba([]).shape == (0, 3)
    estimator = StanceClassifier(tiny_project / kind).fit([])
    assert estimator.predict([]).shape == estimator.predict_proba([]).shape == (0, 3)


def test_every_input_type_gets_the_same_probabilities(predictor: Predictor) -> None:
    texts = [str(row["text"]) for row in tiny_rows(3, seed=5)]
    expected = predictor.predict(texts)
    shapes = [iter(texts), np.array(texts), pa.array(texts), pa.chunked_array([texts[:4], texts[4:]])]
    for name in ("pandas", "polars"):
        with suppress(ModuleNotFoundError):
            shapes.append(import_module(name).Series(texts))
    for shape in shapes:
        np.testing.assert_array_equal(predictor.predict(shape).probabilities, expected.probabilities)
    broken: Any = [*texts[:2], None]
    with pytest.raises(DataError, match=r"texts\[2\]: None"):
        predictor.predict(broken)


def test_predictor_works_inside_datasets_map(predictor: Predictor) -> None:
    datasets = pytest.importorskip("datasets")
    texts = [str(row["text"]) for row in tiny_rows(3, seed=5)]
    expected = predictor.predict(texts).labels
    data = datasets.Dataset.from_dict({"text": texts})
    assert predictor.predict(data["text"]).labels == expected
    for options in ({}, {"batched": True, "batch_size": 7}):

        def add(row: dict[str, Any], batched: bool = "batched" in options) -> dict[str, Any]:
            labels = predictor.predict(row["text"]).labels
            return {"stance": labels if batched else labels[0]}

        assert list(data.map(add, **options)["stance"]) == expected
    arrow = data.with_format("arrow").map(
        lambda table: table.append_column("stance", pa.array(predictor.predict(table["text"]).labels)), batched=True
    )
    assert list(arrow.with_format(None)["stance"]) == expected
    # `map` caches results by the hash of the function, which must not depend on whether the network is loaded.
    fresh = Predictor(predictor.folder, threads=2)
    assert datasets.fingerprint.Hasher.hash(fresh) == datasets.fingerprint.Hasher.hash(predictor)


def test_a_predictor_can_be_sent_to_another_process(predictor: Predictor) -> None:
    texts = ["we condemn the treaty", "fish and grain"]
    expected = predictor.predict(texts).probabilities
    sent = pickle.loads(pickle.dumps(predictor))
    np.testing.assert_array_equal(sent.predict(texts).probabilities, expected)


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_used_predictor_works_in_a_forked_process(tiny_bundle: Path) -> None:
    predictor = Predictor(tiny_bundle, threads=2)
    expected = predictor.predict("we condemn the treaty").probabilities
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    child = context.Process(target=lambda: queue.put(predictor.predict("we condemn the treaty").probabilities))
    child.start()
    assert (queue.get(timeout=PATIENCE) == expected).all()
    child.join(PATIENCE)
    assert child.exitcode == 0
    # The network of the parent process still works.
    assert (predictor.predict("we condemn the treaty").probabilities == expected).all()


def test_truncated_texts_are_flagged_and_read_from_their_beginning(predictor: Predictor) -> None:
    limit = predictor.info.max_tokens - 2
    words = (FILLERS * 10)[: limit + 1]
    predictions = predictor.predict([" ".join(words[:limit]), " ".join(words), " ".join([*words, "condemn"])])
    assert predictions.truncated.tolist() == [False, True, True]
    for probabilities in predictions.probabilities[1:]:
        np.testing.assert_allclose(probabilities, predictions.probabilities[0], atol=ROUNDING)


@pytest.mark.parametrize(
    "text", ["", "   ", "\ud800 lone surrogate", "\x00", "👩‍👩‍👧‍👦" * 50, "a" * 100_000, "العربية\u202e"]
)
def test_odd_texts_get_finite_probabilities(predictor: Predictor, text: str) -> None:
    predictions = predictor.predict([text, "we condemn the treaty"])
    assert np.isfinite(predictions.probabilities).all()
    assert predictions.labels[1] == ["criticism"]


def test_padding_is_rounded_up_but_not_beyond_the_input_limit() -> None:
    assert [_padded(length, 160) for length in (1, LENGTH_STEP, LENGTH_STEP + 1, 160)] == [8, 8, 16, 160]
    # A model with 300 positions cannot read a 301st token.
    assert _padded(299, 300) == 300


def test_bundle_agrees_with_its_checkpoint(tiny_checkpoint: Path, predictor: Predictor) -> None:
    from helpers import write_rows

    from communique import Corpus
    from communique.models.checkpoint import CheckpointClassifier

    fresh = Corpus.read(write_rows(tiny_checkpoint.parent / "fresh2.jsonl", tiny_rows(10, seed=11)))
    before = CheckpointClassifier(tiny_checkpoint).predict_proba(fresh.sentences)
    after = predictor.predict_proba(fresh.sentences)
    assert np.abs(before - after).mean() < 0.02


def test_environment_variable_names_the_default_model(monkeypatch: pytest.MonkeyPatch, tiny_bundle: Path) -> None:
    monkeypatch.setenv("COMMUNIQUE_MODEL", str(tiny_bundle))
    assert default_model() == tiny_bundle
    assert Predictor.load().info.name == "tiny"


def test_the_environment_variable_is_named_if_its_folder_is_not_a_model(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("COMMUNIQUE_MODEL", str(tmp_path / "nothing"))
    with pytest.raises(BundleError, match=facts("COMMUNIQUE_MODEL", tmp_path / "nothing")):
        Predictor.load()


@pytest.fixture
def broken(tiny_bundle: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_bundle, tmp_path / "bundle"))


def test_error_for_a_missing_folder_asks_for_a_model_folder(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"nowhere: there is no such folder.*ame a model folder"):
        Predictor(tmp_path / "nowhere")


def test_error_for_a_relative_path_names_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BundleError, match=f"models/mine: there is no such folder in {re.escape(str(tmp_path))}"):
        Predictor("models/mine")


@pytest.mark.parametrize("name", ["model.bin", "model.xml", "tokenizer.json", "codebook.yaml", "validation.json"])
def test_error_names_a_missing_truncated_or_edited_file(broken: Path, name: str) -> None:
    content = (broken / name).read_bytes()
    (broken / name).write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(BundleError, match=f"{name}.*Copy the model folder again"):
        Predictor(broken)
    (broken / name).write_bytes(content[: len(content) // 2])
    with pytest.raises(BundleError, match=name):
        Predictor(broken)
    (broken / name).unlink()
    with pytest.raises(BundleError, match=name):
        Predictor(broken)


@pytest.mark.parametrize(("change", "remedy"), [(-1, "older .* Train and export"), (1, "newer .* Update communique")])
def test_a_bundle_of_another_format_is_refused(broken: Path, change: int, remedy: str) -> None:
    info = json.loads((broken / "bundle.json").read_text())
    info["format"] = FORMAT + change
    (broken / "bundle.json").write_text(json.dumps(info))
    with pytest.raises(BundleError, match=rf"bundle\.json: written by an? {remedy}"):
        Predictor(broken)


def test_error_names_the_invalid_key_of_bundle_json(broken: Path) -> None:
    info = json.loads((broken / "bundle.json").read_text())
    del info["labels"]
    (broken / "bundle.json").write_text(json.dumps(info))
    with pytest.raises(BundleError, match="labels: missing"):
        Predictor(broken)
    (broken / "bundle.json").write_text("{")
    with pytest.raises(BundleError, match="not JSON"):
        Predictor(broken)


def test_a_checkpoint_is_refused_as_a_bundle(tiny_checkpoint: Path) -> None:
    with pytest.raises(BundleError, match=r"contains a checkpoint, but a bundle is needed.*communique export"):
        Predictor(tiny_checkpoint)


def test_columns_are_in_the_order_of_the_codebook(tiny_bundle: Path, predictor: Predictor, tmp_path: Path) -> None:
    assert predictor.codebook.names == predictor.info.labels
    # A codebook with its labels in another order is refused, because the columns would be swapped silently.
    moved = Path(shutil.copytree(tiny_bundle, tmp_path / "bundle"))
    codebook = predictor.codebook.model_copy(update={"labels": predictor.codebook.labels[::-1]})
    codebook.dump(moved / "codebook.yaml")
    with pytest.raises(BundleError, match="codebook"):
        Predictor(moved, verify=False)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_logits_that_are_not_finite_are_refused(value: float) -> None:
    logits = np.zeros((2, 3), np.float32)
    logits[1, 2] = value
    with pytest.raises(BundleError, match="undefined values"):
        Predictions.from_logits(model_info(), logits, np.zeros(2, np.bool_))
