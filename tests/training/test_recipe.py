"""Recipes: every one in the repository loads; faults are told with key, value and what is allowed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from helpers import ROOT

from communique.data.codebook import Codebook
from communique.errors import RecipeError
from communique.training.recipe import Recipe

RECIPES = sorted((ROOT / "train" / "recipes").glob("*.y*ml"))
CONTENT: dict[str, Any] = {"name": "water-1", "codebook": "codebook.yaml", "corpora": [{"path": "data"}]}


def written(tmp_path: Path, content: object) -> Path:
    path = tmp_path / "recipe.yaml"
    path.write_text(content if isinstance(content, str) else yaml.safe_dump(content), encoding="utf-8")
    return path


def refusal(tmp_path: Path, content: object) -> str:
    path = written(tmp_path, content)
    with pytest.raises(RecipeError) as caught:
        Recipe.load(path)
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith(f"{path}: ")
    return message.removeprefix(f"{path}: ")


def test_there_are_recipes() -> None:
    assert RECIPES


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_every_recipe_of_the_repository_loads(path: Path) -> None:
    recipe = Recipe.load(path)
    assert recipe.name == path.stem
    assert recipe.description
    assert Codebook.load(recipe.codebook).names
    assert recipe.paths("train")
    for source in recipe.corpora:
        assert Path(source.path).exists()


def test_defaults_are_those_of_the_fields(tmp_path: Path) -> None:
    recipe = Recipe.load(written(tmp_path, CONTENT))
    assert recipe.backbone == "e5-small"
    assert (recipe.max_tokens, recipe.epochs, recipe.batch_size) == (160, 5, 32)
    assert (recipe.learning_rate, recipe.head_learning_rate) == (5e-5, 5e-4)
    assert (recipe.freeze_embeddings, recipe.precision, recipe.seed) == (True, "auto", 0)
    assert recipe.corpora[0].role == "train"


def test_every_field_is_described() -> None:
    assert [name for name, field in Recipe.model_fields.items() if not field.description] == []


def test_paths_start_at_the_recipes_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "recipes"
    folder.mkdir()
    elsewhere = tmp_path / "elsewhere"
    content = CONTENT | {
        "codebook": "../codebook.yaml",
        "corpora": [
            {"path": "../data/*.csv"},
            {"path": str(elsewhere), "role": "validation"},
            {"path": "more.jsonl", "role": "train"},
        ],
    }
    path = written(folder, content)
    monkeypatch.chdir(folder)
    for given in (path, Path("recipe.yaml"), "recipe.yaml"):
        recipe = Recipe.load(given)
        assert recipe.codebook == str(tmp_path / "codebook.yaml")
        assert recipe.paths("train") == [tmp_path / "data" / "*.csv", folder / "more.jsonl"]
        assert recipe.paths("validation") == [elsewhere]


def test_backbone_is_a_folder_only_where_one_is_there(tmp_path: Path) -> None:
    path = written(tmp_path, CONTENT | {"backbone": "org/model"})
    assert Recipe.load(path).backbone == "org/model"
    (tmp_path / "org" / "model").mkdir(parents=True)
    assert Recipe.load(path).backbone == str(tmp_path / "org" / "model")


def test_a_portable_recipe_names_no_folder_of_this_machine(tmp_path: Path) -> None:
    (tmp_path / "small").mkdir()
    content = CONTENT | {"corpora": [{"path": "data/a.csv"}], "backbone": "small"}
    portable = Recipe.load(written(tmp_path, content)).portable()
    assert portable.model_dump() == Recipe.model_validate(content).model_dump()
    assert str(tmp_path) not in portable.model_dump_json()


@pytest.mark.parametrize(
    ("key", "nearest"),
    [
        ("epoch", "epochs"),
        ("learning-rate", "learning_rate"),
        ("max_token", "max_tokens"),
        ("corpus", "corpora"),
        ("Seed", "seed"),
    ],
)
def test_unknown_key_is_answered_with_the_nearest(tmp_path: Path, key: str, nearest: str) -> None:
    message = refusal(tmp_path, CONTENT | {key: 3})
    assert message == f"{key}: unknown key; did you mean {nearest!r}? allowed: {', '.join(Recipe.model_fields)}"


def test_unknown_key_of_a_corpus_is_answered_with_the_nearest(tmp_path: Path) -> None:
    message = refusal(tmp_path, CONTENT | {"corpora": [{"path": "a"}, {"path": "b", "rôle": "train"}]})
    assert (
        message
        == "corpora.1.rôle: unknown key; did you mean 'role'? allowed: path, language, source, columns, labels, role"
    )


def test_all_faults_are_told_in_one_line(tmp_path: Path) -> None:
    message = refusal(tmp_path, {"name": "water", "corpora": [{"path": "a"}], "epochs": 0, "sed": 1})
    assert message.startswith(
        "codebook: missing; epochs: Input should be greater than or equal to 1 (given: 0); sed: unknown key"
    )


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("name", "Water 1", "name: String should match pattern '^[a-z0-9][a-z0-9-]*$' (given: 'Water 1')"),
        (
            "epochs",
            "five",
            "epochs: Input should be a valid integer, unable to parse string as an integer (given: 'five')",
        ),
        ("epochs", 1.5, "epochs: Input should be a valid integer, got a number with a fractional part (given: 1.5)"),
        ("batch_size", 0, "batch_size: Input should be greater than or equal to 1 (given: 0)"),
        ("learning_rate", 0, "learning_rate: Input should be greater than 0 (given: 0)"),
        ("seed", -1, "seed: Input should be greater than or equal to 0 (given: -1)"),
        ("precision", "fp16", "precision: Input should be 'auto', 'fp32' or 'bf16' (given: 'fp16')"),
        ("validation_share", 0.5, "validation_share: Input should be less than 0.5 (given: 0.5)"),
        ("max_tokens", 4, "max_tokens: Input should be greater than or equal to 8 (given: 4)"),
        ("corpora", [], "corpora: Tuple should have at least 1 item after validation, not 0 (given: [])"),
        ("corpora", [{"path": "a", "role": "validation"}], "the whole file: corpora: none has the role 'train'"),
    ],
)
def test_values_that_are_not_allowed(tmp_path: Path, key: str, value: object, message: str) -> None:
    assert refusal(tmp_path, CONTENT | {key: value}) == message


def test_role_that_is_not_allowed(tmp_path: Path) -> None:
    message = refusal(tmp_path, CONTENT | {"corpora": [{"path": "a", "role": "test"}]})
    assert message.startswith("corpora.0.role: Input should be 'train' or 'validation' (given: 'test')")


def test_rates_are_read_as_people_write_them(tmp_path: Path) -> None:
    path = written(tmp_path, yaml.safe_dump(CONTENT) + "learning_rate: 5e-5\nhead_learning_rate: 0.0005\n")
    recipe = Recipe.load(path)
    assert (recipe.learning_rate, recipe.head_learning_rate) == (5e-5, 5e-4)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "the whole file: Input should be a valid dictionary"),
        ("name: [a\nb", "not YAML in UTF-8: "),
        ("version: 2025-13-01\n", "not YAML in UTF-8: month "),
    ],
)
def test_files_that_are_no_recipe(tmp_path: Path, content: str, message: str) -> None:
    assert refusal(tmp_path, content).startswith(message)


def test_missing_file(tmp_path: Path) -> None:
    path = tmp_path / "absent.yaml"
    with pytest.raises(RecipeError) as caught:
        Recipe.load(path)
    assert str(caught.value) == (
        f"{path}: No such file or directory; a recipe is a YAML file such as train/recipes/communique-small.yaml"
    )
