"""Test which run a folder of steps belongs to."""

from __future__ import annotations

from pathlib import Path

import pytest
from helpers import facts

from communique.errors import RecipeError
from communique.selection.steps import Steps
from communique.training.recipe import Recipe
from communique.training.steps import (
    IDENTITY,
    check_run,
    discard_unused,
    locked_steps,
    record_run,
    settings_without_paths,
)


def test_a_folder_without_finished_steps_is_discarded_unless_another_training_uses_it(tmp_path: Path) -> None:
    steps = tmp_path / "model.steps"
    discard_unused(steps)
    assert not steps.exists()
    with locked_steps(steps):
        record_run(steps, {"seed": 0})
        discard_unused(steps)
        assert (steps / IDENTITY).is_file()
    discard_unused(steps)
    assert not steps.exists()
    record_run(steps, {"seed": 0})
    (steps / "plan.json").write_text("{}")
    discard_unused(steps)
    assert {path.name for path in steps.iterdir()} == {IDENTITY, "plan.json"}


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
