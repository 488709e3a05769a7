"""`communique check`, and the messages of commands that are given the output of a model or an unfinished model."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from helpers import ROOT, TINY, has_facts, predictions, run, succeed, write_rows

SHIPPED = ROOT / "models/communique-small"


@pytest.fixture
def book(tmp_path: Path) -> Path:
    TINY.dump(tmp_path / "mine.yaml")
    return tmp_path / "mine.yaml"


def test_check_predictions_ends_with_the_next_command(tmp_path: Path, book: Path) -> None:
    path = predictions(tmp_path / "gpt.jsonl")
    result = succeed("check", path, "--predictions", "--codebook", book)
    assert has_facts(result.stdout, "420 rows", "40 documents", "country", "criticism", "ar", "Problems: 0")
    assert has_facts(result.stderr, "next: communique sample", "-n 300", book, "communique estimate")


def test_check_predictions_exits_with_1_and_names_no_next_command(tmp_path: Path) -> None:
    path = predictions(tmp_path / "gpt.jsonl")
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    rows[3]["id"] = rows[2]["id"]
    result = run("check", write_rows(path, rows), "--predictions")
    assert result.exit_code == 1
    assert has_facts(result.stdout, "row 4", "row 3", "Problems: 1")
    assert "next:" not in result.stderr


@pytest.mark.parametrize(
    "option", ["--text-column", "--label-column", "--document-column", "--language-column", "--label-map", "--texts"]
)
def test_check_predictions_has_fixed_columns(tmp_path: Path, option: str) -> None:
    result = run("check", predictions(tmp_path / "p.jsonl"), "--predictions", option, "a=b")
    assert (result.exit_code, option in result.stderr) == (2, True)


def test_check_names_the_option_for_the_output_of_a_model(tmp_path: Path, book: Path) -> None:
    result = run("check", predictions(tmp_path / "coded.jsonl"), "--codebook", book)
    assert result.exit_code == 1
    assert has_facts(result.output, "output of a model", "--predictions")


def test_check_summarizes_problems_by_kind(tmp_path: Path) -> None:
    rows = [{"id": i, "document": "d", "text": f"Text {i}.", "label": ("pro", "contra")[i % 2]} for i in range(100)]
    path = write_rows(tmp_path / "c.jsonl", rows)
    result = run("check", path)
    assert result.exit_code == 1
    assert result.stdout.count("unknown label") == 2
    assert has_facts(result.stdout, "50 rows (1, 3, 5, 7, 9, …)", "'pro'", "100 cannot")
    assert has_facts(result.stderr, "shipped model", "--codebook")
    assert run("check", path, "--all").stdout.count("unknown label") == 100


def test_evaluate_refuses_the_output_of_a_model_and_uses_a_named_column_of_people(tmp_path: Path) -> None:
    from communique import Codebook

    names = Codebook.load(SHIPPED / "codebook.yaml").names
    rows = [
        {"document": f"d{i}", "text": f"We will send {i} ships to the port of Anmar.", "labels": [names[0]]}
        | {"label": names[2], "probabilities": dict.fromkeys(names, 0.5)}
        for i in range(4)
    ]
    path = write_rows(tmp_path / "gold.jsonl", rows)
    refused = run("evaluate", SHIPPED, path)
    assert refused.exit_code == 1
    assert has_facts(refused.output, "gold.jsonl", "output of a model", "--label-column")
    assert run("evaluate", SHIPPED, path, "--label-column", "labels").exit_code == 1
    assert succeed("evaluate", SHIPPED, path, "--label-column", "label").exit_code == 0


def test_train_refuses_the_output_of_a_model(tmp_path: Path, book: Path) -> None:
    result = run(
        "train", predictions(tmp_path / "x.jsonl"), "--codebook", book, "-o", tmp_path / "m", "--kind", "tfidf"
    )
    assert result.exit_code == 1
    assert has_facts(result.output, "x.jsonl", "output of a model")


def test_export_says_that_a_folder_is_not_a_model(tmp_path: Path) -> None:
    (tmp_path / "m").mkdir()
    result = run("export", tmp_path / "m")
    assert (result.exit_code, has_facts(result.output, "not a model", "communique train")) == (1, True)
    (tmp_path / "m.steps").mkdir()
    assert has_facts(run("export", tmp_path / "m").output, "not finished", "communique train")


def test_check_counts_labels_without_rows_and_names_columns_of_labels(tmp_path: Path, book: Path) -> None:
    rows = [{"document": f"d{i}", "text": f"Text {i}.", "labels": ["criticism"]} for i in range(3)]
    found = succeed("check", write_rows(tmp_path / "a.jsonl", rows), "--codebook", book)
    assert has_facts(found.stdout, "criticism 3", "policy_claim 0", "none 0, unlabelled 0")
    rows = [{"document": f"d{i}", "text": f"Text {i}.", "Kritik": "yes"} for i in range(3)]
    found = succeed("check", write_rows(tmp_path / "b.jsonl", rows), "--codebook", book)
    assert has_facts(found.stderr, "no row has labels", "--label-column", "one column per label", *TINY.names)
    # Nothing is counted if nothing could be read.
    found = run("check", write_rows(tmp_path / "c.jsonl", [{"Satz": "Text."}]), "--codebook", book)
    assert "unlabelled" not in found.stdout


def test_check_warns_of_whole_texts(tmp_path: Path, book: Path) -> None:
    text = " ".join(
        f"In sentence {i} the minister speaks at length about the harbour and the fish in it." for i in range(12)
    )
    rows = [{"document": f"d{i}", "text": f"{text} {i}.", "labels": ["criticism"]} for i in range(3)]
    path = write_rows(tmp_path / "a.jsonl", rows)
    assert has_facts(succeed("check", path, "--codebook", book).stderr, "warning: 3 of the first 3 rows", "unit: text")
    TINY.model_copy(update={"unit": "text"}).dump(book)
    assert "warning" not in succeed("check", path, "--codebook", book).stderr


def test_check_says_what_train_would_refuse_or_warn_about(tmp_path: Path, book: Path) -> None:
    rows = [{"document": f"d{i}", "text": f"Some text {i}.", "labels": [TINY.names[i % 2]]} for i in range(12)]
    single = write_rows(tmp_path / "a.jsonl", [row | {"document": "d"} for row in rows])
    found = succeed("check", single, "--codebook", book)
    assert has_facts(found.stderr, "if you train with these rows: error", "12 labelled rows", "one document")
    refused = run("train", single, "--codebook", book, "-o", tmp_path / "m", "--kind", "tfidf")
    assert refused.exit_code == 1
    assert "from one document" in refused.stderr
    found = succeed("check", write_rows(tmp_path / "b.jsonl", rows), "--codebook", book)
    assert has_facts(found.stderr, "if you train", "only 12 rows", "cooperation_pledge")
    assert "these rows: warning" not in found.stderr
    # train says the same at its end.
    assert has_facts(found.stderr, f"few rows for tuning with these labels: {TINY.names[0]} 6, {TINY.names[1]} 6")
    same = [row | {"text": "The same words in every one of the rows."} for row in rows]
    found = succeed("check", write_rows(tmp_path / "c.jsonl", same), "--codebook", book)
    assert has_facts(found.stderr, "12 of 12 rows", "the same text as a row of another document") or has_facts(
        found.stderr, "12 of 12 rows", "nearly the same text"
    )
    long = [row | {"text": f"{row['text']} " + "water " * 200} for row in rows]
    found = succeed("check", write_rows(tmp_path / "d.jsonl", long), "--codebook", book)
    assert has_facts(found.stderr, "12 of 12 rows", "more than 160 tokens", "max_tokens")


def test_check_of_a_table_without_rows_says_so(tmp_path: Path, book: Path) -> None:
    (tmp_path / "a.csv").write_text("text,labels\n")
    assert "there are no rows" in succeed("check", tmp_path / "a.csv", "--codebook", book).stderr


def test_a_translation_that_has_no_effect_is_named(tmp_path: Path, book: Path) -> None:
    rows = [{"document": f"d{i}", "text": f"Text {i}.", "labels": "attack"} for i in range(3)]
    path = write_rows(tmp_path / "a.jsonl", rows)
    options = ("--label-map", "attack=criticism", "--label-map", "atack=criticism")
    found = succeed("check", path, "--codebook", book, *options)
    assert "criticism 3" in found.stdout
    assert has_facts(found.stderr, "warning", "'atack'", "--label-map")
    assert "'attack'" not in found.stderr


@pytest.mark.parametrize("pairs", [["attack"], ["=criticism"], ["attack=criticism", "attack=policy_claim"]])
def test_a_translation_that_is_not_clear_is_refused(tmp_path: Path, book: Path, pairs: list[str]) -> None:
    options = [part for pair in pairs for part in ("--label-map", pair)]
    refused = run("check", tmp_path / "a.csv", "--codebook", book, *options)
    assert (refused.exit_code, has_facts(refused.stderr, "--label-map", pairs[0].split("=")[0])) == (2, True)
