"""Corpora of a recipe, which provides the language, source, columns and labels that the tables lack."""

from __future__ import annotations

from pathlib import Path

import pytest
from helpers import facts

from communique.data.codebook import Codebook
from communique.data.sources import CorpusFields
from communique.data.standoff import read_sources
from communique.errors import DataError
from communique.training.recipe import Recipe
from communique.training.splits import DataSplits

NUMBERS = {"0": "negative", "1": "neutral", "2": "positive"}
BOOK = Codebook.model_validate(
    {
        "name": "mood",
        "version": "1",
        "task": "multiclass",
        "labels": [{"name": name, "definition": "A mood."} for name in NUMBERS.values()],
    }
)


def numbered(path: Path, rows: int = 3, head: str = "text,label") -> str:
    path.write_text(head + "\n" + "".join(f"{path.stem} tweet {i},{i % 3}\n" for i in range(rows)), encoding="utf-8")
    return str(path)


def test_the_recipe_maps_numbers_to_labels_and_sets_the_language(tmp_path: Path) -> None:
    sources = [
        CorpusFields(path=numbered(tmp_path / "arabic_train.csv"), language="ar", source="umsab", labels=NUMBERS),
        CorpusFields(path=numbered(tmp_path / "hindi_train.csv"), language="hi", labels=NUMBERS),
    ]
    corpus, _ = read_sources(sources, BOOK, None)
    assert [s.labels for s in corpus][:3] == [("negative",), ("neutral",), ("positive",)]
    assert [s.language for s in corpus] == ["ar"] * 3 + ["hi"] * 3
    assert [s.source for s in corpus] == ["umsab"] * 3 + [None] * 3
    assert [s.id for s in corpus][:2] == ["arabic_train:2", "arabic_train:3"]
    assert len(corpus.documents) == 6


def test_values_in_a_row_take_precedence_over_the_recipe(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(
        "text,label,language,source,sampling\nOne.,neutral,fr,press,random\nTwo.,neutral,,,\n", encoding="utf-8"
    )
    corpus, _ = read_sources(
        [CorpusFields(path=str(path), language="en", source="un", sampling="authored")], BOOK, None
    )
    assert [(s.language, s.source, s.sampling) for s in corpus] == [("fr", "press", "random"), ("en", "un", "authored")]


def test_columns_only_apply_to_their_own_corpus(tmp_path: Path) -> None:
    sources = [
        CorpusFields(
            path=numbered(tmp_path / "a.csv", head="body,mood"),
            columns={"text": "body", "labels": "mood"},
            labels=NUMBERS,
        ),
        CorpusFields(path=numbered(tmp_path / "b.csv"), labels=NUMBERS),
    ]
    corpus, _ = read_sources(sources, BOOK, None)
    assert len(corpus) == 6
    with pytest.raises(DataError, match=facts("b.csv:", "'body'", "text")):
        read_sources([sources[0], sources[1].model_copy(update={"columns": {"text": "body"}})], BOOK, None)


def test_a_number_without_a_label_is_reported_with_its_row(tmp_path: Path) -> None:
    source = CorpusFields(path=numbered(tmp_path / "a.csv"), labels={"0": "negative", "1": "neutral"})
    with pytest.raises(DataError, match=facts("a.csv, row 4:", "'label'", "'2'", "negative, neutral, positive")):
        read_sources([source], BOOK, None)


def test_training_reads_corpora_with_mapped_labels(tmp_path: Path) -> None:
    recipe = Recipe.model_validate(
        {
            "name": "mood",
            "codebook": "codebook.yaml",
            "corpora": [
                {"path": numbered(tmp_path / "arabic_train.csv", 30), "language": "ar", "labels": NUMBERS},
                {
                    "path": numbered(tmp_path / "arabic_val.csv", 12),
                    "language": "ar",
                    "labels": NUMBERS,
                    "role": "validation",
                },
            ],
        }
    )
    sets = DataSplits.read(recipe, BOOK)
    assert len(sets.train) == 30
    assert {s.language for s in (*sets.train, *sets.validation, *sets.parity)} == {"ar"}
    assert {s.labels for s in sets.train} == {("negative",), ("neutral",), ("positive",)}
