"""Test unlabelled texts: they are split into sentences, and those on which a model is scored are left out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from helpers import TINY, facts, write_rows

from communique import Corpus, DataError, Sentence
from communique.data.sentence import text_sha256
from communique.training.recipe import Recipe
from communique.training.splits import DataSplits
from communique.training.unlabelled import LABELLED, LETTERLESS, REPEATED, SCORED, read_unlabelled


def recipe(folder: Path, passages: list[dict[str, Any]], **more: Any) -> Recipe:
    write_rows(folder / "passages.jsonl", passages)
    corpora = [{"path": str(folder / "corpus.jsonl")}, *more.pop("corpora", [])]
    unlabelled = [{"path": str(folder / "passages.jsonl"), "source": "press"}]
    return Recipe.model_validate(
        {"name": "a", "codebook": "c", "corpora": corpora, "teachers": ["t"], "unlabelled": unlabelled} | more
    )


def corpus(*rows: tuple[str, str]) -> Corpus:
    return Corpus(
        tuple(Sentence(f"r{i}", text, document, source="press", labels=()) for i, (text, document) in enumerate(rows))
    )


def test_passages_become_sentences_with_their_document_and_language(tmp_path: Path) -> None:
    text = "The minister left. He will return on Monday.\n\nNobody knows why."
    found = read_unlabelled(
        recipe(tmp_path, [{"text": text, "document": "d1"}, {"text": "Nous partons demain matin.", "labels": "?"}]),
        corpus(("A labelled row.", "x")),
        corpus(),
    )
    assert [s.text for s in found.corpus] == [
        "The minister left.",
        "He will return on Monday.",
        "Nobody knows why.",
        "Nous partons demain matin.",
    ]
    assert [(s.document, s.source) for s in found.corpus][:3] == [("d1", "press")] * 3
    assert [s.language for s in found.corpus] == ["en", "en", "en", "fr"]
    assert len({s.id for s in found.corpus}) == 4
    assert list(found.corpus.files) == [str(tmp_path / "passages.jsonl")]
    assert found.left_out == {}
    assert "4 unlabelled sentences in 2 documents" in found.describe()


def test_scored_and_repeated_sentences_are_left_out_and_counted(tmp_path: Path) -> None:
    passages = [
        {"text": "From a document that is scored.", "document": "held"},
        {"text": "The same  text as a scored row.", "document": "a"},
        {"text": "The same text as a training row.", "document": "b"},
        {"text": "New here. New here. \n\n(a)\n", "document": "c"},
        {"text": "In the test corpus.", "document": "d"},
    ]
    test = write_rows(
        tmp_path / "test.jsonl",
        [{"id": "t", "document": "z", "sha256": text_sha256("In the test corpus."), "labels": []}],
    )
    found = read_unlabelled(
        recipe(tmp_path, passages, corpora=[{"path": str(test), "role": "test"}]),
        corpus(("The same text as a training row.", "b2"), ("Another one.", "b")),
        corpus(("The same text as a scored row.", "held")),
    )
    assert [s.text for s in found.corpus] == ["New here."]
    assert found.left_out == {SCORED: 3, LABELLED: 1, REPEATED: 1, LETTERLESS: 1}
    assert f"{SCORED} 3" in found.describe()
    with pytest.raises(DataError, match="no sentence is left"):
        read_unlabelled(recipe(tmp_path, passages[:1]), corpus(), corpus(("Other.", "held")))


def test_a_table_without_rows_has_no_text(tmp_path: Path) -> None:
    (tmp_path / "empty.csv").write_text("id,text\n")
    found = recipe(tmp_path, [], unlabelled=[{"path": str(tmp_path / "empty.csv")}])
    with pytest.raises(DataError, match="the tables contain no text"):
        read_unlabelled(found, corpus(), corpus())


def test_hashes_are_no_texts(tmp_path: Path) -> None:
    rows = [{"id": "t", "document": "z", "sha256": text_sha256("No text."), "labels": []}]
    with pytest.raises(DataError, match=facts("passages.jsonl", "only hashes")):
        read_unlabelled(recipe(tmp_path, rows), corpus(), corpus())


def test_training_rows_of_a_test_corpus_are_left_out(tmp_path: Path) -> None:
    rows = [
        {"id": f"r{i}", "document": f"d{i}", "text": f"Sentence number {i}.", "labels": ["criticism"] if i % 2 else []}
        for i in range(40)
    ]
    (tmp_path / "corpus.jsonl").write_text("")
    write_rows(tmp_path / "corpus.jsonl", rows)
    test = [
        {"id": "a", "document": "d3", "sha256": text_sha256("Other."), "labels": []},
        {"id": "b", "document": "other", "sha256": text_sha256("Sentence number 4."), "labels": []},
    ]
    write_rows(tmp_path / "test.jsonl", test)
    settings = Recipe.model_validate(
        {
            "name": "a",
            "codebook": "c",
            "corpora": [
                {"path": str(tmp_path / "corpus.jsonl")},
                {"path": str(tmp_path / "test.jsonl"), "role": "test"},
            ],
        }
    )
    for data in (DataSplits.read(settings, TINY), DataSplits.whole(settings, TINY)):
        ids = {s.id for part in (data.train, data.validation, data.parity) for s in part}
        assert len(ids) == 38
        assert not {"r3", "r4"} & ids
        assert any(line.startswith("left out 2 labelled rows, because test corpora") for line in data.messages)
