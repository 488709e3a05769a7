"""Tests of reading evaluations from files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from fakes import bundle_folder, open_cue_model
from helpers import CUES, facts

from communique.data.corpus import Corpus
from communique.data.sentence import Sentence
from communique.errors import DataError
from communique.evaluation.evaluate import Evaluation, evaluate
from communique.evaluation.results import read_evaluation


@pytest.fixture
def evaluation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Evaluation:
    """Evaluate a model that looks for cue words. One label occurs nowhere, so that its scores are not defined."""
    monkeypatch.setattr("communique.evaluation.evaluate.load_model", open_cue_model)
    names = list(CUES)
    sentences = [
        Sentence(f"s{i}", f"We {CUES[names[i % 2]]} the {i} rivers.", f"d{i // 4}", labels=(names[i % 2],))
        for i in range(40)
    ]
    sentences.append(Sentence("x", "Nothing.", "d0", previous="Before.", labels=(names[0],)))
    return evaluate(bundle_folder(tmp_path / "model"), Corpus(tuple(sentences)), data="gold")


def write(path: Path, content: Any) -> Path:
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def test_what_was_written_is_read(evaluation: Evaluation, tmp_path: Path) -> None:
    found = read_evaluation(write(tmp_path / "e.json", evaluation.to_dict(texts=True)))
    report, diagnostics = evaluation.report, evaluation.diagnostics
    assert (found.data, found.overall.n, found.overall.documents) == ("gold", 41, 10)
    assert list(found.warnings) == evaluation.warnings
    assert found.overall.macro_f1.value == report.overall.macro_f1.value
    for read, label in zip(found.overall.labels, report.overall.labels, strict=True):
        assert (read.label, read.gold, read.predicted, read.few) == (
            label.label,
            label.gold,
            label.predicted,
            label.few,
        )
    assert found.overall.labels[2].f1.value is None, "no sentence has the label"
    assert found.overall.labels[2].f1.reason
    assert [one.label for one in found.diagnostics.calibration.after] == list(CUES)
    assert found.diagnostics.co_occurrence.gold == diagnostics.co_occurrence.gold
    [error] = found.diagnostics.errors
    assert (error.id, error.text, error.previous) == ("x", "Nothing.", "Before.")


@pytest.mark.parametrize("field", ["data", "warnings", "groups", "diagnostics"])
def test_a_file_that_lacks_something_is_refused(evaluation: Evaluation, tmp_path: Path, field: str) -> None:
    content = evaluation.to_dict(texts=True)
    del content[field]
    path = write(tmp_path / "e.json", content)
    with pytest.raises(DataError, match=facts(path, "Evaluate the model again")):
        read_evaluation(path)


@pytest.mark.parametrize("content", [[], {}, 3, None])
def test_other_json_is_refused(tmp_path: Path, content: object) -> None:
    path = write(tmp_path / "e.json", content)
    with pytest.raises(DataError, match=facts(path, "not an evaluation")):
        read_evaluation(path)
    with pytest.raises(DataError, match=facts("missing.json")):
        read_evaluation(tmp_path / "missing.json")
