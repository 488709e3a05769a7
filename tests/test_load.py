"""Tests of how a model is found: by its folder, by the name of the shipped model, or by default."""

from __future__ import annotations

from pathlib import Path

import pytest
from fakes import bundle_folder, open_cue_model
from helpers import ROOT, succeed, tiny_rows, write_rows
from typer.main import get_command

from communique import BundleError, Predictor
from communique.cli.app import app
from communique.evaluation.sides import is_model
from communique.load import load_model
from communique.models.predictor import MODEL_VARIABLE, model_folder

NAME = "communique-small"


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in a folder that contains another default model, and nothing called communique-small."""
    monkeypatch.setenv(MODEL_VARIABLE, str(bundle_folder(tmp_path / "mine")))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_name_of_the_shipped_model_stands_for_its_folder(elsewhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It names the shipped model even if another model is the default."""
    assert model_folder(NAME) == model_folder(Path(NAME)) == ROOT / "models" / NAME
    assert model_folder() == model_folder("") == elsewhere / "mine"
    for other in ("models/communique-small", "other", "./other"):
        assert model_folder(other) == Path(other)
    assert Predictor.load(NAME).info.name == load_model(NAME).info.name == NAME
    monkeypatch.setenv(MODEL_VARIABLE, NAME)
    assert model_folder() == ROOT / "models" / NAME
    assert is_model(NAME)
    assert not is_model("table.csv")


def test_a_folder_with_the_name_of_the_shipped_model_comes_first(elsewhere: Path) -> None:
    bundle_folder(elsewhere / NAME)
    assert model_folder(NAME) == Path(NAME)
    assert load_model(NAME).info.name == "fake"


def test_a_shipped_model_that_is_not_installed_is_reported_like_a_missing_folder(
    elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("communique.models.predictor.__file__", str(elsewhere / "a" / "b" / "c" / "predictor.py"))
    with pytest.raises(BundleError, match=f"^{NAME}: there is no such folder in {elsewhere}"):
        load_model(NAME)


@pytest.mark.parametrize(
    "arguments",
    [
        ("evaluate", NAME, "coded.csv"),
        ("robustness", NAME, "coded.csv"),
        ("label", "texts.csv", "--model", NAME),
        ("sample", "labels.csv", "--model", NAME),
        ("estimate", "labels.csv", "gold.csv", "--model", NAME),
        ("app", "study", "--model", NAME),
        ("serve", "--model", NAME),
    ],
)
@pytest.mark.usefixtures("elsewhere")
def test_commands_accept_the_name_of_the_shipped_model(arguments: tuple[str, ...]) -> None:
    name, *others = arguments
    command = get_command(app).commands[name]  # type: ignore[attr-defined]
    assert Path(command.make_context(name, others).params["model"]) == ROOT / "models" / NAME


def test_every_command_that_opens_a_model_folder_is_in_the_list_above() -> None:
    commands = get_command(app).commands  # type: ignore[attr-defined]
    found = {name for name, one in commands.items() if any(param.name == "model" for param in one.params)}
    # `agree` compares with a table, and `export` needs a checkpoint.
    assert found - {"agree", "export"} == {"evaluate", "robustness", "label", "sample", "estimate", "app", "serve"}


def test_reports_can_be_made_by_the_name_of_the_shipped_model(elsewhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = bundle_folder(elsewhere / "installed" / NAME)
    monkeypatch.setattr("communique.models.predictor._shipped_model", lambda: folder)
    monkeypatch.setattr("communique.evaluation.evaluate.load_model", open_cue_model)
    write_rows(elsewhere / "coded.jsonl", tiny_rows(5))
    assert "macro-F1" in succeed("evaluate", NAME, "coded.jsonl").stdout
