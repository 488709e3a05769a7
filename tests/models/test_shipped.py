"""Test what ships: the model, its card, the generated tables, and the notebooks."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from helpers import ROOT

from communique import Codebook, Corpus, Predictor
from communique.io.paths import find_files
from communique.labelling.options import Options
from communique.labelling.reader import ShardReader
from communique.models.card import render_card
from communique.models.folder import read_info, verify_files
from communique.models.info import CARD, INFO, MAX_BUNDLE_BYTES, MAX_FILE_BYTES
from communique.models.predictor import MODEL_VARIABLE
from communique.training.recipe import Recipe

MODEL, RECIPE = ROOT / "models/communique-small", ROOT / "train/recipes/communique-small.yaml"


@pytest.fixture(scope="module")
def predictor() -> Predictor:
    return Predictor(MODEL)


def test_bundle_is_complete_and_small_and_contains_its_codebook() -> None:
    info = read_info(MODEL, "bundle")
    verify_files(MODEL, info)
    sizes = {path.name: path.stat().st_size for path in MODEL.iterdir()}
    assert set(sizes) == {INFO, CARD, *info.files}
    assert sum(sizes.values()) <= MAX_BUNDLE_BYTES
    assert max(sizes.values()) <= MAX_FILE_BYTES
    codebook = Codebook.load(MODEL / "codebook.yaml")
    assert codebook == Codebook.load(ROOT / "data/codebook.yaml")
    assert info.codebook_sha256 == codebook.sha256
    assert (MODEL / CARD).read_text() == render_card(info)


def test_bundle_passes_the_parity_check() -> None:
    parity = read_info(MODEL).parity
    assert parity is not None
    assert parity.macro_f1_export >= parity.macro_f1_checkpoint - 0.005
    overall = [row for row in parity.rows if row.group == "all"]
    assert len(overall) == 3
    assert all(row.agreement is not None and row.agreement >= 0.95 for row in overall)


def test_bundle_has_hashes_of_its_training_texts() -> None:
    trained = read_info(MODEL).training.fingerprint
    rows = [json.loads(line) for line in (ROOT / "data/reference/dev.jsonl").read_text().splitlines()]
    # Eight sentences of the development set also occur in documents of the training data. `--drop-shared` leaves them out.
    assert sum(row["sha256"][:16] in trained.texts for row in rows) == 8
    rows = [json.loads(line) for line in (ROOT / "data/reference/train.jsonl").read_text().splitlines()]
    assert {row["sha256"][:16] for row in rows} <= trained.texts
    assert all(trained.overlap(s) for s in Corpus.read(ROOT / "data/authored"))


def test_seed_documents_split_into_their_gold_sentences() -> None:
    gold = Corpus.read(ROOT / "seeds/gold.jsonl", Codebook.load(ROOT / "data/codebook.yaml"), labelled=True)
    reader = ShardReader(find_files(sorted((ROOT / "seeds").glob("*.txt"))), Options())
    (columns,) = (shard.rows[0] for shard in reader.shards())
    places = list(zip(columns["document"], columns["index"], strict=True))
    assert dict(zip(places, columns["text"], strict=True)) == {(s.document, s.index): s.text for s in gold}
    assert dict(zip(columns["document"], columns["language"], strict=True)) == {s.document: s.language for s in gold}
    assert len({s.language for s in gold}) >= 6


@pytest.mark.slow
def test_probabilities_of_the_seeds_match_the_recorded_ones(predictor: Predictor) -> None:
    """Compare the outputs of the shipped model with recorded ones.

    CPUs without VNNI sum 8-bit products in another way. With oneDNN limited to AVX2, the probabilities of these sentences differ
    by 0.006 on average and by at most 0.086. The mean is the sharper check, because a maximum varies more between processors.
    """
    golden = json.loads((ROOT / "tests/golden_seeds.json").read_text())
    gold = Corpus.read(ROOT / "seeds/gold.jsonl")
    assert [s.id for s in gold] == list(golden)
    found, expected = predictor.predict_proba(gold.sentences), np.array(list(golden.values()))
    assert np.abs(found - expected).mean() < 0.015
    np.testing.assert_allclose(found, expected, atol=0.2)


def test_the_card_contains_the_description_and_the_notes_of_the_recipe() -> None:
    info, recipe = read_info(MODEL), Recipe.load(RECIPE)
    assert (info.description, info.notes) == (recipe.description, recipe.notes)


def test_the_description_has_the_numbers_of_languages_of_the_data() -> None:
    rows = [json.loads(line) for line in (ROOT / "data/reference/dev.jsonl").read_text().splitlines()]
    trained, tested = set(read_info(MODEL).training.by_language), {row["language"] for row in rows}
    assert tested <= trained
    assert f"{len(trained)} languages, and tested on {len(tested)} of these" in read_info(MODEL).description


def test_the_notes_have_the_numbers_of_test_sentences_with_pledges() -> None:
    pledges: dict[str, int] = {}
    for line in (ROOT / "data/reference/dev.jsonl").read_text().splitlines():
        row = json.loads(line)
        pledges[row["language"]] = pledges.get(row["language"], 0) + ("cooperation_pledge" in row["labels"])
    without = sum(n == 0 for n in pledges.values())
    notes = " ".join(read_info(MODEL).notes.split())
    assert f"precision 0.79, {sum(pledges.values())} pledges" in notes
    assert f"{without} of the {len(pledges)} languages that were tested have none" in notes
    assert f"no language has more than {max(pledges.values())}." in notes


@pytest.mark.slow
def test_predictions_in_the_card_are_those_of_the_model(predictor: Predictor) -> None:
    """Compare the tables of examples with the model's predictions.

    A probability that differs from its threshold by less than 0.1 can be on the other side of it on another processor.
    """
    rows = [line.strip("| ").split(" | ") for line in read_info(MODEL).notes.splitlines() if line.startswith("| ")]
    rows = [row for row in rows if row[0] not in ("kind of text", "---")]
    assert len(rows) >= 20
    thresholds = predictor.info.thresholds
    assert thresholds is not None
    found = predictor.predict([text for _, text, _, _ in rows]).probabilities
    for (_, text, _, written), probabilities in zip(rows, found.tolist(), strict=True):
        labels = set() if written == "none" else set(written.split(", "))
        for name, probability, threshold in zip(predictor.codebook.names, probabilities, thresholds, strict=True):
            difference = probability - threshold
            assert difference > -0.1 if name in labels else difference < 0.1, (text, name, probability)


@pytest.mark.slow
def test_the_model_runs_on_cpus_without_avx_512() -> None:
    code = "from communique import Predictor; print(Predictor.load().predict(['We condemn this attack.']).labels)"
    environment = os.environ | {"ONEDNN_MAX_CPU_ISA": "AVX2", MODEL_VARIABLE: str(MODEL)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
    assert done.stdout.strip() == "[['criticism']]", done.stderr


@pytest.mark.slow
def test_seeds_are_labelled_well_above_chance(predictor: Predictor) -> None:
    from communique import Report

    gold = Corpus.read(ROOT / "seeds/gold.jsonl", predictor.codebook, labelled=True)
    report = Report.compare(
        gold.sentences, predictor.predict(gold.sentences).decisions, predictor.codebook, data="seeds", resamples=10
    )
    assert report.overall.macro_f1.value > 0.6


@pytest.mark.slow
def test_other_texts_in_a_batch_change_probabilities_only_by_rounding(predictor: Predictor) -> None:
    # The order of a sum changes its last bits, which sometimes moves an 8-bit activation to the next value.
    texts = [s.text for s in Corpus.read(ROOT / "seeds/gold.jsonl")]
    together = predictor.predict(texts).probabilities
    alone = np.concatenate([predictor.predict(text).probabilities for text in texts])
    np.testing.assert_allclose(together, alone, atol=0.02)
    assert np.abs(together - alone).mean() < 5e-4


def test_readme_tables_match_the_results() -> None:
    done = subprocess.run([sys.executable, "benchmarks/tables.py", "--check"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_counts_in_the_datasheet_match_the_data() -> None:
    done = subprocess.run([sys.executable, "data/counts.py", "--check"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("path", sorted((ROOT / "notebooks").glob("*.ipynb")), ids=lambda path: path.stem)
def test_notebooks_run(path: Path) -> None:
    nbformat: Any = importlib.import_module("nbformat")
    from nbclient import NotebookClient

    notebook = nbformat.read(path, as_version=4)
    assert all(not cell.get("outputs") for cell in notebook.cells), "clear outputs before you commit"
    NotebookClient(notebook, timeout=1800, resources={"metadata": {"path": str(path.parent)}}).execute()


def test_all_sources_of_stand_off_labels_are_described() -> None:
    sources = yaml.safe_load((ROOT / "data/reference/sources.yaml").read_text())
    languages: dict[str, set[str]] = {}
    for name in ("train", "dev"):
        for line in (ROOT / f"data/reference/{name}.jsonl").read_text().splitlines():
            row = json.loads(line)
            languages.setdefault(row["source"], set()).add(row["language"])
    assert {name: set(source["languages"]) for name, source in sources.items()} == languages
    assert all({"title", "licence", "document"} <= set(source) for source in sources.values())
    assert all("repository" in source or "package" in source for source in sources.values())


def test_texts_longer_than_a_limit_are_counted() -> None:
    predictor = Predictor(MODEL, verify=False)
    assert predictor.count_longer(["A short sentence."], 160) == 0
    # Short texts are recognised without the tokenizer, which takes seconds to read.
    assert "tokenizer" not in vars(predictor)
    texts = ["A short sentence.", "water " * 100, "water " * 170]
    assert [predictor.count_longer(texts, limit) for limit in (50, 160, 500)] == [2, 1, 0]
    assert (predictor.tokenizer.truncation or {})["max_length"] == predictor.info.max_tokens
