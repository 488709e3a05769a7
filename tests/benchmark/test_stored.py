"""Test which stored outputs a benchmark of training reuses, and how it divides its rows."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import few_rows
import numpy as np
import out_of_fold
import pytest
import recipe_fields
from fakes import bundle_folder
from helpers import TINY, facts
from stored import load, settings_of, store

from communique.data.corpus import Corpus
from communique.data.sentence import Sentence
from communique.data.sources import CorpusSource
from communique.metrics.scores import indicator
from communique.selection.candidates import TfidfCandidate, TransformerCandidate
from communique.training.recipe import Recipe

ROWS = [Sentence(str(i), f"text {i}", "d", labels=()) for i in range(3)]


def recipe(**settings: object) -> Recipe:
    return Recipe.model_validate(
        {"name": "x", "codebook": "c", "corpora": [CorpusSource(path="rows")], "backbone": "a/hub-name"} | settings
    )


def test_outputs_are_reused_only_for_the_same_rows_and_settings(tmp_path: Path) -> None:
    path, logits = tmp_path / "new" / "file.npz", np.ones((3, 2), np.float32)
    store(path, ROWS, {"epochs": 3}, {"logits": logits}, 1.5)
    found = load(path, ROWS, {"epochs": 3})
    np.testing.assert_array_equal(found["logits"], logits)
    assert (set(found), float(found["seconds"])) == ({"logits", "seconds"}, 1.5)
    with pytest.raises(SystemExit, match=facts(path, "other rows")):
        load(path, ROWS[::-1], {"epochs": 3})
    with pytest.raises(SystemExit, match=facts(path, "other settings")):
        load(path, ROWS, {"epochs": 5})


def test_settings_of_training_matter_only_to_a_classifier_that_is_trained_with_them() -> None:
    def transformer(**settings: object) -> dict[str, object]:
        return settings_of(TransformerCandidate(recipe(**settings), TINY))

    assert transformer() == transformer(codebook="/elsewhere/c", corpora=[CorpusSource(path="/elsewhere/rows")])
    assert transformer() != transformer(epochs=5)
    few, many = (settings_of(TfidfCandidate(recipe(epochs=n), TINY)) for n in (3, 5))
    assert few == many


def test_sources_with_versions_of_a_text_are_in_the_same_part() -> None:
    rows = []
    for source in range(12):
        for i in range(20):
            # The last three sources are translations of each other in part.
            parallel = f"p{i}" if source >= 9 and i < source - 7 else None
            rows.append(
                Sentence(f"{source}.{i}", "x", f"d{i}", source=f"s{source}", labels=("criticism",), parallel=parallel)
            )
    parts = out_of_fold.source_parts(Corpus(tuple(rows)))
    of_source = defaultdict(set)
    for s, part in zip(rows, parts.tolist(), strict=True):
        of_source[s.source].add(part)
    assert all(len(found) == 1 for found in of_source.values())
    assert len(set.union(*(of_source[f"s{i}"] for i in (9, 10, 11)))) == 1
    assert len(np.unique(parts)) == out_of_fold.PARTS


def test_an_encoder_that_was_trained_on_the_rows_is_refused(tmp_path: Path) -> None:
    few_rows.check_encoder(bundle_folder(tmp_path / "other"), ROWS)
    folder = bundle_folder(tmp_path / "same", trained_on=[Sentence("x", "text 1", "elsewhere", labels=())])
    with pytest.raises(SystemExit, match=facts(folder, "1 of the 3 rows", "COMMUNIQUE_MODEL")):
        few_rows.check_encoder(folder, ROWS)


def test_variants_of_a_recipe_are_compared_on_the_same_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = tuple(Sentence(str(i), f"text {i}", f"d{i // 3}", labels=(TINY.names[i % 3],)) for i in range(30))
    task = few_rows.Task("few", TINY, Corpus(rows), Corpus(rows), {})
    monkeypatch.setattr(recipe_fields, "LOGITS", tmp_path)
    perfect = np.where(indicator(rows, TINY), 1, -1).astype(np.float32)
    for name, logits in ((recipe_fields.DEFAULT, np.zeros_like(perfect)), ("soup", perfect)):
        settings = recipe_fields.settings_of_variant(task, name)
        store(recipe_fields.logits_path(name), rows, settings, {"logits": logits}, 60.0)
    results = recipe_fields.summarise(task)["results"]
    assert set(results) == {recipe_fields.DEFAULT, "soup"}
    assert results["soup"]["average_precision"]["value"] == 1
    # If all scores are equal, average precision is the proportion of the label.
    assert results[recipe_fields.DEFAULT]["average_precision"]["value"] == pytest.approx(1 / 3)
    assert results["soup"]["gain"]["value"] == pytest.approx(2 / 3)
