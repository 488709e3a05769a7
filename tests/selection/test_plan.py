"""Tests of the plan of a comparison: its duration is recorded for programs that show it."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from communique.data.corpus import Corpus
from communique.data.sentence import Sentence
from communique.reporting.progress import ProgressReporter
from communique.reporting.progress_file import PROGRESS_FILE, read_state
from communique.selection.durations import Duration
from communique.selection.plan import plan_folds


def candidate(name: str, fit: float) -> Any:
    return SimpleNamespace(name=name, estimate=lambda _: Duration(10.0, fit), warnings=lambda _: ["7 rows are long"])


def test_the_duration_of_the_comparison_is_kept_for_programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "progress.json"
    monkeypatch.setenv(PROGRESS_FILE, str(path))
    corpus = Corpus((Sentence("s", "We condemn it.", "d", labels=()),))
    lines: list[str] = []
    candidates = [candidate("fast", 1.0), candidate("slow", 70.0)]
    numbers, notes = plan_folds(corpus, candidates, 5, ProgressReporter(line=lines.append), limit=300.0)
    # Both candidates have the same warning, which is reported once, when it is found and in the report.
    assert (numbers, len(notes), notes[0]) == ([5, 2], 2, "7 rows are long")
    assert lines.count("7 rows are long") == 1
    assert lines[-1].endswith("(fast 0.3, slow 3.7 on 2 of 5 folds)")
    state = read_state(path)
    assert state is not None
    # One more fit than folds, and the time that is needed only once.
    assert state.expected == (10 + 6 * 1) + (10 + 3 * 70)
