"""Predictions that other programs made: what is read, and what `check_predictions` reports."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from helpers import TINY, TINY_MULTICLASS, facts, has_facts, write_rows

from communique.data.predictions_check import PredictionsCheck, check_predictions
from communique.data.predictions_schema import prediction_columns
from communique.errors import DataError
from communique.io.read import as_number
from communique.sampling.population import read_population

CRITICISM, CLAIM, PLEDGE = TINY.names


def rows(n: int = 6) -> list[dict[str, Any]]:
    """Predictions as R or pandas would write them: labels joined by a bar, and one column per probability."""
    return [
        {
            "id": f"s{i}",
            "document": f"d{i // 2}",
            "text": f"Sentence {i}.",
            "labels": ("criticism", "criticism|policy_claim", "none")[i % 3],
            "probability_criticism": (0.9, 0.8, 0.1)[i % 3],
            "probability_policy_claim": (0.2, 0.7, 0.3)[i % 3],
            "probability_cooperation_pledge": 0.05,
            "country": "FR",
        }
        for i in range(n)
    ]


def table(path: Path, content: Sequence[Mapping[str, object]], delimiter: str = ",") -> Path:
    with path.open("w", encoding="utf-8", newline="") as handle:
        writer = csv.DictWriter(handle, list(dict.fromkeys(key for row in content for key in row)), delimiter=delimiter)
        writer.writeheader()
        writer.writerows(content)
    return path


def problems(found: PredictionsCheck) -> list[str]:
    return [line.removeprefix(str(found.path)) for line in found.problems]


def without(content: Sequence[dict[str, Any]], *names: str) -> list[dict[str, Any]]:
    return [{k: v for k, v in row.items() if not k.startswith(names)} for row in content]


def test_labels_without_probabilities_and_codebook_are_one_problem_that_names_the_codebook_option(
    tmp_path: Path,
) -> None:
    found = check_predictions(table(tmp_path / "gpt.csv", without(rows(), "probability_")))
    assert {line.split(": ", 1)[1] for line in problems(found)} == {
        "the labels are not known, because none has a probability. Name the codebook with --codebook",
        "there are no columns probability_LABEL, so the labels are not known. Name the codebook with --codebook",
    }


@pytest.mark.parametrize("codebook", [None, TINY])
def test_a_table_made_elsewhere_is_read_and_counted(tmp_path: Path, codebook: Any) -> None:
    path = table(tmp_path / "gpt.csv", rows())
    found = check_predictions(path, codebook)
    assert (found.problems, found.notes) == ([], [])
    assert (found.rows, found.none, found.unlabelled, len(found.documents)) == (6, 2, 0, 3)
    assert found.labels == {CRITICISM: 4, CLAIM: 2}
    assert found.groups == ("country",)
    population = read_population(path, codebook)
    assert [population.predicted(i) for i in range(3)] == [(CRITICISM,), (CRITICISM, CLAIM), ()]
    assert has_facts(found.next_commands("mine.yaml"), "sample", "agree", "estimate", "mine.yaml", "-n 6")


def test_decimal_commas_are_read_and_reported(tmp_path: Path) -> None:
    content = [{k: str(v).replace(".", ",") if isinstance(v, float) else v for k, v in row.items()} for row in rows()]
    path = table(tmp_path / "r.csv", content, ";")
    found = check_predictions(path)
    assert found.problems == []
    assert any(has_facts(note, "18 numbers", "decimal comma", "row 2", "0,9") for note in found.notes)
    population = read_population(path)
    assert population.probabilities[0].tolist() == [0.9, 0.2, 0.05]
    assert any(has_facts(note, "18 numbers", "decimal comma") for note in population.notes)


def test_a_comma_is_a_decimal_comma_unless_it_may_separate_thousands() -> None:
    assert [as_number(value, largest=1) for value in ("0,73", "1,000", "0,125")] == [0.73, 1.0, 0.125]
    assert [as_number(value) for value in ("0,125", "12,5", "1,2345")] == [0.125, 12.5, 1.2345]
    with pytest.raises(ValueError, match="1,234"):
        as_number("1,234")


def test_without_probabilities_labels_count_as_0_or_1_and_a_codebook_is_needed(tmp_path: Path) -> None:
    path = table(tmp_path / "gpt.csv", without(rows(), "probability_"))
    assert problems(check_predictions(path)) != []
    found = check_predictions(path, TINY)
    assert (found.problems, found.rows) == ([], 6)
    assert any(has_facts(note, "no probabilities", "--strata uncertainty") for note in found.notes)
    assert set(read_population(path, TINY).probabilities.ravel().tolist()) == {0.0, 1.0}


@pytest.mark.parametrize("cell", ["", "NA", None])
def test_no_answer_of_a_model_does_not_mean_that_no_label_applies(tmp_path: Path, cell: str | None) -> None:
    content = without(rows(), "probability_")
    content[1]["labels"] = cell
    path = write_rows(tmp_path / "gpt.jsonl", content)
    found = check_predictions(path, TINY)
    assert (found.problems, found.rows, found.unlabelled) == ([], 5, 1)
    assert any(has_facts(note, "1 row", "'none'") for note in found.notes)
    population = read_population(path, TINY)
    assert (len(population), population.unlabelled) == (5, 1)


def test_the_output_of_a_chat_model_has_empty_probabilities_and_says_what_was_not_answered(tmp_path: Path) -> None:
    """`communique label --labeler chat` writes all columns. An empty cell of labels means no label, unless there is an error."""
    empty = {f"probability_{name}": "" for name in TINY.names}
    content = [row | empty | {"truncated": "False", "error": ""} for row in rows()]
    content[2]["labels"] = ""
    content[3] |= {"labels": "", "error": "no answer"}
    path = table(tmp_path / "chat.csv", content)
    for codebook in (None, TINY):
        found = check_predictions(path, codebook)
        assert (found.problems, found.rows, found.none, found.unlabelled) == ([], 5, 2, 1)
        population = read_population(path, codebook)
        assert (len(population), population.unlabelled, population.n_without_probabilities) == (5, 1, 5)


def test_an_empty_cell_next_to_probabilities_means_that_no_label_applies(tmp_path: Path) -> None:
    content = rows()
    content[2]["labels"] = ""
    path = table(tmp_path / "labelled.csv", content)
    assert check_predictions(path).none == 2
    assert read_population(path).predicted(2) == ()


@pytest.mark.parametrize(
    ("row", "change", "expected"),
    [
        (1, {"probability_criticism": 1.2}, ("row 3", "0 to 1")),
        (1, {"probability_criticism": "high"}, ("row 3", "not numbers")),
        (1, {"probability_criticism": ""}, ("row 3", "not numbers")),
        (1, {"labels": "praise"}, ("row 3", "'praise'")),
        (1, {"id": ""}, ("row 3", "id")),
        (1, {"id": "s0"}, ("row 3", "'s0'", "row 2")),
    ],
)
def test_every_problem_names_its_row(
    tmp_path: Path, row: int, change: dict[str, object], expected: tuple[object, ...]
) -> None:
    content = rows()
    content[row] |= change
    path = table(tmp_path / "gpt.csv", content)
    (problem,) = check_predictions(path, TINY).problems
    assert has_facts(problem, *expected)
    with pytest.raises(DataError):
        read_population(path, TINY)


def test_missing_and_misnamed_columns_are_problems(tmp_path: Path) -> None:
    content = [{"label" if k == "labels" else k: v for k, v in row.items()} for row in without(rows(), "document")]
    found = check_predictions(table(tmp_path / "gpt.csv", content), TINY)
    lines = problems(found)
    assert any(has_facts(line, "'labels'", "Rename 'label'") for line in lines)
    assert any(has_facts(line, "'document'", "Add it") for line in lines)
    with pytest.raises(DataError, match=facts("check", "--predictions", "docs/guides/predictions.md")):
        read_population(found.path, TINY)


def test_probabilities_of_other_labels_are_named(tmp_path: Path) -> None:
    content = [row | {"probability_praise": 0.5} for row in without(rows(), "probability_cooperation_pledge")]
    found = check_predictions(table(tmp_path / "gpt.csv", content), TINY)
    assert any(has_facts(line, "'probability_cooperation_pledge'") for line in problems(found))
    assert any(has_facts(note, "'probability_praise'", "not read") for note in found.notes)


def test_labels_that_no_threshold_explains_are_only_a_note(tmp_path: Path) -> None:
    content = rows()
    content[0]["probability_criticism"] = 0.05
    found = check_predictions(table(tmp_path / "gpt.csv", content))
    assert found.problems == []
    assert any(has_facts(note, "'criticism'", "1 row", "threshold") for note in found.notes)


def test_the_most_probable_of_exclusive_labels_needs_no_threshold(tmp_path: Path) -> None:
    triples = [(0.4, 0.3, 0.3), (0.45, 0.55, 0.0), (0.2, 0.3, 0.5)]
    content = [
        row
        | {"labels": TINY.names[i % 3]}
        | {f"probability_{n}": p for n, p in zip(TINY.names, triples[i % 3], strict=True)}
        for i, row in enumerate(rows())
    ]
    assert check_predictions(table(tmp_path / "gpt.csv", content), TINY_MULTICLASS).notes == []


def test_languages_and_documents_are_counted_and_bad_codes_reported(tmp_path: Path) -> None:
    content = [row | {"language": ("FR", "english")[i % 2]} for i, row in enumerate(rows())]
    content[0]["document"] = ""
    found = check_predictions(table(tmp_path / "gpt.csv", content))
    assert found.languages["fr"] == 3
    assert any(has_facts(note, "'english'", "3 rows") for note in found.notes)
    assert any(has_facts(note, "1 row", "no document") for note in found.notes)


def test_predictions_are_recognised_by_their_columns() -> None:
    assert prediction_columns(["id", "text", "labels", "coder"]) == []
    assert prediction_columns(["labels", "probability_x", "truncated", "probabilities"]) == [
        "probability_x",
        "truncated",
        "probabilities",
    ]
