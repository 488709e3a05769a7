"""Test which run a folder of steps belongs to."""

from __future__ import annotations

from pathlib import Path

import pytest
from helpers import facts, has_facts

from communique.errors import RecipeError
from communique.io.lock import LOCK
from communique.reporting.progress import ProgressReporter
from communique.selection.steps import Steps
from communique.training.recipe import Recipe
from communique.training.steps import (
    IDENTITY,
    check_run,
    locked_steps,
    record_run,
    settings_without_paths,
)


def test_a_run_without_finished_steps_leaves_no_record_that_refuses_other_runs(tmp_path: Path) -> None:
    steps, lines = tmp_path / "model.steps", list[str]()
    progress = ProgressReporter(line=lines.append)
    with locked_steps(steps, progress):
        record_run(steps, {"seed": 0})
    assert not steps.exists()
    assert not lines
    # A killed process leaves its record and its lock.
    record_run(steps, {"seed": 0})
    (steps / LOCK).touch()
    with locked_steps(steps, progress):
        assert has_facts(lines.pop(), steps, "from the beginning")
        check_run(steps, {"seed": 1})
    assert not steps.exists()
    record_run(steps, {"seed": 0})
    (steps / "plan.json").write_text("{}")
    with locked_steps(steps, progress), pytest.raises(RecipeError):
        check_run(steps, {"seed": 1})
    assert {path.name for path in steps.iterdir()} == {IDENTITY, "plan.json"}
    assert not lines


def test_a_file_with_the_name_of_a_record_that_no_run_wrote_is_kept(tmp_path: Path) -> None:
    (tmp_path / IDENTITY).write_text('{"seconds": 3}')
    with locked_steps(tmp_path, ProgressReporter.silent()), pytest.raises(RecipeError):
        check_run(tmp_path, {"seed": 0})
    assert (tmp_path / IDENTITY).read_text() == '{"seconds": 3}'


def test_the_message_about_another_run_names_the_option_that_helps(tmp_path: Path) -> None:
    record_run(tmp_path, {"seed": 0}, "bf16")
    check_run(tmp_path, {"seed": 0})
    with pytest.raises(RecipeError, match=facts(tmp_path, "--out")):
        Steps(tmp_path, {"seed": 1})
    with pytest.raises(RecipeError, match=facts(tmp_path, "--folds")):
        Steps(tmp_path, {"seed": 1}, kept=True)


def test_a_run_resumes_with_other_notes_and_after_a_version_without_notes() -> None:
    recipe = Recipe.for_tables(["table.csv"], "codebook.yaml")
    known = settings_without_paths(recipe)
    assert "notes" not in known
    assert settings_without_paths(recipe.model_copy(update={"notes": "For speeches."})) == known
